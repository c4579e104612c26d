"""The file of a trained expert: its averaged weights in 8 bits, and what a user of it must know."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save

from ..mcdm.experts.networks.embedded import SIGMA_DATA
from ..mcdm.experts.quantize import quantize
from .datasets.dataset import Dataset
from .diffusion import SIGMA_MAX, SIGMA_MIN
from .support.files import replacing


def expert_metadata(name: str, dataset: Dataset, command: str) -> dict[str, str]:
    """All that a user of the file must know. command: what makes it again."""
    return {
        "family": "embedded",
        "name": name,
        "latent_space": "pixels",
        "prediction": "x0",
        "size": "64",
        "num_heads": "4",
        "sigma_min": str(SIGMA_MIN),
        "sigma_max": str(SIGMA_MAX),
        "sigma_data": str(SIGMA_DATA),
        **dataset.metadata,
        "training_command": command,
        "license": "GPL-3.0-or-later",
    }


def write_expert(path: Path, weights: dict[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Writes the file, whole or not at all, with the usual rights, which save_file would not give it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = packed(quantize(weights), metadata)
    with replacing(path) as file:
        file.write(raw)


def packed(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a .safetensors file, the same every time: the library itself writes metadata in any order."""
    raw = save(dict(tensors))
    end = 8 + int.from_bytes(raw[:8], "little")                 # of the header, whose length comes first
    entries = {"__metadata__": dict(metadata), **json.loads(raw[8:end])}
    header = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + raw[end:]
