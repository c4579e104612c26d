"""What loading an expert costs: `python3 dev.py bench loading [--megabytes 500] [--runs 7]`, on Linux.

LoadExpert on a DiT and the host's UNETLoader on an SD 1.5 network of as many bytes (float32), interleaved, each in a process of its
own, so that the peak of its memory can be read. Prints the medians and writes bench/loading.json.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
SD15 = {"model_channels": 320, "context_dim": 768, "channel_mult": (1, 2), "num_res_blocks": [1, 1], "transformer_depth": [1, 1], "transformer_depth_middle": 1,
        "transformer_depth_output": [1, 1, 1, 1], "image_size": 32, "in_channels": 4, "out_channels": 4, "use_spatial_transformer": True, "legacy": False,
        "num_heads": 8, "use_linear_in_transformer": False, "adm_in_channels": None}


def write_dit(path, megabytes):
    """A DiT of 1152 channels with as many blocks as make up the bytes, and its sidecar."""
    hidden, shapes = 1152, {}
    for block in range(max(1, round(megabytes * 1e6 / 4 / (18 * 1152 ** 2)))):
        for name, out, width in (("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4), ("adaLN_modulation.1", 6, 1)):
            shapes |= {f"blocks.{block}.{name}.weight": (out * hidden, width * hidden), f"blocks.{block}.{name}.bias": (out * hidden,)}
    shapes |= {"x_embedder.proj.weight": (hidden, 4, 2, 2), "x_embedder.proj.bias": (hidden,), "pos_embed": (1, 256, hidden),
               "y_embedder.embedding_table.weight": (1001, hidden), "t_embedder.mlp.0.weight": (hidden, 256), "t_embedder.mlp.0.bias": (hidden,),
               "t_embedder.mlp.2.weight": (hidden, hidden), "t_embedder.mlp.2.bias": (hidden,), "final_layer.linear.weight": (32, hidden),
               "final_layer.linear.bias": (32,), "final_layer.adaLN_modulation.1.weight": (2 * hidden, hidden),
               "final_layer.adaLN_modulation.1.bias": (2 * hidden,)}
    save_file({k: torch.randn(s) for k, s in shapes.items()}, path)
    told = {"family": "dit", "num_heads": 16, "noise_schedule": "linear", "diffusion_steps": 1000, "prediction": "eps"}
    path.with_suffix(".json").write_text(json.dumps(told))


def write_sd15(path, megabytes):
    """An SD 1.5 network with as many transformer blocks in its middle as make up the bytes."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    def shapes(middle):
        network = UNetModel(**SD15 | {"transformer_depth_middle": middle}, device="meta", dtype=torch.float32, operations=comfy.ops.disable_weight_init)
        return {k: v.shape for k, v in network.state_dict().items()}

    def size(shapes):
        return 4 * sum(math.prod(s) for s in shapes.values())
    one, two = size(shapes(1)), size(shapes(2))
    save_file({k: torch.randn(s) for k, s in shapes(max(1, 1 + round((megabytes * 1e6 - one) / (two - one)))).items()}, path)


def once(comfy, loader, path):
    """(seconds, peak of resident memory in bytes beyond that before, bytes of the weights) of one load."""
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")               # the peak is counted from here
    start = time.perf_counter()
    if loader == "LoadExpert":
        model = comfy.module("mcdm.experts.load").load_expert(str(path), path.name, torch.float32)
    else:
        import comfy.sd
        model = comfy.sd.load_diffusion_model(str(path), model_options={"dtype": torch.float32})
    seconds = time.perf_counter() - start
    return seconds, resident("VmHWM") - before, sum(p.numel() * p.element_size() for p in model.model.diffusion_model.parameters())


def resident(field):
    return 1024 * next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))


def main(comfy, arguments):
    parser = argparse.ArgumentParser(prog="dev.py bench loading")
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--once", nargs=2, metavar=("LOADER", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.once:
        print(json.dumps(once(comfy, asked.once[0], Path(asked.once[1]))))
        return
    results: dict = {"LoadExpert": [], "UNETLoader": []}
    with tempfile.TemporaryDirectory() as folder:
        paths = {"LoadExpert": Path(folder) / "dit.safetensors", "UNETLoader": Path(folder) / "sd15.safetensors"}
        write_dit(paths["LoadExpert"], asked.megabytes)
        write_sd15(paths["UNETLoader"], asked.megabytes)
        for run in range(asked.runs + 1):                       # the first brings the files into the cache of the system
            for loader, path in paths.items():
                answer = subprocess.run([sys.executable, HERE / "run.py", "loading", "--once", loader, path], env=os.environ, capture_output=True,
                                        text=True, check=True).stdout
                if run:
                    results[loader].append(json.loads(answer.strip().splitlines()[-1]))
        sizes = {loader: path.stat().st_size for loader, path in paths.items()}
    summary = {}
    for loader, rows in results.items():
        seconds, peaks, weights = zip(*rows, strict=True)
        median = statistics.median(seconds)
        summary[loader] = {"file_MB": sizes[loader] / 1e6, "seconds": median, "seconds_per_GB": median / sizes[loader] * 1e9,
                           "peak_beyond_the_model_in_files": (statistics.median(peaks) - weights[0]) / sizes[loader]}
    summary["time_ratio_for_the_same_bytes"] = summary["LoadExpert"]["seconds_per_GB"] / summary["UNETLoader"]["seconds_per_GB"]
    (HERE / "loading.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))
