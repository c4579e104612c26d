"""The autoencoder of the drawings: pictures to a small latent and back.

    encode: [B, 3, H, W] in [-1, 1] -> [B, 4, H / 4, W / 4], about zero mean and the standard deviation SIGMA_DATA
    decode: the reverse

Plain residual convolutions without norms, so that every part of a picture is coded by what lies near it: tiles agree
with the whole, and a change here changes nothing there.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FACTOR = 4          # pixels along a side of a latent cell
CHANNELS = 4


class Block(nn.Module):
    """[B, c, H, W] -> the same."""

    def __init__(self, c: int, **kw: Any) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1, **kw)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1, **kw)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(torch.relu(self.conv1(torch.relu(x))))


class Autoencoder(nn.Module):
    """`encode` and `decode`, as the host's VAE calls them. width: channels on the latent's grid."""

    def __init__(self, width: int = 64, blocks: int = 4, **kw: Any) -> None:
        super().__init__()
        fine = width // 2
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(FACTOR),
            nn.Conv2d(3 * FACTOR ** 2, width, 3, padding=1, **kw),
            *(Block(width, **kw) for _ in range(blocks)),
            nn.Conv2d(width, CHANNELS, 3, padding=1, **kw),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(CHANNELS, width, 3, padding=1, **kw),
            *(Block(width, **kw) for _ in range(blocks)),
            nn.Conv2d(width, 4 * fine, 1, **kw),
            nn.PixelShuffle(2),
            Block(fine, **kw),
            nn.Conv2d(fine, 3 * 4, 3, padding=1, **kw),
            nn.PixelShuffle(2),
        )

    def encode(self, pictures: Tensor) -> Tensor:
        return self.encoder(pictures)

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents)


def read_autoencoder(path: Path) -> Autoencoder:
    """The autoencoder of a file that `dev.py train autoencoder` wrote."""
    net = Autoencoder()
    net.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    return net.train(False).requires_grad_(False)
