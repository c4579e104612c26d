"""Trains the embedded upsampler, 64 to 256 pixels, on crops of drawings: `dev.py train upsampler`.

The small picture is the drawing shrunk by area or what experts made of that, further spoilt at random, so that the
network mends what fused pictures bring along. The loss is the absolute error of the clean picture. A third of the steps
are those with which a sampling begins: at the highest noise level, over whatever picture the user starts from.
"""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..mcdm.experts.networks.embedded import SIGMA_DATA
from ..mcdm.experts.networks.upsampler import FACTOR, Upsampler, enlarged
from .by_the_clock import train_for
from .datasets.dataset import channels_first, normalize
from .diffusion import denoise
from .enlarging import KINDS, Pairs, drawings
from .expert_file import write_expert
from .pixels import tiled
from .schedule import LEARNING_RATE
from .spoiling import spoilt

CROP, BATCH = 96, 8
SIGMA_MIN, SIGMA_MAX = 0.02, 2.0
BEGINNINGS = 0.33           # the share of first steps
SAVE_EVERY = 240            # seconds
HELD_OUT = 106              # seed of drawings that are only looked at


class Batch(NamedTuple):
    """Large pictures x and noisy ones z [B, 3, CROP, CROP], noise levels sigma [B], and the network's keywords."""
    x: Tensor
    z: Tensor
    sigma: Tensor
    condition: dict[str, Tensor]


def metadata(count: int, command: str) -> dict[str, str]:
    """What the file says. count: drawings. command: what makes it again."""
    return {
        "family": "embedded_upsampler",
        "name": "drawings, 64 to 256 pixels",
        "latent_space": "pixels",
        "prediction": "x0",
        "modality": "low resolution",
        "sigma_min": str(SIGMA_MIN),
        "sigma_max": str(SIGMA_MAX),
        "sigma_data": str(SIGMA_DATA),
        "data_set": f"{count} drawings of faces, objects and scenes, 256 x 256 pixels (training/enlarging)",
        "training_command": command,
        "license": "GPL-3.0-or-later",
    }


def train(pairs: Pairs, out: Path, work: Path, seconds: float, facts: Mapping[str, str]) -> None:
    """Trains for so long, in all calls together, and writes the file `out` with the metadata `facts`.

    Raises SystemExit when asked to stop, once the state is saved.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work.mkdir(parents=True, exist_ok=True)
    net, average = Upsampler(), Upsampler()
    start_small(net)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01)

    def step_loss(step: int) -> Tensor:
        return loss(net, batch(pairs, np.random.default_rng([19, step])))

    def said(step: int) -> str:
        return look(average, work / f"preview-{step:06d}.png")

    step = train_for(seconds, net, average, optimizer, step_loss, said, work, "upsampler", SAVE_EVERY)
    write_expert(out, average.state_dict(), {**facts, "steps": str(step)})


def start_small(net: Upsampler) -> None:
    """Residual branches and a picture that begin at nothing, since there are no norms."""
    for name, weight in net.named_parameters():
        if "conv2" in name or "head" in name:
            torch.nn.init.zeros_(weight)


def loss(net: Upsampler, given: Batch) -> Tensor:
    """The absolute error, rounded off below a thousandth (Charbonnier)."""
    z = given.z.contiguous(memory_format=torch.channels_last)
    error = denoise(net, z, given.sigma, **given.condition) - given.x
    return (error.square() + 1e-6).sqrt().mean()


def batch(pairs: Pairs, rng: np.random.Generator) -> Batch:
    """Crops of drawings, each with its small picture, at random noise levels."""
    x, low = crops(pairs, rng)
    low, augmentation = spoilt(low, rng)
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    sigma = np.exp(rng.uniform(np.log(SIGMA_MIN), np.log(SIGMA_MAX), BATCH))
    under, loudness = x.clone(), np.ones(BATCH)
    for i in np.flatnonzero(rng.random(BATCH) < BEGINNINGS):
        sigma[i] = SIGMA_MAX
        under[i] = (x[i], enlarged(low[i:i + 1])[0], torch.zeros_like(x[i]))[rng.integers(3)]
        loudness[i] = rng.choice([1.0, np.sqrt(1 + SIGMA_MAX ** -2)])           # the host's, at the start and elsewhere
    scale = torch.from_numpy(sigma * loudness).float()[:, None, None, None]
    return Batch(x, under + scale * noise, torch.from_numpy(sigma).float(),
                 {"low_res": low, "augmentation": augmentation})


def crops(pairs: Pairs, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """[BATCH, 3, CROP, CROP] and the small pictures, a quarter as large, both in [-1, 1]."""
    cells = CROP // FACTOR
    large, small = [], []
    for _ in range(BATCH):
        i = rng.integers(len(pairs.large))
        top, left = map(int, rng.integers(0, pairs.small.shape[-1] - cells + 1, 2))
        x = normalize(pairs.large[i, :, FACTOR * top:FACTOR * top + CROP, FACTOR * left:FACTOR * left + CROP])
        low = normalize(pairs.small[i, :, top:top + cells, left:left + cells])
        if rng.random() < 0.5:
            low = F.avg_pool2d(x, FACTOR)
        if rng.random() < 0.5:
            x, low = x.flip(-1), low.flip(-1)
        if rng.random() < 0.25:                                 # other colours
            order = rng.permutation(3)
            x, low = x[order], low[order]
        large.append(x)
        small.append(low)
    return torch.stack(large), torch.stack(small)


@torch.no_grad()
def look(net: Upsampler, path: Path) -> str:
    """Saves a sheet of drawings, cubic interpolation and the network's, and says how far both are off in dB."""
    drawn = np.concatenate([drawings(kind, 2, HELD_OUT)[0] for kind in KINDS])
    x = normalize(channels_first(torch.from_numpy(drawn)))
    low = F.avg_pool2d(x, FACTOR)
    sigma = torch.full((len(x),), SIGMA_MAX)
    z = enlarged(low) + SIGMA_MAX * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    made = denoise(net, z, sigma, low_res=low)
    tiled([x[::2], enlarged(low)[::2].clamp(-1, 1), made[::2]]).save(path)
    decibels = []
    for picture in (enlarged(low), made):
        error = (picture.clamp(-1, 1) - x).square().mean((1, 2, 3)) / 4
        decibels.append(-10 * error.log10().mean().item())
    return "cubic {:.1f} dB, one step {:.1f} dB".format(*decibels)
