"""The diffusion of Karras et al. 2022 (arXiv:2206.00364), where the network's output is the clean picture.

Pictures x and noisy pictures z are [B, 3, H, W], z = x + sigma n; sigma is [B].
"""
from __future__ import annotations

import math

import numpy as np
import torch

from ..mcdm.experts.networks.embedded import SIGMA_DATA

SIGMA_MIN, SIGMA_MAX = 0.05, 80.0


def denoise(net: torch.nn.Module, z: torch.Tensor, sigma: torch.Tensor, **condition: torch.Tensor) -> torch.Tensor:
    """D(z, sigma), what the network takes for the clean picture. condition: its keywords."""
    deviation = (sigma.square() + SIGMA_DATA ** 2).sqrt()
    return net(z / deviation[:, None, None, None], sigma.log() / 4, **condition)


def random_sigma(rng: np.random.Generator, size: int) -> torch.Tensor:
    """Noise levels to train at: ln(sigma) is normal."""
    log_sigma = torch.from_numpy(rng.normal(0.1, 1.5, size)).float()
    return log_sigma.clamp(math.log(SIGMA_MIN), math.log(SIGMA_MAX)).exp()


def loss(
    denoised: torch.Tensor, x: torch.Tensor, sigma: torch.Tensor, weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """The squared error, weighted by 1 / sigma^2 (no more than at sigma = 0.2) + 1 / sigma_data^2; a scalar.

    weight: what the error in a pixel counts besides, [B, 1, H, W].
    """
    error = (denoised - x).square()
    if weight is not None:
        error = error * weight
    of_level = 1 / sigma.square().clamp(min=0.04) + 1 / SIGMA_DATA ** 2
    return (error.mean((1, 2, 3)) * of_level).mean()


@torch.no_grad()
def euler(net: torch.nn.Module, noise: torch.Tensor, steps: int = 24, **condition: torch.Tensor) -> torch.Tensor:
    """Pictures by Euler's method on Karras' schedule (eq. 5) down to 0.1, where the last D is the picture."""
    rho, last = 7, 0.1
    ramp = torch.linspace(0, 1, steps, device=noise.device)
    sigmas = (SIGMA_MAX ** (1 / rho) + ramp * (last ** (1 / rho) - SIGMA_MAX ** (1 / rho))) ** rho
    z = noise * sigmas[0]
    for i, sigma in enumerate(sigmas):
        d = denoise(net, z, sigma.expand(len(z)), **condition)
        if i + 1 == steps:
            break
        z = d + (sigmas[i + 1] / sigma) * (z - d)
    return d
