"""Experts of several latent spaces against one space, the formula by hand, and what a step may cost."""
import pytest
import torch

from support import spaces
from support.mixtures import latent, sampled, settings
from support.patches import control, controlled
from support.spaces import IDENTITY, apart, together
from support.tensors import noise, relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def test_a_bridge_that_changes_nothing_gives_the_picture_of_one_space(comfy, unets, mapped_noise):
    mapped_noise([IDENTITY])
    run = settings(latent_image=latent(batch=2))
    one, two = (sampled(comfy, m, **run) for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [IDENTITY])))
    assert relative(two, one) < 1e-6


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m", "ddim", "uni_pc"])
def test_orthogonal_maps_give_the_picture_of_one_space(comfy, unets, mapped_noise, sampler):
    count = 3 if sampler == "euler" else 2
    matrices = [spaces.rotation(1, 2.0), spaces.rotation(2, 0.5)][:count - 1]
    mapped_noise(matrices)
    left = torch.zeros(64, 64)
    left[:, :32] = 1.0
    more = {}, {"mask": left}, {"start_percent": 0.3, "end_percent": 0.8}
    if count == 2:
        more = {"mask": 1 - 0.7 * left}, {"mask": left, "end_percent": 0.8}, {}
    run = settings(latent_image=latent(), steps=4, sampler_name=sampler)
    one = sampled(comfy, together(comfy, unets[:count], more), **run)
    several = sampled(comfy, apart(comfy, unets[:count], matrices, more), **run)
    assert relative(several, one) < 1e-5


@pytest.mark.parametrize("mixer", [
    {"meaning": "shares"}, {"reliabilities": "0 1"}, {"reliabilities": "1 0"},
], ids=str)
def test_numbers_of_every_kind(comfy, unets, mapped_noise, mixer):
    matrix = spaces.rotation(3)
    mapped_noise([matrix])
    run = settings(latent_image=latent(batch=2), steps=2)
    one, two = (sampled(comfy, m, **run) for m in (
        together(comfy, unets[:2], **mixer), apart(comfy, unets[:2], [matrix], **mixer)))
    assert relative(two, one) < 1e-5


