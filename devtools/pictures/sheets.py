"""Labelled sheets of small pictures for README, paper and benchmarks: columns of cells under their titles."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from ...training.datasets import faces
from ...training.pixels import to_pixels

CELL = 128
GAP = 6
INK = (35, 35, 40)
PAPER = (250, 250, 248)
FONT = ImageFont.load_default(size=13)
LINE = 17                   # pixels from one line of text to the next


def image(picture: torch.Tensor) -> Image.Image:
    """A picture [3, 64, 64] in [-1, 1] as a cell."""
    return Image.fromarray(to_pixels(picture)).resize((CELL, CELL), Image.Resampling.LANCZOS)


def images(pictures: Iterable[torch.Tensor]) -> list[Image.Image]:
    """Pictures [N, 3, 64, 64] in [-1, 1] as cells."""
    return [image(picture) for picture in pictures]


def maps(regions: torch.Tensor, name: str) -> list[Image.Image]:
    """One region of label maps [N, 64, 64] as cells: white where it is."""
    found = (regions == faces.REGIONS.index(name)).float()
    return [image(region.expand(3, -1, -1) * 2 - 1) for region in found]


def texts(words: Iterable[Sequence[str]]) -> list[Image.Image]:
    """Lists of words as cells, a word per line."""
    cells = []
    for lines in words:
        cell = Image.new("RGB", (CELL, CELL), (255, 255, 255))
        draw = ImageDraw.Draw(cell)
        for i, line in enumerate(lines):
            draw.text((6, 5 + LINE * i), line, INK, FONT)
        cells.append(cell)
    return cells


def sheet(titles: Sequence[str], columns: Mapping[str, Sequence[Image.Image]], path: Path) -> None:
    """Writes a labelled sheet as JPEG. titles: one per row; columns: {title: a cell per row}. Titles may have lines."""
    left = 12 + max(int(FONT.getlength(line)) for line in "\n".join(titles).split("\n"))
    top = 8 + LINE * max(title.count("\n") + 1 for title in columns)
    size = left + len(columns) * (CELL + GAP), top + len(titles) * (CELL + GAP)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    for r, title in enumerate(titles):
        draw.multiline_text((6, top + r * (CELL + GAP) + CELL / 2), title, INK, FONT, anchor="lm")
    for c, (title, cells) in enumerate(columns.items()):
        x = left + c * (CELL + GAP)
        draw.multiline_text((x + CELL / 2, 4), title, INK, FONT, anchor="ma", align="center")
        for r, cell in enumerate(cells):
            page.paste(cell, (x, top + r * (CELL + GAP)))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, quality=92)


def captioned(titles: Sequence[str], cells: Sequence[Image.Image], path: Path, columns: int = 6) -> None:
    """Writes cells row by row as JPEG, each under its title of at most two lines."""
    width, height = CELL + GAP, CELL + GAP + 2 * LINE
    rows = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * width + GAP, rows * height + GAP), PAPER)
    draw = ImageDraw.Draw(page)
    for i, (title, cell) in enumerate(zip(titles, cells, strict=True)):
        x, y = GAP + i % columns * width, GAP + i // columns * height
        draw.multiline_text((x + CELL / 2, y), title, INK, FONT, anchor="ma", align="center")
        page.paste(cell, (x, y + 2 * LINE))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, quality=92)
