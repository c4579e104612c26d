"""Experts whose data are Gaussian, so that every density, estimate and product is known in closed form.

A latent is [N, 4, 1, 1]. Each of its four cells has a mean and a variance of its own, which the CONDITIONING tells.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from support.mixtures import custom_sampled, expert, mix, parameterised
from support.tensors import noise
from unite_and_conquer.devtools.inprocess import InProcess

CELLS = 4
SCALE = 0.18215         # of SD 1.5: the host divides what is sampled by it
Gaussian = tuple[Sequence[float], Sequence[float]]          # means and variances of the cells
SAME = [0.0, 0.5, -1.0]                     # means of three cells in which all experts agree
NULL: Gaussian = ([0.0, *SAME], [1.0, 1.0, 0.5, 0.25])


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


def of_one_cell(mean: float, variance: float) -> Gaussian:
    """A Gaussian that differs from NULL in its first cell."""
    return [mean, *SAME], [variance, *NULL[1][1:]]


def levels(count: int, flow: bool = False, highest: float = 80.0, lowest: float = 0.01) -> list[float]:
    """Sigmas as karras spaces them, or the t of a flow, and 0."""
    ends = highest ** (1 / 7), lowest ** (1 / 7)
    sigmas = [(ends[0] + k / (count - 1) * (ends[1] - ends[0])) ** 7 for k in range(count)]
    return [*((s / (1 + s)) if flow else s for s in sigmas), 0.0]


def drawn(
    comfy: InProcess, mixture: Any, count: int, steps: int = 100, seed: int = 3, kind: str = "x0", **inputs: Any,
) -> torch.Tensor:
    """Samples [N, 4] of MCDMCorrected, in float64. kind: of the MODELs. inputs: of the node."""
    sampler, = comfy.call("MCDMCorrected", **inputs)
    x = noise(seed, count, 4, 1, 1)
    out = custom_sampled(comfy, mixture, sampler, levels(steps, kind == "flow"), x, seed)
    return out.double().flatten(1) * SCALE


def off(x: torch.Tensor, mean: float, variance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """How many standard errors mean and variance of x [N] are off."""
    n = len(x)
    return (abs(x.mean() - mean) / math.sqrt(variance / n), abs(x.var() - variance) / (variance * math.sqrt(2 / n)))
