#!/usr/bin/env python3
"""Searches a workflow's weights and shares over HTTP, by a number that one of its nodes says: any score of your own.

The number is the first in the text that the node shows, such as that of Preview Any behind an aesthetic scorer.

    python3 tune.py my_workflow_api.json --score 21
    python3 tune.py my_workflow_api.json --score 21 --key aesthetic --trials 90 --least --out best.json
"""
from __future__ import annotations

import argparse
import copy
import json
import math
import random
import re
import sys
import time
import urllib.error
from pathlib import Path
from typing import Any

from sweep import Workflow, ask, objections, read

BAD = -math.inf
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


class Bad(Exception):
    """Why a candidate has no score."""


def score(server: str, workflow: Workflow, node: str, key: str) -> float:
    """Queues a workflow, waits for it, and reads the number. Raises Bad, with the reason, where there is none."""
    try:
        prompt = json.loads(ask(f"{server}/prompt", {"prompt": workflow}))["prompt_id"]
    except urllib.error.HTTPError as refusal:
        raise Bad(objections(refusal) or str(refusal)) from refusal
    while not (history := json.loads(ask(f"{server}/history/{prompt}"))):
        time.sleep(0.1)
    entry = history[prompt]
    if entry["status"]["status_str"] != "success":
        raise Bad("it did not run to its end")
    text = " ".join(map(str, entry["outputs"].get(node, {}).get("text", ())))
    if key:
        text = text.partition(f'"{key}"')[2]
    found = re.search(NUMBER, text)
    if not found or not math.isfinite(float(found[0])):
        raise Bad(f"node {node} says no number: '{text[:80]}'")
    return float(found[0])


class Space:
    """The numbers of a workflow: the log of each Condition Expert's weight, and of each share of each mixer.

    A weight that comes over a wire stays. In a chain the mixture that arrives at a mixer is one part more of it.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.experts = []
        self.mixers = {}
        self.start = []
        for key, node in workflow.items():
            inputs = node.get("inputs", {})
            weight = inputs.get("weight", 1.0)
            if node["class_type"] == "ConditionExpert" and not isinstance(weight, list) and weight > 0:
                self.experts.append(key)
                self.start.append(math.log(weight))
            if node["class_type"] == "ReliabilityMixer":
                self.mixers[key] = len(re.findall(r"\b(?:expert_\d|mixture\b)", " ".join(inputs)))
        self.start += [0.0] * sum(self.mixers.values())

    def applied(self, point: list[float]) -> Workflow:
        """The workflow with the numbers of a point; at the start with its own, whatever they mean."""
        workflow = copy.deepcopy(self.workflow)
        if point == self.start:
            return workflow
        rest = list(point)
        for key in self.experts:
            workflow[key]["inputs"]["weight"] = round(math.exp(rest.pop(0)), 4)
        for key, count in self.mixers.items():
            shares = [math.exp(rest.pop(0)) for _ in range(count)]
            numbers = " ".join(f"{share / sum(shares):.4f}" for share in shares)
            workflow[key]["inputs"] |= {"reliabilities": numbers, "meaning": "shares"}
        return workflow


def ranked_search(space: Space, scored: Any, trials: int, count: int, spread: float, seed: int) -> list[float]:
    """The best point found: an evolution strategy that looks at ranks alone, a standard deviation for each number."""
    rng = random.Random(seed)
    mean = list(space.start)
    deviations = [spread] * len(mean)
    best = (scored(mean), mean)
    parents = max(1, count // 2)
    raw = [math.log(parents + 0.5) - math.log(i + 1) for i in range(parents)]
    weights = [each / sum(raw) for each in raw]
    for _ in range(max(1, (trials - 1) // count)):
        points = []
        for _ in range(count):
            points.append([m + s * rng.gauss(0.0, 1.0) for m, s in zip(mean, deviations, strict=True)])
        found = sorted(((scored(point), point) for point in points), key=lambda each: -each[0])
        good = [point for value, point in [best, *found] if value > BAD][:parents]
        best = max([best, *found], key=lambda each: each[0])
        if len(good) < parents:
            continue
        for i, old in enumerate(mean):
            steps = [point[i] - old for point in good]
            variance = sum(w * step * step for w, step in zip(weights, steps, strict=True))
            deviations[i] = math.sqrt(0.6 * deviations[i] ** 2 + 0.4 * variance)
            mean[i] += sum(w * step for w, step in zip(weights, steps, strict=True))
    return best[1]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workflow", type=Path, help="a file in API format")
    parser.add_argument("--score", required=True, metavar="NODE", help="the number of the node that shows the score")
    parser.add_argument("--key", default="", help="of the number, where the node shows JSON")
    parser.add_argument("--least", action="store_true", help="the least is the best, not the most")
    parser.add_argument("--trials", type=int, default=60, help="runs (default: %(default)s)")
    parser.add_argument("--candidates", type=int, default=6, help="of a generation (default: %(default)s)")
    parser.add_argument("--spread", type=float, default=0.5, help="at first (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the search (default: %(default)s)")
    parser.add_argument("--server", default="127.0.0.1:8188",
                        help="address and port of a running ComfyUI (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("tuned.json"),
                        help="the workflow with what was found (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    server = (options.server if "://" in options.server else f"http://{options.server}").rstrip("/")
    workflow, _ = read(options.workflow)
    if options.score not in workflow:
        sys.exit(f"{options.workflow} has no node {options.score}; it has {', '.join(workflow)}.")
    space = Space(workflow)
    runs: list[float] = []

    def scored(point: list[float]) -> float:
        try:
            value = score(server, space.applied(point), options.score, options.key)
            runs.append(value)
            print(f"{len(runs)}: {value:g}", flush=True)
            return -value if options.least else value
        except Bad as bad:
            runs.append(BAD)
            print(f"{len(runs)}: bad, {bad}", flush=True)
            return BAD
        except (OSError, ValueError, KeyError) as error:
            sys.exit(f"No ComfyUI answers at {server} ({error}): start it, or name it in --server.")
    best = ranked_search(space, scored, options.trials, options.candidates, options.spread, options.seed)
    finite = [value for value in runs if value > BAD]
    if not finite:
        sys.exit("No run had a score.")
    if len(finite) > 1 and min(finite) == max(finite):
        sys.exit("All runs have the same score: it cannot tell one from another.")
    options.out.write_text(json.dumps(space.applied(best), indent=2) + "\n", "utf-8")
    print(f"{options.out}: from {runs[0]:g} to {(min if options.least else max)(finite):g}")


if __name__ == "__main__":
    main()
