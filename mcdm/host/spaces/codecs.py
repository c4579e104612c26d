"""From the clean estimates of a latent space to pictures, and back: the two halves of a bridge.

Pictures are [B, 3, H, W] in [0, 1], as the host's VAEs give them; estimates are scaled as the networks see them.
"""
from __future__ import annotations

import logging
from collections.abc import Callable

import comfy.model_management
import torch
from torch.nn import functional as F

from ..models import cells, is_pixel, latent_format
from ..protocols import Model, Vae

logger = logging.getLogger("mcdm")

PROBE = 8       # latent cells along a side of the picture that tries a VAE


class Pixels:
    """The space of pixels in [-1, 1], which needs no VAE."""
    cell = 1

    def picture(self, estimate: torch.Tensor) -> torch.Tensor:
        return (estimate + 1.0) / 2.0

    def estimate(self, picture: torch.Tensor) -> torch.Tensor:
        return picture * 2.0 - 1.0

    def probe(self, device: torch.device) -> None:
        pass


class Latents:
    """A space behind one of the host's VAEs, which is loaded with the networks and used in place, in every step.

    name: of the expert that brings it. finite: on the device, 1 while everything it returned was finite.
    Raises ValueError if the VAE is not for the space of `model`.
    """

    def __init__(self, vae: Vae, model: Model, name: str) -> None:
        self.vae = vae
        self.space = latent_format(model)
        self.name = name
        self.cell = vae.spacial_compression_decode()
        self.patcher = vae.patcher
        self.finite = torch.ones(())
        kind = type(self.space).__name__
        if vae.latent_dim != 2 or vae.latent_channels != self.space.latent_channels or self.cell != cells(self.space):
            raise ValueError(
                f"The VAE of expert '{name}' makes latents of {vae.latent_dim} dimensions, {vae.latent_channels} "
                f"channels and {self.cell} pixels a cell, but this expert works in {kind}: 2 dimensions, "
                f"{self.space.latent_channels} channels, {cells(self.space)} pixels a cell. Connect the VAE that "
                "belongs to it.")

    def picture(self, estimate: torch.Tensor) -> torch.Tensor:
        vae, latent = self.vae, self.space.process_out(estimate)

        def decode() -> torch.Tensor:
            return vae.process_output(vae.first_stage_model.decode(latent.to(vae.device, vae.vae_dtype)).float())
        return self._watched(self._ask(decode, lambda: vae.decode_tiled_(latent)), estimate)

    def estimate(self, picture: torch.Tensor) -> torch.Tensor:
        vae = self.vae

        def encode() -> torch.Tensor:
            return vae.first_stage_model.encode(vae.process_input(picture).to(vae.device, vae.vae_dtype)).float()
        latent = self._watched(self._ask(encode, lambda: vae.encode_tiled_(picture.float())), picture)
        return self.space.process_in(latent)

    def probe(self, device: torch.device) -> None:
        """Tries the VAE on a small grey picture, once it is loaded. Raises ValueError if the result makes no sense."""
        self.finite = torch.ones((), device=device)
        side = PROBE * self.cell
        latent = self.estimate(torch.full((1, 3, side, side), 0.5, device=device))
        wanted = 1, self.space.latent_channels, PROBE, PROBE
        if latent.shape != wanted or self.picture(latent).shape != (1, 3, side, side):
            raise ValueError(f"The VAE of expert '{self.name}' turns {side} x {side} pixels into a latent of the shape "
                             f"{list(latent.shape)}, not {list(wanted)}; connect the VAE that belongs to this expert.")
        self.check(self.finite.item())

    def check(self, finite: float) -> None:
        """Raises ValueError if the VAE has returned NaN or infinite values: where `finite`, its flag, is 0."""
        if not finite:
            raise ValueError(f"The VAE of expert '{self.name}' returned NaN or infinite values; start ComfyUI with "
                             "--fp32-vae, or connect another VAE of this family.")

    def _ask(self, whole: Callable[[], torch.Tensor], tiled: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The answer at once or, if memory is too short for that, in tiles."""
        try:
            return whole()
        except comfy.model_management.OOM_EXCEPTION:
            pass        # outside the except block, so that what the failure holds is free again
        logger.warning(f"MCDM: not enough memory for the VAE of expert '{self.name}' to work on the whole picture; it "
                       "works in tiles.")
        try:
            return tiled()
        except comfy.model_management.OOM_EXCEPTION:
            logger.error(f"MCDM: not enough memory for the VAE of expert '{self.name}', even in tiles; use a small one "
                         "such as TAESD, a smaller picture, or fewer pictures at once.")
            raise

    def _watched(self, result: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        result = result.to(like.device)
        self.finite = torch.minimum(self.finite, torch.isfinite(result).all().to(self.finite))
        return result


Codec = Pixels | Latents


def codec_of(model: Model, vae: Vae | None, name: str) -> Codec:
    """The codec of the space of a MODEL. vae: the host's VAE of that space, not needed for pixels."""
    if vae is None or is_pixel(model):
        return Pixels()
    return Latents(vae, model, name)


def resized(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A picture [B, 3, H, W] at another size (height, width)."""
    if tuple(picture.shape[-2:]) == size:
        return picture
    return F.interpolate(picture, size=size, mode="bicubic", antialias=True, align_corners=False)
