"""Tensors and pictures: noise of a seed, pixels of a file, and how far an answer is from the one that is wanted."""
from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from unite_and_conquer.devtools.host import Host
    from unite_and_conquer.devtools.prompts import Prompt


def noise(seed: int, *shape: int) -> torch.Tensor:
    """Standard normal numbers of a seed, in float32."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max|a - b| / max|b|, in float64."""
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())


def pixels(png: bytes) -> np.ndarray:
    """The picture of a file: (height, width, 3) of uint8."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def pictures(host: Host, prompt: Prompt, seconds: float = 300) -> list[np.ndarray]:
    """What a prompt saves, each (height, width, 3) of uint8. seconds: what it may take."""
    return [pixels(file) for file in host.images(host.run(prompt, seconds))]
