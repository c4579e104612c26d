"""The judge of the drawn scenes: a small classifier that names the object and the scene of a picture.

It is not a diffusion network and shares nothing with one. It is trained on drawings of objects in scenes, which no
expert ever sees, and of either alone: `python3 dev.py train judge`.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...mcdm.experts.networks.dual_encoder import block
from ..datasets import scenes
from ..datasets.dataset import channels_first, normalize
from ..support.fitting import fit
from . import weights

OBJECTS, SCENES = (*scenes.OBJECTS, "none"), (*scenes.SCENES, "none")
FILE = Path(__file__).with_name("scenes.safetensors")
# Of the training, unless the command line says otherwise.
STEPS = 4000
COUNT = 4000
EACH = "dataset"

SHARES = {"together": 4, "objects": 1, "scenes": 1}             # of the drawings


class SceneJudge(nn.Module):
    """[B, 3, 64, 64] in [-1, 1] -> logits of OBJECTS [B, 13] and of SCENES [B, 11]."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(block(12, 32), block(32, 64, 2), block(64, 96, 2), block(96, 128, 2))
        self.object = nn.Linear(128 * 16, len(OBJECTS))
        self.scene = nn.Linear(128 * 16, len(SCENES))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = F.adaptive_avg_pool2d(self.trunk(F.pixel_unshuffle(x, 2)), 4).flatten(1)
        return self.object(h), self.scene(h)


def load_judge(path: Path = FILE) -> SceneJudge:
    """The trained judge."""
    net = SceneJudge()
    weights.load(net, path)
    return net


@torch.no_grad()
def name(net: SceneJudge, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What pictures show: indices into OBJECTS [B] and into SCENES [B]."""
    objects, places = net(pictures)
    return objects.argmax(1), places.argmax(1)


def drawings(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Drawings of each dataset and of both together: [N, 3, 64, 64] uint8, indices into OBJECTS [N] and SCENES [N].

    count: twice the number of those of one dataset alone; there are four times as many of both together.
    """
    drawn: list[scenes.Picture] = []
    for kind, share in SHARES.items():
        rng = np.random.default_rng([seed, share, len(kind)])
        drawn += [scenes.random_picture(rng, kind) for _ in range(count * share // 2)]
    pictures = channels_first(torch.from_numpy(np.stack([scenes.draw(picture) for picture in drawn])))
    items = [picture.item if picture.item in scenes.OBJECTS else "none" for picture in drawn]
    places = [picture.scene or "none" for picture in drawn]
    objects = torch.tensor([OBJECTS.index(item) for item in items])
    return pictures, objects, torch.tensor([SCENES.index(place) for place in places])


def loss(net: SceneJudge, pictures: torch.Tensor, objects: torch.Tensor, places: torch.Tensor,
         seed: list[int]) -> torch.Tensor:
    """Of 32 drawings, mirrored, blurred, recoloured and noisy at random. The tensors: as `drawings` returns them."""
    rng = np.random.default_rng(seed)
    index = torch.from_numpy(rng.integers(len(pictures), size=32))
    x = normalize(pictures[index])
    if rng.random() < 0.5:
        x = x.flip(-1)
    if rng.random() < 0.5:
        x = weights.blur(x)
    x = (x * rng.uniform(0.7, 1.6) + rng.uniform(-0.15, 0.15)).clamp(-1, 1)                 # other colours
    x = x + torch.randn(x.shape) * rng.uniform(0, 0.12)
    found_objects, found_places = net(x)
    return F.cross_entropy(found_objects, objects[index]) + F.cross_entropy(found_places, places[index])


def train(steps: int, count: int, out: Path) -> None:
    """Trains the judge on drawings and writes its file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pictures, objects, places = drawings(count, seed=2)
    net = SceneJudge()

    fit("judge", net.parameters(), steps, lambda step: loss(net, pictures, objects, places, [17, step]))
    weights.save(net, out, "judge of drawn scenes")
