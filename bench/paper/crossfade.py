"""Shares instead of reliabilities: whose look the picture has (mcdm/shares.py), with the experts of table 3.

The same functions as in experiments.py: each plans in a lab, and returns what writes the sheets and yields the results.
"""
from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import pyplot

from ...devtools.pictures.sheets import images, sheet
from . import writing
from .experiments import Report, Results
from .lab import Lab, Setting, SettingExpert
from .measures import named, probabilities, shares
from .pairs import asked_scenes, scene_experts, titles_of, wanted

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)        # of the text expert, which draws the scene
WEIGHTS = (2.0, 3.0, 5.0)                   # of both experts, that of the figures first


def setting(parts: list[SettingExpert], share: float, steps: int, options: Mapping[str, Any] | None = None) -> Setting:
    reliabilities = f"{1 - share}, {share}"
    return Setting(parts, steps, reliabilities=reliabilities, meaning="shares", clip=True, options=options or {})


def table_3_in_shares(lab: Lab, pairs: int, steps: int) -> Report:
    """Table 3's pairs at several shares, by Euler's method. A sheet shows 24 of them at half the look of each."""
    asked, places = asked_scenes(np.random.default_rng(103), pairs)
    keys = {}
    for weight, share in itertools.product(WEIGHTS, SHARES[1:-1]):
        key = f"table 3 in shares, {pairs} pairs, {steps} steps: w = {weight:g}, share {share:g}"
        keys[weight, share] = lab.plan(key, pairs, setting(scene_experts(lab, asked, places, weight), share, steps))

    def results() -> Results:
        rows = {}
        for (weight, share), key in keys.items():
            right = named(lab.scene_net, lab.pictures[key]) == wanted(asked)
            rows[f"w = {weight:g}, share of the text expert {share:g}"] = shares(right)
        yield "table 3 in shares", {"pairs": pairs, "steps": steps, "rows": rows}
        half = lab.pictures[keys[WEIGHTS[0], 0.5]]
        writing.sheet_of_pairs(titles_of(asked, places, 24), half, lab.out / "scenes_at_half.jpg")

    return results


def crossfade(lab: Lab, pairs: int, steps: int) -> Report:
    """From the class expert's look to the text expert's: what the judge takes for likely at each share."""
    asked, places = asked_scenes(np.random.default_rng(105), pairs)
    parts = scene_experts(lab, asked, places, WEIGHTS[0])
    keys = []
    for share in SHARES:
        key = f"crossfade, {pairs} pairs, {steps} steps: {share}"
        keys.append(lab.plan(key, pairs, setting(parts, share, steps)))

    def results() -> Results:
        truth = wanted(asked)
        pictures = [lab.pictures[key] for key in keys]
        likely = torch.stack([probabilities(lab.scene_net, drawn, truth).mean(0) for drawn in pictures])
        objects = [round(value, 4) for value in likely[:, 0].tolist()]
        places_seen = [round(value, 4) for value in likely[:, 1].tolist()]
        right = [shares(named(lab.scene_net, drawn) == truth)["both"] for drawn in pictures]
        found = {
            "pairs": pairs, "steps": steps, "w": WEIGHTS[0], "share of the text expert": SHARES,
            "object": objects, "scene": places_seen, "both right": right,
        }
        yield "crossfade", found
        plot(objects, places_seen, right, lab.out / "crossfade.png")
        columns = {f"{share:.0%}": images(drawn[:6]) for share, drawn in zip(SHARES, pictures, strict=True)}
        sheet(titles_of(asked, places, 6), columns, lab.out / "shares_scenes.jpg")

    return results


def plot(objects: list[float], scenes: list[float], both: list[float], path: Path) -> None:
    """The judge's mean probabilities over the share."""
    figure, axes = pyplot.subplots(figsize=(6, 3.4))
    percent = [100 * share for share in SHARES]
    axes.plot(percent, objects, "o-", label="the object (class expert)")
    axes.plot(percent, scenes, "o-", label="the scene (text expert)")
    axes.plot(percent, both, "o--", color="0.5", label="both right, part of the pictures")
    axes.set(xlabel="share of the text expert in %", ylabel="the judge's probability", ylim=(-0.03, 1.03))
    axes.set_xticks(percent)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower center")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
