"""Makes the thumbnails of the example workflows: `python3 dev.py pictures gallery [NAME ...]`.

At the left the conditions, at the right the picture that comes of them, both taken from the workflow itself. Workflows
whose checkpoints are not in the pack show their idea with its embedded experts, which is said beneath, above a small
drawing of their graph.
Where that picture is a sheet, its cells are enlarged, which the workflow itself does not do.
The sheet of the sweep becomes a figure of the docs as well, docs/images/sweep.jpg.
"""
from __future__ import annotations

import io
import json
import math
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..host import Host
from ..inprocess import InProcess
from ..options import chosen
from ..paths import ROOT, WORKFLOWS
from ..prompts import TITLES, Prompt, drawing, names, node, prompt
from .ideas import enlarged, ideas

SIZE = 512                  # pixels of a thumbnail
GAP = 12                    # pixels between its parts
MOST = 4                    # conditions that it shows
GRAPH = 118                 # pixels of a drawn graph's height
SHEETS = ("ReliabilitySweep", "CompareExperts", "BreedMixture")         # the nodes whose picture is one
STAND_IN = "Stand-in by the built-in experts"
BADGE = 76                  # pixels at the top of the left side, on which newer pages put a badge
DARK = (24, 25, 29)
PAPER = (250, 250, 248)
INK = (35, 35, 40)
GREY = (150, 153, 160)
NODE = (70, 72, 78)
FRAME = (38, 54, 70)
WIRE = (120, 150, 190)
SMOOTH = Image.Resampling.LANCZOS


# ------------------------------------------------------------------------------------------------ parts of a picture

def conditions(graph: Prompt) -> list[Image.Image | str]:
    """What a prompt gives to its experts: pictures, words, names of classes, each once."""
    found: list[Image.Image | str] = []
    for call in graph.values():
        inputs = call["inputs"]
        if call["class_type"] == "LoadImage":
            name = inputs["image"].removeprefix("mcdm_")
            found.append(Image.open(WORKFLOWS / "inputs" / name).convert("RGB"))
        for key in ("text", "label"):
            if call["class_type"].endswith("Condition") and inputs.get(key, "") not in ("", *found):
                found.append(inputs[key])
    return found[:MOST]


