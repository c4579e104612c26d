"""Tensors and pictures: noise of a seed, pixels of a file, and how far an answer is from the one that is wanted."""
from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image


def noise(seed: int, *shape: int) -> torch.Tensor:
    """Standard normal numbers of a seed, in float32."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max|a - b| / max|b|, in float64."""
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())


def pixels(png: bytes) -> np.ndarray:
    """The picture of a file: (height, width, 3) of uint8."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
