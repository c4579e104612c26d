"""The paper's own sampler."""
from __future__ import annotations

import comfy.samplers
from comfy_api.latest import io

from ..mcdm import ancestral
from .checks import LowerBound, check_choice, check_number, require
from .common import CATEGORY, search_aliases

VARIANCES = ("fixed_small", "fixed_large", "learned")


class MCDMAncestral(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MCDMAncestral", display_name="MCDM Ancestral", category=CATEGORY,
            **search_aliases("DDPM", "DDIM", "eta", "sampler"),
            description="The paper's own sampler as a SAMPLER for Sampler Custom Advanced: ancestral steps, or "
                        "deterministic DDIM steps at eta 0.",
            inputs=[
                io.Float.Input("eta", optional=True, default=1.0, min=LowerBound(0.0), max=1.0, step=0.05,
                               tooltip="How much fresh noise a step adds: 1 = DDPM, 0 = DDIM."),
                io.Combo.Input("variance", optional=True, options=list(VARIANCES), default="fixed_small",
                               tooltip="The variance of that noise; 'learned' needs a first expert that predicts it "
                                       "(ADM, GLIDE, DiT)."),
            ],
            outputs=[io.Sampler.Output(display_name="sampler", tooltip="For Sampler Custom Advanced.")],
        )

    @classmethod
    def validate_inputs(cls, variance: str = "fixed_small") -> bool | str:
        return check_choice(variance, VARIANCES, "variance")

    @classmethod
    def execute(cls, eta: float = 1.0, variance: str = "fixed_small") -> io.NodeOutput:
        require(cls.validate_inputs(variance))
        require(check_number(eta, 0.0, 1.0, "eta"))
        extra_options = {"eta": eta, "variance": variance}
        return io.NodeOutput(comfy.samplers.KSAMPLER(ancestral.sample_ancestral, extra_options=extra_options))
