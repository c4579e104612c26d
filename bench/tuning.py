"""Scores against the judge, and search against chance: `python3 dev.py bench tuning`."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.paths import cache_root
from .search_tasks import STEPS, TASKS, TUNING_SEED, Drawer, Task

HERE = Path(__file__).resolve().parent
FILE = HERE / "tuning.json"
COUNT = 8               # conditions of the random settings


def random_mixtures(comfy: InProcess, task: Task, count: int, seed: int) -> list[Any]:
    """Settings without a preference: weights from 0.4 to 6 evenly in their logs, any shares."""
    space = comfy.module("mcdm.search_space").SearchSpace(task.mixture)
    Numbers = comfy.module("mcdm.search_space").Numbers
    rng = np.random.default_rng(seed)
    experts = len(task.mixture.experts)
    found = []
    for _ in range(count):
        weights = np.exp(rng.uniform(np.log(0.4), np.log(6.0), experts))
        shares = rng.dirichlet(np.ones(experts))
        found.append(space.mixture(Numbers(tuple(map(float, weights)), tuple(map(float, shares)))))
    return found


def drawn(comfy: InProcess, drawer: Drawer, task: Task, count: int, stop: int) -> dict[str, Any]:
    """Pictures of random settings, with the judge's figures and what each condition explains; kept in the cache.

    stop: how many of them are drawn by now.
    """
    kept = cache_root() / f"tuning_{task.name}_{count}_{STEPS}.pt"
    found: dict[str, Any] = {"pictures": [], "quality": [], "explained": []}
    if kept.is_file():
        found = torch.load(kept)
    explained = comfy.module("mcdm.tuning.balance").explained
    for number, mixture in enumerate(random_mixtures(comfy, task, count, seed=1)[:stop]):
        if number < len(found["quality"]):
            continue
        pictures = drawer.draw(mixture, task.count, 1)
        found["pictures"].append((pictures * 127.5 + 127.5).round().byte())
        found["quality"].append(task.quality(task.judge(pictures)))
        with torch.inference_mode():
            found["explained"].append(explained(mixture, {"samples": pictures}))
        print(task.name, number, round(found["quality"][-1], 3), found["explained"][-1].mean((0, 1)).tolist(),
              flush=True)
        torch.save(found, kept)
    return found


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    asked = options("bench tuning", __doc__)
    asked.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    asked.add_argument("--settings", type=int, default=100)
    asked.add_argument("--stop", type=int, default=100, help="draw only so many of them now")
    args = asked.parse_args(arguments)
    drawer = Drawer(comfy)
    for name in args.tasks:
        drawn(comfy, drawer, TASKS[name](comfy, COUNT, TUNING_SEED), args.settings, args.stop)
