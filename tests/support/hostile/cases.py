"""The table of hostile files, and how a case is added to it."""
from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from support import vectors

CANARY = "MCDM_CANARY"          # an environment variable: a file that runs code gives itself away here
EITHER = None


@dataclass(frozen=True)
class Case:
    """write(folder) returns the path to load. loads: True it must, False it must be refused, EITHER one of both."""
    write: Callable[[Path], Path]
    loads: bool | None = False


CASES: dict[str, Case] = {}
NETWORKS = ("dit", "unc_sketch")
SIDECARS = {
    n: json.dumps(vectors.sidecar(n))
    for n in (*NETWORKS, "adm_oldorder_uncond", "glide_base", "unc_face", "sit", "adm_superres", "glide_upsampler")
}


def state(network: str = "dit") -> dict[str, torch.Tensor]:
    return vectors.weights(network)


def put(
    folder: Path, content: bytes, name: str = "x.safetensors", network: str = "dit", sidecar: str | bytes | None = None
) -> Path:
    (folder / name).write_bytes(content)
    told = SIDECARS[network] if sidecar is None else sidecar
    (folder / name).with_suffix(".json").write_bytes(told if isinstance(told, bytes) else told.encode())
    return folder / name


def saved(value: Any, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def add(
    name: str,
    content: Callable[[], bytes],
    loads: bool | None = False,
    file: str = "x.safetensors",
    network: str = "dit",
    sidecar: str | bytes | None = None,
) -> None:
    assert name not in CASES, name
    CASES[name] = Case(lambda folder: put(folder, content(), file, network, sidecar), loads)
