"""The inputs of every node that samples as MCDMSampler does."""
from __future__ import annotations

import comfy.samplers
from comfy_api.latest import io

from .checks import CheckedCombo, LowerBound, check_choice, first_objection
from .common import ADVANCED, MixtureWire

MIXTURE = MixtureWire.Input("mixture", tooltip="The experts, from a Reliability Mixer.")
CLIP_DENOISED = io.Boolean.Input(
    "clip_denoised", **ADVANCED, default=False,
    tooltip="Clamps the fused estimate to the range of pictures in every step, as the authors do. Pixel experts only.")


def sampler_inputs() -> list[io.Input]:
    """The mixture, the sampler's settings, the latent."""
    return [
        MIXTURE,
        io.Int.Input("seed", default=0, min=0, max=0xffffffffffffffff, control_after_generate=True,
                     tooltip="Seed of the noise."),
        io.Int.Input("steps", default=24, min=1, max=10000, tooltip="Number of denoising steps."),
        CheckedCombo("sampler_name", options=comfy.samplers.SAMPLER_NAMES, default="euler",
                     tooltip="Any of ComfyUI's samplers."),
        CheckedCombo("scheduler", options=comfy.samplers.SCHEDULER_NAMES, default="karras",
                     tooltip="How the noise levels are spaced, over the first expert's range."),
        io.Float.Input("denoise", optional=True, default=1.0, min=LowerBound(0.0), max=1.0, step=0.01,
                       tooltip="Below 1: image to image; the share of the schedule that is run."),
        io.Latent.Input("latent_image", tooltip="An empty latent, or a picture's latent for image to image. "
                                                "A noise mask in it means inpainting."),
        CLIP_DENOISED,
    ]


def check_sampler(sampler_name: str, scheduler: str) -> bool | str:
    """True, or a sentence for the user."""
    return first_objection(
        check_choice(sampler_name, comfy.samplers.SAMPLER_NAMES, "sampler_name"),
        check_choice(scheduler, comfy.samplers.SCHEDULER_NAMES, "scheduler"),
    )
