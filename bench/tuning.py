"""Scores against the judge, and search against chance: `python3 dev.py bench tuning`.

Draws 100 random settings of faces and of scenes, and asks how the order by each score goes with the order by the judge
of training/judges. Then searches: on smooth models fitted to these 100, ten seeds against chance at equal cost; and by
*Tune a Mixture*'s own code on pictures, measured on 64 other conditions with other noise. Writes bench/tuning.json,
whose searches it leaves as they are, and docs/images/tuning.png.
"""
from __future__ import annotations

import functools
import itertools
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.paths import cache_root
from ..devtools.portraits import SAMPLER, SCHEDULER
from .search_models import compared, plot
from .search_tasks import STEPS, TASKS, TEST_SEED, TEST_STEPS, TESTED, TUNING_SEED, Drawer, Task, with_numbers

HERE = Path(__file__).resolve().parent
FILE = HERE / "tuning.json"
PLOT = HERE.parent / "docs" / "images" / "tuning.png"
COUNT = 8               # conditions of the random settings
EXAMPLES = 12           # conditions of a search on pictures, and drawings that follow them
TRIALS = 60
CANDIDATES = 57         # that a search has by then, and the middle
LOTS = 3                # of as many random settings
SEEDS = 10              # of searches on fitted models
SEARCHED = "examples, one for each", "balance"
LIGHTEST, HEAVIEST = 0.4, 6.0

Figures = dict[str, Any]


# ------------------------------------------------------------------------------------------------ random settings

def random_mixtures(comfy: InProcess, task: Task, count: int, seed: int) -> list[Any]:
    """Settings without a preference: weights evenly in their logs, any shares."""
    module = comfy.module("mcdm.search_space")
    space = module.SearchSpace(task.mixture)
    rng = np.random.default_rng(seed)
    experts = len(task.mixture.experts)
    found = []
    for _ in range(count):
        weights = np.exp(rng.uniform(np.log(LIGHTEST), np.log(HEAVIEST), experts))
        shares = rng.dirichlet(np.ones(experts))
        found.append(space.mixture(module.Numbers(tuple(map(float, weights)), tuple(map(float, shares)))))
    return found


def drawn(comfy: InProcess, drawer: Drawer, task: Task, mixtures: Sequence[Any], stop: int) -> dict[str, Any]:
    """Pictures of settings, with the judge's figures and what each condition explains; kept in the cache.

    stop: how many of them are drawn by now.
    """
    kept = cache_root() / f"tuning_{task.name}_{len(mixtures)}_{task.count}_{STEPS}.pt"
    found: dict[str, Any] = {"pictures": [], "quality": [], "explained": []}
    if kept.is_file():
        found = torch.load(kept)
    explained = comfy.module("mcdm.tuning.balance").explained
    for number, mixture in enumerate(mixtures[:stop]):
        if number < len(found["quality"]):
            continue
        pictures = drawer.draw(mixture, task.count, 1)
        found["pictures"].append((pictures * 127.5 + 127.5).round().byte())
        found["quality"].append(task.quality(task.judge(pictures)))
        with torch.inference_mode():
            found["explained"].append(explained(mixture, {"samples": pictures}))
        print(task.name, number, round(found["quality"][-1], 3), flush=True)
        torch.save(found, kept)
    return found


