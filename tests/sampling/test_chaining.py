"""Mixers in a chain: any number of experts, and what the numbers of a mixture in a mixture mean."""
import pytest

from support.mixtures import ask, eq10, estimates, expert, latent, mix, sampled, settings
from support.tensors import relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(1, seed=1)["samples"]
WEIGHTS = [0.5 + 0.25 * i for i in range(12)]


@pytest.fixture
def twelve(comfy, unets):
    """Twelve experts of three networks."""
    models = [unets[i % 3] for i in range(12)]
    return models, [expert(comfy, model, i, w) for i, (model, w) in enumerate(zip(models, WEIGHTS, strict=True))]


def by_hand(models, reliabilities):
    return eq10(*estimates(models, X * 2, 2.0), WEIGHTS, reliabilities)


@pytest.mark.parametrize("text, part", [("1 2 3 6", 6 / 12), ("1, 2, 0, 3, 0, 6", 6 / 12), ("0.1 0.2 0.3 0", 0.0)])
def test_three_and_nine_experts_are_equation_10(comfy, twelve, text, part):
    """Nine of them come through a mixer of their own, of eight and one in a chain again."""
    models, experts = twelve
    one = mix(comfy, experts[11:], "")
    nine = mix(comfy, experts[3:11], "1 2 1 2 1 2 1 2 4", mixture=one)
    slots = {f"expert_{i}": e for i, e in zip((1, 2, 4) if "," in text else (1, 2, 3), experts[:3], strict=True)}
    whole, = comfy.call("ReliabilityMixer", **slots, reliabilities=text, mixture=nine)
    first = [(1 - part) * i / 6 for i in (1, 2, 3)]
    reliabilities = first + [part * i / 16 for i in (1, 2, 1, 2, 1, 2, 1, 2, 4)]
    assert whole.numbers == pytest.approx(reliabilities, abs=1e-12)
    assert relative(ask(comfy, whole, X * 2, 2.0), by_hand(models, reliabilities)) <= 2e-5


def test_empty_texts_count_every_expert_once(comfy, twelve):
    models, experts = twelve
    whole = mix(comfy, experts[:3], mixture=mix(comfy, experts[3:8], mixture=mix(comfy, experts[8:])))
    assert whole.numbers == pytest.approx([1 / 12] * 12, abs=1e-12)
    assert [e.name for e in whole.experts] == [e.name for e in experts]
    assert relative(ask(comfy, whole, X * 2, 2.0), by_hand(models, [1 / 12] * 12)) <= 2e-5


def test_a_chain_is_one_mixer_with_as_many_numbers_bit_for_bit(comfy, twelve):
    experts = twelve[1][:4]
    run = settings(latent_image=latent())
    chain = mix(comfy, experts[:2], "1 2 5", mixture=mix(comfy, experts[2:], "1 4"))
    assert sampled(comfy, chain, **run).equal(sampled(comfy, mix(comfy, experts, "1 2 1 4"), **run))
    passed_on = mix(comfy, [], mixture=mix(comfy, experts, "1 2 1 4"))
    assert sampled(comfy, passed_on, **run).equal(sampled(comfy, mix(comfy, experts, "1 2 1 4"), **run))


def test_shares_of_a_mixture(comfy, twelve):
    """Its look is one share, which its experts divide: by shares of their own, or what their reliabilities mean."""
    experts = twelve[1][:4]                             # of weights 0.5, 0.75, 1, 1.25
    for text, meaning in [("0.2 0.8", "shares"), ("0.64 0.36", "reliabilities")]:
        inner = mix(comfy, experts[2:], text, meaning=meaning)
        assert inner.balance()[1] == pytest.approx([0.2, 0.8])     # 1 - 1.25 * 0.64, 1.25 - 1.25 * 0.36
        whole = mix(comfy, experts[:2], "0.3 0.3 0.4", meaning="shares", mixture=inner)
        assert whole.balance()[1] == pytest.approx([0.3, 0.3, 0.08, 0.32])


def at_slots(comfy, experts, *slots, inner=None):
    """A mixer with the first experts at these slots, and what it is a chain with."""
    wires = {f"expert_{slot}": expert for slot, expert in zip(slots, experts, strict=False)}
    return comfy.call("ReliabilityMixer", **wires, mixture=inner)[0]


# Each chain: the slots in use of its mixers, the last mixer first, and the numbers that its experts read of 1, 2, 3 ...
CHAINS = [
    ([(1, 3), (1, 2)], [1, 3, 4, 5]),
    ([(1, 2), (1, 3)], [1, 2, 3, 5]),
    ([(2,), (2, 4), (1, 3)], [2, 4, 6, 7, 9]),
    ([(), (1, 3)], [1, 3]),
    ([(1, 3), (), (2,)], [1, 3, 5]),
    ([(1, 2), (1, 2)], [1, 2, 3, 4]),
]


@pytest.mark.parametrize("chain, wanted", CHAINS)
def test_numbers_by_slot_count_on_through_a_chain(comfy, twelve, chain, wanted):
    experts, whole = twelve[1], None
    for slots in reversed(chain):
        whole = at_slots(comfy, experts, *slots, inner=whole)
    text = " ".join(str(number) for number in range(1, max(wanted) + 1))
    ends, = comfy.call("MixtureOptions", mixture=whole, weights_end=text, reliabilities_end=text)
    masked, = comfy.call("AutomaticMasks", mixture=whole, strengths=text)
    assert ends.options.weights_end == tuple(wanted)
    assert ends.options.numbers_end == pytest.approx([number / sum(wanted) for number in wanted])
    assert masked.automatic.strengths == tuple(wanted)


def test_as_many_numbers_as_experts_are_read_in_order_through_a_chain(comfy, twelve):
    whole = at_slots(comfy, twelve[1], 1, 3, inner=at_slots(comfy, twelve[1], 2, 4))
    ends, = comfy.call("MixtureOptions", mixture=whole, weights_end="1 2 3 4")
    assert ends.options.weights_end == (1, 2, 3, 4)
    with pytest.raises(ValueError, match="5 numbers for 4 experts"):
        comfy.call("MixtureOptions", mixture=whole, weights_end="1 2 3 4 5")     # the last one reads number 7


def test_what_makes_no_sense(comfy, twelve):
    experts = twelve[1]
    inner = mix(comfy, experts[3:5])
    with pytest.raises(ValueError, match="Reliabilities '1 1': 2 numbers for 2 experts and a mixture; give one .* the "
                                         "mixture's last"):
        mix(comfy, experts[:2], "1 1", mixture=inner)
    optional, = comfy.call("MixtureOptions", mixture=inner, rescale=0.5)
    with pytest.raises(ValueError, match="put Mixture Options after the last mixer"):
        mix(comfy, experts[:2], mixture=optional)
    whole = mix(comfy, experts[:2], "1 1 2", mixture=inner)
    ends, = comfy.call("MixtureOptions", mixture=whole, reliabilities_end="1 2 3 4")
    assert ends.options.numbers_end == pytest.approx((0.1, 0.2, 0.3, 0.4)), "one for each expert of the chain"
