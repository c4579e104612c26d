"""The example workflows of released checkpoints over HTTP, with tiny networks in those formats.

The class and the prompt are checked by hand as well.
"""
from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models import get_weight

from support.tensors import pixels
from unite_and_conquer.devtools.prompts import prompt

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"


@pytest.fixture(scope="module")
def files(stand_ins, host, comfy):
    """The stand-ins in the host of this process, too."""
    links = [comfy.base / "models" / file.relative_to(host.base / "models") for file in stand_ins]
    for file, link in zip(stand_ins, links, strict=True):
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            os.link(file, link)
    yield
    for link in links:
        link.unlink()


class Graph:
    """An example workflow in API format, with its nodes by class."""

    def __init__(self, name: str) -> None:
        self.calls: dict[str, Any] = prompt(name)

    def inputs(self, kind: str, number: int = 0) -> dict[str, Any]:
        return [call for call in self.calls.values() if call["class_type"] == kind][number]["inputs"]


def plan(host) -> str:
    """What the log said of the run just ended."""
    return [line for line in host.log().splitlines() if " predictions" in line][-1]


def drawn(host, graph: Graph) -> np.ndarray:
    saved, = host.images(host.run(graph.calls))
    return pixels(saved).astype(int)


def test_an_unconditional_network_is_the_null_of_a_class(host, files):
    graph = Graph("class_with_unconditional_null")
    graph.inputs("MCDMSampler")["steps"] = 2
    graph.inputs("EmptyExpertLatent").update(width=24, height=16)
    plain = drawn(host, graph)
    assert plain.shape == (16, 24, 3)
    assert "2 x 2 predictions without condition of 'unconditional', null of 'class'" in plan(host)
    graph.inputs("ReliabilityMixer")["reliabilities"] = "1, 0"
    assert abs(drawn(host, graph) - plain).max() > 1
    assert "2 x 2 predictions without condition of 'unconditional', null of 'unconditional'" in plan(host)


def test_united_small_and_then_enlarged(host, files):
    graph = Graph("class_and_text_64_to_256")
    for number, size in enumerate((16, 32)):
        graph.inputs("MCDMSampler", number).update(steps=2, seed=50)
        graph.inputs("EmptyExpertLatent", number).update(width=size, height=size)
    entry = host.run(graph.calls)
    images = [image for output in entry["outputs"].values() for image in output.get("images", ())]
    images.sort(key=lambda image: image["type"] == "output")
    small, large = (pixels(host.get("/view", **image)).astype(int) for image in images)
    assert (small.shape, large.shape) == ((16, 16, 3), (32, 32, 3))
    assert "2 x 1 predictions" in plan(host)
    graph.inputs("MCDMSampler", 0)["seed"] += 1
    assert abs(drawn(host, graph) - large).max() > 1, "the upsampler does not see the small picture"


# -------------------------------------------------------------------------------- DiT or SiT, and Stable Diffusion 1.5

def asked(x, scale, level, sampling, flow):
    """(input, level) with which a network is asked about x = scale * x0 + level * noise.

    Beyond its range it is asked at the end of the range; the input is finite at scale 0.
    """
    if flow:
        return x / (scale + level), level / (scale + level)                             # t = sigma / (1 + sigma)
    sigma_max = float(sampling.sigma_max)
    if level > sigma_max * scale:
        return x * ((1 + sigma_max ** 2) / (scale ** 2 + level ** 2)) ** 0.5, sigma_max
    return x / scale, max(level / scale, float(sampling.sigma_min))


@pytest.mark.parametrize("lead", ["class", "prompt"])
@pytest.mark.parametrize("file", ["DiT-XL-2-256x256.pt", "SiT-XL-2-256x256.pt"])
def test_a_class_and_a_prompt_are_the_picture_of_equation_10(host, comfy, files, file, lead):
    """The whole way of the example workflow, from the files to the PNG, by Euler's steps and eq. 10 written out."""
    import comfy.samplers as samplers
    from comfy.model_sampling import CONST
    graph = Graph("imagenet_class_and_prompt")
    sampler, mixer = graph.inputs("MCDMSampler"), graph.inputs("ReliabilityMixer")
    graph.inputs("LoadExpert")["expert"] = file
    graph.inputs("EmptyExpertLatent").update(width=64, height=64)
    sampler["steps"], a = 3, {"class": 0.75, "prompt": 0.25}
    if lead == "prompt":
        mixer["expert_1"], mixer["expert_2"] = mixer["expert_2"], mixer["expert_1"]
    mixer |= {"meaning": "reliabilities", "reliabilities": "3, 1" if lead == "class" else "1, 3"}
    saved = drawn(host, graph)

    transformer, = comfy.call("LoadExpert", expert=file)
    unet, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    label = (
        get_weight("ResNet50_Weights.IMAGENET1K_V1").meta["categories"].index(graph.inputs("ClassCondition")["label"])
    )
    texts = [graph.inputs("CLIPTextEncode", number)["text"] for number in range(2)]
    models = {"class": transformer.model, "prompt": unet.model}
    w = {name: graph.inputs("ConditionExpert", number)["weight"] for number, name in enumerate(models)}
    given = {"class": [{"y": torch.tensor([y])} for y in (label, 1000)],               # the condition and its null
             "prompt": [{"c_crossattn": comfy.call("CLIPTextEncode", clip=clip, text=text)[0][0][0]} for text in texts]}

    def denoised(name, null, x, scale, level):
        sampling = models[name].model_sampling
        own, sigma = asked(x, scale, level, sampling, isinstance(sampling, CONST))
        return models[name].apply_model(own, torch.tensor([sigma]), **given[name][null])

    leader = models[lead].model_sampling
    levels = samplers.calculate_sigmas(leader, sampler["scheduler"], sampler["steps"]).tolist()
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(sampler["seed"]))
    if not isinstance(leader, CONST):
        x = x * (1 + levels[0] ** 2) ** 0.5
    with torch.no_grad():
        for level, following in itertools.pairwise(levels):
            scale = 1 - level if isinstance(leader, CONST) else 1.0
            e0 = sum(a[name] * denoised(name, True, x, scale, level) for name in models)
            fused = (
                sum(w[name] * denoised(name, False, x, scale, level) for name in models) - (sum(w.values()) - 1) * e0
            )
            x = x + (following - level) * (x - fused) / level
        by_hand = vae.decode(transformer.model.process_latent_out(x))[0].clamp(0, 1).numpy() * 255
    assert by_hand.shape == (64, 64, 3)
    assert by_hand.std() > 10, "the picture says nothing"
    assert abs(by_hand - saved - 0.5).max() <= 1.5
