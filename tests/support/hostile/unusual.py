"""Files that are unusual but all right, and what may stand beside the weights: sidecars, folders of diffusers."""
from __future__ import annotations

import argparse
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from support import vectors
from support.hostile.cases import CASES, SIDECARS, Case, add, saved, state

# ----------------------------------------------------------------------------------------------- unusual, but all right
RIGHT: dict[str, tuple[Callable[[], bytes], str]] = {
    "{'ema': ...}": (lambda: saved({"ema": state()}), "x.pt"),
    "{'model': ...}": (lambda: saved({"model": state()}), "x.pt"),
    "{'state_dict': ...}": (lambda: saved({"state_dict": state(), "epoch": 3}), "x.ckpt"),
    "{'whatever': ...}": (lambda: saved({"whatever": state()}), "x.pt"),
    "a training checkpoint": (
        lambda: saved(
            {
                "model": {k: v * 0 for k, v in state().items()},
                "ema": state(),
                "opt": {"state": {}, "param_groups": [{"lr": 1e-4}]},
                "args": argparse.Namespace(model="DiT-XL/2", image_size=256),
            }
        ),
        "x.pt",
    ),
    "nested wrappers": (lambda: saved({"state_dict": {"ema": {f"module.{k}": v for k, v in state().items()}}}), "x.pt"),
    "module. in a pt": (lambda: saved({f"module.{k}": v for k, v in state().items()}), "x.pt"),
    "module. in safetensors": (lambda: save({f"module.{k}": v for k, v in state().items()}), "x.safetensors"),
    "module._orig_mod. in safetensors": (
        lambda: save({f"module._orig_mod.{k}": v for k, v in state().items()}),
        "x.safetensors",
    ),
    "ema. in safetensors": (lambda: save({f"ema.{k}": v for k, v in state().items()}), "x.safetensors"),
    "model.diffusion_model. in safetensors": (
        lambda: save({f"model.diffusion_model.{k}": v for k, v in state().items()}),
        "x.safetensors",
    ),
    "torch's old format": (lambda: saved(state(), legacy=True), "x.pt"),
    "safetensors called pt": (lambda: save(state()), "x.pt"),
    "pt called safetensors": (lambda: saved(state()), "x.safetensors"),
    "safetensors called sft": (lambda: save(state()), "x.sft"),
    "an ordered dict": (lambda: saved(OrderedDict(state())), "x.pt"),
    "the keys backwards": (lambda: saved(dict(reversed(state().items()))), "x.pt"),
    "parameters": (lambda: saved({k: torch.nn.Parameter(v) for k, v in state().items()}), "x.pt"),
    "not contiguous": (
        lambda: saved({k: v.mT.contiguous().mT if v.ndim == 2 else v for k, v in state().items()}),
        "x.pt",
    ),
    "views of a larger storage": (lambda: saved({k: torch.stack([v, v])[1] for k, v in state().items()}), "x.pt"),
    "float64": (lambda: save({k: v.double() for k, v in state().items()}), "x.safetensors"),
    "float16": (lambda: save({k: v.half() for k, v in state().items()}), "x.safetensors"),
    "bfloat16": (lambda: saved({k: v.bfloat16() for k, v in state().items()}), "x.pt"),
    "float8": (lambda: save({k: v.to(torch.float8_e4m3fn) for k, v in state().items()}), "x.safetensors"),
    "mixed types": (
        lambda: save({k: v.half() if v.ndim == 2 else v.double() for k, v in state().items()}),
        "x.safetensors",
    ),
    "a name with spaces": (lambda: save(state()), "x y (1).safetensors"),
    "a name beyond ASCII": (lambda: save(state()), "\u00e9\u4e2d.safetensors"),
    "capital letters": (lambda: save(state()), "X.SAFETENSORS"),
}
for name, (content, file) in RIGHT.items():
    add(f"right: {name}", content, True, file)


