"""The preview sheets of a training."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from .datasets.dataset import Dataset, NetworkInputs
from .diffusion import euler
from .pixels import tiled

GIVEN, NULL = 12, 4         # pictures with a condition, and with none


def write_preview(
    net: torch.nn.Module, dataset: Dataset, network: NetworkInputs, device: torch.device, path: Path,
) -> None:
    """Writes a sheet of 16 pictures: 12 with the condition of a random training picture, 4 with the null.

    network: the keywords of EmbeddedUNet. Maps are shown above their pictures.
    """
    x, inputs = dataset.batch(np.random.default_rng(0), GIVEN + NULL, **network)
    condition: dict[str, Any] = {}
    for name, values in inputs.items():
        values[GIVEN:] = 0
        condition[name] = values.to(device)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    pictures = euler(net, noise.to(device), **condition)
    if dataset.decode:
        pictures = dataset.decode(pictures.cpu())
    if dataset.kind == "map":
        maps = condition["condition_map"][:, [dataset.channel]].expand(-1, 3, -1, -1)
        pictures = torch.cat([maps, pictures], dim=2)
    tiled(pictures.split(8)).save(path)
