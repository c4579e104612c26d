"""What users expect on top of eq. 10, and the paper's own sampler."""
import dataclasses

import comfy.samplers
from comfy_api.latest import io

from ..mcdm import ancestral
from ..mcdm.mixture import Options, parse_numbers
from .common import CATEGORY, Mixture, choice, search

CURVES = ("linear", "cosine")
VARIANCES = ("fixed_small", "fixed_large", "learned")


class MixtureOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MixtureOptions", display_name="Mixture Options", category=CATEGORY, **search("schedule", "rescale CFG", "guidance interval"),
            description="Weights and reliabilities that change over the schedule, CFG rescale, and a guidance interval. The defaults change nothing.",
            inputs=[
                Mixture.Input("mixture", tooltip="The experts, from a Reliability Mixer."),
                io.String.Input("weights_end", optional=True, default="",
                                tooltip="The weights at the end of the schedule, one an expert; empty = as at its start."),
                io.String.Input("reliabilities_end", optional=True, default="",
                                tooltip="The reliabilities at the end of the schedule; empty = as at its start."),
                io.Combo.Input("curve", optional=True, options=list(CURVES), default="linear", tooltip="How they go from start to end."),
                io.Float.Input("rescale", optional=True, default=0.0, min=0.0, max=1.0, step=0.05,
                               tooltip="Gives the fused estimate the contrast of the experts' own ones (Lin et al. 2023); 0 = off."),
                io.Float.Input("sigma_low", optional=True, default=0.0, min=0.0, max=1e9, step=0.01, round=False,
                               tooltip="Guidance acts above this noise level; below it the weights are divided by their sum (Kynkaanniemi et al. 2024)."),
                io.Float.Input("sigma_high", optional=True, default=1e9, min=0.0, max=1e9, step=0.01, round=False,
                               tooltip="Guidance acts up to this noise level."),
            ],
            outputs=[Mixture.Output(display_name="mixture", tooltip="The same experts, with these options.")],
        )

    @classmethod
    def validate_inputs(cls, curve="linear"):
        return choice(curve, CURVES, "curve")

    @classmethod
    def execute(cls, mixture, weights_end="", reliabilities_end="", curve="linear", rescale=0.0, sigma_low=0.0, sigma_high=1e9) -> io.NodeOutput:
        checked = cls.validate_inputs(curve)
        if checked is not True:
            raise ValueError(checked)
        count = len(mixture.experts)
        high = float("inf") if sigma_high >= 1e9 else sigma_high
        options = Options(parse_numbers(weights_end, count, "weights_end"), parse_numbers(reliabilities_end, count, "reliabilities_end", minimum=0.0),
                          curve, rescale, (sigma_low, high))
        return io.NodeOutput(dataclasses.replace(mixture, options=options))


class MCDMAncestral(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MCDMAncestral", display_name="MCDM Ancestral", category=CATEGORY, **search("DDPM", "DDIM", "eta", "sampler"),
            description="The paper's own sampler as a SAMPLER for Sampler Custom Advanced: ancestral steps, or deterministic DDIM steps at eta 0.",
            inputs=[
                io.Float.Input("eta", optional=True, default=1.0, min=0.0, max=1.0, step=0.05, tooltip="How much fresh noise a step adds: 1 = DDPM, 0 = DDIM."),
                io.Combo.Input("variance", optional=True, options=list(VARIANCES), default="fixed_small",
                               tooltip="The variance of that noise; 'learned' needs a first expert that predicts it (ADM, GLIDE, DiT)."),
            ],
            outputs=[io.Sampler.Output(display_name="sampler", tooltip="For Sampler Custom Advanced.")],
        )

    @classmethod
    def validate_inputs(cls, variance="fixed_small"):
        return choice(variance, VARIANCES, "variance")

    @classmethod
    def execute(cls, eta=1.0, variance="fixed_small") -> io.NodeOutput:
        checked = cls.validate_inputs(variance)
        if checked is not True:
            raise ValueError(checked)
        return io.NodeOutput(comfy.samplers.KSAMPLER(ancestral.sample, extra_options={"eta": eta, "variance": variance}))
