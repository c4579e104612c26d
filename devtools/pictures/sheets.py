"""Labelled sheets of small pictures for README, paper and benchmarks: columns of cells under their titles."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from ...training.datasets import faces
from ...training.pixels import to_pixels

CELL = 128                  # pixels along a side of a cell, unless asked otherwise
GAP = 6
INK = (35, 35, 40)
PAPER = (250, 250, 248)
FONT = ImageFont.load_default(size=13)
LINE = 17                   # pixels from one line of text to the next, beside cells of CELL pixels


def image(picture: torch.Tensor, side: int = CELL) -> Image.Image:
    """A picture [3, H, W] in [-1, 1] as a cell of side x side pixels."""
    drawn = Image.fromarray(to_pixels(picture))
    return drawn if drawn.size == (side, side) else drawn.resize((side, side), Image.Resampling.LANCZOS)


def images(pictures: Iterable[torch.Tensor], side: int = CELL) -> list[Image.Image]:
    """Pictures [N, 3, H, W] in [-1, 1] as cells."""
    return [image(picture, side) for picture in pictures]


def maps(regions: torch.Tensor, name: str, side: int = CELL) -> list[Image.Image]:
    """One region of label maps [N, 64, 64] as cells: white where it is."""
    found = (regions == faces.REGIONS.index(name)).float()
    return [image(region.expand(3, -1, -1) * 2 - 1, side) for region in found]


def texts(words: Iterable[Sequence[str]], side: int = CELL) -> list[Image.Image]:
    """Lists of words as cells, a word per line."""
    cells = []
    font, line_height = lettering(side)
    for lines in words:
        cell = Image.new("RGB", (side, side), (255, 255, 255))
        draw = ImageDraw.Draw(cell)
        for i, line in enumerate(lines):
            draw.text((side / 21, side / 25 + line_height * i), line, INK, font)
        cells.append(cell)
    return cells


def lettering(side: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, int]:
    """The font beside cells of that size, and the pixels from one line to the next."""
    return (FONT, LINE) if side == CELL else (ImageFont.load_default(size=13 * side / CELL), LINE * side // CELL)


def sheet(titles: Sequence[str], columns: Mapping[str, Sequence[Image.Image]], path: Path) -> None:
    """Writes a labelled sheet as JPEG. titles: one per row; columns: {title: a cell per row}. Titles may have lines."""
    side = next(iter(columns.values()))[0].width
    font, line_height = lettering(side)
    left = 12 + max(int(font.getlength(line)) for line in "\n".join(titles).split("\n"))
    top = 8 + line_height * max(title.count("\n") + 1 for title in columns)
    size = left + len(columns) * (side + GAP), top + len(titles) * (side + GAP)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    for r, title in enumerate(titles):
        draw.multiline_text((6, top + r * (side + GAP) + side / 2), title, INK, font, anchor="lm")
    for c, (title, cells) in enumerate(columns.items()):
        x = left + c * (side + GAP)
        draw.multiline_text((x + side / 2, 4), title, INK, font, anchor="ma", align="center")
        for r, cell in enumerate(cells):
            page.paste(cell, (x, top + r * (side + GAP)))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, quality=85, optimize=True)


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
