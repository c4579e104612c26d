"""Automatic masks: where each expert acts, found during sampling from how much its condition asks for there.

    a_i = blur |D_i - N_i|              N_i: its own null; |.| over the channels of a cell
    m_i = softmax over the experts of k_i a_i / (T a),      a: the mean of a_i over the experts of i's space and cells

so that the masks sum to 1 in each cell. The softmax of saliency is MagicFusion's (Zhao et al. 2023, arXiv:2303.13126);
with T in units of the mean the masks are the same at every noise level and for every scale of a latent space.
"""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from .fusion import Coefficient


@dataclasses.dataclass(frozen=True)
class Automatic:
    """temperature: T. blur: its deviation in cells. strengths: k_i, () = 1 each.

    hold: the sigma below which the masks no longer change, 0 = never. Raises ValueError for numbers that make no sense.
    """
    temperature: float = 0.25
    blur: float = 2.0
    strengths: tuple[float, ...] = ()
    hold: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < math.inf:
            raise ValueError(f"The temperature of automatic masks must be above 0, not {self.temperature}.")
        if not (0.0 <= self.blur < math.inf and self.hold >= 0.0):
            raise ValueError("The blur of automatic masks and the sigma at which they are held must be at least 0, not "
                             f"{self.blur} and {self.hold}.")


def blurred(field: torch.Tensor, deviation: float) -> torch.Tensor:
    """A field [B, 1, (T,) H, W] under a Gaussian of some cells over height and width; borders are continued."""
    radius = math.ceil(3 * deviation)
    if not radius:
        return field
    places = torch.arange(-radius, radius + 1, device=field.device, dtype=field.dtype)
    kernel = torch.softmax(-places ** 2 / (2 * deviation ** 2), 0)
    rows = field.reshape(-1, 1, *field.shape[-2:])
    rows = F.conv2d(F.pad(rows, (radius, radius, 0, 0), "replicate"), kernel.view(1, 1, 1, -1))
    rows = F.conv2d(F.pad(rows, (0, 0, radius, radius), "replicate"), kernel.view(1, 1, -1, 1))
    return rows.reshape(field.shape)


def saliency(asked: torch.Tensor) -> torch.Tensor:
    """|D_i - N_i| of each cell, [B, 1, (T,) H, W], of D_i - N_i [B, C, (T,) H, W]."""
    return asked.float().norm(dim=1, keepdim=True)


def masks(
    temperature: float, sizes: Sequence[torch.Tensor], spaces: Sequence[int], strengths: Sequence[float],
    allowed: Sequence[Coefficient],
) -> list[torch.Tensor]:
    """m_i of each expert, [B, 1, ...], with the sum 1 wherever any expert is allowed.

    sizes: blur |D_i - N_i|, [B, 1, ...], all in the same cells. spaces: the latent space of each expert. strengths:
    k_i. allowed: the masks that the user gave, 1.0 everywhere.
    """
    asked = torch.stack(list(sizes))
    k = torch.tensor(strengths, device=asked.device).view(-1, *[1] * (asked.ndim - 1))
    where = torch.stack([torch.zeros_like(asked[0]) + m for m in allowed])
    parts = torch.softmax(k * asked / (temperature * _means(asked, spaces)), 0) * where
    total = parts.sum(0)
    return [*torch.where(total > 0, parts / total.clamp(min=1e-30), 0.0)]


def _means(sizes: torch.Tensor, spaces: Sequence[int]) -> torch.Tensor:
    """a for each expert: the mean over cells and over the experts of its space, picture by picture, [N, B, 1, ...]."""
    own = torch.tensor(spaces, device=sizes.device)
    means = [sizes[own == space].flatten(2).mean((0, 2)).clamp(min=1e-12) for space in spaces]
    return torch.stack(means).view(len(spaces), -1, *[1] * (sizes.ndim - 2))
