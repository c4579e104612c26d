"""At least 200 damaged, hostile or merely unusual files, and whether each must load or be refused in one sentence.

    python tests/hostile_files.py FOLDER        writes them all there, to try by hand

`CASES` is {name: Case}; a case writes its file (and what belongs beside it) into a folder of its own.
"""
from __future__ import annotations

import argparse
import builtins
import io
import json
import os
import pickle
import random
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save, save_file

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
    return load_file(vectors.GOLDEN / network / "checkpoint.safetensors")


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


# ------------------------------------------------------------------------------------------------------------ cut short
for where in (0, 1, 7, 8, 9, 100, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, -1000, -9, -1):
    def cut(content: bytes, where: float = where) -> bytes:
        return content[:int(where * len(content)) if isinstance(where, float) else where]
    add(f"safetensors cut at {where}", lambda cut=cut: cut(save(state())))
    add(f"pt cut at {where}", lambda cut=cut: cut(saved(state())), file="x.pt")
    add(f"legacy pt cut at {where}", lambda cut=cut: cut(saved(state(), legacy=True)), file="x.pth")

# ---------------------------------------------------------------------------------------------- safetensors' own header
HEADERS: dict[str, tuple[int | None, str]] = {  # length that is claimed (None = the right one), header
    "of 2^63 bytes": (1 << 63, "{}"),
    "of 2^40 bytes": (1 << 40, "{}"),
    "of 99 MB": (99_000_000, "{}"),
    "of 101 MB": (101_000_000, "{}"),
    "of 0 bytes": (0, "{}"),
    "shorter than it is": (5, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "empty": (None, "{}"),
    "a list": (None, "[]"),
    "a word": (None, '{"a"'),
    "no text": (None, "{\x00\x01}"),
    "deep": (None, '{"a":' * 20_000),
    "metadata alone": (None, '{"__metadata__":{"format":"pt"}}'),
    "metadata of numbers": (None, '{"__metadata__":{"num_heads":6}}'),
    "unknown dtype": (None, '{"a":{"dtype":"F1","shape":[1],"data_offsets":[0,4]}}'),
    "negative shape": (None, '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}'),
    "negative offsets": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}'),
    "offsets reversed": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}'),
    "offsets outside": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4096,4100]}}'),
    "a hole": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'),
    "overlap": (
        None,
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    ),
    "too few bytes": (None, '{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}'),
    "shape that overflows": (None, '{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}'),
    "huge numbers": (None, '{"a":{"dtype":"F32","shape":[' + "9" * 400 + '],"data_offsets":[0,4]}}'),
    "strange keys": (None, '{"../../etc/passwd":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "keys beyond ASCII": (None, '{"\\ud83d\\ude00\\n\\u0000":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "a key of 1 MB": (None, '{"' + "k" * 1_000_000 + '":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
}
for name, (length, header) in HEADERS.items():
    add(f"safetensors header {name}", lambda length=length, header=header:
        struct.pack("<Q", len(header.encode()) if length is None else length) + header.encode() + bytes(4))


def flipped(content: bytes, seed: int, start: int, stop: int, count: int = 8) -> bytes:
    damaged, choose = bytearray(content), random.Random(seed)
    for _ in range(count):
        damaged[choose.randrange(start, min(stop, len(damaged)))] ^= 1 << choose.randrange(8)
    return bytes(damaged)


for seed in range(14):
    add(f"safetensors header flipped {seed}", lambda seed=seed: flipped(save(state()), seed, 0, 4000), EITHER)
    add(f"safetensors data flipped {seed}", lambda seed=seed: flipped(save(state()), seed, 20_000, 1 << 40), EITHER)
    add(f"pt start flipped {seed}", lambda seed=seed: flipped(saved(state()), seed, 0, 8000), EITHER, "x.pt")
    add(
        f"pt end flipped {seed}",
        lambda seed=seed: flipped(c := saved(state()), seed, len(c) - 4000, len(c)),
        EITHER,
        "x.pt",
    )

# ---------------------------------------------------------------------------------------------------- no weights at all
for name, content in {
    "nothing": b"",
    "zeros": bytes(4096),
    "noise": random.Random(1).randbytes(100_000),
    "html": b"<!DOCTYPE html><html>404</html>" * 50,
    "a git lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n",
    "json": b'{"family": "dit"}',
    "png": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "gguf": b"GGUF" + bytes(999),
    "gzip": b"\x1f\x8b\x08" + bytes(99),
    "tar": b"x.pt".ljust(257, b"\0") + b"ustar" + bytes(250),
    "elf": b"\x7fELF" + bytes(999),
}.items():
    for file in ("x.safetensors", "x.pt"):
        add(f"{name} as {file}", lambda content=content: content, file=file)


# ----------------------------------------------------------------------------------------------------------------- code
class Runs:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Builds:
    """Pickles as an object with a state of its own."""

    def __init__(self) -> None:
        self.__dict__ = {"weights": 1}


SET = f"__import__('os').environ.__setitem__({CANARY!r}, '1')"
PAYLOADS: dict[str, Callable[[], Any]] = {
    "exec": lambda: Runs(builtins.exec, SET),
    "eval": lambda: Runs(builtins.eval, SET),
    "system": lambda: Runs(os.system, "exit 0"),
    "putenv": lambda: Runs(os.putenv, CANARY, "1"),
    "getattr": lambda: Runs(getattr, "text", "upper"),
    "import": lambda: Runs(__import__, "antigravity"),
    "breakpoint": lambda: Runs(builtins.breakpoint),
    "exit": lambda: Runs(sys.exit, 0),
    "open": lambda: Runs(builtins.open, "/tmp/mcdm_canary", "w"),
    "torch.load": lambda: Runs(torch.load, "/dev/zero"),
    "torch.set_num_threads": lambda: Runs(torch.set_num_threads, 1),
    "a class": Builds,
    "a lambda's module": lambda: Runs(pickle.loads, pickle.dumps(1)),
    "namespace that calls": lambda: Runs(argparse.ArgumentParser),
}
for name, payload in PAYLOADS.items():
    add(f"code: {name} in a value", lambda payload=payload: saved({**state(), "extra": payload()}), file="x.pt")
    add(f"code: {name} in legacy", lambda payload=payload: saved({"x": payload()}, legacy=True), file="x.ckpt")
    add(f"code: {name} bare", lambda payload=payload: pickle.dumps(payload(), 2), file="x.bin")
for protocol in range(6):
    add(f"pickle of protocol {protocol}", lambda protocol=protocol: pickle.dumps({"a": [1, 2]}, protocol), file="x.pt")


# ------------------------------------------------------------------------------------------------------------- archives
def archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def repacked(compression: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(saved(state()))) as file:
        return archive({e.filename: file.read(e) for e in file.infolist()}, compression)


def overlapping() -> bytes:
    """One megabyte that the central directory lists forty times."""
    content = bytearray(archive({f"a/data/{i:02}": bytes(1 << 20 if i == 0 else 0) for i in range(40)}))
    first = content.index(b"PK\x01\x02")
    sizes = content[first + 16:first + 28]
    place, entry = content[first + 42:first + 46], first
    while (entry := content.find(b"PK\x01\x02", entry)) != -1:
        content[entry + 16:entry + 28], content[entry + 42:entry + 46] = sizes, place
        entry += 4
    return bytes(content)


add(
    "zip bomb",
    lambda: archive({"a/data.pkl": bytes(200_000_000), "a/version": b"3"}, zipfile.ZIP_DEFLATED),
    file="x.pt",
)
add(
    "zip bomb of a storage",
    lambda: archive({"a/data.pkl": pickle.dumps({}, 2), "a/data/0": bytes(200_000_000)}, zipfile.ZIP_DEFLATED),
    file="x.pt",
)
add("zip bomb in bzip2", lambda: archive({"a/data.pkl": bytes(50_000_000)}, zipfile.ZIP_BZIP2), file="x.pt")
add("zip deflated", lambda: repacked(zipfile.ZIP_DEFLATED), file="x.pt")
add("zip with entries that overlap", overlapping, file="x.pt")
add("zip of nothing", lambda: archive({}), file="x.pt")
add("zip of a text", lambda: archive({"readme.txt": b"hello"}), file="x.pt")
add("zip of 5000 entries", lambda: archive({f"a/{i}": b"" for i in range(5000)}), file="x.pt")
add("zip that climbs", lambda: archive({"../../data.pkl": pickle.dumps({}, 2)}), file="x.pt")
add("zip in a zip", lambda: archive({"x.pt": saved(state())}), file="x.pt")
add("zip after other bytes", lambda: b"MZ" + bytes(510) + saved(state()), file="x.pt")
add(
    "torchscript",
    lambda: archive(
        {"a/data.pkl": b"\x80\x02}.", "a/constants.pkl": b"\x80\x02).", "a/code/x.py": b"pass", "a/version": b"3"}
    ),
    file="x.pt",
)

# ------------------------------------------------------------------------------------------------ values of other kinds
VALUES: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a number": lambda: 3,
    "a text": lambda: "weights",
    "a list": lambda: [torch.zeros(2)],
    "a tensor": lambda: torch.zeros(3),
    "an empty dict": dict,
    "a dict of numbers": lambda: {"a": 1, "b": 2.0},
    "a dict of lists": lambda: {"a": [torch.zeros(1)]},
    "keys that are numbers": lambda: {0: torch.zeros(1), 1: torch.zeros(1)},
    "keys of both kinds": lambda: {**state(), 5: torch.zeros(1)},
    "nested seven times": lambda: {"a": {"a": {"a": {"a": {"a": {"a": {"a": state()}}}}}}},
    "two models": lambda: {"first": state(), "second": state()},
    "a number beside the tensors": lambda: {**state(), "step": 100},
    "a dict beside the tensors": lambda: {**state(), "opt": {}},
    "sparse": lambda: {k: v.to_sparse() for k, v in state().items()},
    "meta": lambda: {k: v.to("meta") for k, v in state().items()},
    "quantized": lambda: {k: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8) for k, v in state().items()},
    "expanded to 4 TB": lambda: {k: torch.zeros(1).expand(*v.shape[:-1], 1 << 40) for k, v in state().items()},
    "expanded": lambda: {k: torch.zeros(1).expand(v.shape) for k, v in state().items()},
    "of no elements": lambda: {k: v[:0] for k, v in state().items()},
    "without dimensions": lambda: {k: v.flatten()[0] for k, v in state().items()},
    "one dimension more": lambda: {k: v[None] for k, v in state().items()},
    "flattened": lambda: {k: v.flatten() for k, v in state().items()},
    "whole numbers": lambda: {k: (v * 100).to(torch.int32) for k, v in state().items()},
    "bytes": lambda: {k: v.to(torch.uint8) for k, v in state().items()},
    "true or false": lambda: {k: v > 0 for k, v in state().items()},
    "complex": lambda: {k: v.to(torch.complex64) for k, v in state().items()},
    "one int64 among floats": lambda: {k: v.long() if k == "blocks.1.mlp.fc1.bias" else v for k, v in state().items()},
    "all NaN": lambda: {k: torch.full_like(v, float("nan")) for k, v in state().items()},
    "one NaN": lambda: {
        k: v.index_fill(0, torch.tensor([7]), float("nan")) if k == "blocks.0.mlp.fc2.bias" else v
        for k, v in state().items()
    },
    "one infinity": lambda: {k: v / 0 if k == "pos_embed" else v for k, v in state().items()},
    "float64 too large": lambda: {k: v.double() * 1e300 for k, v in state().items()},
}
for name, value in VALUES.items():
    add(f"value: {name}", lambda value=value: saved(value()), file="x.pt")


