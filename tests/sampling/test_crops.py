"""ExpertRegions with crop: an expert that is asked about rectangles alone."""
import pytest
import torch

from support.eq10 import regions as by_hand
from support.mixtures import alone, ask, custom_sampled, eq10, estimates, expert, latent, mix, sampled, settings
from support.tensors import noise, relative
from unite_and_conquer.devtools.families import FAMILIES, measure
from unite_and_conquer.devtools.tiny_sd15 import conditioning

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = noise(1, 2, 4, 16, 16)
CORNER = "1: box 0.5 0 1 0.5 crop"
UNET, DIT, VIDEO = (next(f for f in FAMILIES if f.name == name) for name in ("SD15", "SD3", "WAN21_T2V"))


def regions(comfy, mixture, text, **inputs):
    return comfy.call("ExpertRegions", mixture=mixture, regions=text, **inputs)[0]


def toy(comfy, family):
    """A MODEL of a family, its conditions, its mixture, and a run of two steps."""
    one = measure.built(family, 1)
    run = settings(1, 2, latent_image={"samples": torch.zeros(1, *family.shape)})
    return one.model, one.conditions(family.shape), measure.mixture(comfy, [one], family.shape, (3.0,), ""), run


@pytest.mark.parametrize("family", [UNET, DIT], ids=lambda family: family.name)
def test_the_whole_canvas_is_no_crop_bit_for_bit(comfy, family):
    _, _, mixture, run = toy(comfy, family)
    found = sampled(comfy, regions(comfy, mixture, "1: box 0 0 1 1 crop", feather=0.1), **run)
    assert torch.equal(found, sampled(comfy, mixture, **run))


@pytest.mark.parametrize("family", [UNET, DIT, VIDEO], ids=lambda family: family.name)
def test_a_corner_of_one_expert_is_the_hosts_own_area(comfy, family):
    model, conditions, mixture, run = toy(comfy, family)
    height, width = family.shape[-2:]
    area = height // 2, width // 2, 0, width // 2
    positive, negative = ([[text, {**options, "area": area}] for text, options in rows] for rows in conditions)
    stock = comfy.call("KSampler", model=model, cfg=3.0, positive=positive, negative=negative, denoise=1.0, **run)[0]
    found = sampled(comfy, regions(comfy, mixture, CORNER), **run)
    assert relative(found, stock["samples"]) <= 2e-5


@pytest.mark.parametrize("numbers", ["1 3", "1 0", "0 1"])
def test_in_its_rectangle_an_expert_speaks_of_the_rectangle_alone(comfy, two_unets, numbers):
    """Elsewhere the other's null counts, whatever the reliabilities."""
    experts = [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, 3.0)]
    mixture = regions(comfy, mix(comfy, experts, numbers), CORNER, rest="2")
    answer = ask(comfy, mixture, X, 1.0)
    d, nulls = estimates(two_unets, X, 1.0)
    inside = X[..., :8, 8:].contiguous()
    own, null = (alone(two_unets[0], conditioning(seed), inside, 1.0) for seed in (0, 100))
    elsewhere = eq10(d[1:], nulls[1:], (3.0,), (1.0,))
    assert relative(answer[..., :8], elsewhere[..., :8]) <= 2e-5
    assert relative(answer[..., 8:, :], elsewhere[..., 8:, :]) <= 2e-5
    if numbers != "0 1":
        assert relative(answer[..., :8, 8:], eq10([own], [null], (2.0,), (1.0,))) <= 2e-5
    else:       # where nobody who acts has a reliability, those of all who are asked count
        other = nulls[1][..., :8, 8:]
        assert relative(answer[..., :8, 8:], eq10([own], [other], (2.0,), (1.0,))) <= 2e-5


def test_a_soft_border_lies_within_the_rectangle_that_is_asked(comfy, two_unets):
    """0.125 of 16 cells: the rectangle is two cells larger than the box on both sides."""
    experts = [expert(comfy, two_unets[0], 0, 1.0), expert(comfy, two_unets[1], 1, 1.0)]
    answer = ask(comfy, regions(comfy, mix(comfy, experts), CORNER, rest="2", feather=0.125), X, 1.0)
    d, _ = estimates(two_unets, X, 1.0)
    own = alone(two_unets[0], conditioning(0), X[..., :10, 6:].contiguous(), 1.0)
    text = by_hand.Written("1: box 0.5 0 1 0.5", "2", 0.125)
    ones = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    mask = by_hand.masks(text, {1: "one", 2: "two"}, {1: ones, 2: ones}, (16, 16))[1]
    assert not mask[..., 10:, :].any() and not mask[..., :6].any() and mask[..., 9, 6].item() > 0.0
    wanted = d[1].clone()
    wanted[..., :10, 6:] += mask[..., :10, 6:] * (own - d[1][..., :10, 6:])
    assert relative(answer, wanted) <= 2e-5


