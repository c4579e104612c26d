"""The judge of the drawn faces: a small convolutional network that reads regions and attributes off a picture.

It is not a diffusion network and shares nothing with one. It is trained on drawings of all styles:
`python3 dev.py train parser`.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...mcdm.experts.networks.dual_encoder import block
from ..datasets import faces
from ..datasets.dataset import normalize
from ..support.fitting import fit
from . import weights

FILE = Path(__file__).with_name("faces.safetensors")
# Of the training, unless the command line says otherwise.
STEPS = 2500
COUNT = 6000
EACH = "style"

GROUPS = {                                      # runs of faces.VOCABULARY, one of whose words holds
    "hair colour": len(faces.HAIR_COLORS),
    "hairstyle": len(faces.HAIRSTYLES),
    "skin": len(faces.SKINS),
    "background": len(faces.BACKGROUNDS),
    "shirt": len(faces.SHIRTS),
    "glasses": len(faces.GLASSES),
    "beard": 2,
    "smile": 2,
}


class FaceParser(nn.Module):
    """[B, 3, 64, 64] in [-1, 1] -> logits of the regions [B, 4, 64, 64] and of the vocabulary [B, V]."""

    def __init__(self) -> None:
        super().__init__()
        self.a = block(12, 32)
        self.b = block(32, 48, 2)
        self.c = block(48, 96, 2)
        self.up_b, self.up_a = block(96 + 48, 48), block(48 + 32, 32)
        self.regions = nn.Conv2d(32, 4 * len(faces.REGIONS), 1)
        self.words = nn.Sequential(
            nn.Flatten(), nn.Linear(96 * 16, 128), nn.SiLU(), nn.Linear(128, len(faces.VOCABULARY)))

    def _levels(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        a = self.a(F.pixel_unshuffle(x, 2))     # [B, 32, 32, 32]
        b = self.b(a)                           # [B, 48, 16, 16]
        return a, b, self.c(b)                  # [B, 96, 8, 8]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, 128]: what the words are read from."""
        _, _, c = self._levels(x)
        return self.words[:3](F.adaptive_avg_pool2d(c, 4))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a, b, c = self._levels(x)
        h = self.up_b(torch.cat([F.interpolate(c, scale_factor=2.0), b], dim=1))
        h = self.up_a(torch.cat([F.interpolate(h, scale_factor=2.0), a], dim=1))
        return F.pixel_shuffle(self.regions(h), 2), self.words(F.adaptive_avg_pool2d(c, 4))


def load_parser(path: Path) -> FaceParser:
    """The trained parser."""
    net = FaceParser()
    weights.load(net, path)
    return net


def by_group(words: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Values of the vocabulary [B, V] as one [B, words of the group] per group."""
    return words.split(list(GROUPS.values()), dim=1)


@torch.no_grad()
def read(net: FaceParser, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What pictures show.

    Regions [B, 64, 64] as indices into faces.REGIONS, and one word of each group [B, len(GROUPS)] as indices into it.
    """
    regions, words = net(pictures)
    return regions.argmax(1), torch.stack([group.argmax(1) for group in by_group(words)], dim=1)


def iou(regions: torch.Tensor, wanted: torch.Tensor, name: str) -> torch.Tensor:
    """Intersection over union of one region, [B]; regions and wanted [B, 64, 64]. 1 where neither has the region."""
    number = faces.REGIONS.index(name)
    a, b = regions == number, wanted == number
    union = (a | b).sum((1, 2))
    return torch.where(union > 0, (a & b).sum((1, 2)) / union.clamp(min=1), 1.0)


def train(steps: int, count: int, out: Path) -> None:
    """Trains the parser on `count` drawings of each style and writes its file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    drawn = [faces.drawings(style, count, seed=2) for style in faces.STYLES]
    pictures, regions, bags = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*drawn, strict=True))
    net = FaceParser()

    def loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng([11, step])
        index = torch.from_numpy(rng.integers(len(pictures), size=32))
        x = normalize(pictures[index].permute(0, 3, 1, 2))
        wanted = regions[index].long()
        if rng.random() < 0.5:
            x, wanted = x.flip(-1), wanted.flip(-1)
        if rng.random() < 0.5:
            x = weights.blur(x)
        x = x + torch.randn(x.shape) * rng.uniform(0, 0.12)
        logits, words = net(x)
        groups = zip(by_group(words), by_group(bags[index]), strict=True)
        of_words = sum(F.cross_entropy(found, bag.argmax(1)) for found, bag in groups)
        return F.cross_entropy(logits, wanted) + of_words / 4

    fit("parser", net.parameters(), steps, loss)
    weights.save(net, out, "parser of drawn faces")
