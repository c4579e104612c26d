"""ExpertRegions with centred: an expert that sees the picture moved, so that its shapes are in the middle."""
import pytest
import torch

from support.eq10 import regions as by_hand
from support.mixtures import alone, ask, custom_sampled, eq10, estimates, expert, latent, mix, sampled, settings
from support.tensors import noise, relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = noise(1, 2, 4, 8, 8)
CORNER = "1: box 0.5 0 1 0.5 centred"
BY = 2, -2                      # rows and columns of the corner's way to the middle
ONES = torch.ones(1, 1, 1, 1, dtype=torch.float64)


def regions(comfy, mixture, text, **inputs):
    return comfy.call("ExpertRegions", mixture=mixture, regions=text, **inputs)[0]


def seen(model, seed, x, by=BY):
    """What an expert says of the picture that is moved, where it belongs."""
    there = alone(model, conditioning(seed), x.roll(by, (-2, -1)), 1.0)
    return there.roll([-step for step in by], (-2, -1))


@pytest.mark.parametrize("feather", [0.0, 0.125])
def test_condition_and_null_are_those_of_the_picture_that_is_moved(comfy, two_unets, feather):
    experts = [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, 3.0)]
    answer = ask(comfy, regions(comfy, mix(comfy, experts), CORNER, rest="2", feather=feather), X, 1.0)
    d, nulls = estimates(two_unets, X, 1.0)
    own, null = (seen(two_unets[0], seed, X) for seed in (0, 100))
    assert relative(own, d[0]) > 1e-2               # the network sees a border where there was none
    text = by_hand.Written(CORNER.removesuffix(" centred"), "2", feather)
    masks = by_hand.masks(text, {1: "one", 2: "two"}, {1: ONES, 2: ONES}, (8, 8))
    weights = 2.0 * masks[1], 3.0 * masks[2]
    assert relative(answer, eq10([own, d[1]], [null, nulls[1]], weights, (masks[1], masks[2]))) <= 2e-5


def test_one_model_twice_is_asked_once_as_it_is_and_once_moved(comfy, two_unets):
    """Nulls that are equal otherwise are not: each belongs to its view."""
    model = two_unets[0]
    experts = [expert(comfy, model, seed, 2.0, null_condition=conditioning(100)) for seed in (0, 1)]
    answer = ask(comfy, regions(comfy, mix(comfy, experts), CORNER, rest="2"), X, 1.0)
    own, null = (seen(model, seed, X) for seed in (0, 100))
    other, other_null = (alone(model, conditioning(seed), X, 1.0) for seed in (1, 100))
    inside = torch.zeros_like(ONES).repeat(1, 1, 8, 8)
    inside[..., :4, 4:] = 1.0
    wanted = eq10([own, other], [null, other_null], (2.0 * inside, 2.0 - 2.0 * inside), (inside, 1.0 - inside))
    assert relative(answer, wanted) <= 2e-5


def test_what_is_in_the_middle_already_changes_nothing_bit_for_bit(comfy, two_unets):
    mixture = mix(comfy, [expert(comfy, model, i, 2.0) for i, model in enumerate(two_unets)])
    text = "1: box 0.25 0.25 0.75 0.75"
    plain, centred = (sampled(comfy, regions(comfy, mixture, text + more, rest="2"), **settings(latent_image=latent()))
                      for more in ("", " centred"))
    assert torch.equal(plain, centred)


def test_the_middle_is_that_of_all_shapes_of_an_expert_on_the_canvas(comfy):
    parse = comfy.module("mcdm.region_text").parse_layers
    regions, names = comfy.module("mcdm.regions"), {1: "a", 2: "b"}

    def view(text, slot=1, size=(8, 16)):
        return regions.Canvas(regions.Regions(parse(text, names)), size).view(slot)
    assert view("a: box 0 0 0.5 1 centred") == (0, 4) and view("a: box 0 0 0.5 1 centred", 2) == (0, 0)
    assert view("a: box 0 0 0.5 1 centred\na: box 0.5 0 1 0.5") == (0, 0)
    assert view("a: box 0 0.5 0.5 1 centred; erase 0.5 1,1", size=(3, 16, 8)) == (-4, 2)
    assert view("a: ellipse 0 0.5 0.5 0.1 centred") == (0, 4)                       # what lies beyond does not count


def test_who_sees_it_moved_has_no_part_of_what_is_left_for_all(comfy, two_unets):
    answer = ask(comfy, regions(comfy, mix(comfy, [expert(comfy, model, i, 1.0) for i, model in enumerate(two_unets)]),
                                CORNER), X, 1.0)
    d, _ = estimates(two_unets, X, 1.0)
    wanted = d[1].clone()
    wanted[..., :4, 4:] = seen(two_unets[0], 0, X)[..., :4, 4:]
    assert relative(answer, wanted) <= 2e-5


def test_who_cannot_be_centred(comfy, two_unets):
    hair, = comfy.call("LoadExpert", expert="builtin/faces_hair.safetensors")
    drawn, = comfy.call("MapCondition", model=hair, modality="auto", mask=torch.ones(1, 64, 64))
    area = [[conditioning(0)[0][0], {"area": (4, 4, 0, 0)}]]
    for one, inputs, words in (
        (comfy.call("ConditionExpert", model=hair, condition=drawn, name="hair")[0], {}, "'hair' says itself where"),
        (expert(comfy, two_unets[0], 0, name="split", condition=area), {}, "'split' says itself where things are"),
        (expert(comfy, two_unets[0], 0, name="twice"), {"rest": "1"}, "'twice' sees the picture moved and cannot draw"),
        (expert(comfy, two_unets[0], 0, name="both"), {"text": CORNER + " crop"}, "'both' has both crop and centred"),
        (expert(comfy, two_unets[0], 0), {"text": "1: box 0 0 1 1; erase 0.1 0.5,0.5 centred"}, "cannot have centred"),
    ):
        mixture = comfy.module("mcdm.mixture").Mixture((one,), (1.0,))
        with pytest.raises(ValueError, match=words):
            regions(comfy, mixture, **({"text": CORNER} | inputs))


def test_a_nested_latent_refuses_it(comfy, two_unets):
    mixture = regions(comfy, mix(comfy, [expert(comfy, two_unets[0], 0)]), CORNER)
    from comfy.nested_tensor import NestedTensor
    nested = NestedTensor([torch.zeros(1, 4, 3, 8, 8), torch.zeros(1, 4, 10)])
    with pytest.raises(ValueError, match="centred is not for nested latents"):
        comfy.module("mcdm.host.models").check_latent(mixture.experts, nested, mixture.regions)


def test_particles_may_be_weighed_with_it(comfy, two_unets):
    """The moved estimate is that of a density of its own, which the sampler follows."""
    mixture = regions(comfy, mix(comfy, [expert(comfy, model, i, 1.0) for i, model in enumerate(two_unets)]), CORNER)
    sampler, = comfy.call("MCDMCorrected", particles=2)
    assert torch.isfinite(custom_sampled(comfy, mixture, sampler, [3.0, 1.0, 0.0], X)).all()