# ------------------------------------------------------------------------------------------------------ keys and shapes
def without(network: str, key: str) -> bytes:
    return save({k: v for k, v in state(network).items() if k != key})


for network in NETWORKS:
    keys = sorted(state(network))
    for key in keys[::len(keys) // 9]:
        add(f"{network} without {key}", lambda network=network, key=key: without(network, key), network=network)
        add(f"{network} with another shape of {key}", lambda network=network, key=key:
            save({k: v[..., :-1].contiguous() if k == key else v for k, v in state(network).items()}), network=network)
        add(
            f"{network} with {key} doubled",
            lambda network=network, key=key: save({**state(network), key + ".copy": torch.zeros(2)}),
            network=network,
        )
for network, key in (
    ("dit", "blocks.999999999.attn.qkv.weight"),
    ("dit", "blocks.x.attn"),
    ("unc_sketch", "output_blocks.999999999.0.in_layers.0.weight"),
    ("unc_sketch", "input_blocks.999999999.0.op.weight"),
    ("glide_base", "transformer.resblocks.999999999.ln_1.weight"),
    ("glide_base", "output_blocks.99999999999999999999.0.in_layers.0.weight"),
    ("unc_face", "input_blocks.777777777.1.qkv.weight"),
):
    add(
        f"{network} with {key}",
        lambda network=network, key=key: save({**state(network), key: torch.zeros(2)}),
        network=network,
    )
for network in ("adm_oldorder_uncond", "glide_base", "unc_face", "sit", "adm_superres", "glide_upsampler"):
    for pick in (0, 30, -1):
        add(
            f"{network} without key {pick}",
            lambda network=network, pick=pick: without(network, sorted(state(network))[pick]),
            network=network,
        )
    add(
        f"{network} in vectors",
        lambda network=network: save({k: v.flatten() for k, v in state(network).items()}),
        network=network,
    )
    add(
        f"{network} as scalars",
        lambda network=network: saved({k: torch.tensor(1.0) for k in state(network)}),
        file="x.pt",
        network=network,
    )
    add(f"{network} with the sidecar of dit", lambda network=network: save(state(network)), loads=network == "sit")
add(
    "half of the keys renamed",
    lambda: save({k.replace("attn", "attention") if "blocks.1" in k else k: v for k, v in state().items()}),
)
add(
    "half converted to diffusers",
    lambda: save(
        {k.replace("blocks.", "transformer_blocks.") if "blocks.2" in k else k: v for k, v in state().items()}
    ),
)
add(
    "a position too many",
    lambda: save({k: torch.cat([v, v[:, :1]], 1) if k == "pos_embed" else v for k, v in state().items()}),
)
add("keys of another world", lambda: save({"layers.0.weight": torch.zeros(4, 4), "layers.0.bias": torch.zeros(4)}))
add(
    "a transposed weight",
    lambda: save({k: v.mT.contiguous() if k == "blocks.0.mlp.fc1.weight" else v for k, v in state().items()}),
)
add("20000 keys", lambda: save({f"transformer_blocks.{i}.x": torch.zeros(1) for i in range(20_000)}))

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
        whole = {"diffusion_pytorch_model.safetensors": (source / "diffusion_pytorch_model.safetensors").read_bytes()}
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


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for i, case in enumerate(CASES.values()):
        here = target / f"{i:03}"
        here.mkdir(parents=True)
        case.write(here)
    save_file({}, target / "done.safetensors")
    print(f"{len(CASES)} files in {target}")
