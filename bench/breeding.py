"""Breeding by a simulated person: `python3 dev.py bench breeding`.

It marks the candidates of each generation in the order in which the judge of training/judges ranks their pictures, and
sees no numbers. Candidates draw 24 conditions in 6 steps; what is bred is measured on 64 other conditions with other
noise, in 12 steps. Writes bench/breeding.json after every seed. With --again, what the file holds is measured with
24 steps as well; with --sheet, it is drawn into bench/breeding.jpg.
"""
from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.portraits import STEPS as FULL_STEPS
from ..training.pixels import tiled
from .search_tasks import (
    STEPS,
    TASKS,
    TEST_SEED,
    TEST_STEPS,
    TESTED,
    TUNED,
    TUNING_SEED,
    Drawer,
    Task,
    with_numbers,
)

HERE = Path(__file__).resolve().parent
FILE = HERE / "breeding.json"
MARKED = 3              # of six candidates
PATIENCE = 2            # generations without something better, after which the person is content
BETTER = 0.002
COLUMNS = 12            # pictures in a row of the sheet
SHEET = HERE / "breeding.jpg"


def bred(comfy: InProcess, drawer: Drawer, task: Task, seed: int, generations: int) -> tuple[Any, dict[str, Any]]:
    """The mixture that a person with the judge's eyes breeds from a task's, and how it went."""
    module = comfy.module("mcdm.search_state")
    search = module.Search(task.mixture, module.Settings(seed=seed))
    seen: dict[Any, dict[str, float]] = {}
    course = []
    for _ in range(generations):
        values = []
        for candidate in search.candidates:
            if candidate.point not in seen:
                seen[candidate.point] = task.judge(drawer.draw(candidate.mixture, task.count, seed))
            values.append(task.quality(seen[candidate.point]))
        order = sorted(range(len(values)), key=lambda i: -values[i])
        course.append(round(values[order[0]], 4))
        print(f"{task.name} seed {seed} generation {search.generation}: {course[-1]}", seen[search.best.point],
              flush=True)
        search.tell(tuple(i + 1 for i in order[:MARKED]))
        if len(course) > PATIENCE and course[-1] - course[-1 - PATIENCE] < BETTER:
            break
    return search.best.mixture, {"course": course, "generations": len(course)}


def again(comfy: InProcess, drawer: Drawer, figures: dict[str, Any], until: float) -> None:
    """Measures with the steps of a whole run, until time.monotonic() is `until`; another call goes on."""
    label = f"figures with {FULL_STEPS} steps"
    for name in TASKS:
        tested = TASKS[name](comfy, TESTED, TEST_SEED)
        for key, how in figures[name].items():
            if not key.startswith("seed") or label in how or time.monotonic() > until:
                continue
            pictures = drawer.draw(with_numbers(comfy, tested, how["numbers"]), TESTED, 0, FULL_STEPS)
            how[label] = tested.judge(pictures)
            print(name, key, how["figures"], how[label], flush=True)
            FILE.write_text(json.dumps(figures, indent=1))


def sheet(comfy: InProcess, drawer: Drawer, figures: dict[str, Any]) -> None:
    """Conditions as drawings, the mixture as it began, and what two seeds bred: faces, then scenes."""
    rows: list[torch.Tensor] = []
    for name in TASKS:
        task = TASKS[name](comfy, COLUMNS, TEST_SEED)
        mixtures = [task.mixture, *(with_numbers(comfy, task, figures[name][f"seed {i}"]["numbers"]) for i in (1, 2))]
        rows += [task.ideal, *(drawer.draw(mixture, COLUMNS, 0, FULL_STEPS) for mixture in mixtures)]
    tiled(rows).convert("RGB").save(SHEET, quality=80, optimize=True, progressive=True)


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    asked = options("bench breeding", __doc__)
    asked.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS), help="what is bred")
    asked.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    asked.add_argument("--generations", type=int, default=10, help="at most")
    asked.add_argument("--again", action="store_true", help="only measure what was bred with more steps")
    asked.add_argument("--sheet", action="store_true", help="only draw what was bred")
    asked.add_argument("--seconds", type=float, default=math.inf, help="after which --again pauses; call again")
    args = asked.parse_args(arguments)
    drawer = Drawer(comfy)
    figures = json.loads(FILE.read_text()) if FILE.is_file() else {}
    if args.sheet:
        sheet(comfy, drawer, figures)
    if args.again:
        again(comfy, drawer, figures, time.monotonic() + args.seconds)
    if args.sheet or args.again:
        return
    for name in args.tasks:
        tuned, tested = TASKS[name](comfy, TUNED, TUNING_SEED), TASKS[name](comfy, TESTED, TEST_SEED)
        found = figures.setdefault(name, {})
        found["start"] = tested.judge(drawer.draw(tested.mixture, TESTED, 0, TEST_STEPS))
        for seed in args.seeds:
            mixture, how = bred(comfy, drawer, tuned, seed, args.generations)
            numbers = comfy.module("mcdm.search_state").numbers_of(mixture)
            same = with_numbers(comfy, tested, numbers)
            how |= {"numbers": numbers, "figures": tested.judge(drawer.draw(same, TESTED, 0, TEST_STEPS))}
            found[f"seed {seed}"] = how
            print(name, seed, how, flush=True)
            settings = {"candidates": 6, "steps": STEPS, "tuned on": TUNED, "tested on": TESTED}
            FILE.write_text(json.dumps({**settings, **{k: v for k, v in figures.items() if k in TASKS}}, indent=1))
