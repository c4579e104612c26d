"""Drawings as the networks see them, and back."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from .datasets.dataset import normalize


def to_tensor(drawn: np.ndarray) -> torch.Tensor:
    """Drawings [N, H, W, 3] uint8 as [N, 3, H, W] float32 in [-1, 1]."""
    return normalize(torch.from_numpy(drawn).permute(0, 3, 1, 2))


def to_pixels(picture: torch.Tensor) -> np.ndarray:
    """A picture [3, H, W] in [-1, 1] as [H, W, 3] uint8."""
    return ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def tiled(rows: Sequence[torch.Tensor]) -> Image.Image:
    """Rows of pictures [N, 3, H, W] in [-1, 1] edge to edge, each pixel drawn as two by two."""
    lines = [torch.cat(list(row), dim=2) for row in rows]
    page = Image.fromarray(to_pixels(torch.cat(lines, dim=1)))
    return page.resize((2 * page.width, 2 * page.height), Image.Resampling.NEAREST)
