"""Trains the autoencoder of the drawings, whose latent space a latent expert works in: `dev.py train autoencoder`.

The loss is the error of the picture (absolute, and squared) after noise on the latent, which makes the decoder smooth
and the latent short. Among the pictures are what a bridge between spaces meets: mixtures, as denoised estimates are
early in a run, and pictures that were half as large.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..mcdm.experts.networks.autoencoder import CHANNELS, FACTOR, Autoencoder
from ..mcdm.experts.networks.embedded import SIGMA_DATA
from .by_the_clock import train_for
from .datasets.dataset import normalize
from .expert_file import packed
from .pixels import tiled
from .support.files import replacing

CROP, BATCH = 64, 16
NOISE = 0.08                # on the latent, in units of its standard deviation
SAVE_EVERY = 120            # seconds


def train(pictures: Tensor, out: Path, work: Path, seconds: float, metadata: Mapping[str, str]) -> None:
    """Trains on pictures [N, 3, 128, 128] uint8 for so long, in all calls together, and writes the file `out`.

    metadata: of the file.

    Raises SystemExit when asked to stop, once the state is saved.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work.mkdir(parents=True, exist_ok=True)
    net, average = Autoencoder(), Autoencoder()
    start_small(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01)

    def step_loss(step: int) -> Tensor:
        return loss(net, batch(pictures, np.random.default_rng([11, step])))

    def said(step: int) -> str:
        preview(average, pictures, work / f"preview-{step:06d}.png")
        return f"{quality(average, pictures[:32]):.1f} dB"

    step = train_for(seconds, net, average, optimizer, step_loss, said, work, "autoencoder", SAVE_EVERY)
    standardize(average, pictures[:512])
    colours = latent_to_rgb(average, pictures[::max(1, len(pictures) // 256)])
    write(out, average, {**metadata, "steps": str(step), "latent_to_rgb": json.dumps(colours)})


def start_small(net: Autoencoder) -> None:
    """Residual branches that begin at nothing, since there are no norms."""
    for name, weight in net.named_parameters():
        if "conv2" in name:
            torch.nn.init.zeros_(weight)


def batch(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Crops [BATCH, 3, CROP, CROP] in [-1, 1]: plain, mirrored, mixed with another, or from half the size."""
    crops = []
    for _ in range(BATCH):
        i = rng.integers(len(pictures))
        top, left = map(int, rng.integers(0, pictures.shape[-1] - CROP + 1, 2))
        crop = pictures[i, :, top:top + CROP, left:left + CROP]
        crops.append(crop.flip(-1) if rng.random() < 0.5 else crop)
    x = normalize(torch.stack(crops))
    mixed = torch.from_numpy(np.where(rng.random(BATCH) < 0.3, rng.random(BATCH), 1.0)).float()[:, None, None, None]
    x = x * mixed + x.flip(0) * (1 - mixed)
    small = torch.from_numpy(rng.random(BATCH) < 0.25)
    halved = F.interpolate(F.avg_pool2d(x[small], 2), scale_factor=2.0, mode="bicubic", align_corners=False)
    x[small] = halved.clamp(-1, 1)
    return x.contiguous(memory_format=torch.channels_last)


def loss(net: Autoencoder, x: Tensor) -> Tensor:
    z = net.encode(x)
    deviation = z.flatten(2).std((0, 2), keepdim=True).detach()[..., None].clamp(min=1e-3)
    error = net.decode(z + NOISE * deviation * torch.randn_like(z)) - x
    # The latent's own size is free, so something must hold it.
    size = z.mean((0, 2, 3)).square().mean() + (z.square().mean((0, 2, 3)) - 1).square().mean()
    return error.abs().mean() + 2 * error.square().mean() + 0.003 * size


@torch.no_grad()
def standardize(net: Autoencoder, pictures: Tensor) -> None:
    """Gives the latent zero mean and the deviation SIGMA_DATA, in the convolutions on its two sides."""
    z = torch.cat([net.encode(normalize(some)) for some in pictures.split(32)])
    mean, scale = z.mean((0, 2, 3)), SIGMA_DATA / z.std((0, 2, 3))
    last, first = net.encoder[-1], net.decoder[0]
    assert isinstance(last, nn.Conv2d) and isinstance(first, nn.Conv2d)
    assert last.bias is not None and first.bias is not None
    last.weight.mul_(scale[:, None, None, None])
    last.bias.sub_(mean).mul_(scale)
    # The padding of the decoder's first convolution is zero before and the mean now: nothing but the rim notices.
    first.bias.add_((first.weight * mean[None, :, None, None]).sum((1, 2, 3)))
    first.weight.div_(scale[None, :, None, None])


@torch.no_grad()
def quality(net: Autoencoder, pictures: Tensor) -> float:
    """PSNR in dB of pictures and their reconstructions."""
    x = normalize(pictures)
    error = (net.decode(net.encode(x)).clamp(-1, 1) - x).square().mean() / 4
    return float(-10 * error.log10())


@torch.no_grad()
def latent_to_rgb(net: Autoencoder, pictures: Tensor) -> list[list[float]]:
    """[CHANNELS + 1, 3]: the least squares from a latent cell to the mean colour under it in [-1, 1], bias last."""
    x = normalize(pictures)
    z = net.encode(x).movedim(1, -1).reshape(-1, CHANNELS)
    colour = F.avg_pool2d(x, FACTOR).movedim(1, -1).reshape(-1, 3)
    factors = torch.linalg.lstsq(F.pad(z, (0, 1), value=1.0), colour).solution
    rounded = []
    for row in factors.tolist():
        rounded.append([round(value, 4) for value in row])
    return rounded


@torch.no_grad()
def preview(net: Autoencoder, pictures: Tensor, path: Path) -> None:
    """Pictures above their reconstructions."""
    x = normalize(pictures[:8])
    tiled([x, net.decode(net.encode(x))]).save(path)


def write(path: Path, net: Autoencoder, metadata: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.half().contiguous() for name, weight in net.state_dict().items()}
    with replacing(path) as file:
        file.write(packed(weights, metadata))
