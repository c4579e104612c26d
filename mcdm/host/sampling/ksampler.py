"""One run of a guider, as the host's KSampler runs a model."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch

from ..protocols import Sampler
from .guider import MixtureGuider

Latent = dict[str, Any]                                                     # the host's LATENT
Step = Callable[[int, torch.Tensor, torch.Tensor, int], object]             # (step, x0, x, steps)

# What ends a row of runs, whatever else it forgives.
STOPS = comfy.model_management.InterruptProcessingException, comfy.model_management.OOM_EXCEPTION

# Newer hosts note the cell size in an empty latent, and fit it to the model's.
CELLS = ("downscale_ratio_spacial", "downscale_ratio_temporal")


def sample_mixture(
    guider: MixtureGuider,
    seed: int,
    steps: int,
    sampler_name: str,
    scheduler: str,
    denoise: float,
    latent_image: Latent,
    callback: Step | None = None,
    sampler: Sampler | None = None,
) -> tuple[Latent, Latent]:
    """Denoises a latent and returns (latent, denoised): the result and the last denoised estimate.

    latent_image: {"samples": [B, C, H, W] or [B, C, T, H, W], maybe "noise_mask", "batch_index"}; so are the results.
    callback: called after every step, instead of the host's progress bar and preview.
    sampler: a SAMPLER to use instead of the named one.
    Exceptions of the experts and the sampler pass through.
    """
    if not 0.0 <= denoise <= 1.0:
        raise ValueError(f"denoise must be a number from 0 to 1, not {denoise}.")
    patcher = guider.model_patcher
    latent = latent_image.copy()
    cells = {key: latent.pop(key) for key in CELLS if key in latent}
    samples = comfy.sample.fix_empty_latent_channels(patcher, latent["samples"], **cells)
    noise = comfy.sample.prepare_noise(samples, seed, latent.get("batch_index"))
    settings = comfy.samplers.KSampler(
        patcher, steps, patcher.load_device, sampler_name, scheduler, denoise, patcher.model_options)
    show = callback or latent_preview.prepare_callback(patcher, steps)
    estimate: torch.Tensor | None = None

    def after_step(step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> None:
        nonlocal estimate
        estimate = x0
        show(step, x0, x, total)
    samples = guider.sample(
        noise, samples, sampler or comfy.samplers.sampler_object(sampler_name), settings.sigmas,
        denoise_mask=latent.get("noise_mask"), callback=after_step,
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED, seed=seed,
    )
    samples = samples.to(comfy.model_management.intermediate_device())
    denoised = samples if estimate is None else patcher.model.process_latent_out(estimate.cpu())
    return {**latent, "samples": samples}, {**latent, "samples": denoised}
