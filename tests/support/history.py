"""Files that earlier versions of the pack saved, and the pictures of their own time (packaging/history/README.md)."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.prompts import Prompt
from unite_and_conquer.devtools.versions import fits_empty_latents

HISTORY = ROOT / "tests" / "packaging" / "history"
STEPS = 3
PIXELS = 2      # of 255, between processors


def names(folder: str = "") -> list[str]:
    """The prompts in API format, or the drawings in the folder page/."""
    return sorted(path.stem for path in (HISTORY / folder).glob("*.json"))


def saved(name: str, folder: str = "") -> Any:
    """A file as it was."""
    return json.loads((HISTORY / folder / f"{name}.json").read_text("utf-8"))


def shortened(graph: Prompt) -> Prompt:
    """A prompt, changed in place: with as many steps as its pictures were recorded with."""
    for call in graph.values():
        if isinstance(call["inputs"].get("steps"), int):
            call["inputs"]["steps"] = STEPS
        if call["class_type"] == "EmptyLatentImage" and fits_empty_latents():
            call["inputs"] |= {"width": 64, "height": 64}       # 512 were 64 cells for every model before
    return graph


def small(file: Path | IO[bytes]) -> np.ndarray:
    """A picture file, averaged to 16 x 16 pixels: [16, 16, 3], of 255."""
    return np.asarray(Image.open(file).convert("RGB").resize((16, 16), Image.Resampling.BOX), np.int16)


def check(pictures: Sequence[Path | IO[bytes]], name: str) -> None:
    """Asserts that pictures are those of a file's own time."""
    told = sorted(HISTORY.glob(f"{name}.*.png"))
    assert len(pictures) == len(told) > 0
    for picture, then in zip(pictures, told, strict=True):
        assert np.abs(small(picture) - small(then)).max() <= PIXELS