def scores_of(comfy: InProcess, drawer: Drawer, task: Task, found: dict[str, Any]) -> dict[str, np.ndarray]:
    """Each score of every setting."""
    explained = torch.stack(found["explained"]).mean((1, 2)).numpy()            # [settings, experts]
    alone = []
    with torch.inference_mode():
        for i in range(len(task.mixture.experts)):
            mixture = task.mixture.alone(i)
            latent = {"samples": drawer.draw(mixture, task.count, 1)}
            every = comfy.module("mcdm.tuning.balance").explained(task.mixture, latent)
            alone.append(float(every.mean((0, 1))[i]))
    parts = explained / np.array(alone)
    features = comfy.module("mcdm.tuning.features").plain_features
    wanted = features(task.ideal.movedim(1, -1) / 2 + 0.5)
    near = []
    nearest = []
    for pictures in found["pictures"]:
        alike = features(pictures.movedim(1, -1).float() / 255) @ wanted.T
        near.append(float(alike.diagonal().mean()))
        nearest.append(float(alike.amax(1).mean()))
    return {
        "examples, one for each": np.array(near),
        "examples, the nearest": np.array(nearest),
        "balance": -np.log(np.exp(-parts).mean(1)),
        "balance, mean of experts": parts.mean(1),
        "balance, the weakest": parts.min(1),
    }


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """How far two orders agree, -1 to 1."""
    ranks = np.stack([np.argsort(np.argsort(values)) for values in (a, b)])
    return round(float(np.atleast_2d(np.corrcoef(ranks))[0, 1]), 2)


# ------------------------------------------------------------------------------------------------ on pictures

class Paused(Exception):
    """The time of this call is over; the search is kept."""


