"""A sampler that draws from the density that eq. 10 stands for, with the rows of a batch as particles."""
from __future__ import annotations

import comfy.samplers
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ..mcdm.host.particles import particle_sampler
from ..mcdm.host.particles.settings import ALL, FEYNMAN_KAC, KEEPS, METHODS, Settings
from .checks import LowerBound, check_choice, first_objection, require
from .common import ADVANCED, CATEGORY, search_aliases


class MCDMCorrected(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MCDMCorrected", display_name="MCDM Corrected", category=CATEGORY,
            **search_aliases("particles", "Feynman-Kac", "SuperDiff", "Langevin", "sampler"),
            description="A SAMPLER for Sampler Custom Advanced with a mixture's guider. It draws from the product that "
                        "the experts stand for, instead of only following its direction. The rows of a batch are "
                        "particles.",
            inputs=[
                io.Combo.Input("method", optional=True, options=list(METHODS), default=FEYNMAN_KAC,
                               tooltip="Feynman-Kac: particles are weighted and resampled, so that weights and nulls "
                                       "mean exactly what they say. SuperDiff: with OR each picture is drawn by one of "
                                       "the experts, otherwise it is equally likely for all. none: ancestral steps "
                                       "alone."),
                io.Int.Input("particles", optional=True, default=0, min=0, max=4096,
                             tooltip="How many consecutive rows of the batch are particles of one picture. 0 = all of "
                                     "the batch."),
                io.Combo.Input("keep", optional=True, options=list(KEEPS), default=ALL,
                               tooltip="What is returned: every particle, or one per picture."),
                io.Float.Input("threshold", **ADVANCED, default=0.5, min=LowerBound(0.0), max=1.0, step=0.05,
                               tooltip="Particles are resampled as soon as their effective size is below this fraction "
                                       "of their number."),
                io.Int.Input("langevin_steps", **ADVANCED, default=0, min=0, max=100,
                             tooltip="Steps of Langevin dynamics at each noise level after the first, one evaluation "
                                     "each. Not with SuperDiff."),
                io.Float.Input("langevin_size", **ADVANCED, default=0.1, min=LowerBound(0.001), max=1.0, step=0.01,
                               tooltip="The size of such a step, in variances of the noise."),
            ],
            outputs=[io.Sampler.Output(display_name="sampler", tooltip="For Sampler Custom Advanced.")],
        )

    @classmethod
    def validate_inputs(cls, method: str = FEYNMAN_KAC, keep: str = ALL) -> bool | str:
        return first_objection(check_choice(method, METHODS, "method"), check_choice(keep, KEEPS, "keep"))

    @classmethod
    def execute(
        cls,
        method: str = FEYNMAN_KAC,
        particles: int = 0,
        keep: str = ALL,
        threshold: float = 0.5,
        langevin_steps: int = 0,
        langevin_size: float = 0.1,
    ) -> io.NodeOutput:
        require(cls.validate_inputs(method, keep))
        settings = Settings(method, particles, keep, threshold, langevin_steps, langevin_size)
        extra_options = {"settings": settings, "tell": show}
        return io.NodeOutput(comfy.samplers.KSAMPLER(particle_sampler.sample_corrected, extra_options=extra_options))


def show(words: str) -> None:
    """Shows words on the node that runs now, on the page that queued it."""
    context, host = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is not None and host is not None and host.client_id is not None:
        host.send_progress_text(words, context.node_id, host.client_id)
