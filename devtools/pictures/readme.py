"""Makes the pictures that the pack ships: `python3 dev.py pictures readme`.

The example inputs (example_workflows/inputs/) and the figures of README and docs (docs/images/).
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from PIL import Image

from ...training.datasets import faces
from ...training.judges.portraits import Conditions, held_out
from ..enlarging import enlarge
from ..inprocess import InProcess
from ..options import options
from ..paths import ROOT, WORKFLOWS
from ..portraits import sample_faces
from .sheets import images, maps, sheet, texts

SIDE = 256                  # pixels along a side of a cell: what the embedded upsampler makes of 64
FIGURES = ROOT / "docs" / "images"
EXAMPLE = faces.Face(
    "studio", "wavy", "red", "light", "blue", "green", "glasses", beard=False, smile=True,
    x=32.0, y=30.0, width=12.0, height=15.5, tilt=-3.0, volume=1.0, length=0.7, part=-0.5, fringe=0.4, shoulders=23.0,
    tint=((0, 0, 0),) * 4,
)


def example_inputs() -> None:
    """One drawing, its maps, and a half for masks, as small PNGs."""
    drawing, labels = faces.draw(EXAMPLE)
    half = np.zeros((64, 64), np.uint8)
    half[:, :32] = 255
    pictures = {"face_drawing": drawing, "left_half": half}
    for name in ("hair", "skin"):
        pictures[f"face_{name}"] = np.uint8(255) * (labels == faces.REGIONS.index(name))
    folder = WORKFLOWS / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        picture = Image.fromarray(pixels).convert("RGB")
        picture.resize((256, 256), Image.Resampling.NEAREST).save(folder / f"{name}.png")


def drawn(
    comfy: InProcess, conditions: Conditions, numbers: str = "", meaning: str = "reliabilities", seed: int = 3,
    **weights: float,
) -> list[Image.Image]:
    """The experts named, fused with these weights and enlarged, as cells of a sheet."""
    small = sample_faces(comfy, conditions, weights, seed, reliabilities=numbers, meaning=meaning)
    return images(enlarge(comfy, small), SIDE)


def effect(comfy: InProcess, conditions: Conditions) -> None:
    """Each expert alone, and all three together."""
    draw = partial(drawn, comfy, conditions, seed=4)
    columns = {
        "hair map": maps(conditions.regions, "hair", SIDE),
        "skin map": maps(conditions.regions, "skin", SIDE),
        "words": texts(conditions.words, SIDE),
        "hair expert\nalone": draw(hair=1.5),
        "skin expert\nalone": draw(skin=1.5),
        "text expert\nalone": draw(text=2.0),
        "united": draw("0.25, 0.25, 0.5", "shares", hair=1.5, skin=1.5, text=2.5),
    }
    sheet([""] * len(conditions.words), columns, FIGURES / "effect.jpg")


def weights(comfy: InProcess, conditions: Conditions) -> None:
    """How strictly the words are followed."""
    titles = [", ".join(words[:2]) + "\n" + ", ".join(words[4:6]) for words in conditions.words]
    columns = {}
    for w in (0.0, 1.0, 2.0, 3.0, 4.0, 6.0):
        columns[f"w of text = {w:g}"] = drawn(comfy, conditions, hair=1.5, skin=1.5, text=w)
    sheet(titles, columns, FIGURES / "weights.jpg")


def reliabilities(comfy: InProcess, conditions: Conditions) -> None:
    """How much each expert's null prediction counts."""
    columns = {}
    for a in ("1, 0", "3, 1", "1, 1", "1, 3", "0, 1"):
        columns[f"a = {a}"] = drawn(comfy, conditions, a, skin=1.5, text=2.0)
    sheet(["skin map +\ntext"] * len(conditions.words), columns, FIGURES / "reliabilities.jpg")


def shares(comfy: InProcess, conditions: Conditions) -> None:
    """Whose look the picture has."""
    columns = {}
    for s in (0.0, 0.25, 0.5, 0.75, 1.0):
        columns[f"text's share\n{s:.0%}"] = drawn(comfy, conditions, f"{1 - s}, {s}", "shares", skin=1.5, text=2.0)
    sheet(["skin map +\ntext"] * len(conditions.words), columns, FIGURES / "shares.jpg")


def contradiction(comfy: InProcess, conditions: Conditions) -> None:
    """A hair map and words that exclude each other."""
    columns = {
        "this hair": maps(conditions.regions, "hair", SIDE),
        "and 'bald',\nw of text = 2": drawn(comfy, conditions, hair=1.5, text=2.0),
        "and 'bald',\nw of text = 5": drawn(comfy, conditions, hair=1.5, text=5.0),
    }
    sheet([""] * len(conditions.words), columns, FIGURES / "contradiction.jpg")


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    options("pictures readme", __doc__).parse_args(arguments)
    example_inputs()
    conditions = held_out(24)
    effect(comfy, conditions.pick([4, 6, 9, 16]))
    weights(comfy, conditions.pick([4, 11]))
    reliabilities(comfy, conditions.pick([4, 11]))
    shares(comfy, conditions.pick([4, 11]))
    contradiction(comfy, conditions.pick([1, 4, 7], words=["bald", "red hair", "beard"]))
