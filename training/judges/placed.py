"""The judge of objects of any size in any place: names the object that stands in a scene, even where it is cut off.

The judge of the drawn scenes has only seen objects in the middle, as the experts have. This one goes on from it, on
drawings of both together with the objects anywhere, which no expert ever sees: `python3 dev.py train placed`.
"""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from ..datasets import scenes
from ..datasets.dataset import channels_first, normalize
from ..support.fitting import fit
from . import weights
from .scenes import OBJECTS, SCENES, SceneJudge, loss
from .scenes import load_judge as scenes_judge

FILE = Path(__file__).with_name("placed.safetensors")
# Of the training, unless the command line says otherwise.
STEPS = 2000
COUNT = 9000
EACH = "run"

SCALES = 0.35, 1.15
CUT_OFF = 0.1                   # of the drawings show only what lies in an upright box around a part of the object
EMPTY = 0.15                    # of the drawings show no object


def load_judge(path: Path = FILE) -> SceneJudge:
    """The trained judge."""
    net = SceneJudge()
    weights.load(net, path)
    return net


def drawing(rng: np.random.Generator) -> tuple[np.ndarray, str, str]:
    """A drawing [64, 64, 3] uint8 of an object anywhere in a scene, and what both are called."""
    if rng.random() < EMPTY:
        picture = scenes.random_picture(rng, "scenes")
        return scenes.draw(picture), "none", picture.scene or "none"
    picture = scenes.random_picture(rng, "together")
    place = (rng.uniform(8, 56), rng.uniform(16, 54), rng.uniform(*SCALES))
    placed = scenes.draw(dataclasses.replace(picture, place=place))
    if rng.random() < CUT_OFF:
        left, right = sorted(rng.integers(0, 65, 2))
        if left + 16 < place[0] + 8 < right:
            alone = scenes.draw(dataclasses.replace(picture, item=None))
            placed[:, :left], placed[:, right:] = alone[:, :left], alone[:, right:]
    return placed, picture.item or "none", picture.scene or "none"


def drawings(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[N, 3, 64, 64] uint8, indices into OBJECTS [N] and SCENES [N]."""
    rng = np.random.default_rng(seed)
    drawn, items, places = zip(*(drawing(rng) for _ in range(count)), strict=True)
    objects = torch.tensor([OBJECTS.index(item) for item in items])
    return channels_first(torch.from_numpy(np.stack(drawn))), objects, torch.tensor([SCENES.index(p) for p in places])


def train(steps: int, count: int, out: Path) -> None:
    """Trains the judge on drawings and writes its file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pictures, objects, places = drawings(count, seed=3)
    net = scenes_judge()                        # what objects look like in the middle, it knows
    net.train()
    fit("placed", net.parameters(), steps, lambda step: loss(net, pictures, objects, places, [23, step]))
    net.eval()
    fresh, wanted, _ = drawings(600, seed=4)
    with torch.no_grad():
        right = (net(normalize(fresh))[0].argmax(1) == wanted).float().mean()
    print(f"objects right on 600 fresh drawings: {float(right):.3f}", flush=True)
    weights.save(net, out, "judge of objects anywhere in drawn scenes")
