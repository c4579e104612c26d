"""Functions attached to the guidance: an expert's CFG hooks, a sampler's (CFG++); and the learned variance."""
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import comfy.samplers
import torch

from ..protocols import Conds, Options
from .run import ExpertRun, Query

POST_CFG = "sampler_post_cfg_function"


class Guider(Protocol):
    """The guider, as a sampler's hooks see it."""
    cfg: float
    inner_model: object


def apply_cfg_hooks(
    run: ExpertRun, weight: float, denoised: torch.Tensor, null: torch.Tensor | None, query: Query,
) -> torch.Tensor:
    """The host's own CFG hooks of one expert: their result, on its device, replaces D_0 + w_i (D_i - D_0)."""
    run.take_over()
    x, sigma = query
    model, options = run.model, run.options
    positive = run.conds["positive"]
    negative = None if null is None else run.conds.get("negative")
    denoised = denoised.to(run.device)
    out = [denoised, torch.zeros_like(denoised) if null is None else null.to(run.device)]
    for hook in options.get("sampler_pre_cfg_function", []):
        out = hook({"conds": [positive, negative], "conds_out": out, "cond_scale": weight, "timestep": sigma,
                    "input": x, "sigma": sigma, "model": model, "model_options": options})
    return comfy.samplers.cfg_function(
        model, out[0], out[1], weight, x, sigma, model_options=options, cond=positive, uncond=negative)


def split_hooks(own_options: Options, options: Options) -> tuple[Options, list[Callable]]:
    """The options that a sampler passes, without the post-CFG hooks that it attached (CFG++), and those hooks.

    own_options: those of the lead's MODEL, whose hooks are the lead's.
    """
    own = own_options.get(POST_CFG, [])
    sampler_hooks = [hook for hook in options.get(POST_CFG, []) if hook not in own]
    if not sampler_hooks:
        return options, []
    return {**options, POST_CFG: own}, sampler_hooks


def apply_sampler_hooks(
    guider: Guider, hooks: list[Callable], fused: torch.Tensor, alone: torch.Tensor | None,
    null: torch.Tensor | None, conds: Conds, x: torch.Tensor, timestep: torch.Tensor, options: Options,
) -> torch.Tensor:
    """A sampler's post-CFG hooks on the fused estimate [B, ...]: its unconditional estimate is D_0.

    alone: D_i if only one condition was asked. conds: the lead's.
    """
    unconditioned = torch.zeros_like(fused) if null is None else null
    for hook in hooks:
        fused = hook({
            "denoised": fused, "cond_denoised": fused if alone is None else alone,
            "uncond_denoised": unconditioned, "cond": conds["positive"], "uncond": conds.get("negative"),
            "cond_scale": guider.cfg, "model": guider.inner_model, "model_options": options, "input": x,
            "sigma": timestep,
        })
    return fused


class Variances:
    """The variance channels of the lead's network in one evaluation. No list: the host copies lists in its options."""

    def __init__(self) -> None:
        self.rows: list[int] | None = None      # set by `batch`: which rows the next part is of
        self._parts: list[tuple[list[int], torch.Tensor]] = []

    def append(self, part: tuple[list[int], torch.Tensor]) -> None:
        """Called by a network with (the host's cond_or_uncond, its variance channels)."""
        labels, variance = part
        self._parts.append((labels if self.rows is None else self.rows, variance))

    def row(self, number: int) -> torch.Tensor | None:
        """The variance [B, ...] of one of the conditions and nulls; None if the network predicts none."""
        for rows, variance in self._parts:
            if number in rows:
                return variance.chunk(len(rows))[rows.index(number)]
        return None


def keep_variances(options: Options, variances: Variances) -> Options:
    """Options under which a network hands over its variance channels."""
    inner = {**options.get("transformer_options", {}), "mcdm_learned_variance": variances}
    return {**options, "transformer_options": inner}
