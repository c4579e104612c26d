"""Functions of other nodes that take part in an expert's guidance, and some of which look at its null."""
from __future__ import annotations

import pytest
import torch

from support.mixtures import ask, expert, latent, mix
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def attending(comfy, model):
    """A MODEL with the host's self-attention guidance; each call makes functions with a memory of their own."""
    return comfy.call("SelfAttentionGuidance", model=model, scale=0.7, blur_sigma=2.0)[0]


def at(seed, sigma=1.5, batch=1):
    return sigma * latent(batch, 16, seed)["samples"]


def test_an_expert_of_no_reliability_is_shown_its_own_null(comfy):
    models = [attending(comfy, tiny_unet(0)), tiny_unet(1)]
    experts = [expert(comfy, models[0], 0, 2.0), expert(comfy, models[1], 1, 3.0)]
    without, barely = mix(comfy, experts, "0, 1"), mix(comfy, experts, "1e-7, 1")
    first = ask(comfy, without, at(1), 1.5)
    assert relative(first, ask(comfy, barely, at(1), 1.5)) <= 1e-5
    ask(comfy, without, at(2), 1.5)                     # leaves another picture's attention behind
    assert torch.equal(ask(comfy, without, at(1), 1.5), first)


@pytest.mark.parametrize("reliabilities", ["", "0, 1", "1, 0"])
def test_one_model_for_two_experts_is_as_two_models(comfy, reliabilities):
    unet = tiny_unet(0)
    shared = attending(comfy, unet)
    together = [expert(comfy, shared, i, w) for i, w in enumerate((2.0, 3.0))]
    apart = [expert(comfy, attending(comfy, unet), i, w) for i, w in enumerate((2.0, 3.0))]
    wanted = ask(comfy, mix(comfy, apart, reliabilities), at(3, batch=2), 1.5)
    assert relative(ask(comfy, mix(comfy, together, reliabilities), at(3, batch=2), 1.5), wanted) <= 2e-5


@pytest.mark.parametrize("node, inputs", [
    ("SelfAttentionGuidance", {"scale": 0.7, "blur_sigma": 2.0}), ("PerturbedAttentionGuidance", {"scale": 3.0}),
    ("RescaleCFG", {"multiplier": 0.7}),
])
@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0, -1.0])
def test_one_expert_is_the_stock_ksampler_at_every_weight(comfy, node, inputs, weight):
    model = comfy.call(node, model=tiny_unet(0), **inputs)[0]
    settings = {"seed": 7, "steps": 3, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0,
                "latent_image": latent(1, 16)}
    ours = comfy.call("MCDMSampler", mixture=mix(comfy, [expert(comfy, model, 1, weight)]), **settings)[0]["samples"]
    theirs = comfy.call("KSampler", model=model, cfg=weight, positive=conditioning(1), negative=conditioning(101),
                        **settings)[0]["samples"]
    assert relative(ours, theirs) <= 2e-5
