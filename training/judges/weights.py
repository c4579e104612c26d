"""What both judges share: the files of their weights, and how training pictures are spoilt."""
from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F


def load(net: torch.nn.Module, path: Path) -> None:
    """Loads a judge's weights, ready for use."""
    net.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    net.eval()


def save(net: torch.nn.Module, path: Path, what: str) -> None:
    """Writes a judge's weights in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.half().contiguous() for name, weight in net.state_dict().items()}
    save_file(weights, path, {"what": what, "license": "GPL-3.0-or-later"})


def blur(x: torch.Tensor) -> torch.Tensor:
    """Pictures [B, 3, H, W] averaged over 3 x 3 pixels, which is what generators do to edges."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
