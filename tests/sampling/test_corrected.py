"""MCDMCorrected against Gaussian experts: products in closed form, weights, resampling, and what it goes with."""
import dataclasses
import math

import pytest
import torch

from support.gaussians import NULL, SCALE, drawn, levels, mixture, model, of_one_cell, off
from support.mixtures import FixedNoise, custom_sampled, latent, united
from support.tensors import noise, relative
from unite_and_conquer.mcdm import corrected

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def product(*parts):
    """Mean and variance of prod N(m, v)^c."""
    precision = sum(c / v for c, (m, v) in parts)
    return sum(c * m / v for c, (m, v) in parts) / precision, 1.0 / precision


# -------------------------------------------------------------------------------------------------------- Feynman-Kac

COUNT = 10000

PRODUCTS = {
    "w = 2": ([((1.0, 0.25), 2.0)], [(2.0, (1.0, 0.25)), (-1.0, (0.0, 1.0))]),
    "two variances": ([((1.0, 0.25), 1.0), ((-0.5, 0.5), 1.0)],
                      [(1.0, (1.0, 0.25)), (1.0, (-0.5, 0.5)), (-1.0, (0.0, 1.0))]),
    "a negative weight": ([((0.0, 0.4), 1.0), ((1.0, 1.0), -0.5)],
                          [(1.0, (0.0, 0.4)), (-0.5, (1.0, 1.0)), (0.5, (0.0, 1.0))]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_particles_are_of_the_product(comfy, name):
    """Within 3 standard errors, where the same steps of eq. 10 alone are outside 5."""
    experts, parts = PRODUCTS[name]
    wired = mixture(comfy, model(), [(of_one_cell(*g), w) for g, w in experts], NULL)
    x, plain = drawn(comfy, wired, COUNT), drawn(comfy, wired, COUNT, method="none")
    assert max(off(x[:, 0], *product(*parts))) <= 3.0
    assert max(off(plain[:, 0], *product(*parts))) > 5.0
    for cell, (mean, variance) in enumerate(zip(*NULL, strict=True)):       # where all experts agree
        assert cell == 0 or max(off(x[:, cell], mean, variance)) <= 4.0


def test_particles_of_a_flow_under_a_mask_are_of_the_product(comfy):
    """From t = 1, where sigma is infinite. The mask halves a weight of 4."""
    wired = mixture(comfy, model("flow"), [(of_one_cell(1.0, 0.25), 4.0)], NULL, mask=[torch.full((1, 8, 8), 0.5)])
    levels_from_1 = [1.0, *levels(100, flow=True)]
    sampler, = comfy.call("MCDMCorrected")
    x = custom_sampled(comfy, wired, sampler, levels_from_1, noise(3, COUNT, 4, 1, 1), 3)[:, 0].flatten() * SCALE
    assert max(off(x.double(), *product(*PRODUCTS["w = 2"][1]))) <= 3.0


def test_one_expert_of_weight_1_is_sampled_as_it_is(comfy):
    """Its weights are all 1, so nobody is resampled: the ancestral steps to the last bit."""
    wired = mixture(comfy, model(), [(of_one_cell(1.0, 0.25), 1.0)], NULL)
    x = drawn(comfy, wired, COUNT)
    assert torch.equal(x, drawn(comfy, wired, COUNT, method="none"))
    assert max(off(x[:, 0], 1.0, 0.25)) <= 3.0


def test_langevin_steps_lead_to_the_product_by_themselves(comfy):
    """One picture at a time, without weights: 3 small steps a level are closer than none."""
    wired = mixture(comfy, model(), [(of_one_cell(1.0, 0.25), 2.0)], NULL)
    target = product(*PRODUCTS["w = 2"][1])
    steps = {"langevin_size": 0.2, "steps": 60}
    errors = [off(drawn(comfy, wired, 4000, method="none", langevin_steps=n, **steps)[:, 0], *target) for n in (0, 3)]
    assert max(errors[1]) < 0.45 * max(errors[0])
    both = drawn(comfy, wired, 4000, langevin_steps=1, **steps)
    assert max(off(both[:, 0], *target)) <= 3.0


# ---------------------------------------------------------------------------------------------- weights and resampling

def test_the_effective_size_by_hand():
    assert math.isclose(corrected.effective_size(torch.tensor([1.0, 3.0]).double().log()), 1.6, rel_tol=1e-12)
    assert corrected.effective_size(torch.zeros(7).double()) == pytest.approx(7.0, rel=1e-12)


def test_systematic_resampling_by_hand():
    """Weights .1, .5, .3, .1 and places u/4, .25 + u/4 ...; as many draws as weight, within one."""
    weights = torch.tensor([0.1, 0.5, 0.3, 0.1]).double().log()
    assert corrected.systematic(weights, 0.0).tolist() == [0, 1, 1, 2]
    assert corrected.systematic(weights, 0.99).tolist() == [1, 1, 2, 3]
    assert corrected.systematic(weights, 0.5, count=1).tolist() == [1]
    assert corrected.systematic(torch.zeros(5), 0.999).tolist() == [0, 1, 2, 3, 4]


def test_the_gap_by_hand():
    """(|D|^2 - sum c |D_k|^2) / sigma^2 with D = 2 A - B, under a mask of cells."""
    a = noise(1, 2, 4, 2, 2)
    b = noise(2, 2, 4, 2, 2)
    mask = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    x, y = a.double(), b.double()
    wanted = ((2 * x - y) ** 2 - 2 * x ** 2 + y ** 2) * mask
    assert relative(corrected.log_weight_rate([(2.0, a), (-1.0, b)], 3.0, mask), wanted.sum((1, 2, 3)) / 9) <= 1e-12


def told(caplog):
    return [r.message for r in caplog.records if r.message.startswith("MCDM Corrected")]


def test_bits_depend_on_the_seed_and_not_on_the_other_pictures(comfy, caplog):
    """Two pictures of 16 particles each: the first is what it is alone. What happened is told."""
    caplog.set_level("INFO", "mcdm")
    wired = mixture(comfy, model(), [(of_one_cell(3.0, 0.05), 2.0)], NULL)
    two = drawn(comfy, wired, 32, 20, particles=16)
    assert torch.equal(two, drawn(comfy, wired, 32, 20, particles=16))
    words, = set(told(caplog))
    assert "16 particles per picture; effective size at least" in words and "ancestors of the rows: " in words
    x = noise(3, 32, 4, 1, 1)[:16]
    sampler, = comfy.call("MCDMCorrected", particles=16)
    assert torch.equal(two[:16], custom_sampled(comfy, wired, sampler, levels(20), x, 3).double().flatten(1) * SCALE)
    assert not torch.equal(two[:16], two[16:])
    one = drawn(comfy, wired, 32, 20, particles=16, keep="one per picture")
    assert len(one) == 2


@pytest.mark.parametrize("method, words", [
    ("Feynman-Kac", "effective size 8 of 8"), ("SuperDiff OR", "kappa: 'e1' 0.5, 'e2' 0.5"), ("none", None)])
def test_the_page_is_told_while_it_runs(comfy, monkeypatch, method, words):
    """Two experts that agree: all particles count the same, and both experts act the same."""
    monkeypatch.setattr(comfy.module("mcdm.host.particles.particle_sampler"), "PATIENCE", -1.0)
    wired = mixture(comfy, model(), [(of_one_cell(1.0, 0.25), 0.5)] * 2, NULL)
    wired = dataclasses.replace(wired, experts=tuple(
        dataclasses.replace(e, name=f"e{i + 1}") for i, e in enumerate(wired.experts)))
    sampler, = comfy.call("MCDMCorrected", method=method)
    shown = []
    sampler.extra_options["tell"] = shown.append
    custom_sampled(comfy, wired, sampler, [3.0, 1.5, 0.5, 0.0], noise(3, 8, 4, 1, 1))
    *during, last = shown
    assert last.startswith(f"{method}, 8 particles per picture")
    sigmas = ["3", "1.5", "0.5"][0 if "SuperDiff" in method else 1:] if words else []
    assert during == [f"sigma {sigma}; {words}" for sigma in sigmas]


@pytest.mark.parametrize("inputs", [
    {}, {"langevin_steps": 2}, {"method": "SuperDiff OR"}, {"method": "SuperDiff AND"}, {"method": "none"},
])
def test_nothing_is_evaluated_twice(comfy, inputs):
    """3 steps of two experts with weight 1 and a null each step; SuperDiff's kappas sum to 1 and need none."""
    seen = []
    wired = mixture(comfy, model(seen=seen), [(of_one_cell(1.0, 0.25), 1.0), (of_one_cell(-1.0, 0.5), 1.0)], NULL)
    drawn(comfy, wired, 8, 3, **inputs)
    predictions = 2 if "SuperDiff" in inputs.get("method", "") else 3
    evaluations = 3 + 2 * inputs.get("langevin_steps", 0)
    assert sum(seen) == 8 * predictions * evaluations


# ------------------------------------------------------------------------------------------------ as everything else is

@pytest.mark.parametrize("method", ["Feynman-Kac", "SuperDiff OR", "SuperDiff AND"])
def test_windows_noise_masks_and_pictures_to_begin_with(comfy, two_unets, method):
    """A noise mask keeps its half of the picture to the last bit; everything is finite."""
    wired = united(comfy, two_unets, end_percent=0.6)
    first, second = wired.experts
    wired = dataclasses.replace(wired, experts=(dataclasses.replace(first, end=1.0), second))
    sampler, = comfy.call("MCDMCorrected", method=method)
    guider, = comfy.call("MCDMGuider", mixture=wired)
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1.0
    begun = {"samples": latent(seed=9)["samples"].expand(4, -1, -1, -1), "noise_mask": mask}
    sigmas = torch.tensor([3.0, 1.5, 0.6, 0.2, 0.0])
    out = comfy.call("SamplerCustomAdvanced", noise=FixedNoise(noise(1, 4, 4, 8, 8)), guider=guider, sampler=sampler,
                     sigmas=sigmas, latent_image=begun)[0]["samples"]
    assert torch.isfinite(out).all() and relative(out[..., :4], begun["samples"][..., :4]) <= 1e-5
    assert not torch.equal(out[..., 4:], begun["samples"][..., 4:])


@pytest.mark.parametrize("inputs, options, words", [
    ({"method": "magic"}, {}, "method 'magic' is not one of"),
    ({"particles": 3}, {}, "3 particles per picture do not fit a batch of 4"),
    ({}, {"rescale": 0.5}, "which rescale would change"),
    ({}, {"apg": True}, "which APG would change"),
    ({"method": "SuperDiff OR", "langevin_steps": 1}, {}, "cannot be combined with Langevin steps"),
])
def test_what_does_not_go(comfy, two_unets, inputs, options, words):
    wired = comfy.call("MixtureOptions", mixture=united(comfy, two_unets), **options)[0]
    with pytest.raises(ValueError, match=words):
        sampler, = comfy.call("MCDMCorrected", **inputs)
        custom_sampled(comfy, wired, sampler, [3.0, 1.0, 0.0], noise(1, 4, 4, 8, 8))


def test_another_guider_and_levels_that_rise_are_refused(comfy, two_unets):
    import comfy.samplers as host
    sampler, = comfy.call("MCDMCorrected")
    guider = host.CFGGuider(two_unets[0].clone())
    guider.set_conds(*[[[torch.zeros(1, 77, 768), {}]]] * 2)
    with pytest.raises(ValueError, match="connect an MCDM Guider"):
        guider.sample(noise(1, 1, 4, 8, 8), torch.zeros(1, 4, 8, 8), sampler, torch.tensor([3.0, 0.0]))
    with pytest.raises(ValueError, match="MCDM Corrected needs noise levels that fall"):
        custom_sampled(comfy, united(comfy, two_unets), sampler, [1.0, 3.0, 0.0], noise(1, 1, 4, 8, 8))
