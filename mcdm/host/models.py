"""Questions to a MODEL of the host (a ModelPatcher): its latent space, its frame, its size."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import comfy.latent_formats
import comfy.model_sampling
import torch

from ..mixture import Expert
from ..noise_levels import NoiseLevels

logger = logging.getLogger("mcdm")


def latent_format(model: Any) -> Any:
    """The latent format of a MODEL: channels, scale, and how previews are drawn."""
    return model.get_model_object("latent_format")


def is_pixel(model: Any) -> bool:
    """Whether a MODEL works on pixels in [-1, 1], without a VAE."""
    return isinstance(latent_format(model), comfy.latent_formats.ChromaRadiance)


def check_spaces(experts: Sequence[Expert], mixed: bool = False) -> None:
    """Raises ValueError unless all experts share one latent space: the same latent format, not merely as many channels.

    mixed: the user vouches for spaces of other names; only the number of channels is checked then, and the log says so.
    """
    lead, *others = experts
    ours = latent_format(lead.model)
    for expert in others:
        theirs = latent_format(expert.model)
        if type(ours) is type(theirs):
            continue
        names = (f"expert '{expert.name}' works in the latent space {type(theirs).__name__}, "
                 f"expert '{lead.name}' in {type(ours).__name__}")
        if not mixed or ours.latent_channels != theirs.latent_channels:
            raise ValueError(f"These cannot be united: {names}. Use experts of one latent space.")
        logger.warning(f"MCDM: {names}; they are united because allow_mixed_latents is on.")


def noise_levels_of(model: Any) -> NoiseLevels:
    """The frame and the trained range of a MODEL. Raises ValueError where it predicts no noise level at all."""
    sampling = model.get_model_object("model_sampling")
    if isinstance(sampling, comfy.model_sampling.IMG_TO_IMG):
        raise ValueError(f"{type(model.model).__name__} is an image-to-image network without noise levels and cannot "
                         "be an expert; use another model.")
    return NoiseLevels(
        flow=isinstance(sampling, comfy.model_sampling.CONST),
        sigma_min=float(sampling.sigma_min),
        sigma_max=float(sampling.sigma_max),
        sigma_data=float(getattr(sampling, "sigma_data", 1.0)),
    )


def check_latent(experts: Sequence[Expert], latent: torch.Tensor) -> None:
    """Raises ValueError for a latent [B, C, H, W] or [B, C, T, H, W] that these experts cannot sample from."""
    if latent.is_nested:
        raise ValueError("Nested latents (picture and sound in one) cannot be fused; use an ordinary latent.")
    lead = experts[0]
    space = latent_format(lead.model)
    if latent.shape[1] != space.latent_channels:
        raise ValueError(f"Expert '{lead.name}' works on latents of {space.latent_channels} channels "
                         f"({type(space).__name__}), but the latent has {latent.shape[1]}; use EmptyExpertLatent, "
                         "or encode the picture with the VAE of this latent space.")
    height, width = latent.shape[-2:]
    for expert in experts:
        size = getattr(expert.model.model, "fixed_size", None)
        if size is not None and (height, width) != tuple(size):
            raise ValueError(f"Expert '{expert.name}' works at {size[1]} x {size[0]} only, but the latent is "
                             f"{width} x {height}; use EmptyExpertLatent with that size.")
    if not torch.isfinite(latent).all():
        raise ValueError("The latent holds NaN or infinite values; nothing can be sampled from it.")
