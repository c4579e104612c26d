"""A small image-text dual encoder like CLIP (Radford et al. 2021): a picture and its words get similar vectors."""
from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (12, 16, 24, 48)


def block(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    """[B, c_in, H, W] -> [B, c_out, H / stride, W / stride]: two convolutions, each with norm and activation."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride, 1), nn.GroupNorm(8, c_out), nn.SiLU(),
        nn.Conv2d(c_out, c_out, 3, 1, 1), nn.GroupNorm(8, c_out), nn.SiLU(),
    )


class DualEncoder(nn.Module):
    """Pictures [B, 3, 64, 64] in [-1, 1] and bags of words [B, V] to vectors [B, width] of length sqrt(width)."""

    def __init__(self, words: int, width: int = 64) -> None:
        super().__init__()
        c0, c1, c2, c3 = CHANNELS
        self.blocks = nn.ModuleList([block(c0, c1), block(c1, c2, stride=2), block(c2, c3, stride=2)])
        self.head = nn.Linear(16 * c3, width)
        self.words = nn.Linear(words, width)

    def image(self, pictures: Tensor) -> Tensor:
        """[B, 3, 64, 64] -> [B, width]."""
        h = F.pixel_unshuffle(pictures, 2)  # [B, 12, 32, 32]
        for layers in self.blocks:
            h = layers(h)
        return _scaled(self.head(F.adaptive_avg_pool2d(h, 4).flatten(1)))

    def text(self, bags: Tensor) -> Tensor:
        """[B, V] -> [B, width]."""
        return _scaled(self.words(bags))


def _scaled(vector: Tensor) -> Tensor:
    """[B, width] at the length sqrt(width), so that its entries have unit variance."""
    return F.normalize(vector, dim=1) * math.sqrt(vector.shape[1])
