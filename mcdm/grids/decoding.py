"""From latents to the pictures of a sheet: of a finished cell, and of one in the middle of its run."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..drawing.latent_colours import picture_maker
from ..host.models import cells, is_pixel, latent_format

Decode = Callable[[torch.Tensor], torch.Tensor]         # latents to pictures [N, H, W, C] in [0, 1]


def decoder(model: Any, vae: Any) -> Decode:
    """A function from latents to pictures. Raises ValueError if it would need a VAE."""
    def by_vae(samples: torch.Tensor) -> torch.Tensor:
        pictures = vae.decode(samples)
        return pictures.reshape(-1, *pictures.shape[-3:])

    def as_they_are(samples: torch.Tensor) -> torch.Tensor:
        return ((samples + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)
    if vae is not None:
        return by_vae
    if is_pixel(model):
        return as_they_are
    space = type(latent_format(model)).__name__
    raise ValueError(f"The sheet needs pictures, and the latent space {space} needs a VAE for them; connect the VAE of "
                     "these models.")


def estimator(model: Any, decode: Decode) -> Decode | None:
    """From a denoised estimate in the middle of a run to its first picture [1, H, W, 3]; None if that costs a lot."""
    space = latent_format(model)
    if is_pixel(model):
        return lambda x0: decode(x0[:1].float())
    picture = picture_maker(space)
    if picture is None:
        return None
    size = cells(space)

    def enlarged(x0: torch.Tensor) -> torch.Tensor:
        return picture(x0).repeat_interleave(size, 1).repeat_interleave(size, 2)
    return enlarged
