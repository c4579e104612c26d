"""Two experts in two places beside both in one: `python3 dev.py bench scaling [--rounds 7] [--steps 10]`.

Two networks of 40 million weights, one thread each, in one run, interleaved, medians of `--rounds`: (a) both here,
(b) one on the second lane of the processor, (c) both on Ray workers of this machine, (d) one expert here and (e) the
same on a worker. A step lasts from one call of the sampler's callback to the next; what a run takes beside its steps
(loading, and on a worker the graph) counts apart. The difference of (d) and (e) is what a worker adds to each. Writes
bench/scaling.json, with a table computed from these for 2 to 64 workers. Wants an idle machine with two cores or more.
"""
from __future__ import annotations

import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file

from ..devtools.cluster import LocalCluster
from ..devtools.host import comfy as comfy_of_the_tests
from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.prompts import Prompt, node

HERE = Path(__file__).resolve().parent
WORKERS = "a", "b"


def write_network(folder: Path, name: str, hidden: int, seed: int) -> int:
    """A DiT of random weights that Load Expert takes, for latents of 32 x 32; returns how many weights it has."""
    shapes = {
        "x_embedder.proj.weight": (hidden, 4, 2, 2), "x_embedder.proj.bias": (hidden,),
        "t_embedder.mlp.0.weight": (hidden, 256), "t_embedder.mlp.0.bias": (hidden,),
        "t_embedder.mlp.2.weight": (hidden, hidden), "t_embedder.mlp.2.bias": (hidden,),
        "y_embedder.embedding_table.weight": (11, hidden), "pos_embed": (1, 256, hidden),
        "final_layer.linear.weight": (16, hidden), "final_layer.linear.bias": (16,),
        "final_layer.adaLN_modulation.1.weight": (2 * hidden, hidden),
        "final_layer.adaLN_modulation.1.bias": (2 * hidden,),
    }
    for block in range(8):
        for part, rows, columns in (("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4),
                                    ("adaLN_modulation.1", 6, 1)):
            shapes[f"blocks.{block}.{part}.weight"] = rows * hidden, columns * hidden
            shapes[f"blocks.{block}.{part}.bias"] = (rows * hidden,)
    generator = torch.Generator().manual_seed(seed)
    state = {key: 0.02 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / f"{name}.safetensors")
    config = {"family": "dit", "num_heads": 8, "noise_schedule": "linear", "diffusion_steps": 1000, "prediction": "eps"}
    (folder / f"{name}.json").write_text(json.dumps(config), "utf-8")
    return sum(tensor.numel() for tensor in state.values())


def graph_of(name: str) -> Prompt:
    """The nodes that make one expert."""
    return {
        "load": node("LoadExpert", expert=f"{name}.safetensors", weight_dtype="default"),
        "class": node("ClassCondition", model=["load", 0], label="3"),
        "expert": node("ConditionExpert", model=["load", 0], condition=["class", 0], weight=2.0, name=name),
    }


def expert_here(comfy: InProcess, name: str) -> Any:
    model, = comfy.call("LoadExpert", expert=f"{name}.safetensors")
    condition, = comfy.call("ClassCondition", model=model, label="3")
    return comfy.call("ConditionExpert", model=model, condition=condition, weight=2.0, name=name)[0]


def expert_there(comfy: InProcess, name: str, worker: str) -> Any:
    seat = comfy.module("mcdm.workers.cluster").Seat(worker, "expert")
    remote = comfy.module("mcdm.workers.remote").RemoteExpert(graph_of(name), ["expert", 0], seat, 600.0)
    return remote.expert()


class Times(NamedTuple):
    """Seconds of a sampling."""
    step: float         # the median of its steps
    busy: float         # of this process's processor in a step
    rest: float         # of the run beside its steps


def sampling(comfy: InProcess, experts: Sequence[Any], steps: int) -> Callable[[], Times]:
    """What samples once from the mixture of these experts."""
    slots = {f"expert_{i + 1}": expert for i, expert in enumerate(experts)}
    mixture, = comfy.call("ReliabilityMixer", **slots)
    latent = torch.zeros(1, 4, 32, 32)
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(1))
    sampler, = comfy.call("KSamplerSelect", sampler_name="euler")
    sigmas = comfy.call("BasicScheduler", model=experts[0].model, scheduler="normal", steps=steps, denoise=1.0)[0]

    def run() -> Times:
        marks: list[tuple[float, float]] = []

        def mark(*_: Any) -> None:
            marks.append((time.perf_counter(), time.process_time()))

        guider, = comfy.call("MCDMGuider", mixture=mixture)
        mark()
        with torch.inference_mode():
            guider.sample(noise, latent, sampler, sigmas, callback=mark, disable_pbar=True)
        mark()
        lasted, busy = zip(*[(b - a, d - c) for (a, c), (b, d) in itertools.pairwise(marks[1:-1])], strict=True)
        step = statistics.median(lasted)
        return Times(step, statistics.median(busy), marks[-1][0] - marks[0][0] - steps * step)
    return run


