"""Pictures as vectors whose distance says how alike they look."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

Features = Callable[[torch.Tensor], torch.Tensor]       # IMAGE [B, H, W, C] in [0, 1] to [B, width] of length 1

SIZE = 64               # pixels to which pictures are brought
GRID = 8                # parts of a picture along a side
FILTERS = 96            # of WIDTH x WIDTH pixels
WIDTH = 7
SEED = 2011


def plain_features(pictures: torch.Tensor) -> torch.Tensor:
    """How strongly random patterns of colour occur in 8 x 8 parts of the picture: outlines and textures, and where they
    are. No network, no download.

    Filters of noise tell pictures apart nearly as well as learned ones (Saxe et al. 2011, "On Random Weights and
    Unsupervised Feature Learning"). Each sums to 0 in each colour; around the picture is black, so that the colours at
    its border count. Of the strengths, their mean over the picture is taken away.
    """
    x = pictures[..., :3].movedim(-1, 1).float().cpu()
    x = F.interpolate(x.expand(-1, 3, -1, -1), (SIZE, SIZE), mode="area")
    found = F.adaptive_avg_pool2d(F.conv2d(x, _filters(), padding=WIDTH // 2).abs(), GRID).flatten(1)
    return F.normalize(found - found.mean(1, keepdim=True), dim=1)


def _filters() -> torch.Tensor:
    """[FILTERS, 3, WIDTH, WIDTH] of length 1, the same ones always."""
    noise = torch.randn(FILTERS, 3, WIDTH, WIDTH, generator=torch.Generator().manual_seed(SEED))
    noise = noise - noise.mean((2, 3), keepdim=True)
    return F.normalize(noise.flatten(1), dim=1).view_as(noise)


def clip_features(clip_vision: Any) -> Features:
    """The image embedding of the host's CLIP VISION model."""
    def features(pictures: torch.Tensor) -> torch.Tensor:
        return F.normalize(clip_vision.encode_image(pictures[..., :3]).image_embeds.float().cpu(), dim=1)
    return features
