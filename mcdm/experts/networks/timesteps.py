"""Sinusoidal embeddings of time, as diffusers computes them."""
from __future__ import annotations

import math

import torch
from torch import Tensor


def shifted_timestep_embedding(timesteps: Tensor, width: int, freq_shift: float) -> Tensor:
    """[B] -> [B, 2 * (width // 2)]: cosines, then sines, of t * 10000^(-k / (width // 2 - freq_shift)).

    In float32 whatever the network computes in, because t counts to 1000. The host's timestep_embedding knows no
    freq_shift and rounds its frequencies in another order, so that its last bits differ.
    """
    half = width // 2
    exponents = torch.arange(half, device=timesteps.device, dtype=torch.float32)
    frequencies = torch.exp(exponents * (-math.log(10000) / (half - freq_shift)))
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)
