"""A small image-text dual encoder, as CLIP is one (Radford et al. 2021): a picture and its words get nearly the same vector."""
import math

from torch import nn
from torch.nn import functional as F


class DualEncoder(nn.Module):
    """Pictures [B, 3, 64, 64] in [-1, 1] and bags of words [B, V] to vectors [B, width] of length sqrt(width)."""

    def __init__(self, words, width=64):
        super().__init__()
        channels = (12, 16, 24, 48)
        self.blocks = nn.ModuleList(nn.Sequential(
            nn.Conv2d(a, b, 3, 1 + (k > 0), 1), nn.GroupNorm(8, b), nn.SiLU(), nn.Conv2d(b, b, 3, 1, 1), nn.GroupNorm(8, b), nn.SiLU())
            for k, (a, b) in enumerate(zip(channels, channels[1:], strict=False)))
        self.head = nn.Linear(16 * channels[-1], width)
        self.words = nn.Linear(words, width)

    def image(self, pictures):
        h = F.pixel_unshuffle(pictures, 2)
        for block in self.blocks:
            h = block(h)
        return _scaled(self.head(F.adaptive_avg_pool2d(h, 4).flatten(1)))

    def text(self, bags):
        return _scaled(self.words(bags))


def _scaled(vector):
    return F.normalize(vector, dim=1) * math.sqrt(vector.shape[1])

