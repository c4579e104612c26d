"""The files behind an expert: its weights, the JSON beside them, and the JSON files of a diffusers folder."""
from __future__ import annotations

import os
from typing import NamedTuple

EXTENSIONS = (".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt")
SUBFOLDERS = ("", "unet", "transformer")  # where a diffusers folder keeps its network
WEIGHTS = "diffusion_pytorch_model"


class Files(NamedTuple):
    """The files behind an expert. weights, sidecar: "" if there is none. parts: the JSON files of diffusers."""
    stem: str
    weights: str
    sidecar: str
    parts: list[str]


def files_of(path: str) -> Files:
    """The files behind a file of weights or a diffusers folder."""
    parent, name = os.path.split(path)
    if os.path.isdir(path):
        stem, inside = name, _network_folder(path)
        name = _weights_in(inside)
    else:
        stem, inside = os.path.splitext(name)[0], parent
    sidecar = os.path.join(parent, stem + ".json")
    parts: list[str] = []
    if name.startswith(WEIGHTS):
        parts = [
            os.path.join(path, "model_index.json"),
            os.path.join(inside, "config.json"),
            os.path.join(path, "scheduler", "scheduler_config.json"),
            os.path.join(inside, "scheduler_config.json"),
        ]
    return Files(
        stem,
        weights=os.path.join(inside, name) if name else "",
        sidecar=sidecar if os.path.isfile(sidecar) else "",
        parts=[part for part in parts if os.path.isfile(part)],
    )


def is_folder(path: str) -> bool:
    """Whether a folder is one expert in the way of diffusers, or a part of one."""
    if os.path.isfile(os.path.join(path, "model_index.json")):
        return True
    has_config = os.path.isfile(os.path.join(path, "config.json"))
    return has_config and any(file.startswith(WEIGHTS) for file in os.listdir(path))


def _network_folder(path: str) -> str:
    """The folder of the network in a diffusers folder: the first with a config, else the folder itself."""
    for subfolder in SUBFOLDERS:
        inside = os.path.join(path, subfolder)
        if os.path.isfile(os.path.join(inside, "config.json")):
            return inside
    return path


def _weights_in(folder: str) -> str:
    """The name of the file of weights in a folder, "" if there is no single one."""
    found = sorted(file for file in os.listdir(folder)
                   if file.startswith(WEIGHTS) and file.endswith(EXTENSIONS) and "-of-" not in file)
    plain = [WEIGHTS + extension for extension in EXTENSIONS if WEIGHTS + extension in found]
    return (plain + found + [""])[0]
