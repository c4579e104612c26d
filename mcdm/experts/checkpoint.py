"""A file or a diffusers folder to a state dict and what is known about it. Files are untrusted: only tensors come out, and never code runs.

Tensors stay views of the mapped file until a network takes them, so that a file is read once and never held twice.
"""
import argparse
import json
import os
import pickle
import re
import zipfile

import safetensors
import torch

from .config import Config

EXTENSIONS = (".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt")
SUBFOLDERS = ("", "unet", "transformer")                    # where a diffusers folder keeps its network
WEIGHTS = "diffusion_pytorch_model"
WRAPPERS = ("ema", "ema_state_dict", "state_dict", "model_state_dict", "model", "module")      # beside optimizers; the average is what to draw with
PREFIXES = ("module.", "_orig_mod.", "ema.", "model.", "diffusion_model.")
JSON_LIMIT = 1 << 20


class Unreadable(ValueError):
    """Why a file holds no weights and what to do, as the part of a sentence."""


def read(path, fast_fp8=False):
    """(state dict under the reference's own keys, Config) of a file or diffusers folder. Raises Unreadable."""
    if not os.path.exists(path):
        raise Unreadable("it is not there any more; choose another")
    stem, weights, sidecar, parts = files(path)
    if not weights:
        raise Unreadable(f"the folder has no single file {WEIGHTS}.safetensors or .bin; put it there")
    folder: dict = {}
    for part in parts:
        folder |= _json(part)
    try:
        state, metadata = _tensors(weights)
    except Unreadable:
        raise
    except Exception as error:                              # whatever the parsers of torch and safetensors stumble over
        raise Unreadable(f"it is damaged, incomplete, or no plain file of weights ({_cause(error)}); download it again, or save it as safetensors") from error
    _check(state, os.path.getsize(weights))
    return state, Config(metadata, _json(sidecar) if sidecar else {}, folder, stem, fast_fp8)


def files(path):
    """(stem, file of weights or "", sidecar or "", JSON files of diffusers) that stand behind an expert."""
    name = os.path.basename(path)
    stem, here = (name, path) if os.path.isdir(path) else (os.path.splitext(name)[0], os.path.dirname(path))
    sidecar = os.path.join(os.path.dirname(path), stem + ".json")
    if os.path.isdir(path):
        here = next((d for d in (os.path.join(path, sub) for sub in SUBFOLDERS) if os.path.isfile(os.path.join(d, "config.json"))), path)
        found = sorted(f for f in os.listdir(here) if f.startswith(WEIGHTS) and f.endswith(EXTENSIONS) and "-of-" not in f)
        name = next((WEIGHTS + e for e in EXTENSIONS if WEIGHTS + e in found), found[0] if found else "")
    parts = [os.path.join(path, "model_index.json"), os.path.join(here, "config.json"), os.path.join(path, "scheduler", "scheduler_config.json"),
             os.path.join(here, "scheduler_config.json")] if name.startswith(WEIGHTS) else []
    return stem, name and os.path.join(here, name), sidecar if os.path.isfile(sidecar) else "", [p for p in parts if os.path.isfile(p)]


def is_folder(path):
    """Whether a folder is one expert in the way of diffusers, or a part of one."""
    return os.path.isfile(os.path.join(path, "model_index.json")) or (
        os.path.isfile(os.path.join(path, "config.json")) and any(f.startswith(WEIGHTS) for f in os.listdir(path)))


def _json(path):
    try:
        if os.path.getsize(path) > JSON_LIMIT:
            raise ValueError("larger than 1 MB")
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{os.path.basename(path)} cannot be read ({_cause(error)}); correct it") from error


def _tensors(path):
    """(state dict, metadata) by the file's first bytes, whatever its extension says. Raises whatever the parsers raise."""
    with open(path, "rb") as file:
        start = file.read(9)
    if len(start) == 9 and start[8:] == b"{":
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            return _unwrapped({key: file.get_tensor(key) for key in file.keys()}), file.metadata() or {}  # noqa: SIM118
    zipped = start.startswith(b"PK")
    if zipped:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        if any(e.compress_type != zipfile.ZIP_STORED for e in entries) or sum(e.file_size for e in entries) > os.path.getsize(path):
            raise Unreadable("it is a compressed archive, which torch never writes; download it again")
        if not any(e.filename.endswith("data.pkl") for e in entries):
            raise Unreadable("it is an archive without weights; unpack it and choose the file inside")
        if any(e.filename.endswith("/constants.pkl") for e in entries):
            raise Unreadable("it is a TorchScript program, which is not run; save its state dict as safetensors")
    elif not start.startswith(b"\x80"):
        raise Unreadable("it is neither a safetensors file nor one of torch; download it again")
    mapped = zipped and not path.endswith(".safetensors")                   # whatever has that name, torch takes it for one
    with torch.serialization.safe_globals([argparse.Namespace]), open(path, "rb") as file:      # options of the training script, beside the weights
        loaded = torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)
    return _unwrapped(loaded), {}


def _unwrapped(loaded):
    """The state dict inside what a training script saved: {"ema": ...}, {"model": ...}, and the prefixes of DataParallel and compile."""
    for _ in range(4):
        if not isinstance(loaded, dict) or any(isinstance(v, torch.Tensor) for v in loaded.values()):
            break
        inner = [v for v in loaded.values() if isinstance(v, dict)]
        loaded = next((loaded[k] for k in WRAPPERS if isinstance(loaded.get(k), dict)), inner[0] if len(inner) == 1 else None)
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(k, str) and type(v) in (torch.Tensor, torch.nn.Parameter) for k, v in loaded.items()):
        raise Unreadable("it holds no state dict of tensors; save one as safetensors")
    while prefix := next((p for p in PREFIXES if all(k.startswith(p) for k in loaded)), ""):
        loaded = {k.removeprefix(prefix): v for k, v in loaded.items()}
    return {k: v.detach() for k, v in loaded.items()}


def _check(state, size):
    """No tensor may be more than its share of the file: a few bytes can claim to be terabytes."""
    if any(v.layout != torch.strided or v.device.type != "cpu" or v.is_quantized for v in state.values()):
        raise Unreadable("it holds sparse, quantized or empty tensors; save plain ones as safetensors")
    if sum(v.numel() * v.element_size() for v in state.values()) > size:
        raise Unreadable("its tensors claim more numbers than the file holds; download it again")


def _cause(error):
    """The first sentence of what a parser said."""
    if isinstance(error, pickle.UnpicklingError):
        return "it holds other objects than tensors, and those are not read because they could run code"
    return re.split(r"(?<=[.!?:])\s", str(error).strip() or type(error).__name__)[0].rstrip(".:")[:160]
