"""The recorded vectors of the reference implementations in tests/golden (see its README.md)."""
from __future__ import annotations

import functools
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors.torch import load_file, save_file

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FAMILIES = {        # of networks that are not called as their family
    "adm_classcond": "adm",
    "adm_oldorder_classcond": "adm",
    "adm_oldorder_uncond": "adm",
    "glide_base": "glide",
    "diffusers_unet2d": "unet2d",
}
NETWORKS = sorted(path.parent.name for path in GOLDEN.glob("*/weights.json"))


def meta(network: str) -> dict[str, Any]:
    return json.loads((GOLDEN / network / "meta.json").read_text())


def sidecar(network: str, **changes: Any) -> dict[str, Any]:
    """What stands in NAME.json: the family and what shapes do not tell; None takes a key away."""
    told = {"family": FAMILIES.get(network, network), **meta(network)["not_inferable_from_shapes"], **changes}
    return {k: v for k, v in told.items() if v is not None}


def weights(network: str) -> dict[str, torch.Tensor]:
    """A recorded network's state dict in float32, under the reference's key names."""
    return {key: value.clone() for key, value in _weights(network).items()}


@functools.cache
def _weights(network: str) -> dict[str, torch.Tensor]:
    drawn = {}
    for key, (shape, exponent, centre) in json.loads((GOLDEN / network / "weights.json").read_text()).items():
        count = math.prod(shape)
        # The extended output of SHAKE-256 is the same bytes on every machine; each number below is exact in float32.
        data = numpy.frombuffer(hashlib.shake_256(f"{network}/{key}".encode()).digest(count), numpy.uint8)
        odd = 2 * data.astype(numpy.float32) - 255
        drawn[key] = torch.from_numpy(odd * 2.0 ** exponent + centre).float().reshape(shape)
    told = GOLDEN / network / "checkpoint.safetensors"
    if told.exists():
        drawn |= {key: value.float() for key, value in load_file(told).items()}
    return drawn


def place(network: str, folder: Path, name: str = "expert.safetensors", **changes: Any) -> Path:
    """A recorded network as a user's file with its sidecar; .pt by torch.save."""
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(weights(network), path)
    else:
        torch.save(weights(network), path)
    path.with_suffix(".json").write_text(json.dumps(sidecar(network, **changes)))
    return path


def cases(network: str) -> dict[str, dict[str, torch.Tensor]]:
    """{case: {tensor: value}}."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in load_file(GOLDEN / network / "vectors.safetensors").items():
        case, dot, name = key.partition(".")
        if dot:
            found.setdefault(case, {})[name] = value
    return found
