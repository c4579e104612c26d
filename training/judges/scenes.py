"""The judge of the drawn scenes: a small classifier that names the object and the scene of a picture.

It is no diffusion network and shares nothing with one; it is trained on drawings of objects in scenes, which no expert ever
sees, and of either alone: `python3 dev.py train judge`.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from ...mcdm.experts.networks.dual_encoder import block
from ..data import learn
from ..datasets import scenes

OBJECTS, SCENES = (*scenes.OBJECTS, "none"), (*scenes.SCENES, "none")
FILE = Path(__file__).with_name("scenes.safetensors")


class SceneJudge(nn.Module):
    """[B, 3, 64, 64] in [-1, 1] -> logits of OBJECTS [B, 13] and of SCENES [B, 11]."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(block(12, 32), block(32, 64, 2), block(64, 96, 2), block(96, 128, 2))
        self.object = nn.Linear(128 * 16, len(OBJECTS))
        self.scene = nn.Linear(128 * 16, len(SCENES))

    def forward(self, x):
        h = F.adaptive_avg_pool2d(self.trunk(F.pixel_unshuffle(x, 2)), 4).flatten(1)
        return self.object(h), self.scene(h)


def load_judge(path=FILE):
    net = SceneJudge()
    net.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return net.eval()


@torch.no_grad()
def name(net, pictures):
    """Indices into OBJECTS [B] and into SCENES [B]."""
    return tuple(logits.argmax(1) for logits in net(pictures))


def drawings(count, seed):
    """count pictures of each data set and of both together: [N, 3, 64, 64] uint8, indices into OBJECTS [N] and SCENES [N]."""
    drawn = []
    for kind, share in (("together", 4), ("objects", 1), ("scenes", 1)):
        rng = np.random.default_rng([seed, share, len(kind)])
        drawn += [scenes.sample(rng, kind) for _ in range(count * share // 2)]
    pictures = torch.from_numpy(np.stack([scenes.draw(d) for d in drawn])).permute(0, 3, 1, 2).contiguous()
    objects = torch.tensor([OBJECTS.index(d.item if d.item in scenes.OBJECTS else "none") for d in drawn])
    return pictures, objects, torch.tensor([SCENES.index(d.scene or "none") for d in drawn])


def train(steps, count, out):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pictures, objects, places = drawings(count, seed=2)
    net = SceneJudge()

    def loss(step):
        rng = np.random.default_rng([17, step])
        index = torch.from_numpy(rng.integers(len(pictures), size=32))
        x = pictures[index].float() / 127.5 - 1
        if rng.random() < 0.5:
            x = x.flip(-1)
        if rng.random() < 0.5:                  # what generators do to edges and colours
            x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        x = (x * rng.uniform(0.7, 1.6) + rng.uniform(-0.15, 0.15)).clamp(-1, 1) + torch.randn(x.shape) * rng.uniform(0, 0.12)
        logits = net(x)
        return F.cross_entropy(logits[0], objects[index]) + F.cross_entropy(logits[1], places[index])
    learn("judge", net.parameters(), steps, loss)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half().contiguous() for k, v in net.state_dict().items()}, out, {"what": "judge of drawn scenes", "license": "GPL-3.0-or-later"})


def main():
    parser = argparse.ArgumentParser(prog="dev.py train judge", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--count", type=int, default=4000, help="pictures of each data set")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    train(args.steps, args.count, args.out)
