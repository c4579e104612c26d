"""The recorded vectors of the reference implementations in tests/golden (see its README.md)."""
from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FAMILIES = {        # of networks that are not called as their family
    "adm_classcond": "adm",
    "adm_oldorder_classcond": "adm",
    "adm_oldorder_uncond": "adm",
    "glide_base": "glide",
    "diffusers_unet2d": "unet2d",
}


def meta(network: str) -> dict[str, Any]:
    return json.loads((GOLDEN / network / "meta.json").read_text())


def sidecar(network: str, **changes: Any) -> dict[str, Any]:
    """What stands in NAME.json: the family and what shapes do not tell; None takes a key away."""
    told = {"family": FAMILIES.get(network, network), **meta(network)["not_inferable_from_shapes"], **changes}
    return {k: v for k, v in told.items() if v is not None}


def place(network: str, folder: Path, name: str = "expert.safetensors", **changes: Any) -> Path:
    """A recorded network as a user's file with its sidecar; .pt by torch.save."""
    path = folder / name
    if path.suffix == ".safetensors":
        shutil.copyfile(GOLDEN / network / "checkpoint.safetensors", path)
    else:
        torch.save(load_file(GOLDEN / network / "checkpoint.safetensors"), path)
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
