"""The judge of the drawn faces: a small convolutional network that reads regions and attributes off a picture.

It is no diffusion network and shares nothing with one; it is trained on drawings of all styles: `python3 dev.py train parser`.
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
from ..datasets import faces

FILE = Path(__file__).with_name("faces.safetensors")
GROUPS = {"hair colour": len(faces.HAIR_COLORS), "hairstyle": len(faces.HAIRSTYLES), "skin": len(faces.SKINS), "background": len(faces.BACKGROUNDS),
          "shirt": len(faces.SHIRTS), "glasses": len(faces.GLASSES), "beard": 2, "smile": 2}      # runs of faces.VOCABULARY


class FaceParser(nn.Module):
    """[B, 3, 64, 64] in [-1, 1] -> logits of the regions [B, 4, 64, 64] and of the vocabulary [B, V]."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = block(12, 32), block(32, 48, 2), block(48, 96, 2)
        self.up_b, self.up_a = block(96 + 48, 48), block(48 + 32, 32)
        self.regions = nn.Conv2d(32, 4 * len(faces.REGIONS), 1)
        self.words = nn.Sequential(nn.Flatten(), nn.Linear(96 * 16, 128), nn.SiLU(), nn.Linear(128, len(faces.VOCABULARY)))

    def _levels(self, x):
        a = self.a(F.pixel_unshuffle(x, 2))
        b = self.b(a)
        return a, b, self.c(b)

    def features(self, x):
        """[B, 128]: what the words are read from."""
        return self.words[:3](F.adaptive_avg_pool2d(self._levels(x)[2], 4))

    def forward(self, x):
        a, b, c = self._levels(x)
        h = c
        for up, skip in ((self.up_b, b), (self.up_a, a)):
            h = up(torch.cat([F.interpolate(h, scale_factor=2.0), skip], dim=1))
        return F.pixel_shuffle(self.regions(h), 2), self.words(F.adaptive_avg_pool2d(c, 4))


def load_parser(path):
    net = FaceParser()
    net.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return net.eval()


@torch.no_grad()
def read(net, pictures):
    """Regions [B, 64, 64] as indices into faces.REGIONS and one word of each group [B, len(GROUPS)] as indices into the group."""
    regions, words = net(pictures)
    return regions.argmax(1), torch.stack([g.argmax(1) for g in words.split(list(GROUPS.values()), dim=1)], dim=1)


def iou(regions, wanted, name):
    """Intersection over union of one region, [B]; regions and wanted [B, 64, 64]. 1 where neither has the region."""
    number = faces.REGIONS.index(name)
    a, b = regions == number, wanted == number
    union = (a | b).sum((1, 2))
    return torch.where(union > 0, (a & b).sum((1, 2)) / union.clamp(min=1), 1.0)


def train(steps, count, out):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sets = [faces.data_set(style, count, seed=2) for style in faces.STYLES]
    pictures, regions, bags = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*sets, strict=True))
    net = FaceParser()

    def loss(step):
        rng = np.random.default_rng([11, step])
        index = torch.from_numpy(rng.integers(len(pictures), size=32))
        x, wanted = pictures[index].permute(0, 3, 1, 2).float() / 127.5 - 1, regions[index].long()
        if rng.random() < 0.5:
            x, wanted = x.flip(-1), wanted.flip(-1)
        if rng.random() < 0.5:                  # what generators do to edges
            x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        x = x + torch.randn(x.shape) * rng.uniform(0, 0.12)
        logits, words = net(x)
        labels = [b.argmax(1) for b in bags[index].split(list(GROUPS.values()), dim=1)]
        return F.cross_entropy(logits, wanted) + sum(F.cross_entropy(w, t) for w, t in zip(words.split(list(GROUPS.values()), dim=1), labels, strict=True)) / 4
    learn("parser", net.parameters(), steps, loss)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half() for k, v in net.state_dict().items()}, out, {"what": "parser of drawn faces", "license": "GPL-3.0-or-later"})


def main():
    parser = argparse.ArgumentParser(prog="dev.py train parser", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--count", type=int, default=6000, help="pictures of each style")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    train(args.steps, args.count, args.out)

