"""What fusion costs beside its networks: `python3 dev.py bench sampling [--mixmod PATH]`.

In one run, interleaved, medians of `--rounds`: (a) the bare forwards of the networks, (b) the pack, (c) as many stock CFG samplings,
and (d) ComfyUI-MixMod where a path to it is given; N networks, each with a condition and a null, the same steps. Then two cases in
which predictions need not be evaluated. Writes bench/sampling.json and docs/images/sampling.png.
"""
import argparse
import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path

import torch

from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

HERE = Path(__file__).resolve().parent
SETTINGS = {"sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}


def mixmod_guider(path):
    """MixMod's guider class, loaded as the package that it is."""
    spec = importlib.util.spec_from_file_location("mixmod", path / "__init__.py", submodule_search_locations=[str(path)])
    package = importlib.util.module_from_spec(spec)
    sys.modules["mixmod"] = package
    spec.loader.exec_module(package)
    return sys.modules["mixmod.guider"].MixModGuider


def contenders(comfy, models, conditions, nulls, weights, reliabilities, steps, latent, rival):
    """{name: function that samples once}."""
    import comfy.samplers as host

    def bare():
        x, sigma = latent["samples"].repeat(2, 1, 1, 1), torch.full((2,), 1.0)
        context = torch.cat([conditions[0][0][0], nulls[0][0][0]])
        with torch.no_grad():
            for _ in range(steps):
                for model in models:
                    model.model.apply_model(x, sigma, c_crossattn=context)

    def pack():
        experts = {f"expert_{i + 1}": comfy.call("ConditionExpert", model=m, condition=c, null_condition=n, weight=w)[0]
                   for i, (m, c, n, w) in enumerate(zip(models, conditions, nulls, weights, strict=True))}
        mixture = comfy.call("ReliabilityMixer", reliabilities=reliabilities, **experts)[0]
        comfy.call("MCDMSampler", mixture=mixture, seed=0, steps=steps, latent_image=latent, **SETTINGS)

    def stock():
        for model, condition, null in zip(models, conditions, nulls, strict=True):
            comfy.call("KSampler", model=model, seed=0, steps=steps, cfg=2.0, positive=condition, negative=null, latent_image=latent, **SETTINGS)

    def mixmod():
        component = None
        for model, condition, null in zip(models, conditions, nulls, strict=True):
            component = {"model": model, "positive": condition, "negative": null, "weight": 1.0, "cfg": 2.0, "options": None, "prev": component}
        sigmas = host.KSampler(models[0], steps, models[0].load_device, "euler", "normal", 1.0).sigmas
        rival(component).sample(torch.randn(latent["samples"].shape), latent["samples"], host.sampler_object("euler"), sigmas, disable_pbar=True, seed=0)
    return {"bare forwards": bare, "pack": pack, "stock": stock} | ({"MixMod": mixmod} if rival else {})


def medians(runs, rounds):
    """Seconds of each, interleaved, after one round to warm up."""
    times = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if i:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(6, 3.4))
    for name in rows[0]["seconds"]:
        axes.plot([r["experts"] for r in rows], [r["seconds"][name] for r in rows], marker="o", label=name)
    axes.set(xlabel="experts", ylabel="seconds", xlim=0, ylim=0, title="Sampling N networks")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(comfy, arguments):
    options = argparse.ArgumentParser(prog="dev.py bench sampling", description=__doc__.split("\n")[0])
    options.add_argument("--mixmod", type=Path, help="a checkout of ComfyUI-MixMod, to be measured too")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--steps", type=int, default=4)
    options.add_argument("--channels", type=int, default=192, help="of the network's first level; 192 makes 40 million parameters")
    options.add_argument("--experts", type=int, nargs="+", default=[1, 2, 4, 8])
    args = options.parse_args(arguments)
    rival = mixmod_guider(args.mixmod) if args.mixmod else None
    if rival is None:
        print("MixMod is left out: --mixmod names a checkout of it.")
    models = [tiny_unet(seed, args.channels) for seed in range(max(2, *args.experts))]
    conditions, nulls = ([conditioning(k + i) for i in range(max(3, len(models)))] for k in (0, 100))
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    parameters = sum(p.numel() for p in models[0].model.diffusion_model.parameters())
    print(f"{parameters / 1e6:.0f} million parameters, 16 x 16 latents, {args.steps} steps, median of {args.rounds}, {torch.get_num_threads()} threads")
    rows = []
    for n in args.experts:
        seconds = medians(contenders(comfy, models[:n], conditions[:n], nulls[:n], [2.0] * n, "", args.steps, latent, rival), args.rounds)
        rows.append({"experts": n, "seconds": seconds, "pack / bare": seconds["pack"] / seconds["bare forwards"],
                     "pack / stock": seconds["pack"] / seconds["stock"]})
        print(f"{n} experts: " + ", ".join(f"{k} {v:.2f} s" for k, v in seconds.items())
              + f"; pack / bare {rows[-1]['pack / bare']:.3f}, pack / stock {rows[-1]['pack / stock']:.3f}")
    saved = {}
    cases = {"two networks, reliabilities 1, 0": (models[:2], "1, 0"), "one network, three conditions": ([models[0]] * 3, "")}
    for name, (chosen, reliabilities) in cases.items() if rival else ():
        n = len(chosen)
        shared = [nulls[0]] * n if chosen[0] is chosen[-1] else nulls[:n]
        runs = contenders(comfy, chosen, conditions[:n], shared, [2.0] * n, reliabilities, args.steps, latent, rival)
        seconds = medians({k: runs[k] for k in ("pack", "MixMod")}, args.rounds)
        saved[name] = seconds | {"pack / MixMod": seconds["pack"] / seconds["MixMod"]}
        print(f"{name}: pack / MixMod {saved[name]['pack / MixMod']:.3f}")
    settings = {"parameters": parameters, "steps": args.steps, "rounds": args.rounds, "threads": torch.get_num_threads()}
    (HERE / "sampling.json").write_text(json.dumps({**settings, "rows": rows, "saved": saved}, indent=1))
    plot(rows, HERE.parent / "docs" / "images" / "sampling.png")