def on_pictures(comfy: InProcess, drawer: Drawer, name: str, kind: str, seed: int, until: float) -> Figures:
    """Tune a Mixture's own search by one score, then the judge on conditions and noise that it has not seen.

    until: time.monotonic() at which it stops after a generation, with Paused; the next call goes on from the cache.
    """
    tuned, tested = TASKS[name](comfy, EXAMPLES, TUNING_SEED), TASKS[name](comfy, TESTED, TEST_SEED)
    run, scores = comfy.module("mcdm.tuning.search_run"), comfy.module("mcdm.tuning.scores")
    state = comfy.module("mcdm.search_state")
    latent, = comfy.call("EmptyExpertLatent", mixture=tuned.mixture, width=64, height=64, batch_size=EXAMPLES)
    settings = {"seed": seed, "steps": STEPS, "sampler_name": SAMPLER, "scheduler": SCHEDULER, "denoise": 1.0,
                "latent_image": latent}
    with torch.inference_mode():
        runs = run.Runs(settings, lambda samples: (samples.clamp(-1, 1) / 2 + 0.5).movedim(1, -1), False)
        if kind == "balance":
            alone = [runs.draw(tuned.mixture.alone(i), seed, STEPS).latent for i in range(len(tuned.mixture.experts))]
            part = scores.balance(tuned.mixture, alone)
        else:
            features = comfy.module("mcdm.tuning.features").plain_features
            part = scores.nearness(tuned.ideal.movedim(1, -1) / 2 + 0.5, features)
        kept = cache_root() / f"tuning_{name}_{kind}_{seed}.json"
        held: dict[str, Any] = {"state": "", "forwards": 0, "seconds": 0.0}
        if kept.is_file():
            held = json.loads(kept.read_text())
        began = time.monotonic()
        search = state.begun_or_resumed(tuned.mixture, state.Settings(seed=seed), held["state"])

        def spent() -> dict[str, Any]:
            return {"state": search.text(), "forwards": held["forwards"] + runs.forwards,
                    "seconds": round(held["seconds"] + time.monotonic() - began, 1)}

        def told(tuning: Any) -> None:
            kept.write_text(json.dumps(spent()))
            print(name, kind, seed, tuning.spent, round(tuning.best_score, 4), flush=True)
            if time.monotonic() > until:
                raise Paused
        tuning = run.Tuning(search, runs, scores.Score({kind: (1.0, part)}), STEPS // 2, told)
        tuning.run(TRIALS)
        tuning.choose()
        cost = spent()
    numbers = state.numbers_of(tuning.found.mixture)
    found = with_numbers(comfy, tested, numbers | {"shares": tuning.found.mixture.numbers})
    values = [trial.score for trial in tuning.trials if trial.full]
    return {"score": [round(values[0], 4), round(tuning.best_score, 4)], "candidates": tuning.spent + 1,
            "finalists": tuning.finalists, "forwards": cost["forwards"], "seconds": cost["seconds"], "numbers": numbers,
            "figures": tested.judge(drawer.draw(found, TESTED, 0, TEST_STEPS))}


def luckiest(comfy: InProcess, drawer: Drawer, name: str, mixtures: Sequence[Any], scores: Mapping[str, np.ndarray],
             ) -> dict[str, list[Figures]]:
    """The best by each score of as many random settings as a search has candidates, measured as what searches find.

    For each of LOTS other draws of them.
    """
    tested = TASKS[name](comfy, TESTED, TEST_SEED)
    state = comfy.module("mcdm.search_state")

    @functools.cache
    def measured(number: int) -> Figures:
        numbers = state.numbers_of(mixtures[number]) | {"shares": mixtures[number].numbers}
        pictures = drawer.draw(with_numbers(comfy, tested, numbers), TESTED, 0, TEST_STEPS)
        figures = {"setting": number, "figures": tested.judge(pictures)}
        print(name, figures, flush=True)
        return figures
    found: dict[str, list[Figures]] = {kind: [] for kind in scores}
    for kind, seed in itertools.product(scores, range(LOTS)):
        lot = np.random.default_rng(seed).choice(len(mixtures), min(CANDIDATES, len(mixtures)), replace=False)
        found[kind].append(measured(int(lot[scores[kind][lot].argmax()])))
    return found


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    asked = options("bench tuning", __doc__)
    asked.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    asked.add_argument("--settings", type=int, default=100, help="random ones; 0: only the searches on pictures")
    asked.add_argument("--stop", type=int, default=0, help="only draw so many of them now")
    asked.add_argument("--search", nargs="*", choices=["examples", "balance"], default=["examples", "balance"],
                       help="the scores by which is searched on pictures")
    asked.add_argument("--seeds", type=int, nargs="+", default=[1], help="of the searches on pictures")
    asked.add_argument("--seconds", type=float, default=math.inf, help="after which a search pauses; call again")
    args = asked.parse_args(arguments)
    until = time.monotonic() + args.seconds
    drawer = Drawer(comfy)
    figures = json.loads(FILE.read_text()) if FILE.is_file() else {}
    for name in args.tasks if args.settings else ():
        task = TASKS[name](comfy, COUNT, TUNING_SEED)
        mixtures = random_mixtures(comfy, task, args.settings, seed=1)
        found = drawn(comfy, drawer, task, mixtures, args.stop or args.settings)
        if args.stop:
            continue
        own = figures.setdefault(name, {})
        quality = np.array(found["quality"])
        scores = scores_of(comfy, drawer, task, found)
        own["order goes with the judge's"] = {kind: spearman(values, quality) for kind, values in scores.items()}
        chances = [random_mixtures(comfy, task, TRIALS, seed=100 + seed) for seed in range(SEEDS)]
        lucky = luckiest(comfy, drawer, name, mixtures, {kind: scores[kind] for kind in SEARCHED})
        for kind in SEARCHED:
            own[f"on models, {kind}"] = compared(comfy, task.mixture, mixtures, scores[kind], quality, chances)
            own[f"the luckiest, {kind}"] = lucky[kind]
            print(name, kind, own[f"on models, {kind}"], flush=True)
        FILE.write_text(json.dumps(figures, indent=1))
    if args.stop:
        return
    if args.settings:
        labels = [(name, kind) for name in args.tasks for kind in SEARCHED]
        plot({f"{name}, {kind}": figures[name][f"on models, {kind}"] for name, kind in labels}, PLOT)
    for name, kind, seed in itertools.product(args.tasks, args.search, args.seeds):
        label = f"on pictures, {kind}, seed {seed}"
        if label in figures.get(name, {}):
            continue
        try:
            found = on_pictures(comfy, drawer, name, kind, seed, until)
        except Paused:
            print("paused")
            return
        figures.setdefault(name, {})[label] = found
        print(name, label, found, flush=True)
        FILE.write_text(json.dumps(figures, indent=1))
