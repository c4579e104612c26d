"""A file or a diffusers folder to a state dict and its Config.

Files are untrusted: only tensors come out, and their code never runs. Tensors stay views of the mapped file until a
network takes them, so that a file is read once and never held twice.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import zipfile
from typing import Any

import safetensors
import torch
from torch import Tensor

from .config import Config
from .files import WEIGHTS, files_of

WRAPPERS = ("ema", "ema_state_dict", "state_dict", "model_state_dict", "model", "module")  # the average first
PREFIXES = ("module.", "_orig_mod.", "ema.", "model.", "diffusion_model.")  # of DataParallel, compile and wrappers
MOST_WRAPPERS = 4  # around each other
JSON_LIMIT = 1 << 20


class Unreadable(ValueError):
    """Why a file holds no weights and what to do, as part of a sentence."""


def read(path: str, fast_fp8: bool = False) -> tuple[dict[str, Tensor], Config]:
    """(state dict under the reference's own keys, Config) of a file or diffusers folder. Raises Unreadable."""
    if not os.path.exists(path):
        raise Unreadable("it no longer exists; choose another")
    stem, weights, sidecar, parts = files_of(path)
    if not weights:
        raise Unreadable(f"the folder has no single file {WEIGHTS}.safetensors or .bin; put it there")
    folder: dict[str, Any] = {}
    for part in parts:
        folder |= _json(part)
    try:
        state, metadata = _tensors(weights)
    except Unreadable:
        raise
    except Exception as error:  # whatever the parsers of torch and safetensors raise
        raise Unreadable(f"it is damaged, incomplete, or not a plain file of weights ({_cause(error)}); "
                         "download it again, or save it as safetensors") from error
    _check_sizes(state, os.path.getsize(weights))
    return state, Config(metadata, _json(sidecar) if sidecar else {}, folder, stem, fast_fp8)


def _json(path: str) -> dict[str, Any]:
    """The object in a JSON file. Raises Unreadable."""
    try:
        if os.path.getsize(path) > JSON_LIMIT:
            raise ValueError("larger than 1 MB")
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{os.path.basename(path)} cannot be read ({_cause(error)}); correct it") from error


def _tensors(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(state dict, metadata) by the file's first bytes, whatever its extension says.

    Raises Unreadable, and whatever the parsers raise.
    """
    with open(path, "rb") as file:
        start = file.read(9)
    if len(start) == 9 and start.endswith(b"{"):  # eight bytes of length, then the header, which is JSON
        return _safetensors(path)
    if start.startswith(b"PK"):
        _check_archive(path)
        return _unwrapped(_loaded(path, zipped=True)), {}
    if start.startswith(b"\x80"):  # as torch wrote before 1.6
        return _unwrapped(_loaded(path, zipped=False)), {}
    raise Unreadable("it is neither a safetensors nor a torch file; download it again")


def _safetensors(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return _unwrapped(tensors), file.metadata() or {}


def _check_archive(path: str) -> None:
    """Raises Unreadable for an archive that is not one of torch's: they are stored, never compressed, and hold data."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if compressed or sum(entry.file_size for entry in entries) > os.path.getsize(path):
        raise Unreadable("it is a compressed archive, which torch never writes; download it again")
    names = [entry.filename for entry in entries]
    if not any(name.endswith("data.pkl") for name in names):
        raise Unreadable("it is an archive without weights; unpack it and choose the file inside")
    if any(name.endswith("/constants.pkl") for name in names):
        raise Unreadable("it is a TorchScript program, which is not run; save its state dict as safetensors")


def _loaded(path: str, zipped: bool) -> Any:
    """Plain data and tensors from a file of torch's, without running its code; an archive stays mapped.

    A Namespace is allowed: the options of the training script often lie beside the weights.
    """
    mapped = zipped and not path.endswith(".safetensors")  # torch takes whatever has that name for safetensors
    with torch.serialization.safe_globals([argparse.Namespace]), open(path, "rb") as file:
        return torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)


def _unwrapped(loaded: Any) -> dict[str, Tensor]:
    """The state dict inside what a training script saved: {"ema": ...}, {"model": ...}, keys with prefixes.

    Raises Unreadable if there is none.
    """
    for _ in range(MOST_WRAPPERS):
        if not isinstance(loaded, dict) or any(isinstance(value, Tensor) for value in loaded.values()):
            break
        loaded = _inner(loaded)
    if not _is_state_dict(loaded):
        raise Unreadable("it holds no state dict of tensors; save one as safetensors")
    while prefix := _common_prefix(loaded):
        loaded = {key.removeprefix(prefix): value for key, value in loaded.items()}
    return {key: value.detach() for key, value in loaded.items()}


def _inner(loaded: dict[Any, Any]) -> Any:
    """The dictionary that a wrapper holds: under a known name, or its only one; None if that is not clear."""
    for name in WRAPPERS:
        if isinstance(loaded.get(name), dict):
            return loaded[name]
    inner = [value for value in loaded.values() if isinstance(value, dict)]
    return inner[0] if len(inner) == 1 else None


def _is_state_dict(loaded: Any) -> bool:
    """Whether it is a dictionary of words to tensors proper, and not empty."""
    if not isinstance(loaded, dict) or not loaded:
        return False
    return all(isinstance(key, str) and type(value) in (Tensor, torch.nn.Parameter) for key, value in loaded.items())


def _common_prefix(state: dict[str, Tensor]) -> str:
    """One of PREFIXES that all keys have, or ""."""
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            return prefix
    return ""


def _check_sizes(state: dict[str, Tensor], size: int) -> None:
    """Raises Unreadable unless plain tensors together are within the file's size: few bytes can claim terabytes."""
    for tensor in state.values():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise Unreadable("it holds sparse, quantized or empty tensors; save plain ones as safetensors")
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > size:
        raise Unreadable("its tensors claim more numbers than the file holds; download it again")


def _cause(error: Exception) -> str:
    """The first sentence of a parser's message."""
    if type(error).__name__ == "UnpicklingError":
        return "it holds objects other than tensors, which are not read because they could run code"
    text = str(error).strip() or type(error).__name__
    return re.split(r"(?<=[.!?:])\s", text)[0].rstrip(".:")[:160]
