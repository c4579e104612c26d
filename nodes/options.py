"""What users expect on top of eq. 10."""
from __future__ import annotations

import dataclasses
import math

from comfy_api.latest import io

from ..mcdm.cures import Apg
from ..mcdm.mixture import Mixture
from ..mcdm.options import Options
from ..mcdm.parsing import parse_numbers
from .checks import LowerBound, check_choice, require
from .common import ADVANCED, CATEGORY, MixtureWire, search_aliases

CURVES = ("linear", "cosine")
NO_LIMIT = 0.0          # of sigma_high
HIGHEST = 1e9           # of a noise level; as sigma_high of older files it stands for no limit


class MixtureOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MixtureOptions", display_name="Mixture Options", category=CATEGORY,
            **search_aliases("schedule", "rescale CFG", "guidance interval", "APG", "CFG-Zero"),
            description="Weights and reliabilities that change over the schedule, CFG rescale, a guidance interval, "
                        "and cures of strong guidance (APG, CFG-Zero*). The defaults change nothing.",
            inputs=[
                MixtureWire.Input("mixture", tooltip="The experts, from a Reliability Mixer."),
                io.String.Input("weights_end", optional=True, default="",
                                tooltip="The weights at the end of the schedule, one per expert. Empty = the same as "
                                        "at the start."),
                io.String.Input("reliabilities_end", optional=True, default="",
                                tooltip="The reliabilities at the end of the schedule; shares, if the mixer's numbers "
                                        "are shares. Empty = the same as at the start."),
                io.Combo.Input("curve", optional=True, options=list(CURVES), default="linear",
                               tooltip="How they change from start to end."),
                io.Float.Input("rescale", optional=True, default=0.0, min=LowerBound(0.0), max=1.0, step=0.05,
                               tooltip="Gives the fused estimate the contrast of the experts' own estimates (Lin et "
                                       "al. 2023). 0 = off."),
                io.Float.Input("sigma_low", **ADVANCED, default=0.0, min=LowerBound(0.0), max=HIGHEST, step=0.01,
                               round=False,
                               tooltip="Guidance acts above this noise level; below it the weights are divided by "
                                       "their sum (Kynkaanniemi et al. 2024)."),
                io.Float.Input("sigma_high", **ADVANCED, default=NO_LIMIT, min=LowerBound(0.0), max=HIGHEST,
                               step=0.01, round=False,
                               tooltip="Guidance acts up to this noise level. 0 = from the first step."),
                io.Boolean.Input("apg", optional=True, default=False,
                                 tooltip="Adaptive projected guidance on the whole mixture, against burnt colours at "
                                         "high weights (Sadat et al. 2024). For one expert it matches ComfyUI's node "
                                         "of that name."),
                io.Float.Input("apg_eta", **ADVANCED, default=1.0, min=LowerBound(-10.0), max=10.0, step=0.01,
                               tooltip="How much APG keeps of the guidance along the estimate, the part that burns: 1 "
                                       "= all of it, 0 = nothing."),
                io.Float.Input("apg_norm_threshold", **ADVANCED, default=5.0, min=LowerBound(0.0), max=1e6, step=0.1,
                               tooltip="APG limits the length of the guidance to this. 0 = no limit."),
                io.Float.Input("apg_momentum", **ADVANCED, default=0.0, min=LowerBound(-5.0), max=1.0, step=0.01,
                               tooltip="How much of the earlier steps' guidance APG adds; negative numbers push away "
                                       "from it. 0 = none."),
                io.Boolean.Input("cfg_zero", optional=True, default=False,
                                 tooltip="CFG-Zero* on the whole mixture: scales the null blend to fit the conditions "
                                         "(Fan et al. 2025); made for flows. For one expert it matches ComfyUI's node "
                                         "CFGZeroStar."),
                io.Float.Input("zero_init", **ADVANCED, default=0.0, min=LowerBound(0.0), max=0.99, step=0.01,
                               tooltip="The second half of CFG-Zero*: the first part of the schedule, in which nothing "
                                       "moves and nothing is evaluated. 0.01 is usually only the first step. 0 = off."),
            ],
            outputs=[MixtureWire.Output(display_name="mixture", tooltip="The same experts, with these options.")],
        )

    @classmethod
    def validate_inputs(cls, curve: str = "linear") -> bool | str:
        return check_choice(curve, CURVES, "curve")

    @classmethod
    def execute(
        cls,
        mixture: Mixture,
        weights_end: str = "",
        reliabilities_end: str = "",
        curve: str = "linear",
        rescale: float = 0.0,
        sigma_low: float = 0.0,
        sigma_high: float = NO_LIMIT,
        apg: bool = False,
        apg_eta: float = 1.0,
        apg_norm_threshold: float = 5.0,
        apg_momentum: float = 0.0,
        cfg_zero: bool = False,
        zero_init: float = 0.0,
    ) -> io.NodeOutput:
        require(cls.validate_inputs(curve))
        options = Options(
            weights_end=parse_numbers(weights_end, mixture.slots, "weights_end"),
            numbers_end=parse_numbers(reliabilities_end, mixture.slots, "reliabilities_end", minimum=0.0),
            curve=curve,
            rescale=rescale,
            interval=(sigma_low, math.inf if sigma_high == NO_LIMIT or sigma_high >= HIGHEST else sigma_high),
            apg=Apg(apg_eta, apg_norm_threshold, apg_momentum) if apg else None,
            cfg_zero=cfg_zero,
            zero_init=zero_init,
        )
        return io.NodeOutput(dataclasses.replace(mixture, options=options))
