"""Reports (MixtureReport) on experts whose data are Gaussian, in every cell of a small picture."""
from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from support.mixtures import expert, latent, parameterised, settings
from support.tensors import noise
from unite_and_conquer.devtools.inprocess import InProcess

RUN = settings(5, 6, scheduler="karras")
FIELD = (4, 8, 8)


def strict(text: str) -> Any:
    """JSON as every reader takes it: no NaN, no Infinity."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in the JSON"))


def report(
    comfy: InProcess, mixture: Any, image: dict[str, Any] | None = None, **inputs: Any,
) -> tuple[dict[str, Any], torch.Tensor, Any]:
    """LATENT, page and JSON of a report."""
    inputs = RUN | {"latent_image": image or latent()} | inputs
    latent_out, page, text = comfy.call("MixtureReport", mixture=mixture, **inputs)
    assert page.shape[0] == 1 and page.shape[3] == 3 and 0 <= page.min() < 0.5 < page.max() <= 1
    return latent_out, page, strict(text)


def gaussian(deviation: float, seed: int = 0) -> Any:
    """A MODEL whose data are Gaussian, N(mean, deviation^2) with the condition's mean.

    D = (s^2 z + sigma^2 mean) / (s^2 + sigma^2)
    """
    model = parameterised(seed, "x0")

    def answer(_, args):
        level = args["timestep"].reshape(-1, 1, 1, 1) ** 2
        mean = args["c"]["c_crossattn"][:, 0, :math.prod(FIELD)].reshape(-1, *FIELD)
        return (deviation ** 2 * args["input"] + level * mean) / (deviation ** 2 + level)
    model.set_model_unet_function_wrapper(answer)
    return model


def condition(mean: torch.Tensor) -> list[Any]:
    """A CONDITIONING that tells a mean of shape FIELD."""
    words = torch.nn.functional.pad(mean.reshape(1, 1, -1), (0, 768 - mean.numel()))
    return [[words.expand(1, 77, -1), {}]]


def field(seed: int) -> torch.Tensor:
    """Noise of the shape FIELD."""
    return noise(seed, *FIELD)


def experts(
    comfy: InProcess, means: Sequence[torch.Tensor], nulls: Sequence[torch.Tensor], weights: Sequence[float],
    deviations: Sequence[float], **more: Any,
) -> list[Any]:
    """Gaussian experts e1, e2, ...; more: an input of ConditionExpert for each."""
    made = []
    for i, (mean, null, weight, deviation) in enumerate(zip(means, nulls, weights, deviations, strict=True)):
        texts = {"condition": condition(mean), "null_condition": condition(null), "name": f"e{i + 1}"}
        own = {name: values[i] for name, values in more.items()}
        made.append(expert(comfy, gaussian(deviation, i), i, weight, **texts, **own))
    return made
