"""MODELs whose answers are known in closed form, and what a run of them shows of each."""
from __future__ import annotations

import io
from typing import Any

import torch
from PIL import Image

from support.mixtures import latent, settings
from unite_and_conquer.devtools.inprocess import InProcess
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

RUN = settings(4, 3, scheduler="karras")
EVENT = "mcdm.previews"
MEANS = 1.0, -2.0, 0.5
NULLS = 0.0, 0.5, -0.25
WEIGHTS = 4.0, 1.0, -3.0
SPREADS = 0.3, 0.7, 1.5


def picture(image: str) -> Image.Image:
    """The pixels of a data URL."""
    head, data = image.split(",")
    assert head == "data:image/jpeg"
    return Image.open(io.BytesIO(bytes.fromhex(data.replace("%", "")))).convert("RGB")


def conditioning(mean: float) -> Any:
    return [[torch.full((1, 4, 768), float(mean)), {}]]


class Gaussian:
    """A MODEL of pictures that are N(mean, spread^2) in every number, the mean that of its conditioning.

    D is known in closed form: `denoised`. `asked` keeps the (x, sigma) of every call, the first row of each.
    """

    def __init__(self, seed: int, spread: float) -> None:
        self.spread = spread
        self.asked: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.model = tiny_unet(seed)

        def answer(network, args):          # a function: the host copies a method together with its object
            x, sigma = args["input"].double(), args["timestep"].double().view(-1, 1, 1, 1)
            self.asked.append((x[:1], sigma[:1]))
            mean = args["c"]["c_crossattn"].double().mean((1, 2)).view(-1, 1, 1, 1)
            return self.denoised(x, sigma, mean).to(args["input"])
        self.model.set_model_unet_function_wrapper(answer)

    def denoised(self, x: torch.Tensor, sigma: torch.Tensor, mean: torch.Tensor | float) -> torch.Tensor:
        return (self.spread ** 2 * x + sigma ** 2 * mean) / (self.spread ** 2 + sigma ** 2)

    def expert(self, comfy: InProcess, mean: float, null: float, weight: float, **more: Any) -> Any:
        texts = {"condition": conditioning(mean), "null_condition": conditioning(null)}
        return comfy.call("ConditionExpert", model=self.model, weight=weight, **texts, **more)[0]


def observed(comfy: InProcess, mixture: Any, batch: int = 1, **run: Any) -> list[tuple[list[float], Any]]:
    """(pulls, observation) of every evaluation of a run of the sampler."""
    sampling, previews = comfy.module("mcdm.host.sampling.ksampler"), comfy.module("mcdm.drawing.live_previews")
    seen: list[tuple[list[float], Any]] = []

    def observe(observation):
        seen.append((previews.contribution_shares(observation, len(mixture.experts)), observation))
    run = RUN | {"denoise": 1.0} | run
    watch = comfy.module("mcdm.host.sampling.watch").Watch(observe)
    guider = comfy.module("mcdm.host.sampling.guider").MixtureGuider(mixture, watch=watch)
    sampling.sample_mixture(guider, **run, latent_image=latent(batch))
    return seen
