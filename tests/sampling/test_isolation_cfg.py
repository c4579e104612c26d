"""The host's CFG functions on one expert act on that expert and on no other."""
import math

import pytest
import torch

from support.mixtures import (
    RELIABILITIES,
    WEIGHTS,
    ask,
    expert,
    latent,
    mix,
    sampled,
    settings,
    stock_estimates,
    stock_sampled,
    united,
)
from support.patches import attention
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]


def rescaled(d, null, x, sigma, weight, multiplier):
    """RescaleCFG (Lin et al. 2023) as its node has it, on the v prediction.

    v = (x / (s^2 + 1) - D) sqrt(s^2 + 1) / s
    """
    root = math.sqrt(sigma ** 2 + 1)
    v, v0 = ((x / root ** 2 - e) * root / sigma for e in (d, null))
    cfg = v0 + weight * (v - v0)
    ratio = v.std((1, 2, 3), keepdim=True) / cfg.std((1, 2, 3), keepdim=True)
    final = multiplier * ratio * cfg + (1 - multiplier) * cfg
    return x / root ** 2 - final * sigma / root


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("mask", [None, torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))])
def test_rescale_cfg_of_one_expert_by_hand(comfy, position, mask):
    sigma, x = 2.0, 2.0 * X
    models = [tiny_unet(0), tiny_unet(1)]
    models[position] = rescale(models[position], comfy)
    d, nulls = stock_estimates([tiny_unet(0), tiny_unet(1)], x, sigma)
    cell = 1.0          # both have the same mask, so the a_i stay
    if mask is not None:
        cell = torch.nn.functional.avg_pool2d(mask.double()[:, None], 8)
    null = sum(a * n for a, n in zip(RELIABILITIES, nulls, strict=True))
    parts = [null + w * (e - null) for w, e in zip(WEIGHTS, d, strict=True)]
    parts[position] = rescaled(d[position], null, x.double(), sigma, WEIGHTS[position], 0.7)
    wanted = null + sum(cell * (p - null) for p in parts)
    assert relative(ask(comfy, united(comfy, models, mask=mask), x, sigma), wanted) <= 2e-5


def rescale(model, comfy):
    return comfy.call("RescaleCFG", model=model, multiplier=0.7)[0]


def before_cfg(model, comfy):
    def changed(args):
        condition, null = args["conds_out"]
        return [(0.9 if args["conds"][1] else 0.8) * condition, null + 0.1 * args["input"]]
    model.set_model_sampler_pre_cfg_function(changed)
    return model


def after_cfg(model, comfy, always=False):
    def changed(args):
        guidance = args["cond_scale"] * (args["cond_denoised"] - args["uncond_denoised"])
        return args["denoised"] + (0.1 if args["uncond"] else 0.2) * guidance
    model.set_model_sampler_post_cfg_function(changed, disable_cfg1_optimization=always)
    return model


def after_cfg_null_always(model, comfy):
    return after_cfg(model, comfy, always=True)


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize("patch", [rescale, before_cfg, after_cfg, after_cfg_null_always])
def test_cfg_functions_of_a_single_expert_are_the_stock_ksamplers(comfy, patch, weight):
    model = patch(tiny_unet(0), comfy)
    inputs = settings(latent_image=latent())
    ours = sampled(comfy, mix(comfy, [expert(comfy, model, 1, weight)]), **inputs)
    assert relative(ours, stock_sampled(comfy, model, weight, **inputs)) <= 2e-5


def test_a_cfg_function_that_asks_its_network_again_asks_its_own(comfy):
    """Like the host's SAG and PAG: a second evaluation from within, on clones that share their weights."""
    import comfy.samplers as host
    asked = []

    def again(args):
        asked.append(args["model"].current_patcher)
        question = [args["cond"]], args["input"], args["sigma"], args["model_options"]
        return args["denoised"] + host.calc_cond_batch(args["model"], *question)[0]
    base = tiny_unet(0)
    branch = base.clone()
    attention(branch)
    branch.set_model_sampler_post_cfg_function(again)
    made = tiny_unet(0)
    attention(made)
    (d0, d1), (n0, n1) = stock_estimates([tiny_unet(0), made], X, 1.0)
    null = 0.5 * n0 + 0.5 * n1
    experts = [expert(comfy, base, 0, 2.0), expert(comfy, branch, 1, 2.0)]
    for order in (experts, experts[::-1]):
        mixture = mix(comfy, order)
        wanted = null + 2 * (d0 - null) + 2 * (d1 - null) + d1
        assert relative(ask(comfy, mixture, X, 1.0), wanted) <= 2e-5
        assert asked.pop().model_options["transformer_options"]["patches"]
        assert not asked