def test_image_to_image_and_inpainting(comfy, unets, mapped_noise):
    matrix = spaces.rotation(5)
    mapped_noise([matrix])
    image = latent(seed=6, batch=2)
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:48, 16:48] = 1.0
    for run in (settings(latent_image=image, denoise=0.6), settings(latent_image=image | {"noise_mask": mask})):
        one, two = (sampled(comfy, m, **run) for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
        assert relative(two, one) < 1e-5


@pytest.mark.parametrize("sampler", ["euler_cfg_pp", "dpmpp_2m_cfg_pp"])
def test_cfg_pp(comfy, unets, mapped_noise, sampler):
    """Their hook sees D_0 in every block."""
    matrix = spaces.rotation(9)
    mapped_noise([matrix])
    run = settings(latent_image=latent(), sampler_name=sampler)
    one, two = (sampled(comfy, m, **run) for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
    assert relative(two, one) < 1e-5


@pytest.mark.parametrize("inputs", [
    {"rescale": 0.7}, {"apg": True}, {"cfg_zero": True}, {"weights_end": "0.5, 1"}, {"sigma_high": 3.0},
], ids=str)
def test_options(comfy, unets, mapped_noise, inputs):
    """As in one space; but the rescale looks at the lead's own estimate, where one space has the mean of all."""
    matrix = spaces.rotation(10)
    mapped_noise([matrix])
    one, two = (comfy.call("MixtureOptions", mixture=m, **inputs)[0]
                for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
    run = settings(latent_image=latent())
    plain = sampled(comfy, apart(comfy, unets[:2], [matrix]), **run)
    changed = sampled(comfy, two, **run)
    assert relative(changed, plain) > 1e-3
    if "rescale" not in inputs:
        assert relative(changed, sampled(comfy, one, **run)) < 1e-4


def test_a_controlnet_on_the_foreign_expert(comfy, unets, mapped_noise):
    mapped_noise([IDENTITY])
    hint = controlled(conditioning(1), control(0.5))
    more = {}, {"condition": hint}
    run = settings(latent_image=latent())
    one, two = (sampled(comfy, m, **run)
                for m in (together(comfy, unets[:2], more), apart(comfy, unets[:2], [IDENTITY], more)))
    assert relative(two, one) < 1e-5
    assert relative(two, sampled(comfy, apart(comfy, unets[:2], [IDENTITY]), **run)) > 1e-3


def test_report_and_sweep(comfy, unets):
    mixture = apart(comfy, unets[:2], [spaces.rotation(11)])
    sheet = {"vae": mixture.experts[0].vae, "x_cells": 2, "y_cells": 1}
    for node, more in ("MixtureReport", {}), ("ReliabilitySweep", sheet):
        out = comfy.call(node, mixture=mixture, latent_image=latent(), **settings(steps=1), **more)
        assert all(torch.isfinite(o).all() for o in out if isinstance(o, torch.Tensor))


def test_compared_a_foreign_expert_is_alone_in_its_space(comfy, unets, mapped_noise):
    matrix = spaces.rotation(14)
    mapped_noise([matrix])
    one, two = (comfy.call("CompareExperts", mixture=m, latent_image=latent(), vae=spaces.vae(IDENTITY),
                           **settings(steps=2))[2]["samples"]
                for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
    assert len(one) == 3 and relative(two, one) < 1e-5


def test_mcdm_ancestral(comfy, unets):
    from support.mixtures import custom_sampled
    sampler, = comfy.call("MCDMAncestral")
    out = custom_sampled(comfy, apart(comfy, unets[:2], [spaces.rotation(12)]), sampler, [5.0, 2.0, 0.5, 0.0],
                         noise(1, 1, 4, 8, 8))
    assert torch.isfinite(out).all() and out.shape == (1, 4, 8, 8)


def test_an_observer_gets_estimates_in_the_leads_space(comfy, unets, mapped_noise):
    matrix = spaces.rotation(13, 2.0)
    mapped_noise([matrix])
    seen = []
    for mixture in together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix]):
        guider, = comfy.call("MCDMGuider", mixture=mixture)
        guider.watch.all_nulls = True
        guider.watch.observe = lambda o: seen.append((
            o.sigma, dict(o.denoised), {i: d for i, (_, d) in o.contributions.items()}, o.null, o.fused,
            dict(o.nulls)))
        comfy.module("mcdm.host.sampling.ksampler").sample_mixture(guider, 1, 1, "euler", "normal", 1.0, latent())
    (sigma, *one), (their_sigma, *two) = seen
    assert sigma == their_sigma
    for a, b in zip(one, two, strict=True):
        for key in a if isinstance(a, dict) else [()]:
            ours, theirs = (z[key] if isinstance(z, dict) else z for z in (a, b))
            assert relative(theirs, ours) < 1e-5


def test_a_step_takes_two_round_trips_at_most(comfy, unets):
    matrix = spaces.rotation(7)
    mixture = apart(comfy, unets[:2], [matrix])
    vaes = [e.vae.first_stage_model for e in mixture.experts]
    sampled(comfy, mixture, expert_previews=False, **settings(latent_image=latent(), steps=1))
    before = [len(v.calls) for v in vaes]
    sampled(comfy, mixture, expert_previews=False, **settings(latent_image=latent(), steps=3))
    own, theirs = (v.calls[n + 2:] for v, n in zip(vaes, before, strict=True))         # without the probe
    for calls in (own, theirs):
        for kind in ("decode", "encode"):
            assert sum(rows for name, rows in calls if name == kind) == 2 * 3


def test_the_foreign_noise_belongs_to_its_row(comfy, unets):
    """A row keeps its picture in another batch, and the run's seed decides."""
    mixture = apart(comfy, unets[:2], [spaces.rotation(8)])
    image = latent(batch=3)
    whole = sampled(comfy, mixture, **settings(latent_image=image))
    alone = sampled(comfy, mixture, **settings(latent_image={"samples": image["samples"][:1], "batch_index": [1]}))
    assert relative(alone, whole[1:2]) < 1e-4
    again = sampled(comfy, mixture, **settings(latent_image=image))
    assert torch.equal(again, whole)
    assert relative(sampled(comfy, mixture, **settings(seed=2, latent_image=image)), whole) > 0.1