# ------------------------------------------------------------------------------------------------------------- sidecars
told = vectors.sidecar("dit")
for name, sidecar, loads in (
    ("nothing", b"", False),
    ("no JSON", b"num_heads = 6", False),
    ("a list", b"[1]", False),
    ("null", b"null", False),
    ("binary", bytes(range(256)), False),
    ("cut", SIDECARS["dit"][:40], False),
    ("too large", b'{"a": "' + b"x" * (2 << 20) + b'"}', False),
    ("deep", b'{"a": ' * 100_000, False),
    ("deep but closed", b'{"a": ' + b"[" * 900 + b"]" * 900 + b', "family": "dit"}', False),
    ("empty", b"{}", False),
    ("UTF-16", SIDECARS["dit"].encode("utf-16"), False),
    ("unknown keys", json.dumps(told | {"colour": "red"}), True),
    ("texts for numbers", json.dumps(told | {"num_heads": "6", "diffusion_steps": "1000"}), True),
    ("a family that is no word", json.dumps(told | {"family": ["dit"]}), False),
    ("infinite heads", '{"family": "dit", "num_heads": Infinity}', False),
    ("heads of 10^30", json.dumps(told | {"num_heads": 10**30}), False),
    ("half a head", json.dumps(told | {"num_heads": 0.5}), False),
    ("minus six heads", json.dumps(told | {"num_heads": -6}), False),
    ("steps of 10^9", json.dumps(told | {"diffusion_steps": 10**9}), False),
    ("a schedule of tokens", json.dumps(told | {"noise_schedule": {"linear": 1}}), False),
    ("digits without end", '{"num_heads": ' + "9" * 5000 + "}", False),
    ("twice the family", '{"family": "sit", "family": "dit", ' + SIDECARS["dit"][1:], True),
):
    add(f"sidecar: {name}", lambda: save(state()), loads, sidecar=sidecar)


# ------------------------------------------------------------------------------------------------- folders of diffusers
def folder_case(
    name: str,
    loads: bool = False,
    weights: Callable[[], dict[str, bytes]] | None = None,
    config: Any = None,
    scheduler: Any = None,
) -> None:
    source = vectors.GOLDEN / "diffusers_unet2d"

    def write(folder: Path) -> Path:
        path = folder / "net"
        path.mkdir()
        for file, changed in (("config.json", config), ("scheduler_config.json", scheduler)):
            content = json.loads((source / file).read_text())
            (path / file).write_text(changed if isinstance(changed, str) else json.dumps(content | (changed or {})))
        whole = {"diffusion_pytorch_model.safetensors": save(vectors.weights("diffusers_unet2d"))}
        for file, data in (weights() if weights else whole).items():
            (path / file).write_bytes(data)
        return path
    CASES[f"folder: {name}"] = Case(write, loads)


folder_case("as it should be", True)
folder_case("no weights", weights=dict)
folder_case("shards only", weights=lambda: {"diffusion_pytorch_model-00001-of-00002.safetensors": b"x"})
folder_case("weights of another network", weights=lambda: {"diffusion_pytorch_model.safetensors": save(state())})
folder_case("empty weights", weights=lambda: {"diffusion_pytorch_model.bin": b""})
folder_case("config is no JSON", config="{")
folder_case("config is a list", config="[]")
folder_case("a billion layers", config={"layers_per_block": 10 ** 9})
folder_case("a billion channels", config={"block_out_channels": [10 ** 9] * 3})
folder_case("a million levels", config={"block_out_channels": [32] * 10 ** 5})
folder_case("blocks that are numbers", config={"down_block_types": [1, 2, 3]})
folder_case("no groups", config={"norm_num_groups": 0})
folder_case("steps without end", scheduler={"num_train_timesteps": 10 ** 15})
folder_case("betas that are words", scheduler={"trained_betas": ["a"]})
folder_case("betas above one", scheduler={"trained_betas": [2.0, 3.0]})
folder_case("scheduler is no JSON", scheduler="nothing")
