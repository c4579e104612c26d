"""Table 3 at w = 5 with the options of a mixture that keep strong weights from burning colours: rescale and APG."""
from __future__ import annotations

from typing import Any

import numpy as np

from ...devtools.pictures.sheets import images, sheet
from ...training.datasets.dataset import normalize
from ...training.judges import scenes as judge
from .crossfade import setting
from .experiments import Report, Results
from .lab import Lab
from .measures import named, saturated, shares
from .pairs import asked_scenes, scene_experts, titles_of, wanted

WEIGHT = 5.0
CURES: dict[str, dict[str, Any]] = {        # {row of the table: inputs of Mixture Options}
    "plain": {},
    "rescale 0.7": {"rescale": 0.7},
    "APG, eta 0": {"apg": True, "apg_eta": 0.0, "apg_norm_threshold": 0.0},
    "APG, eta 0, norm 10, momentum -0.5": {
        "apg": True, "apg_eta": 0.0, "apg_norm_threshold": 10.0, "apg_momentum": -0.5},
}


def table_3_cured(lab: Lab, pairs: int, steps: int) -> Report:
    """Table 3's pairs at w = 5 and half the look of each, by Euler's method. A sheet shows eight of them."""
    asked, places = asked_scenes(np.random.default_rng(103), pairs)
    parts = scene_experts(lab, asked, places, WEIGHT)
    keys = {}
    for row, options in CURES.items():
        key = f"table 3 cured, {pairs} pairs, {steps} steps: {row}"
        keys[row] = lab.plan(key, pairs, setting(parts, 0.5, steps, options))

    def results() -> Results:
        drawings = normalize(judge.drawings(lab.real // 2, seed=104)[0])
        rows = {"real drawings": {"saturated": saturated(drawings)}}
        for row, key in keys.items():
            drawn = lab.pictures[key]
            rows[row] = shares(named(lab.scene_net, drawn) == wanted(asked)) | {"saturated": saturated(drawn)}
        yield "table 3 cured", {"pairs": pairs, "steps": steps, "rows": rows}
        columns = {row.replace(", ", ",\n"): images(lab.pictures[key][:8]) for row, key in keys.items()}
        sheet(titles_of(asked, places, 8), columns, lab.out / "table_3_cured.jpg")

    return results
