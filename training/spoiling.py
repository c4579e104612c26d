"""How small pictures are spoilt for the upsampler: as experts and their fusion spoil them."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..mcdm.experts.networks.upsampler import LOUDEST

SPARED = 0.35               # the share of the pictures that stay as they are


def spoilt(low: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Small pictures [B, 3, h, w] in [-1, 1], spoilt, and the level of the noise among it that is told, [B]."""
    told = torch.zeros(len(low))
    pictures = []
    for i, picture in enumerate(low.split(1)):
        if rng.random() >= SPARED:
            picture = _soft(picture, rng)
            picture = _checkered(picture, rng)
            picture = _speckled(picture, rng)
            picture = picture + _noise(picture, rng) * rng.choice([0.0, rng.uniform(0, 0.03)])
            if rng.random() < 0.6:
                told[i] = rng.uniform(0, LOUDEST)
                picture = picture + told[i] * _noise(picture, rng)
        pictures.append(picture)
    return torch.cat(pictures), told


def _soft(picture: Tensor, rng: np.random.Generator) -> Tensor:
    if rng.random() < 0.5:
        return picture
    blurred = F.avg_pool2d(picture, 3, 1, padding=1, count_include_pad=False)
    return picture.lerp(blurred, rng.uniform(0, 0.8))


def _checkered(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """With a pattern that repeats every two pixels, as networks leave it that see two by two as one."""
    if rng.random() < 0.5:
        return picture
    h, w = picture.shape[-2:]
    tile = torch.from_numpy(rng.standard_normal((1, 3, 2, 2))).float()
    tile = tile - tile.mean((2, 3), keepdim=True)
    pattern = tile.repeat(1, 1, (h + 1) // 2, (w + 1) // 2)[..., :h, :w]
    return picture + rng.uniform(0, 0.05) * pattern


def _speckled(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """With a few pixels of another colour."""
    if rng.random() < 0.7:
        return picture
    picture = picture.clone()
    for _ in range(rng.integers(1, 5)):
        y, x = rng.integers(picture.shape[-2]), rng.integers(picture.shape[-1])
        picture[0, :, y, x] += torch.from_numpy(rng.normal(0, 0.15, 3)).float()
    return picture


def _noise(picture: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(picture.shape, dtype=np.float32))
