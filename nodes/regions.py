"""Where each expert draws, by hand."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from comfy_api.latest import io

from ..mcdm.experts.modality import CONDITION
from ..mcdm.mixture import Expert, Mixture
from ..mcdm.region_text import parse_layers, parse_rest
from ..mcdm.regions import ALL, OVERLAPS, SHARE, Regions
from .checks import LowerBound, check_choice, require
from .common import CATEGORY, MixtureWire, search_aliases

NAME = 3        # among the widgets of a Condition Expert, as workflows keep their values
PICTURE = 4     # dimensions of a map
FIXED = {"area", "mask", "control", "gligen", "concat_latent_image", "reference_latents"}      # in the picture's cells


class ExpertRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ExpertRegions", display_name="Expert Regions", category=CATEGORY,
            **search_aliases("regional prompt", "area", "box", "mask", "where", "latent couple", "MultiDiffusion"),
            description="Says where each expert draws, by a line of shapes for each. The regions sum to 1 everywhere; "
                        "the experts' own masks limit them. Without text nothing changes.",
            inputs=[
                MixtureWire.Input("mixture", tooltip="The experts, from a Reliability Mixer."),
                io.String.Input("regions", optional=True, default="", multiline=True,
                                tooltip="One line per expert: its name or slot, a colon, and shapes with semicolons "
                                        "between them, such as photo: box 0 0 0.5 1; ellipse 0.7 0.5 0.1 0.2. Numbers "
                                        "are parts of the picture, from 0 to 1. box: left, top, right, bottom. "
                                        "ellipse: x, y, two radii. brush and erase: radius, then points x,y. Behind a "
                                        "shape: crop, to ask the expert about that rectangle alone, or centred, to "
                                        "show it the picture with its shapes in the middle. The help page has more."),
                io.String.Input("rest", optional=True, default=ALL,
                                tooltip="Who draws where nobody has a shape: the name or slot of an expert, or all for "
                                        "equal parts."),
                io.Float.Input("feather", optional=True, default=0.0, min=LowerBound(0.0), max=1.0, step=0.01,
                               tooltip="How far the borders are softened, as a part of the picture's smaller side."),
                io.Combo.Input("overlap", optional=True, options=list(OVERLAPS), default=SHARE,
                               tooltip="Where shapes of several experts overlap: they share the place, or the one "
                                       "drawn last has it."),
            ],
            outputs=[MixtureWire.Output(display_name="mixture", tooltip="The same experts, each in its regions.")],
            hidden=[io.Hidden.extra_pnginfo],
        )

    @classmethod
    def validate_inputs(cls, overlap: str = SHARE) -> bool | str:
        return check_choice(overlap, OVERLAPS, "overlap")

    @classmethod
    def execute(
        cls, mixture: Mixture, regions: str = "", rest: str = ALL, feather: float = 0.0, overlap: str = SHARE,
    ) -> io.NodeOutput:
        require(cls.validate_inputs(overlap))
        names = {slot: expert.name for slot, expert in zip(mixture.slots, mixture.experts, strict=True)}
        absent = set(_names((getattr(cls.hidden, "extra_pnginfo", None) or {}).get("workflow")))
        layers = parse_layers(regions, names, absent)
        made = Regions(layers, parse_rest(rest, names, absent), float(feather), overlap)
        if not layers and not made.rest:
            return io.NodeOutput(mixture)
        if mixture.regions is not None:
            raise ValueError("regions: the mixture that arrives has regions already, which these would replace; write "
                             "all lines into one Expert Regions.")
        for slot, expert in zip(mixture.slots, mixture.experts, strict=True):
            if slot in made.cropped:
                _check_crop(expert, slot == made.rest)
            if slot in made.centred:
                _check_centred(expert, slot == made.rest)
        return io.NodeOutput(dataclasses.replace(mixture, regions=made))


def _names(workflow: Any) -> Iterator[str]:
    """What the Condition Experts of a workflow are called, those included that are bypassed."""
    if not isinstance(workflow, dict):
        return
    for graph in (workflow, *workflow.get("definitions", {}).get("subgraphs", [])):
        for node in graph.get("nodes", []):
            values = node.get("widgets_values")
            if node.get("type") == "ConditionExpert" and isinstance(values, list) and len(values) > NAME:
                yield str(values[NAME]).strip()


def _check_crop(expert: Expert, has_rest: bool) -> None:
    """Raises ValueError for an expert that cannot be asked about rectangles alone."""
    size = getattr(expert.model.model, "fixed_size", None)
    if size is not None:
        raise ValueError(f"regions: expert '{expert.name}' draws only {size[1]} x {size[0]} cells and cannot be asked "
                         "about a rectangle of the picture; write centred instead of crop.")
    if hasattr(expert.model.model, "remote"):
        raise ValueError(f"regions: expert '{expert.name}' is on a worker, which is always asked about the whole "
                         "picture; take crop out of its shapes, or let it run here.")
    if any("area" in options for _, options in (*expert.condition, *(expert.null or []))):
        raise ValueError(f"regions: the condition of expert '{expert.name}' has areas of its own, which crop would "
                         "replace; take crop out of its shapes, or the areas out of its condition.")
    if has_rest:
        raise ValueError(f"regions: expert '{expert.name}' is asked about rectangles alone and cannot draw the rest; "
                         "choose another expert for the rest, or take crop out of its shapes.")


def _check_centred(expert: Expert, has_rest: bool) -> None:
    """Raises ValueError for an expert whose view cannot be moved."""
    rows = [options for _, options in (*expert.condition, *(expert.null or []))]
    maps = [value for options in rows for value in options.get(CONDITION, {}).values() if value.ndim >= PICTURE]
    beside = tuple(getattr(expert.model.model, "concat_keys", ()))      # what an inpainting network sees
    if maps or beside or any(FIXED & options.keys() for options in rows):
        raise ValueError(f"regions: the condition of expert '{expert.name}' says itself where things are (by a map, a "
                         "mask, an area or a ControlNet), which centred does not move; take centred out of its shapes.")
    if has_rest:
        raise ValueError(f"regions: expert '{expert.name}' sees the picture moved and cannot draw the rest; choose "
                         "another expert for the rest, or take centred out of its shapes.")
