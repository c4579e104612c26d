"""Pictures as vectors whose distance says how alike they look."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

Features = Callable[[torch.Tensor], torch.Tensor]       # IMAGE [B, H, W, C] in [0, 1] to [B, width] of length 1

SIZE = 64               # pixels to which pictures are brought
GRID = 8                # parts of a picture along a side, whose colours are compared
FINER = (16, 32)        # parts along a side, whose differences from their neighbours are compared


def plain_features(pictures: torch.Tensor) -> torch.Tensor:
    """Colours in 8 x 8 parts of the picture, around their middle, and how colours change from part to part in two finer
    grids, which says where outlines are. The three count alike; no network, no download."""
    x = pictures[..., :3].movedim(-1, 1).float()
    x = F.interpolate(x.expand(-1, 3, -1, -1), (SIZE, SIZE), mode="area")
    found = [F.adaptive_avg_pool2d(x, GRID).flatten(1) - 0.5]
    for grid in FINER:
        parts = F.adaptive_avg_pool2d(x, grid)
        changes = parts.diff(dim=-1), parts.diff(dim=-2)
        found.append(torch.cat([change.flatten(1) for change in changes], dim=1))
    return F.normalize(torch.cat([F.normalize(each, dim=1) for each in found], dim=1), dim=1)


def clip_features(clip_vision: Any) -> Features:
    """The image embedding of the host's CLIP VISION model."""
    def features(pictures: torch.Tensor) -> torch.Tensor:
        return F.normalize(clip_vision.encode_image(pictures[..., :3]).image_embeds.float().cpu(), dim=1)
    return features
