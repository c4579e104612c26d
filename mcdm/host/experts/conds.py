"""An expert's own copies of the host's conditions, so that the state of ControlNets and hooks stays its own."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.sampler_helpers

from ...bands import EVERY
from ...mixture import Expert
from ...regions import Area
from ..protocols import Conds
from ..spaces.start import Shapes
from .devices import place_controls


def host_conds(expert: Expert) -> Conds:
    """The condition and the null of an expert in the form in which the host's samplers carry them."""
    conds = {"positive": comfy.sampler_helpers.convert_cond(expert.condition)}
    if expert.null is not None:
        conds["negative"] = comfy.sampler_helpers.convert_cond(expert.null)
    place_controls(conds, expert.model.load_device)
    return conds


def cropped(conds: Conds, areas: Sequence[Area]) -> Conds:
    """Conditions and nulls that ask about rectangles alone, as the host's own areas; without areas they are as before.

    Where rectangles overlap, the host takes the mean: MultiDiffusion (Bar-Tal et al. 2023, arXiv:2302.08113).
    """
    if not areas:
        return conds
    found: Conds = {}
    for kind, rows in conds.items():
        found[kind] = [{**row, "area": area} for row in rows for area in areas]
    return found


def copy_hooks(conds: Conds) -> None:
    """The keyframes of hooks keep state as well: gives conditions groups of their own; shared schedules stay shared."""
    groups: dict[Any, Any] = {None: None}
    schedules: dict[Any, Any] = {}

    def copy_group(group: Any) -> Any:
        if group not in groups:
            groups[group] = group.clone()
            for hook in groups[group].hooks:
                schedules.setdefault(hook.hook_keyframe, hook.hook_keyframe.clone())
                hook.hook_keyframe = schedules[hook.hook_keyframe]
        return groups[group]

    for rows in conds.values():
        for cond in rows:
            if "hooks" in cond:
                cond["hooks"] = copy_group(cond["hooks"])


def is_stateless(expert: Expert, patcher: Any) -> bool:
    """Whether answers depend on image, noise level and condition alone: nothing that may keep a state is hung in."""
    patched = patcher.model_options != {"transformer_options": {}} or any(patcher.wrappers.values())
    replaced = patcher.injections or patcher.object_patches.keys() - {"model_sampling"}
    rows = [*expert.condition, *(expert.null or [])]
    stateful = any({"control", "hooks"} & options.keys() for _, options in rows)
    return not (patched or replaced or stateful)


def check_parts(expert: Expert, conds: Conds, latent_shapes: Shapes | None) -> None:
    """Raises ValueError where a latent is packed of several parts and the expert's network does not take it apart."""
    if latent_shapes is None or len(latent_shapes) < 2:
        return
    if expert.bands != EVERY:
        raise ValueError(f"Expert '{expert.name}' has frequency bands, which nested latents (picture and sound in one) "
                         "do not have; clear bands.")
    if not all("latent_shapes" in cond["model_conds"] for rows in conds.values() for cond in rows):
        raise ValueError(f"Expert '{expert.name}' does not take nested latents (picture and sound in one); use an "
                         "ordinary latent.")
