"""Makes the pictures that the pack ships: `python3 dev.py pictures readme`.

The example inputs (example_workflows/inputs/), the figures of the README (docs/images/) and, from what `dev.py demo` wrote,
the thumbnails of the workflows.
"""
import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ...bench import faces as judge
from ...training.datasets import faces
from ...training.judges import faces as parser

ROOT = Path(__file__).resolve().parents[2]
FIGURES, INPUTS, WORKFLOWS = ROOT / "docs" / "images", ROOT / "example_workflows" / "inputs", ROOT / "example_workflows"
CELL, GAP, INK, PAPER = 128, 6, (35, 35, 40), (250, 250, 248)
FONT = ImageFont.load_default(size=13)


def to_image(picture):
    """[3, 64, 64] in [-1, 1] or a map [64, 64] of 0 and 1 as a PIL image of CELL pixels."""
    array = picture.expand(3, -1, -1) * 2 - 1 if picture.ndim == 2 else picture
    array = ((array.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(array).resize((CELL, CELL), Image.Resampling.NEAREST)


def words_image(words):
    """Words as a cell of a sheet."""
    cell = Image.new("RGB", (CELL, CELL), (255, 255, 255))
    draw = ImageDraw.Draw(cell)
    for i, word in enumerate(words):
        draw.text((6, 5 + 17 * i), word, INK, FONT)
    return cell


def sheet(rows, columns, cells, path):
    """A labelled sheet: rows and columns are titles, cells[r][c] PIL images or None. Written as JPEG."""
    left = 12 + max(int(FONT.getlength(line)) for title in rows for line in title.split("\n"))
    top = 8 + 17 * max(len(c.split("\n")) for c in columns)
    page = Image.new("RGB", (left + len(columns) * (CELL + GAP), top + len(rows) * (CELL + GAP)), PAPER)
    draw = ImageDraw.Draw(page)
    for c, title in enumerate(columns):
        draw.multiline_text((left + c * (CELL + GAP) + CELL / 2, 4), title, INK, FONT, anchor="ma", align="center")
    for r, title in enumerate(rows):
        draw.multiline_text((6, top + r * (CELL + GAP) + CELL / 2), title, INK, FONT, anchor="lm")
        for c, cell in enumerate(cells[r]):
            if cell is not None:
                page.paste(cell, (left + c * (CELL + GAP), top + r * (CELL + GAP)))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, quality=92)


def example_inputs(faces):
    """One drawing, its maps, and a half for masks, as small PNGs."""
    shape = faces.Face("studio", "wavy", "red", "light", "blue", "green", "glasses", False, True, x=32.0, y=30.0, width=12.0, height=15.5, tilt=-3.0,
                       volume=1.0, length=0.7, part=-0.5, fringe=0.4, shoulders=23.0, tint=((0, 0, 0),) * 4)
    drawing, labels = faces.draw(shape)
    regions = torch.from_numpy(labels).long()
    half = np.zeros((64, 64), np.uint8)
    half[:, :32] = 255
    maps = {f"face_{name}": np.uint8(255 * (regions == faces.REGIONS.index(name)).numpy()) for name in ("hair", "skin")}
    maps |= {"left_half": half, "face_drawing": drawing}
    INPUTS.mkdir(parents=True, exist_ok=True)
    for name, pixels in maps.items():
        Image.fromarray(pixels).convert("RGB").resize((256, 256), Image.Resampling.NEAREST).save(INPUTS / f"{name}.png")
    return regions


def asked(conditions, rows, words=None):
    """Some of the conditions, with other words if given."""
    picked = dataclasses.replace(conditions, **{f.name: getattr(conditions, f.name)[rows] for f in dataclasses.fields(conditions) if f.name != "words"},
                                 words=[conditions.words[i] for i in rows])
    return dataclasses.replace(picked, words=[words] * len(rows)) if words else picked


def main(comfy, _):
    example_inputs(faces)
    conditions = judge.held_out(faces, parser, 24)
    fused = {"hair": 1.5, "skin": 1.5, "text": 2.5}
    some = asked(conditions, [1, 4, 6, 11, 15])

    def draw(weights, which=some, **mixing):
        return [to_image(p) for p in judge.sample(comfy, which, weights, seed=3, **mixing)]

    def maps(which, name):
        return [to_image((r == faces.REGIONS.index(name)).float()) for r in which.regions]
    conditions_row = [maps(some, "hair"), maps(some, "skin"), [words_image(w) for w in some.words]]
    columns = ["hair map", "skin map", "words", "hair expert\nalone", "skin expert\nalone", "text expert\nalone", "united"]
    grid = [*conditions_row, draw({"hair": 1.5}), draw({"skin": 1.5}), draw({"text": 2.0}), draw(fused)]
    sheet([""] * len(some.words), columns, list(zip(*grid, strict=True)), FIGURES / "effect.jpg")

    two = asked(conditions, [4, 11])
    weights = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)
    grid = [draw({"hair": 1.5, "skin": 1.5, "text": w}, two) for w in weights]
    sheet([", ".join(w[:2]) + "\n" + ", ".join(w[4:6]) for w in two.words], [f"w of text = {w:g}" for w in weights], list(zip(*grid, strict=True)),
          FIGURES / "weights.jpg")

    shares = ("1, 0", "3, 1", "1, 1", "1, 3", "0, 1")
    grid = [draw({"skin": 1.5, "text": 2.0}, two, reliabilities=s) for s in shares]
    sheet(["skin map +\ntext"] * 2, [f"a = {s}" for s in shares], list(zip(*grid, strict=True)), FIGURES / "reliabilities.jpg")

    against = asked(conditions, [1, 4, 7], ["bald", "red hair", "beard"])
    grid = [maps(against, "hair"), draw({"hair": 1.5, "text": 2.0}, against), draw({"hair": 1.5, "text": 5.0}, against)]
    sheet(["", "", ""], ["this hair", "and 'bald',\nw of text = 2", "and 'bald',\nw of text = 5"], list(zip(*grid, strict=True)), FIGURES / "contradiction.jpg")

    demo = ROOT / "output" / "demo"
    Image.open(demo / "reliability_sweep.png").save(FIGURES / "sweep.jpg", quality=92)
    for path in demo.glob("*.png"):
        picture = Image.open(path).convert("RGB")
        way = Image.Resampling.LANCZOS if max(picture.size) % 512 else Image.Resampling.NEAREST     # sheets; enlarged pixels
        ImageOps.pad(picture, (384, 384), way, PAPER).save(WORKFLOWS / f"{path.stem}.jpg", quality=88)
