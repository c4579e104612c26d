"""What the upsampler is trained on: drawings of faces and scenes at 256 pixels, and what experts make of them at 64.

An object and a scene are never in one picture here, as for the experts.
"""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..mcdm.experts.networks.embedded import EmbeddedUNet
from .datasets.dataset import channels_first, normalize
from .diffusion import denoise
from .start import BUILTIN, read_expert
from .support.files import cached

SIZE, SMALL = 256, 64           # pixels along a side
SEED = 6
KINDS = ("studio", "halo", "poster", "objects", "scenes")
SHARES = (2, 2, 2, 3, 3)        # twelfths of the drawings
FUSED = {                       # the experts that draw a kind together: file and condition
    "studio": (("faces_text", "words"), ("faces_hair", "hair")),
    "halo": (("faces_text", "words"), ("faces_skin", "skin")),
    "poster": (("faces_hair", "hair"), ("faces_skin", "skin")),
    "objects": (("scenes_class", "words"), ("scenes_text", "")),
    "scenes": (("scenes_text", "words"), ("scenes_class", "")),
}


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Drawings and what experts make of them: [N, 3, 256, 256] and [N, 3, 64, 64], uint8."""
    large: Tensor
    small: Tensor


def pairs(count: int, cache: Path) -> Pairs:
    """About `count` drawings of all kinds, drawn or taken from the folder `cache`."""
    parts = [kind_pairs(kind, count * share // sum(SHARES), cache) for kind, share in zip(KINDS, SHARES, strict=True)]
    return Pairs(torch.cat([part.large for part in parts]), torch.cat([part.small for part in parts]))


def kind_pairs(kind: str, count: int, cache: Path) -> Pairs:
    """Drawings of one kind."""
    large, small = cached(cache / f"enlarging-{kind}-{count}.npz", functools.partial(_make, kind, count))
    parts = zip(large.split(64), small.split(64), strict=True)
    return Pairs(large, torch.cat([own_colours(*part) for part in parts]))


def own_colours(large: Tensor, small: Tensor) -> Tensor:
    """Experts' pictures [N, 3, 64, 64] uint8 in the colours of the drawings [N, 3, 256, 256] uint8.

    Only what differs from place to place stays of them: a tone that they have changed all over must not be undone.
    """
    drawn = F.avg_pool2d(large.float(), SIZE // SMALL)
    change = small.float() - drawn
    around = F.avg_pool2d(change, 7, 1, padding=3, count_include_pad=False)
    return (drawn + change - around).clamp(0, 255).round().to(torch.uint8)


def drawings(kind: str, count: int, seed: int = SEED, size: int = SIZE) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Drawings of one kind [N, size, size, 3] uint8, and their conditions by name."""
    from .datasets import faces, scenes
    if kind not in faces.STYLES:
        pictures, bags = scenes.drawings(kind, count, seed, size)
        return pictures, {"words": bags}
    pictures, regions, bags = faces.drawings(kind, count, seed, size)
    conditions = {name: regions == faces.REGIONS.index(name) for name in ("hair", "skin")}
    return pictures, {"words": bags, **conditions}


def _make(kind: str, count: int) -> list[np.ndarray]:
    torch.set_num_threads(1)
    pictures, conditions = drawings(kind, count)
    large = channels_first(torch.from_numpy(pictures))
    nets = [_expert(file) for file, _ in FUSED[kind]]
    rng = np.random.default_rng([SEED, count])
    small = []
    for rows in torch.arange(len(large)).split(16):
        x = F.avg_pool2d(normalize(large[rows]), SIZE // SMALL)
        inputs = []
        for (_, name), net in zip(FUSED[kind], nets, strict=True):
            inputs.append(_inputs(net, conditions[name][rows.numpy()]) if name else {})
        small.append(_as_drawn_by_experts(nets, x, inputs, rng))
    return [large.numpy(), torch.cat(small).numpy()]


def _expert(file: str) -> EmbeddedUNet:
    """One of the pack's own experts, as it is trained."""
    weights, words = read_expert(BUILTIN / f"{file}.safetensors")
    maps = 0 if words else 1
    net = EmbeddedUNet(map_channels=maps, labels=len(words))
    net.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return net.eval()


def _inputs(net: EmbeddedUNet, values: np.ndarray) -> dict[str, Tensor]:
    """The keywords of a network for words [B, V] or regions [B, SIZE, SIZE]."""
    given = torch.from_numpy(values).float()
    if net.labels:
        return {"labels": given}
    region = F.avg_pool2d(given[:, None], SIZE // SMALL) >= 0.5
    return {"condition_map": 2 * region.float() - 1}


@torch.no_grad()
def _as_drawn_by_experts(nets: Sequence[EmbeddedUNet], x: Tensor, inputs: Sequence[dict[str, Tensor]],
                         rng: np.random.Generator) -> Tensor:
    """The end of a fused run (eq. 18) that began at noisy drawings x [B, 3, 64, 64]: [B, 3, 64, 64] uint8.

    So it shows what the experts do to edges and grounds, and still is the picture x.
    """
    level = torch.from_numpy(np.exp(rng.uniform(np.log(0.15), np.log(0.7), len(x)))).float()
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    weight = rng.uniform(1, 2)
    z = x + level[:, None, None, None] * noise
    for next_level in (0.1 * torch.ones_like(level), torch.zeros_like(level)):
        nulls = [denoise(net, z, level) for net in nets]
        base = torch.stack(nulls).mean(0)
        d = base
        for net, given in zip(nets, inputs, strict=True):
            if given:
                d = d + weight * (denoise(net, z, level, **given) - base)
        z = d + (next_level / level)[:, None, None, None] * (z - d)
        level = next_level
    return ((d.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
