"""What users expect on top of eq. 10, and the paper's own sampler."""
from __future__ import annotations

import dataclasses
import math

import comfy.samplers
from comfy_api.latest import io

from ..mcdm import ancestral
from ..mcdm.mixture import Mixture, Options
from ..mcdm.parsing import parse_numbers
from .common import CATEGORY, MixtureWire, choice, require, search

CURVES = ("linear", "cosine")
VARIANCES = ("fixed_small", "fixed_large", "learned")
NO_LIMIT = 1e9      # the widget's stand-in for infinity


class MixtureOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MixtureOptions", display_name="Mixture Options", category=CATEGORY,
            **search("schedule", "rescale CFG", "guidance interval"),
            description="Weights and reliabilities that change over the schedule, CFG rescale, and a guidance "
                        "interval. The defaults change nothing.",
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
                io.Float.Input("rescale", optional=True, default=0.0, min=0.0, max=1.0, step=0.05,
                               tooltip="Gives the fused estimate the contrast of the experts' own estimates (Lin et "
                                       "al. 2023). 0 = off."),
                io.Float.Input("sigma_low", optional=True, default=0.0, min=0.0, max=NO_LIMIT, step=0.01, round=False,
                               tooltip="Guidance acts above this noise level; below it the weights are divided by "
                                       "their sum (Kynkaanniemi et al. 2024)."),
                io.Float.Input("sigma_high", optional=True, default=NO_LIMIT, min=0.0, max=NO_LIMIT, step=0.01,
                               round=False, tooltip="Guidance acts up to this noise level."),
            ],
            outputs=[MixtureWire.Output(display_name="mixture", tooltip="The same experts, with these options.")],
        )

    @classmethod
    def validate_inputs(cls, curve: str = "linear") -> bool | str:
        return choice(curve, CURVES, "curve")

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
    ) -> io.NodeOutput:
        require(cls.validate_inputs(curve))
        count = len(mixture.experts)
        options = Options(
            weights_end=parse_numbers(weights_end, count, "weights_end"),
            reliabilities_end=parse_numbers(reliabilities_end, count, "reliabilities_end", minimum=0.0),
            curve=curve,
            rescale=rescale,
            interval=(sigma_low, math.inf if sigma_high >= NO_LIMIT else sigma_high),
        )
        return io.NodeOutput(dataclasses.replace(mixture, options=options))


class MCDMAncestral(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MCDMAncestral", display_name="MCDM Ancestral", category=CATEGORY,
            **search("DDPM", "DDIM", "eta", "sampler"),
            description="The paper's own sampler as a SAMPLER for Sampler Custom Advanced: ancestral steps, or "
                        "deterministic DDIM steps at eta 0.",
            inputs=[
                io.Float.Input("eta", optional=True, default=1.0, min=0.0, max=1.0, step=0.05,
                               tooltip="How much fresh noise a step adds: 1 = DDPM, 0 = DDIM."),
                io.Combo.Input("variance", optional=True, options=list(VARIANCES), default="fixed_small",
                               tooltip="The variance of that noise; 'learned' needs a first expert that predicts it "
                                       "(ADM, GLIDE, DiT)."),
            ],
            outputs=[io.Sampler.Output(display_name="sampler", tooltip="For Sampler Custom Advanced.")],
        )

    @classmethod
    def validate_inputs(cls, variance: str = "fixed_small") -> bool | str:
        return choice(variance, VARIANCES, "variance")

    @classmethod
    def execute(cls, eta: float = 1.0, variance: str = "fixed_small") -> io.NodeOutput:
        require(cls.validate_inputs(variance))
        extra_options = {"eta": eta, "variance": variance}
        return io.NodeOutput(comfy.samplers.KSAMPLER(ancestral.sample, extra_options=extra_options))