def test_two_rectangles_of_one_expert_are_the_hosts_mean(comfy, two_unets):
    """Where they overlap, the host blends what the expert says of both: MultiDiffusion."""
    one = mix(comfy, [expert(comfy, two_unets[0], 1, 1.0)])
    text = "1: box 0 0 0.75 1 crop; box 0.25 0 1 1 crop"
    rows = [[conditioning(1)[0][0], {"area": (16, 12, 0, x)}] for x in (0, 4)]
    own = mix(comfy, [expert(comfy, two_unets[0], 1, 1.0, condition=rows)])
    run = settings(latent_image=latent(size=16))
    assert relative(sampled(comfy, regions(comfy, one, text), **run), sampled(comfy, own, **run)) <= 2e-5


def test_rescale_compares_with_whole_pictures(comfy, two_unets):
    """Outside of its rectangle, the first expert counts with what the other says there."""
    mixture = mix(comfy, [expert(comfy, model, i, 3.0) for i, model in enumerate(two_unets)])
    mixture = regions(comfy, mixture, CORNER, rest="2")
    plain = ask(comfy, mixture, X, 1.0).double()
    answer = ask(comfy, comfy.call("MixtureOptions", mixture=mixture, rescale=1.0)[0], X, 1.0)
    d, _ = estimates(two_unets, X, 1.0)
    first = d[1].clone()
    first[..., :8, 8:] = alone(two_unets[0], conditioning(0), X[..., :8, 8:].contiguous(), 1.0)
    contrast = ((first + d[1]) / 2).flatten(1).std(1) / plain.flatten(1).std(1)
    assert relative(answer, plain * contrast.reshape(-1, 1, 1, 1)) <= 2e-5


def test_who_cannot_be_cropped(comfy, two_unets):
    own, = comfy.call("LoadExpert", expert="builtin/scenes_class.safetensors")
    label, = comfy.call("ClassCondition", model=own, label="penguin")
    fixed, = comfy.call("ConditionExpert", model=own, condition=label, name="penguin")
    area = [[conditioning(0)[0][0], {"area": (8, 8, 0, 0)}]]
    elsewhere = expert(comfy, two_unets[0].clone(), 0, name="far")
    elsewhere.model.model = type("Elsewhere", (), {"remote": None, "fixed_size": None})()
    for one, rest, words in (
        (fixed, "all", "'penguin' draws only 64 x 64 cells"),
        (expert(comfy, two_unets[0], 0, name="split", condition=area), "all", "'split' has areas of its own"),
        (expert(comfy, two_unets[0], 0, name="twice"), "1", "'twice' is asked about rectangles alone and cannot draw"),
        (elsewhere, "all", "'far' is on a worker"),
    ):
        mixture = comfy.module("mcdm.mixture").Mixture((one,), (1.0,))
        with pytest.raises(ValueError, match=words):
            regions(comfy, mixture, CORNER, rest=rest)


def test_particles_that_are_weighed_refuse_it(comfy, two_unets):
    mixture = regions(comfy, mix(comfy, [expert(comfy, model, i, 2.0) for i, model in enumerate(two_unets)]), CORNER)
    sampler, = comfy.call("MCDMCorrected")
    with pytest.raises(ValueError, match="crop of a region"):
        custom_sampled(comfy, mixture, sampler, [3.0, 1.0, 0.0], X)


def test_a_nested_latent_refuses_it(comfy, two_unets):
    mixture = regions(comfy, mix(comfy, [expert(comfy, two_unets[0], 0)]), CORNER)
    from comfy.nested_tensor import NestedTensor
    nested = NestedTensor([torch.zeros(1, 4, 3, 8, 8), torch.zeros(1, 4, 10)])
    with pytest.raises(ValueError, match="crop is not for nested latents"):
        comfy.module("mcdm.host.models").check_latent(mixture.experts, nested, mixture.regions)