def medians(contenders: dict[str, Callable[[], Times]], rounds: int) -> dict[str, Times]:
    """The times of each, after one round that does not count."""
    taken: dict[str, list[Times]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            times = run()
            if number:
                taken[name].append(times)
    return {name: Times(*map(statistics.median, zip(*times, strict=True))) for name, times in taken.items()}


def simulated(forward: float, overhead: float, busy: float) -> list[dict[str, float]]:
    """For 2 to 64 equal experts: seconds a step one after another here, and on as many workers.

    overhead: what one worker adds to a step. busy: the part of it in which the processor here works, which the experts
    do not share.
    """
    rows = []
    for workers in (2, 4, 8, 16, 32, 64):
        apart = forward + overhead + (workers - 1) * busy
        rows.append({"workers": workers, "here": workers * forward, "workers_seconds": apart,
                     "gain": workers * forward / apart})
    return rows


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    parser = options("bench scaling", __doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=512, help="the width of the networks: 512 is 40 million weights")
    parser.add_argument("--out", type=Path, default=HERE / "scaling.json")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        names = ["first", "second"]
        for base in (comfy.base, Path(folder)):
            weights = [write_network(base / "models" / "experts", name, asked.hidden, i)
                       for i, name in enumerate(names)]
        with LocalCluster(comfy_of_the_tests(), Path(folder), WORKERS) as cluster:
            os.environ.update(cluster.environment)
            found = measure(comfy, names, asked.rounds, asked.steps)
            comfy.module("mcdm.workers.cluster").dismiss(set())
    here, alone = found["one here"], found["one on a worker"]
    added = alone.step - here.step
    whole = {name: asked.steps * times.step + times.rest for name, times in found.items()}
    apart = "one on cpu", "both on workers"
    result = {
        "weights": weights[0], "rounds": asked.rounds, "steps": asked.steps,
        "seconds_a_step": {name: times.step for name, times in found.items()},
        "seconds_beside_the_steps": {name: times.rest for name, times in found.items()},
        "step_of_both_here": {name: found[name].step / found["both here"].step for name in apart},
        "run_of_both_here": {name: whole[name] / whole["both here"] for name in apart},
        "worker_adds": {"to a step": added, "to a run": alone.rest - here.rest},
        "simulated": simulated(here.step, max(0.0, added), alone.busy),
    }
    asked.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


def measure(comfy: InProcess, names: Sequence[str], rounds: int, steps: int) -> dict[str, Times]:
    first, second = (expert_here(comfy, name) for name in names)
    on_cpu, = comfy.call("PlaceExpert", expert=second, place="cpu")
    there = [expert_there(comfy, name, worker) for name, worker in zip(names, WORKERS, strict=True)]
    return medians({
        "both here": sampling(comfy, [first, second], steps),
        "one on cpu": sampling(comfy, [first, on_cpu], steps),
        "both on workers": sampling(comfy, there, steps),
        "one here": sampling(comfy, [first], steps),
        "one on a worker": sampling(comfy, there[:1], steps),
    }, rounds)
