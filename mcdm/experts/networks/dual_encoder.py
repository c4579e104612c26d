"""A small image-text dual encoder, as CLIP is one (Radford et al. 2021): a picture and its words get nearly the same vector."""
import math

from torch import nn
from torch.nn import functional as F


def block(c_in, c_out, stride=1):
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1), nn.GroupNorm(8, c_out), nn.SiLU(),
                         nn.Conv2d(c_out, c_out, 3, 1, 1), nn.GroupNorm(8, c_out), nn.SiLU())


class DualEncoder(nn.Module):
    """Pictures [B, 3, 64, 64] in [-1, 1] and bags of words [B, V] to vectors [B, width] of length sqrt(width)."""

    def __init__(self, words, width=64):
        super().__init__()
        channels = (12, 16, 24, 48)
        self.blocks = nn.ModuleList(block(a, b, 1 + (k > 0)) for k, (a, b) in enumerate(zip(channels, channels[1:], strict=False)))
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
