"""Shares in the host: the same pictures as reliabilities, masks and schedules against eq. 10, and what the log says."""

import pytest
import torch

from support.mixtures import ask, eq10, estimates, expert, latent, mix, sampled, settings, united
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]


def shared(comfy, models, weights, shares, meaning="shares", **more):
    """A mixture with shares."""
    experts = united(comfy, models, weights=weights, **more).experts
    return mix(comfy, experts, shares, meaning=meaning)


@pytest.mark.parametrize("weights, shares, reliabilities", [
    ((3.0, 3.0), "0.5 0.5", "0.5 0.5"),
    ((3.0, 3.0), "", ""),
    ((2.0, 3.0), "1 0", "0.25 0.75"),
    ((1.5, 1.5), "0.5 0.5", "1 1"),
    ((2.5, 2.5), "0.25 0.75", "0.5625 0.4375"),
    ((0.5, 3.5), "0.5, 0.5", "0 1"),
])
def test_equivalent_numbers_give_the_same_picture_bit_for_bit(comfy, two_unets, weights, shares, reliabilities):
    """Numbers that are exact in binary; others agree up to rounding, which the next test takes."""
    run = settings(latent_image=latent())
    pictures = [sampled(comfy, shared(comfy, two_unets, weights, shares), **run),
                sampled(comfy, shared(comfy, two_unets, weights, reliabilities, "reliabilities"), **run)]
    assert torch.equal(*pictures)


@pytest.mark.parametrize("weights, shares", [
    ((3.0, 3.0), (0.3, 0.7)),
    ((2.1, 5.3), (0.9, 0.1)),
    ((-1.7, 4.0), (0.0, 1.0)),
])
def test_equivalent_numbers_that_are_rounded(comfy, two_unets, weights, shares):
    total = sum(weights) - 1
    reliabilities = [max((w - s) / total, 0) for w, s in zip(weights, shares, strict=True)]
    run = settings(latent_image=latent())
    texts = [" ".join(map(repr, numbers)) for numbers in (shares, reliabilities)]
    pictures = [sampled(comfy, shared(comfy, two_unets, weights, texts[0]), **run),
                sampled(comfy, shared(comfy, two_unets, weights, texts[1], "reliabilities"), **run)]
    assert relative(pictures[0], pictures[1].double()) <= 1e-6


def test_a_mixer_without_meaning_is_one_of_reliabilities(comfy, two_unets):
    experts = [expert(comfy, model, i, 2.0) for i, model in enumerate(two_unets)]
    mixtures = mix(comfy, experts, "1 3"), mix(comfy, experts, "1 3", meaning="reliabilities")
    assert [m.meaning for m in mixtures] == ["reliabilities"] * 2
    assert mixtures[0] == mixtures[1]
    with pytest.raises(ValueError, match="meaning 'looks' is not one of reliabilities, shares"):
        mix(comfy, experts, "1 3", meaning="looks")
    with pytest.raises(ValueError, match="Shares '1 -3'"):
        mix(comfy, experts, "1 -3", meaning="shares")


def test_under_masks_it_is_equation_10_in_every_cell(comfy, two_unets):
    """The first acts on the left three quarters, the second on the right half; they overlap in a quarter."""
    masks = [torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)]
    masks[0][..., :48], masks[1][..., 32:] = 1.0, 1.0
    experts = [expert(comfy, model, i, w, mask=m)
               for i, (model, w, m) in enumerate(zip(two_unets, (2.0, 3.0), masks, strict=True))]
    answer = ask(comfy, mix(comfy, experts, "0.25 0.75", meaning="shares"), X * 2, 2.0)
    d, null = estimates(two_unets, X * 2, 2.0)
    left = slice(0, 4)
    middle = slice(4, 6)
    right = slice(6, 8)
    a = (2.0 - 0.25) / 4, (3.0 - 0.75) / 4
    for part, weights, numbers in ((left, (2.0, 0.0), (1, 0)), (middle, (2.0, 3.0), a), (right, (0.0, 3.0), (0, 1))):
        wanted = eq10([x[..., part] for x in d], [x[..., part] for x in null], weights, numbers)
        assert relative(answer[..., part], wanted) <= 2e-5


@pytest.mark.parametrize("percent", [0.1, 0.5, 0.83])
def test_over_the_schedule_shares_are_resolved_in_every_step(comfy, two_unets, percent):
    sigma = two_unets[0].get_model_object("model_sampling").percent_to_sigma(percent)
    mixture = shared(comfy, two_unets, (2.0, 3.0), "0.25 0.75")
    mixture, = comfy.call("MixtureOptions", mixture=mixture, weights_end="4 2", reliabilities_end="1 0")
    weights = [2.0 + percent * 2.0, 3.0 - percent]
    shares = [0.25 + percent * 0.75, 0.75 - percent * 0.75]
    a = [(w - s) / (sum(weights) - 1) for w, s in zip(weights, shares, strict=True)]
    wanted = eq10(*estimates(two_unets, X * sigma, sigma), weights, a)
    assert relative(ask(comfy, mixture, X * sigma, sigma), wanted) <= 2e-5


def test_a_share_that_is_the_weight_needs_no_null(comfy, two_unets):
    """Its reliability is 0, rounding or not; another share says that the null is needed."""
    def without_null(share):
        first = comfy.call("ConditionExpert", model=two_unets[0], condition=conditioning(0), weight=0.7)[0]
        return mix(comfy, [first, expert(comfy, two_unets[1], 1, 2.9)], share, meaning="shares")
    sampled(comfy, without_null("0.7 0.3"), **settings(latent_image=latent()))
    with pytest.raises(ValueError, match="has no null condition"):
        sampled(comfy, without_null("0.5 0.5"), **settings(latent_image=latent()))
