"""Folders of drawings to train an expert on, and the command that does it."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open

from unite_and_conquer.training import cli

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220)}
SHAPES = ("circle", "square")


def drawing(i: int, size: tuple[int, int] = (80, 60)) -> tuple[Image.Image, Image.Image, tuple[str, str]]:
    """(picture, map, words) of one shape somewhere on gray."""
    colour, shape = [*COLOURS][i % 3], SHAPES[i % 2]
    picture, region = Image.new("RGB", size, (200, 200, 200)), Image.new("L", size)
    box = (24 + i % 5, 14 + i % 4, 48 + i % 5, 38 + i % 4)
    for image, fill in ((picture, COLOURS[colour]), (region, 255)):
        getattr(ImageDraw.Draw(image), {"circle": "ellipse", "square": "rectangle"}[shape])(box, fill=fill)
    return picture, region, (colour, shape)


def folder(where: Path, modality: str, count: int = 12) -> Path:
    """A folder of drawings labelled with one modality."""
    for i in range(count):
        picture, region, (colour, shape) = drawing(i)
        path = where / shape / f"{i}.png" if modality == "class" else where / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        if modality == "text":
            path.with_suffix(".txt").write_text(f"A {colour} {shape} on a plain ground.", "utf-8")
        if modality == "map":
            (where / "maps").mkdir(exist_ok=True)
            region.resize((40, 30)).save(where / "maps" / f"{i}.jpg")
    return where


def run(*words: object, steps: int = 3, start: str = "none") -> None:
    """The command, with little to do."""
    cli.main([*map(str, words), "--steps", str(steps), "--batch-size", "2", "--start", start])


def refused(*words: object, start: str = "none", steps: int = 3) -> str:
    """The sentence with which the command refuses."""
    with pytest.raises(SystemExit) as stop:
        run(*words, start=start, steps=steps)
    sentence = str(stop.value)
    assert "\n" not in sentence and sentence.endswith(".") and sentence[0] in "'/O" + sentence[0].upper()
    return sentence


def contents(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, metadata) of an expert's file."""
    with safe_open(file, "pt") as opened:
        return {k: opened.get_tensor(k) for k in opened.keys()}, opened.metadata()  # noqa: SIM118
