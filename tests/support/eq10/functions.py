"""CFG functions that users hang into a MODEL, for the host and by hand: what they are shown, and what they return."""
from __future__ import annotations

from typing import Any

import torch


def same(args: dict[str, Any]) -> torch.Tensor:
    """post-CFG: changes nothing."""
    return args["denoised"]


def bent(args: dict[str, Any]) -> torch.Tensor:
    """post-CFG: looks at all that it is shown."""
    asked = args["cond_denoised"] - args["uncond_denoised"]
    level = args["sigma"].reshape(-1, *[1] * (asked.ndim - 1)).to(asked)
    seen = args["input"] / (1.0 + level)
    scaled = args["cond_scale"] * args["uncond_denoised"]
    return args["denoised"] + 0.3 * torch.tanh(asked) + 0.02 * scaled + 0.05 * seen


def rescaled(args: dict[str, Any]) -> torch.Tensor:
    """sampler_cfg_function: gives what CFG makes the deviation of the condition, in part. All of these are x - D."""
    cond = args["cond"]
    null = args["uncond"]
    scale = args["cond_scale"]
    guided = null + scale * (cond - null)
    ratio = cond.flatten(1).std(1) / guided.flatten(1).std(1)
    return guided * (0.3 + 0.7 * ratio.reshape(-1, *[1] * (cond.ndim - 1)))


def before(args: dict[str, Any]) -> list[torch.Tensor]:
    """pre-CFG: moves the condition and the null."""
    cond, null = args["conds_out"]
    return [cond + 0.25 * torch.tanh(cond - null), 0.9 * null]


def with_function(model: Any, name: str, sees_null: bool) -> Any:
    """The MODEL with the function of that name. sees_null: it asks for the null whatever the weight."""
    made = model.clone()
    if name in ("same", "bent"):
        function = same if name == "same" else bent
        made.set_model_sampler_post_cfg_function(function, disable_cfg1_optimization=sees_null)
    elif name == "rescaled":
        made.set_model_sampler_cfg_function(rescaled, disable_cfg1_optimization=sees_null)
    elif name == "before":
        made.set_model_sampler_pre_cfg_function(before, disable_cfg1_optimization=sees_null)
    return made


def called(name: str, x: torch.Tensor, level: float, d: torch.Tensor, null: torch.Tensor, weight: float,
           ) -> torch.Tensor:
    """What the function makes of a condition's estimate and a null, in the host's own order: pre, CFG, post."""
    if name == "before":
        d, null = before({"conds_out": [d, null]})
    if name == "rescaled":
        return x - rescaled({"cond": x - d, "uncond": x - null, "cond_scale": weight})
    guided = null + weight * (d - null)
    if name not in ("same", "bent"):
        return guided
    args = {"denoised": guided, "cond_denoised": d, "uncond_denoised": null, "cond_scale": weight, "input": x,
            "sigma": torch.full((len(x),), level, dtype=torch.float64)}
    return same(args) if name == "same" else bent(args)