def written(text: str, side: int) -> Image.Image:
    """Words on paper, as large as they fit."""
    cell = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(cell)
    parts = text.split(", ")
    for points in range(32, 6, -1):
        font = ImageFont.load_default(points)
        width = int(1.9 * side / points)
        lines = [line for part in parts for line in textwrap.wrap(part, width)]
        box = draw.multiline_textbbox((0, 0), "\n".join(lines), font, spacing=points // 4)
        if box[2] <= side - 16 and box[3] <= side - 16:
            break
    draw.multiline_text((side / 2, side / 2), "\n".join(lines), INK, font, "mm", points // 4, "center")
    return cell


def sketched(workflow: dict[str, Any], width: int, height: int) -> Image.Image:
    """A workflow as boxes and wires, drawn at four times its size so that lines are smooth."""
    page = Image.new("RGB", (4 * width, 4 * height), DARK)
    draw = ImageDraw.Draw(page)
    cards = {card["id"]: [*card["pos"], *card["size"][:2]] for card in workflow["nodes"]
             if card["type"] != "MarkdownNote"}
    left = min(x for x, _, _, _ in cards.values()) - 30
    top = min(y for _, y, _, _ in cards.values()) - 30
    right = max(x + w for x, _, w, _ in cards.values()) + 30
    bottom = max(y + h for _, y, _, h in cards.values()) + 30
    scale = min(4 * width / (right - left), 4 * height / (bottom - top))

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - left) * scale, (y - top) * scale
    for _, source, _, target, *_ in workflow["links"]:
        if source in cards and target in cards:
            x, y, w, _ = cards[source]
            draw.line([at(x + w, y + 15), at(cards[target][0], cards[target][1] + 15)], WIRE, 4)
    for x, y, w, h in cards.values():
        draw.rounded_rectangle((*at(x, y - 20), *at(x + w, y + h)), 10, NODE)
    return page.resize((width, height), SMOOTH)


def first_batch(host: Host, entry: dict[str, Any]) -> Image.Image:
    """What the first node of a run that saves pictures has saved; up to four of a batch as two columns."""
    saved = []
    for _, out in sorted(entry["outputs"].items(), key=lambda item: (len(item[0]), item[0])):
        images = out.get("images", ())
        if any(image["type"] == "output" for image in images):
            saved.append(len(images))
    pictures = [Image.open(io.BytesIO(png)) for png in host.images(entry)[:min(saved[0], MOST)]]
    if len(pictures) == 1:
        return pictures[0]
    width, height = pictures[0].size
    page = Image.new("RGB", (2 * width, height * math.ceil(len(pictures) / 2)), DARK)
    for i, picture in enumerate(pictures):
        page.paste(picture, (width * (i % 2), height * (i // 2)))
    return page


def with_large_cells(graph: Prompt) -> Prompt:
    """A prompt that also saves the cells of its sheet, enlarged; as it is where it draws none."""
    for key, call in graph.items():
        if call["class_type"] in SHEETS:
            more = {"vae": node("VAELoader", vae_name="pixel_space"), **enlarged(key, 1)}
            return graph | more | {"cells": node("SaveImage", images=["large", 0], filename_prefix="cells")}
    return graph


def sheet_of_large_cells(host: Host, entry: dict[str, Any], cells: str) -> Image.Image:
    """The sheet of such a run with the enlarged cells in place of its own. cells: where they are, as the node says."""
    page, *large = [Image.open(io.BytesIO(png)).convert("RGB") for png in host.images(entry)]
    for cell, picture in zip(json.loads(cells)["cells"], large, strict=True):
        left, top, width, height = cell["box"]
        page.paste(picture.resize((width, height), SMOOTH), (left, top))
    return page


def drawn(host: Host, graph: Prompt) -> Image.Image:
    """The picture that a prompt saves first, or its sheet."""
    entry = host.run(with_large_cells(graph), 600)
    for out in entry["outputs"].values():
        if "mcdm_cells" in out:
            return sheet_of_large_cells(host, entry, out["mcdm_cells"][0])
    return first_batch(host, entry)


def thumbnail(graph: Prompt, picture: Image.Image, below: dict[str, Any] | None) -> Image.Image:
    """Conditions -> picture, and perhaps the drawing of a workflow below."""
    page = Image.new("RGB", (SIZE, SIZE), DARK)
    draw = ImageDraw.Draw(page)
    cells = conditions(graph)
    side = min(150, (SIZE - BADGE - GAP * (len(cells) + 1)) // len(cells))
    top = max(BADGE, (SIZE - len(cells) * side - (len(cells) - 1) * GAP) // 2)
    for i, cell in enumerate(cells):
        drawn = written(cell, side) if isinstance(cell, str) else cell.resize((side, side), SMOOTH)
        page.paste(drawn, (GAP, top + i * (side + GAP)))
    left = side + 3 * GAP + 20
    width = SIZE - left - GAP
    shown = ImageOps.contain(picture.convert("RGB"), (width, width), SMOOTH)
    said = 24 if below else 0
    upper = (SIZE - shown.height - (said + GRAPH + GAP if below else 0)) // 2
    page.paste(shown, (left + (width - shown.width) // 2, upper))
    x, y = side + 2 * GAP + 2, (upper + shown.height // 2 if below else SIZE // 2)
    draw.polygon([(x, y - 14), (x + 18, y), (x, y + 14)], GREY)
    if below:
        under = upper + shown.height
        draw.text((left + width / 2, under + said / 2 + 2), STAND_IN, PAPER, ImageFont.load_default(17), "mm")
        page.paste(sketched(below, width, GRAPH), (left, under + said + GAP))
    return page


def main(_: InProcess, arguments: Sequence[str]) -> None:
    wanted = chosen("pictures gallery", __doc__, arguments, "workflow", names())
    shown = ideas()
    with tempfile.TemporaryDirectory() as base, Host(Path(base)) as host:
        for name in wanted or names():
            graph = shown.get(name) or prompt(name)
            picture = drawn(host, graph)
            path = WORKFLOWS / f"{TITLES[name]}.jpg"
            thumbnail(graph, picture, drawing(name) if name in shown else None).save(path, quality=82, optimize=True)
            print(f"{path.name}: {path.stat().st_size} bytes", flush=True)
            if name == "reliability_sweep":
                picture.convert("RGB").save(ROOT / "docs" / "images" / "sweep.jpg", quality=80, optimize=True)
