"""The cost of fusion beside its networks: `python3 dev.py bench sampling [--mixmod PATH]`.

In one run, interleaved, medians of `--rounds`: (a) the bare forwards of the networks, (b) the pack, (c) as many stock
CFG samplings, and (d) ComfyUI-MixMod where a path to it is given; N networks, each with a condition and a null, the
same steps. Then two cases in which predictions need not be evaluated. Writes bench/sampling.json and
docs/images/sampling.png.
"""
from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.paths import ROOT
from ..devtools.tiny_sd15 import conditioning, tiny_unet

HERE = Path(__file__).resolve().parent
PICTURE = ROOT / "docs" / "images" / "sampling.png"
SETTINGS = {"sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
WEIGHT = 2.0                # w of each expert, cfg of each stock sampling


def mixmod_guider(path: Path) -> Any:
    """MixMod's guider class, loaded as the package that it is."""
    file = path / "__init__.py"
    spec = importlib.util.spec_from_file_location("mixmod", file, submodule_search_locations=[str(path)])
    assert spec and spec.loader
    package = importlib.util.module_from_spec(spec)
    sys.modules["mixmod"] = package
    spec.loader.exec_module(package)
    return sys.modules["mixmod.guider"].MixModGuider


@dataclass(frozen=True)
class Contest:
    """The same sampling by each contender: N networks, each with a condition and a null."""
    comfy: InProcess
    models: Sequence[Any]
    conditions: Sequence[Any]
    nulls: Sequence[Any]
    steps: int
    reliabilities: str = ""
    rival: Any = None           # MixMod's guider class, if it takes part

    @property
    def latent(self) -> dict[str, torch.Tensor]:
        return {"samples": torch.zeros(1, 4, 16, 16)}

    @property
    def networks(self) -> list[tuple[Any, Any, Any]]:
        """(MODEL, condition, null) of each."""
        return list(zip(self.models, self.conditions, self.nulls, strict=True))

    def contenders(self) -> dict[str, Callable[[], None]]:
        """{name: what samples once}."""
        found = {"bare forwards": self.bare, "pack": self.pack, "stock": self.stock}
        return found | {"MixMod": self.mixmod} if self.rival else found

    def bare(self) -> None:
        """The forwards of the networks and nothing else, conditions and nulls in one batch."""
        x, sigma = self.latent["samples"].repeat(2, 1, 1, 1), torch.full((2,), 1.0)
        context = torch.cat([self.conditions[0][0][0], self.nulls[0][0][0]])
        with torch.no_grad():
            for _ in range(self.steps):
                for model in self.models:
                    model.model.apply_model(x, sigma, c_crossattn=context)

    def pack(self) -> None:
        experts = {}
        for slot, (model, condition, null) in enumerate(self.networks, start=1):
            experts[f"expert_{slot}"], = self.comfy.call(
                "ConditionExpert", model=model, condition=condition, null_condition=null, weight=WEIGHT,
            )
        mixture, = self.comfy.call("ReliabilityMixer", reliabilities=self.reliabilities, **experts)
        self.comfy.call("MCDMSampler", mixture=mixture, seed=0, steps=self.steps, latent_image=self.latent, **SETTINGS)

    def stock(self) -> None:
        """One KSampler after the other."""
        for model, condition, null in self.networks:
            self.comfy.call(
                "KSampler", model=model, seed=0, steps=self.steps, cfg=WEIGHT, positive=condition, negative=null,
                latent_image=self.latent, **SETTINGS,
            )

    def mixmod(self) -> None:
        from comfy.samplers import KSampler, sampler_object
        component = None
        for model, condition, null in self.networks:
            component = {
                "model": model, "positive": condition, "negative": null, "weight": 1.0, "cfg": WEIGHT,
                "options": None, "prev": component,
            }
        lead = self.models[0]
        sigmas = KSampler(lead, self.steps, lead.load_device, "euler", "normal", 1.0).sigmas
        samples = self.latent["samples"]
        noise = torch.randn(samples.shape)
        self.rival(component).sample(noise, samples, sampler_object("euler"), sigmas, disable_pbar=True, seed=0)


def medians(runs: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds of each, interleaved, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Seconds over the number of experts, a line per contender."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(6, 3.4))
    for name in rows[0]["seconds"]:
        axes.plot([row["experts"] for row in rows], [row["seconds"][name] for row in rows], marker="o", label=name)
    axes.set(xlabel="experts", ylabel="seconds", xlim=0, ylim=0, title="Sampling N networks")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = options("bench sampling", __doc__)
    parser.add_argument("--mixmod", type=Path, help="a checkout of ComfyUI-MixMod, to be measured too")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--channels", type=int, default=192,
                         help="of the network's first level; 192 makes 40 million parameters")
    parser.add_argument("--experts", type=int, nargs="+", default=[1, 2, 4, 8])
    return parser.parse_args(arguments)


def compare(contest: Contest, rounds: int) -> dict[str, Any]:
    """One row of the benchmark."""
    seconds = medians(contest.contenders(), rounds)
    return {
        "experts": len(contest.models),
        "seconds": seconds,
        "pack / bare": seconds["pack"] / seconds["bare forwards"],
        "pack / stock": seconds["pack"] / seconds["stock"],
    }


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    args = parse(arguments)
    rival = mixmod_guider(args.mixmod) if args.mixmod else None
    if rival is None:
        print("MixMod is left out: --mixmod names a checkout of it.")
    models = [tiny_unet(seed, args.channels) for seed in range(max(2, *args.experts))]
    count = max(3, len(models))
    conditions = [conditioning(i) for i in range(count)]
    nulls = [conditioning(100 + i) for i in range(count)]
    parameters = sum(weight.numel() for weight in models[0].model.diffusion_model.parameters())
    threads = torch.get_num_threads()
    print(f"{parameters / 1e6:.0f} million parameters, 16 x 16 latents, {args.steps} steps, "
          f"median of {args.rounds}, {threads} threads")
    rows = []
    for n in args.experts:
        row = compare(Contest(comfy, models[:n], conditions[:n], nulls[:n], args.steps, rival=rival), args.rounds)
        rows.append(row)
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in row["seconds"].items())
        print(f"{n} experts: {times}; pack / bare {row['pack / bare']:.3f}, pack / stock {row['pack / stock']:.3f}")

    saved = {}
    cases = {
        "two networks, reliabilities 1, 0":
            Contest(comfy, models[:2], conditions[:2], nulls[:2], args.steps, "1, 0", rival),
        "one network, three conditions":
            Contest(comfy, models[:1] * 3, conditions[:3], nulls[:1] * 3, args.steps, "", rival),
    }
    for name, contest in cases.items() if rival else ():
        seconds = medians({"pack": contest.pack, "MixMod": contest.mixmod}, args.rounds)
        saved[name] = seconds | {"pack / MixMod": seconds["pack"] / seconds["MixMod"]}
        print(f"{name}: pack / MixMod {saved[name]['pack / MixMod']:.3f}")
    settings = {"parameters": parameters, "steps": args.steps, "rounds": args.rounds, "threads": threads}
    (HERE / "sampling.json").write_text(json.dumps({**settings, "rows": rows, "saved": saved}, indent=1))
    plot(rows, PICTURE)
