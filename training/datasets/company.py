"""Words of one's own in the company of other experts: what a fused picture shows that no drawing of one's own does.

A part of the picture is another drawing, in other colours, and only the rest is learned; or all of it has the look of
other experts, while the words still hold. Small things that words name count more than their few pixels.
"""
from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from . import faces
from .dataset import DROPOUT, Batch, Dataset, drop_words, normalize

BESIDE, OTHER_LOOK = 0.35, 0.2      # how often a part is another drawing; how often all has another look
LAST_WORD = 1.0                     # sigma below which another look is already there; above, the own one is drawn
MOUTH, EYES = 8.0, 3.0              # what an error counts there, 1 elsewhere
GEOMETRY = ("hairstyle", "x", "y", "width", "height", "tilt", "volume", "length", "part", "fringe", "shoulders")


@dataclasses.dataclass
class InCompany(Dataset):
    """A dataset of words with a twin of each picture: the same lines, other colours and words, the look of others.

    twins [N, 3, H, W] uint8, twin_bags [N, V] in {0, 1}, weights [N, H, W]: what an error in a pixel counts.
    """
    twins: torch.Tensor = dataclasses.field(default_factory=lambda: torch.empty(0))
    twin_bags: torch.Tensor = dataclasses.field(default_factory=lambda: torch.empty(0))
    weights: torch.Tensor = dataclasses.field(default_factory=lambda: torch.empty(0))

    def batch(self, rng: np.random.Generator, size: int, /, map_channels: int = 0, labels: int = 0, **_: object,
              ) -> Batch:
        index = torch.from_numpy(rng.integers(len(self.pictures), size=size))
        x, twins = normalize(self.pictures[index]), normalize(self.twins[index])
        bags, weight = self.condition[index].float(), self.weights[index].float()[:, None]
        mirror = torch.from_numpy(rng.random(size) < 0.5)
        for values in (x, twins, weight):
            values[mirror] = values[mirror].flip(-1)
        kind = torch.from_numpy(rng.random(size))
        beside, other = kind < BESIDE, kind >= 1 - OTHER_LOOK
        own = parts(rng, size, x.shape[-1])
        own[~beside] = 1.0
        strangers = torch.where(torch.from_numpy(rng.random(size) < 0.5)[:, None, None, None], twins, twins.roll(1, 0))
        x = torch.where(other[:, None, None, None], twins, own * x + (1 - own) * strangers)
        bags = torch.where(other[:, None], self.twin_bags[index].float(), bags)
        keep = torch.from_numpy(rng.random(size) >= DROPOUT).float()
        whole = beside & (keep == 0)        # without words nobody knows which part is one's own: all of it is learned
        own[whole] = 1.0
        highest = torch.where(other | whole, LAST_WORD, torch.inf)
        return Batch(x, {"labels": drop_words(bags, rng) * keep[:, None]}, own * weight, highest)


def parts(rng: np.random.Generator, size: int, side: int) -> torch.Tensor:
    """Soft masks [size, 1, side, side] in [0, 1]: a half (left, right, above, below), or a random shape."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    masks = []
    for way in rng.integers(5, size=size):
        where, softness = rng.uniform(0.3, 0.7), rng.uniform(0.01, 0.1)
        distance = (x - where, where - x, y - where, where - y)[way] if way < 4 else shape(rng, side) / 8
        masks.append((0.5 + distance / softness).clamp(0, 1))
    return torch.stack(masks)[:, None]


def shape(rng: np.random.Generator, side: int) -> torch.Tensor:
    """A smooth random field [side, side], positive in about half of the picture."""
    coarse = torch.from_numpy(rng.standard_normal((1, 1, 4, 4), dtype=np.float32))
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[0, 0]


def twin(face: faces.Face, rng: np.random.Generator) -> faces.Face:
    """The same lines in other colours, with other words."""
    other = faces.random_face(rng, face.style)
    return dataclasses.replace(other, **{name: getattr(face, name) for name in GEOMETRY})


def between_looks(face: faces.Face, rng: np.random.Generator) -> np.ndarray:
    """The face drawn in a style, or half-way between two, as fusion does: [64, 64, 3] uint8."""
    one, two = rng.permutation(faces.STYLES)[:2]
    share = 1.0 if rng.random() < 0.3 else rng.random()
    pictures = [faces.draw(dataclasses.replace(face, style=str(style)))[0].astype(np.float32) for style in (one, two)]
    return (share * pictures[0] + (1 - share) * pictures[1]).round().astype(np.uint8)


def importance(face: faces.Face, side: int = 64) -> np.ndarray:
    """What an error in each pixel counts, [side, side] uint8: more where mouth and eyes are."""
    y, x = (np.indices((side, side)) + 0.5) * 64 / side
    angle = np.deg2rad(face.tilt)
    across = np.cos(angle) * (x - face.x) + np.sin(angle) * (y - face.y)       # in the head's coordinates
    down = np.cos(angle) * (y - face.y) - np.sin(angle) * (x - face.x)
    weights = np.ones((side, side), np.uint8)
    weights[(np.abs(across) < face.width) & (np.abs(down) < 5.5)] = EYES
    weights[(np.abs(across) < 0.5 * face.width) & (np.abs(down - 0.58 * face.height - 0.8) < 3.6)] = MOUTH
    return weights


def drawings(style: str, count: int, seed: int) -> tuple[np.ndarray, ...]:
    """Pictures, bags, weights, twins and the twins' bags of random faces of a style, all uint8."""
    rng = np.random.default_rng([seed, faces.STYLES.index(style)])
    own = [faces.random_face(rng, style) for _ in range(count)]
    others = [twin(face, rng) for face in own]
    return (
        np.stack([faces.draw(face)[0] for face in own]),
        np.stack([faces.bag(face) for face in own]),
        np.stack([importance(face) for face in own]),
        np.stack([between_looks(face, rng) for face in others]),
        np.stack([faces.bag(face) for face in others]),
    )
