"""Experts whose data are Gaussian, so that every density, estimate and product is known in closed form.

A latent is [N, 4, 1, 1]. Each of its four cells has a mean and a variance of its own, which the CONDITIONING tells.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from support.mixtures import expert, mix, parameterised
from unite_and_conquer.devtools.inprocess import InProcess

CELLS = 4
SCALE = 0.18215         # of SD 1.5: the host divides what is sampled by it
Gaussian = tuple[Sequence[float], Sequence[float]]          # means and variances of the cells


def conditioning(gaussian: Gaussian) -> Any:
    """The CONDITIONING that tells means and variances."""
    return [[torch.tensor([*gaussian[0], *gaussian[1]]).reshape(1, 1, -1), {}]]


def estimate(z: torch.Tensor, sigma: float, mean: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """D = (v z + sigma^2 m) / (v + sigma^2)."""
    return (variance * z + sigma ** 2 * mean) / (variance + sigma ** 2)


def model(kind: str = "x0", seen: list[int] | None = None) -> Any:
    """A MODEL that draws the Gaussian of its condition. seen: grows by the rows of each call."""
    made = parameterised(0, kind)

    def answer(_, args):
        told = args["c"]["c_crossattn"].reshape(-1, 2 * CELLS, 1, 1)
        mean, variance = told.chunk(2, dim=1)
        level = args["timestep"].reshape(-1, 1, 1, 1)
        alpha = 1.0 - level if kind == "flow" else 1.0
        if seen is not None:
            seen.append(len(args["input"]))
        return (variance * alpha * args["input"] + level ** 2 * mean) / (variance * alpha ** 2 + level ** 2)
    made.set_model_unet_function_wrapper(answer)
    return made


def mixture(
    comfy: InProcess, of: Any, conditions: Sequence[tuple[Gaussian, float]], null: Gaussian, **more: Any,
) -> Any:
    """Experts of one MODEL, one per (condition, weight), with one null. more: a list of inputs for each expert."""
    experts = []
    for i, (gaussian, weight) in enumerate(conditions):
        texts = {"condition": conditioning(gaussian), "null_condition": conditioning(null), "name": f"e{i + 1}"}
        own = {name: values[i] for name, values in more.items()}
        experts.append(expert(comfy, of, i, weight, **texts, **own))
    return mix(comfy, experts)
