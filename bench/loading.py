"""The cost of loading an expert: `python3 dev.py bench loading [--megabytes 500] [--runs 7]`, on Linux.

LoadExpert on a DiT and the host's UNETLoader on an SD 1.5 network of as many bytes (float32), interleaved, each in a
process of its own, so that the peak of its memory can be read. Prints the medians and writes bench/loading.json.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.paths import ROOT

HERE = Path(__file__).resolve().parent
WIDTH = 1152                # channels of the DiT
SD15 = {
    "model_channels": 320, "context_dim": 768, "channel_mult": (1, 2), "num_res_blocks": [1, 1],
    "transformer_depth": [1, 1], "transformer_depth_middle": 1, "transformer_depth_output": [1, 1, 1, 1],
    "image_size": 32, "in_channels": 4, "out_channels": 4, "use_spatial_transformer": True, "legacy": False,
    "num_heads": 8, "use_linear_in_transformer": False, "adm_in_channels": None,
}
Shapes = dict[str, tuple[int, ...]]


class Load(NamedTuple):
    """One load of a model."""
    seconds: float
    peak: int               # bytes of resident memory at its peak, beyond those before
    weights: int            # bytes


def dit_shapes(blocks: int) -> Shapes:
    """{key: shape} of a DiT's weights."""
    block = {                   # layer: outputs and inputs, in units of the width
        "attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4), "adaLN_modulation.1": (6, 1),
    }
    layers = {
        "t_embedder.mlp.0": (WIDTH, 256), "t_embedder.mlp.2": (WIDTH, WIDTH),
        "final_layer.linear": (32, WIDTH), "final_layer.adaLN_modulation.1": (2 * WIDTH, WIDTH),
    }
    for number in range(blocks):
        for name, (out, inner) in block.items():
            layers[f"blocks.{number}.{name}"] = out * WIDTH, inner * WIDTH
    shapes: Shapes = {
        "x_embedder.proj.weight": (WIDTH, 4, 2, 2), "x_embedder.proj.bias": (WIDTH,), "pos_embed": (1, 256, WIDTH),
        "y_embedder.embedding_table.weight": (1001, WIDTH),
    }
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def write_dit(path: Path, megabytes: int) -> None:
    """A DiT of WIDTH channels with as many blocks as make up the bytes, and its sidecar."""
    blocks = max(1, round(megabytes * 1e6 / 4 / (18 * WIDTH ** 2)))
    save_file(random_weights(dit_shapes(blocks)), path)
    told = {
        "family": "dit", "num_heads": 16, "noise_schedule": "linear", "diffusion_steps": 1000, "prediction": "eps",
    }
    path.with_suffix(".json").write_text(json.dumps(told))


def sd15_shapes(middle: int) -> Shapes:
    """{key: shape} of an SD 1.5 network's weights, with `middle` transformer blocks in its middle."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    config: dict[str, Any] = {**SD15, "transformer_depth_middle": middle}
    operations = comfy.ops.disable_weight_init
    network = UNetModel(**config, device="meta", dtype=torch.float32, operations=operations)
    return {key: tuple(weight.shape) for key, weight in network.state_dict().items()}


def write_sd15(path: Path, megabytes: int) -> None:
    """An SD 1.5 network with as many transformer blocks in its middle as make up the bytes."""
    one, two = size(sd15_shapes(1)), size(sd15_shapes(2))
    more = round((megabytes * 1e6 - one) / (two - one))
    save_file(random_weights(sd15_shapes(max(1, 1 + more))), path)


def size(shapes: Shapes) -> int:
    """Bytes of float32 weights."""
    return 4 * sum(math.prod(shape) for shape in shapes.values())


def random_weights(shapes: Shapes) -> dict[str, torch.Tensor]:
    return {key: torch.randn(shape) for key, shape in shapes.items()}


def once(comfy: InProcess, loader: str, path: Path) -> Load:
    """Loads a file with LoadExpert's own function or the host's."""
    from comfy.sd import load_diffusion_model
    load_expert = comfy.module("mcdm.experts.load").load_expert
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")               # the peak is counted from here
    start = time.perf_counter()
    if loader == "LoadExpert":
        model = load_expert(str(path), path.name, torch.float32)
    else:
        model = load_diffusion_model(str(path), model_options={"dtype": torch.float32})
    seconds = time.perf_counter() - start
    weights = sum(weight.numel() * weight.element_size() for weight in model.model.diffusion_model.parameters())
    return Load(seconds, resident("VmHWM") - before, weights)


def resident(field: str) -> int:
    """A field of this process's memory in bytes: VmRSS is what it has now, VmHWM the most it had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise ValueError(f"/proc/self/status has no {field}")


def once_elsewhere(loader: str, path: Path) -> Load:
    """`once` in a process of its own."""
    command = [sys.executable, str(ROOT / "devtools" / "inside.py"), "bench.loading", "--once", loader, str(path)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True)
    return Load(*json.loads(done.stdout.strip().splitlines()[-1]))


def summary(loads: Sequence[Load], file_size: int) -> dict[str, float]:
    """Medians of the loads of one file."""
    seconds = statistics.median(load.seconds for load in loads)
    peak = statistics.median(load.peak for load in loads)
    return {
        "file_MB": file_size / 1e6,
        "seconds": seconds,
        "seconds_per_GB": seconds / file_size * 1e9,
        "peak_beyond_the_model_in_files": (peak - loads[0].weights) / file_size,
    }


def measure(megabytes: int, runs: int) -> Mapping[str, Any]:
    """The summary of each loader, and how their times compare."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {"LoadExpert": Path(folder) / "dit.safetensors", "UNETLoader": Path(folder) / "sd15.safetensors"}
        write_dit(paths["LoadExpert"], megabytes)
        write_sd15(paths["UNETLoader"], megabytes)
        loads: dict[str, list[Load]] = {loader: [] for loader in paths}
        for run in range(runs + 1):
            for loader, path in paths.items():
                load = once_elsewhere(loader, path)
                if run:                         # the first brings the files into the cache of the system
                    loads[loader].append(load)
        found: dict[str, Any] = {loader: summary(loads[loader], path.stat().st_size) for loader, path in paths.items()}
    ratio = found["LoadExpert"]["seconds_per_GB"] / found["UNETLoader"]["seconds_per_GB"]
    return found | {"time_ratio_for_the_same_bytes": ratio}


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    parser = options("bench loading", __doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--once", nargs=2, metavar=("LOADER", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.once:
        loader, path = asked.once
        print(json.dumps(once(comfy, loader, Path(path))))
        return
    text = json.dumps(measure(asked.megabytes, asked.runs), indent=1)
    (HERE / "loading.json").write_text(text + "\n")
    print(text)
