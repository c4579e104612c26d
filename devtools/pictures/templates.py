"""Lays the example workflows out: `python3 dev.py pictures templates [NAME ...]`.

Nodes have another height on each canvas and in each release of the page. They are measured in the real page, on both
canvases, and moved down as far as the larger of the sizes asks for; groups are drawn around their nodes, and the first
view shows all. What is apart already stays where it is, so that a run on each page (`--comfyui`, `--page`) leaves a
layout that fits all of them.
"""
from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..browser import WINDOW, Page, launched, opened
from ..host import Host
from ..inprocess import InProcess
from ..options import chosen
from ..paths import WORKFLOWS
from ..prompts import TITLES, drawing, names

GAP = 24                                    # between things
FRAME = 20                                  # between a group's border and its nodes
HEADING = 50                                # between a group's top and its nodes
PREVIEWS = 140                              # what grows under a sampler while it runs
SMALLEST, LARGEST = 0.58, 0.8               # scale of the first view; smaller, the classic canvas draws no texts
# A note's title and its ground: nearly black, and of a hue that pages lighten to yellow in light palettes. A hue any
# weaker or lighter leaves texts or links below 4.5 to 1 on some page in one of its palettes.
NOTE = {"color": "#2a240a", "bgcolor": "#060601"}
BARS = (70, 125, 20, 40)                     # pixels at the left, the top, the right and the bottom of the window

Box = list[float]                           # left, top, right, bottom


def hull(boxes: Sequence[Box]) -> Box:
    """The smallest box around boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return [min(lefts), min(tops), max(rights), max(bottoms)]


class Thing:
    """What is moved as one: a node, or a group with its nodes."""

    def __init__(self, box: Box, things: Sequence[Thing] = (), card: dict[str, Any] | None = None) -> None:
        self.box = box
        self.things = list(things)
        self.card = card

    def move_down(self, by: float) -> None:
        self.box = [self.box[0], self.box[1] + by, self.box[2], self.box[3] + by]
        for thing in self.things:
            thing.move_down(by)
        if self.card is not None and "pos" in self.card:
            self.card["pos"] = [self.card["pos"][0], round(self.card["pos"][1] + by)]


def spread(things: Sequence[Thing]) -> None:
    """Moves things down until none is on another, in the order in which they lie."""
    placed: list[Thing] = []
    for thing in sorted(things, key=lambda thing: thing.box[1]):
        above = [other.box[3] for other in placed if other.box[0] < thing.box[2] and thing.box[0] < other.box[2]]
        thing.move_down(max(0.0, max(above, default=float("-inf")) + GAP - thing.box[1]))
        placed.append(thing)


def lay_out(workflow: dict[str, Any], sizes: dict[int, Box]) -> None:
    """Changes positions, groups, colors of notes and the first view. sizes: boxes around each node's position."""
    loose = []
    for card in workflow["nodes"]:
        if card["type"] == "MarkdownNote":
            card |= NOTE
        x, y = card["pos"]
        left, top, right, bottom = sizes[card["id"]]
        loose.append(Thing([x + left, y + top, x + right, y + bottom], card=card))
    units = []
    for group in workflow["groups"]:
        left, top, width, height = group["bounding"]
        inside = [thing for thing in loose if left < thing.box[0] < left + width and top < thing.box[1] < top + height]
        loose = [thing for thing in loose if thing not in inside]
        spread(inside)
        a, b, c, d = hull([thing.box for thing in inside])
        around = [a - FRAME, b - HEADING, c + FRAME, d + FRAME]
        units.append(Thing(hull([around, [left, top, left + width, top + height]]), inside, group))
    spread([*units, *loose])
    for unit in units:
        left, top, right, bottom = map(round, unit.box)
        assert unit.card is not None
        unit.card["bounding"] = [left, top, right - left, bottom - top]
    workflow["extra"]["ds"] = first_view(hull([unit.box for unit in [*units, *loose]]))


def first_view(box: Box) -> dict[str, Any]:
    """The page's scale and offset that show a box as large as it fits, or where it does not, its upper left."""
    left, top, right, bottom = BARS
    width, height = WINDOW["width"] - left - right, WINDOW["height"] - top - bottom
    fits = int(100 * min(width / (box[2] - box[0]), height / (box[3] - box[1]))) / 100
    scale = min(LARGEST, max(SMALLEST, fits))
    return {"scale": scale, "offset": [round(left / scale - box[0]), round(top / scale - box[1])]}


def measured(page: Page, workflow: dict[str, Any]) -> dict[int, Box]:
    """The box of each node around its position, as this page draws it, in the units of the file."""
    page.load(workflow)
    seen = page.boxes()
    drawn = {number: box for number, _, box in seen["nodes"]}
    position = dict(seen["positions"])
    saved = {card["id"]: card["pos"] for card in workflow["nodes"]}
    first, last = min(saved, key=lambda i: saved[i][0]), max(saved, key=lambda i: saved[i][0])
    # The newer canvas of older pages draws all larger, by one factor.
    scale = (position[last][0] - position[first][0]) / (saved[last][0] - saved[first][0])
    sizes = {}
    for card in workflow["nodes"]:
        x, y = position[card["id"]]
        left, top, right, bottom = ((edge - at) / scale for edge, at in zip(drawn[card["id"]], (x, y) * 2, strict=True))
        sizes[card["id"]] = [left, top, right, bottom + PREVIEWS * (card["type"] == "MCDMSampler")]
    return sizes


def main(_: InProcess, arguments: Sequence[str]) -> None:
    asked = chosen("pictures templates", __doc__, arguments, "workflow", names())
    sizes: dict[str, dict[int, Box]] = {}
    workflows = {name: drawing(name) for name in asked or names()}
    with tempfile.TemporaryDirectory() as base, Host(Path(base)) as host, launched() as browser:
        for vue in (False, True):
            with opened(browser, host, Page, vue=vue) as page:
                for name, workflow in workflows.items():
                    seen, known = measured(page, workflow), sizes.get(name, {})
                    sizes[name] = {i: hull([box, known.get(i, box)]) for i, box in seen.items()}
    for name, workflow in workflows.items():
        lay_out(workflow, sizes[name])
        text = json.dumps(workflow, indent=2) + "\n"
        (WORKFLOWS / f"{TITLES[name]}.json").write_text(text, "utf-8")
        print(f"{name}: first view at {workflow['extra']['ds']['scale']}", flush=True)
