"""What experts of two latent spaces cost: `python3 dev.py bench bridges`.

A small Stable Diffusion 1.5 and one in the latent space of SDXL, with the host's small VAEs (TAESD), random weights.
It counts the forwards of the networks and the passes of the VAEs, in rows of a batch, and compares the processor time
of a step with that of these same forwards and passes alone. Writes bench/bridges.json.
"""
from __future__ import annotations

import collections
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.tiny_sd15 import conditioning, small_vae, tiny_unet

HERE = Path(__file__).resolve().parent
STEPS = 4
ROUNDS = 5
CELLS = 16                  # along a side of the latent


def counted(models: Sequence[Any], vaes: Sequence[Any]) -> collections.Counter[str]:
    """A counter of rows: {"forwards 1": ..., "decoded 1": ..., "encoded 1": ...}, filled from now on."""
    rows: collections.Counter[str] = collections.Counter()

    def counting(kind: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            rows[kind] += len(inputs[0])
        return hook
    for i, (model, vae) in enumerate(zip(models, vaes, strict=True), 1):
        model.model.diffusion_model.register_forward_pre_hook(counting(f"forwards {i}"))
        vae.first_stage_model.taesd_decoder.register_forward_pre_hook(counting(f"decoded {i}"))
        vae.first_stage_model.taesd_encoder.register_forward_pre_hook(counting(f"encoded {i}"))
    return rows


def mixture(comfy: InProcess, models: Sequence[Any], vaes: Sequence[Any]) -> Any:
    slots = {}
    for i, (model, vae) in enumerate(zip(models, vaes, strict=True)):
        texts = {"condition": conditioning(i), "null_condition": conditioning(100 + i)}
        slots[f"expert_{i + 1}"], = comfy.call("ConditionExpert", model=model, vae=vae, weight=2.0, **texts)
    return comfy.call("ReliabilityMixer", reliabilities="", **slots)[0]


def bare(models: Sequence[Any], vaes: Sequence[Any]) -> None:
    """The forwards and passes of one step, and nothing else."""
    x, picture = torch.zeros(1, 4, CELLS, CELLS), torch.zeros(1, 3, 8 * CELLS, 8 * CELLS)
    for i, (model, vae) in enumerate(zip(models, vaes, strict=True)):
        text = torch.cat([conditioning(i)[0][0], conditioning(100 + i)[0][0]])
        model.model.apply_model(x.expand(2, -1, -1, -1), torch.ones(2), c_crossattn=text, transformer_options={})
        network = vae.first_stage_model
        for batch in ([1, 1] if i == 0 else [2]):
            network.decode(x.expand(batch, -1, -1, -1))
        for batch in ([2] if i == 0 else [1, 1]):
            network.encode(picture.expand(batch, -1, -1, -1))


def seconds(work: Callable[[], object]) -> float:
    """Processor time, which other work on the machine does not lengthen much."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    options("bench bridges", __doc__).parse_args(arguments)
    import comfy.latent_formats as formats
    torch.set_num_threads(1)
    models = [tiny_unet(seed, channels=64) for seed in (0, 1)]
    models[1].add_object_patch("latent_format", formats.SDXL())
    vaes = [small_vae(seed) for seed in (0, 1)]
    both = mixture(comfy, models, vaes)

    def sample(steps: int) -> None:
        comfy.call("MCDMSampler", mixture=both, seed=1, steps=steps, sampler_name="euler", scheduler="normal",
                   latent_image={"samples": torch.zeros(1, 4, CELLS, CELLS)}, expert_previews=False)

    def ask_parts() -> None:
        for _step in range(STEPS):
            bare(models, vaes)

    with torch.inference_mode():
        sample(1)
        rows = counted(models, vaes)
        sample(1)
        one = dict(rows)
        rows.clear()
        sample(STEPS)
        step = {kind: (rows[kind] - one[kind]) / (STEPS - 1) for kind in rows}
        ratios, times = [], []
        for _round in range(ROUNDS):
            begun = seconds(lambda: sample(1))
            own = (seconds(lambda: sample(1 + STEPS)) - begun) / STEPS
            parts = seconds(ask_parts) / STEPS
            times.append(own)
            ratios.append(own / parts)
    found = {"rows a step": step, "seconds a step": round(statistics.median(times), 3),
             "against the bare parts": round(statistics.median(ratios), 3)}
    print(json.dumps(found, indent=1))
    (HERE / "bridges.json").write_text(json.dumps(found, indent=1))
