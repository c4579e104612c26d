"""The network of the embedded upsampler: pictures four times as large, in few steps of a diffusion that starts low.

    D(z, sigma) = enlarged(low) + net(z / sqrt(sigma^2 + sigma_data^2), ln(sigma) / 4, low)

Nearly everything is computed on the grid of the small picture. Plain residual convolutions without norms and without
attention: every part of the picture depends on what lies near it, so any size will do and tiles agree with the whole.
The picture to be enlarged may bear noise of a standard deviation that the network is told (Ho et al. 2022,
arXiv:2106.15282).
"""
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FACTOR = 4          # pixels along a side that one pixel of the small picture becomes
COLOURS = 3
FREQUENCIES = 8
LOUDEST = 0.25      # the noise on the small picture that the network was trained for, its standard deviation at most


class Block(nn.Module):
    """[B, c, H, W] -> the same, under an embedding [B, c_emb] that scales and shifts its channels."""

    def __init__(self, c: int, c_emb: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.conv1 = ops.Conv2d(c, c, 3, padding=1, **kw)
        self.film = ops.Linear(c_emb, 2 * c, **kw)
        self.conv2 = ops.Conv2d(c, c, 3, padding=1, **kw)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        scale, shift = self.film(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(x)) * (1 + scale) + shift
        return x + self.conv2(F.silu(h))


class Upsampler(nn.Module):
    """[B, 3, H, W] -> the same, H and W multiples of FACTOR. width: channels. blocks: residual blocks."""

    def __init__(self, width: int = 96, blocks: int = 9, ops: Any = nn, **kw: Any) -> None:
        super().__init__()
        c_emb, patch = width, COLOURS * FACTOR ** 2
        self.level_mlp = nn.Sequential(
            ops.Linear(4 * FREQUENCIES, c_emb, **kw), nn.SiLU(), ops.Linear(c_emb, c_emb, **kw), nn.SiLU())
        self.stem = ops.Conv2d(patch + COLOURS, width, 3, padding=1, **kw)
        self.blocks = nn.ModuleList(Block(width, c_emb, ops, **kw) for _ in range(blocks))
        self.head = ops.Conv2d(width, patch, 3, padding=1, **kw)

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, low_res: Tensor | None = None,  # noqa: B006
                augmentation: Tensor | None = None, **kwargs: Any) -> Tensor:
        """x: [B, 3, H, W], scaled to unit variance. timesteps: [B], ln(sigma) / 4. Returns the clean picture.

        low_res: [B, 3, h, w] in [-1, 1], averaged over areas to [B, 3, H / 4, W / 4] unless it is that large.
        augmentation: [B], the standard deviation of the noise on it; None = 0.
        """
        assert low_res is not None, "an upsampler needs a picture to enlarge"
        size = x.shape[-2] // FACTOR, x.shape[-1] // FACTOR
        low = F.interpolate(low_res.to(x), size, mode="area")
        noise = timesteps.new_zeros(len(x)) if augmentation is None else augmentation.expand(len(x))
        levels = torch.cat([waves(timesteps), waves(noise.to(timesteps) / LOUDEST)], dim=1)
        emb = self.level_mlp(levels.to(x.dtype))
        h = self.stem(torch.cat([F.pixel_unshuffle(x, FACTOR), low], dim=1))
        for block in self.blocks:
            h = block(h, emb)
        return enlarged(low) + F.pixel_shuffle(self.head(F.silu(h)), FACTOR)


def waves(numbers: Tensor) -> Tensor:
    """[B] as [B, 2 * FREQUENCIES] float32: cosines and sines of frequencies from pi / 4 to 4 pi."""
    ramp = torch.linspace(-2, 2, FREQUENCIES, device=numbers.device, dtype=torch.float32)
    angles = numbers.float()[:, None] * math.pi * 2 ** ramp
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def enlarged(low: Tensor) -> Tensor:
    """Pictures [B, C, h, w] FACTOR times as large, by cubic interpolation."""
    return F.interpolate(low, scale_factor=float(FACTOR), mode="bicubic", align_corners=False)
