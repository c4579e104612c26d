"""What a sampling begins with, as the host gives it."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

Shapes = Sequence[Sequence[int]]                # of the parts of a nested latent, packed as [B, 1, n]: picture, sound


class Start(NamedTuple):
    """What the host gives its inner_sample, for one latent.

    latent_shapes: of the parts of a nested latent, packed as [B, 1, n].
    """
    noise: torch.Tensor
    latent_image: torch.Tensor | None
    denoise_mask: torch.Tensor | None
    seed: int | None
    sigmas: torch.Tensor
    latent_shapes: Shapes | None
