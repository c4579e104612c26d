"""Masks found during sampling."""
from __future__ import annotations

import dataclasses

from comfy_api.latest import io

from ..mcdm.automatic import Automatic
from ..mcdm.mixture import Mixture
from ..mcdm.parsing import parse_numbers
from .checks import LowerBound
from .common import ADVANCED, CATEGORY, MixtureWire, search_aliases


class AutomaticMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AutomaticMasks", display_name="Automatic Masks", category=CATEGORY,
            **search_aliases("saliency", "dynamic mask", "region", "MagicFusion"),
            description="Finds out during sampling where each expert acts: where its condition asks for most. The "
                        "masks sum to 1 everywhere; the previews and the report show them. The experts' own masks "
                        "limit them.",
            inputs=[
                MixtureWire.Input("mixture", tooltip="The experts, from a Reliability Mixer."),
                io.Float.Input("temperature", optional=True, default=0.25, min=LowerBound(0.01), max=100.0, step=0.05,
                               tooltip="How soft the masks are: small numbers give each place to one expert, large "
                                       "ones to all equally."),
                io.Float.Input("blur", optional=True, default=2.0, min=LowerBound(0.0), max=64.0, step=0.5,
                               tooltip="Smooths the masks, in cells of the latent."),
                io.String.Input("strengths", **ADVANCED, default="",
                                tooltip="How much each expert's claim to a place counts, one number per expert. "
                                        "Empty = 1 each."),
                io.Float.Input("hold_sigma", **ADVANCED, default=0.0, min=LowerBound(0.0), max=1e6, step=0.1,
                               round=False,
                               tooltip="Below this noise level the masks no longer change, which saves evaluations "
                                       "where no null counts. 0 = never."),
            ],
            outputs=[MixtureWire.Output(display_name="mixture", tooltip="The same experts, with automatic masks.")],
        )

    @classmethod
    def execute(
        cls,
        mixture: Mixture,
        temperature: float = 0.25,
        blur: float = 2.0,
        strengths: str = "",
        hold_sigma: float = 0.0,
    ) -> io.NodeOutput:
        numbers = parse_numbers(strengths, mixture.slots, "strengths", minimum=0.0)
        automatic = Automatic(temperature, blur, numbers, hold_sigma)
        return io.NodeOutput(dataclasses.replace(mixture, automatic=automatic))
