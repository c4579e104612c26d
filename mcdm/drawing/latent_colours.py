"""A latent as a small picture, by the host's linear map of its space to colours: cheap, and without a VAE."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import latent_preview
import torch

from .sheets import image


def previewer(space: Any) -> Any:
    """The host's linear map of a latent format to colours, None if it has none."""
    if not space.latent_rgb_factors:
        return None
    return latent_preview.Latent2RGBPreviewer(
        space.latent_rgb_factors, space.latent_rgb_factors_bias, space.latent_rgb_factors_reshape)


def picture_maker(space: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """From a latent [B, C, ...] of a latent format to its first picture, [1, H, W, 3] in [0, 1], a pixel per cell.

    None if the format has no map to colours.
    """
    colours = previewer(space)
    if colours is None:
        return None

    def picture(latent: torch.Tensor) -> torch.Tensor:
        return image(colours.decode_latent_to_preview(latent))
    return picture
