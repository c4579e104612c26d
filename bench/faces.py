"""The promise of the dataset faces, measured: `python3 dev.py bench faces`.

Over held-out conditions (maps from one drawing, words from another) it samples each expert alone and their fusion
through the pack's nodes, and reads the pictures with a parser that is not a diffusion network
(training/judges/faces.py). Writes bench/faces.json and a sheet of enlarged pictures, bench/faces.jpg. Settings were
chosen on the conditions of set 0; other sets, which only print, have conditions and noise that nobody has looked at.
"""
from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..devtools.enlarging import enlarge
from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.pictures.sheets import images, sheet
from ..devtools.portraits import SAMPLER, SCHEDULER, STEPS, sample_faces
from ..training.judges import faces as parser
from ..training.judges.portraits import HELD_OUT, Conditions, held_out, score

HERE = Path(__file__).resolve().parent
SETTINGS = {                # name: {expert: w}; reliabilities are 1/N unless SHARES says otherwise
    "hair map alone, w = 1": {"hair": 1.0},
    "skin map alone, w = 1": {"skin": 1.0},
    "hair + skin, w = 1": {"hair": 1.0, "skin": 1.0},
    "hair + skin, w = 1.5": {"hair": 1.5, "skin": 1.5},
    "text alone, w = 2": {"text": 2.0},
    "hair + skin + text, w = 1": {"hair": 1.0, "skin": 1.0, "text": 1.0},
    "hair + skin + text, w = 1.5, 1.5, 2.5": {"hair": 1.5, "skin": 1.5, "text": 2.5},
    "sketch alone, w = 1": {"sketch": 1.0},
    "sketch + text, w = 1, 2.5": {"sketch": 1.0, "text": 2.5},
    "embedding of the words, w = 2": {"embedding": 2.0},
    "hair + skin + sketch + text, w = 1, 1, 1, 2.5": {"hair": 1.0, "skin": 1.0, "sketch": 1.0, "text": 2.5},
}
START_HERE = "Start here: w = 1.5, 1.5, 3.5, shares 0.1, 0.1, 0.8"
SETTINGS[START_HERE] = {"hair": 1.5, "skin": 1.5, "text": 3.5}
SHARES = {START_HERE: "0.1, 0.1, 0.8"}          # instead of reliabilities of 1/N
ROWS = 6                    # conditions on the sheet


def measure(
    comfy: InProcess, count: int, settings: Mapping[str, Mapping[str, float]], others: int = 0, steps: int = STEPS,
) -> tuple[dict[str, dict[str, Any]], dict[str, torch.Tensor], Conditions]:
    """{setting: scores}, {setting: pictures [N, 3, 64, 64] in [-1, 1]} and the N = count conditions of both.

    others: the number of the set of conditions. The scores begin with the ceiling of the judge.
    """
    net = parser.load_parser(parser.FILE)
    conditions = held_out(count, HELD_OUT + others)
    scores = {"real drawings (ceiling of the parser)": ceiling(net, conditions)}
    pictures = {}
    for name, weights in settings.items():
        shares = SHARES.get(name, "")
        meaning = "shares" if shares else "reliabilities"
        pictures[name] = sample_faces(comfy, conditions, weights, others, shares, meaning, steps)
        scores[name] = score(net, conditions, pictures[name])
    return scores, pictures, conditions


def ceiling(net: parser.FaceParser, conditions: Conditions) -> dict[str, Any]:
    """The judge's scores of the drawings themselves: maps of those that were mapped, words of those described."""
    maps, words = score(net, conditions, conditions.mapped), score(net, conditions, conditions.described)
    return words | {name: maps[name] for name in ("hair IoU", "skin IoU", "edges F1")}


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    parser = options("bench faces", __doc__)
    parser.add_argument("--count", type=int, default=64, help="held-out conditions")
    parser.add_argument("--set", type=int, default=0, help="0: those on which settings were chosen; 1, 2 ...: others")
    parser.add_argument("--only", default="", help="the settings whose name has these words; writes nothing")
    args = parser.parse_args(arguments)
    chosen = {name: weights for name, weights in SETTINGS.items() if args.only in name}
    scores, pictures, conditions = measure(comfy, args.count, chosen, args.set)
    widths = {"hair IoU": 8, "skin IoU": 8, "edges F1": 8, "attributes": 10, "smile": 6}           # name: width
    print(" " * 52, "  ".join(f"{name:>{width}}" for name, width in widths.items()))
    for setting, found in scores.items():
        shown = found | {"smile": found["groups"]["smile"]}
        print(f"{setting:52}", "  ".join(f"{shown[name]:{width}.3f}" for name, width in widths.items()))
    if args.set or args.only:
        return
    settings = {"count": args.count, "steps": STEPS, "sampler": SAMPLER, "scheduler": SCHEDULER}
    (HERE / "faces.json").write_text(json.dumps({**settings, "figures": scores}, indent=1))
    columns = {"drawing of\nthe maps": images(conditions.mapped[:ROWS]),
               "drawing of\nthe words": images(conditions.described[:ROWS])}
    for setting, drawn in pictures.items():
        columns[titled(setting)] = images(enlarge(comfy, drawn[:ROWS]))
    sheet([""] * ROWS, columns, HERE / "faces.jpg")


def titled(setting: str) -> str:
    """A setting's name as the title of a narrow column."""
    return "\n".join(textwrap.wrap(setting.replace(", w", " w").replace(": w", " w"), 17))
