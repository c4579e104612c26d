"""How the pictures of the help pages are put together and written."""
from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..paths import ROOT

LIMIT, WIDTHS = 60_000, range(500, 901)                 # bytes, pixels
CELL, GAP = 112, 8                                      # pixels
PAPER, INK = (31, 31, 31), (222, 222, 222)
FONT = ImageFont.load_default(size=13)

Cell = tuple[str, Image.Image]                          # a title, which may have lines, and the picture above it


def decoded(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def row(cells: Sequence[Cell]) -> Image.Image:
    """Pictures beside each other, each with its title below."""
    lines = max(title.count("\n") + 1 for title, _ in cells)
    page = Image.new("RGB", (len(cells) * (CELL + GAP) + GAP, CELL + 2 * GAP + 17 * lines), PAPER)
    draw = ImageDraw.Draw(page)
    for i, (title, picture) in enumerate(cells):
        x = GAP + i * (CELL + GAP)
        page.paste(picture.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS), (x, GAP))
        draw.multiline_text((x + CELL / 2, CELL + GAP + 4), title, INK, FONT, anchor="ma", align="center")
    return page


def below(*pictures: Image.Image) -> Image.Image:
    """Under each other, in the middle."""
    size = max(picture.width for picture in pictures), sum(picture.height for picture in pictures)
    page = Image.new("RGB", size, PAPER)
    y = 0
    for picture in pictures:
        page.paste(picture, ((page.width - picture.width) // 2, y))
        y += picture.height
    return page


def beside(*pictures: Image.Image) -> Image.Image:
    """Beside each other, on the colour of the first one's corner."""
    size = sum(picture.width for picture in pictures), max(picture.height for picture in pictures)
    page = Image.new("RGB", size, pictures[0].getpixel((1, 1)))
    x = 0
    for picture in pictures:
        page.paste(picture, (x, 0))
        x += picture.width
    return page


def write(picture: Image.Image, path: Path) -> None:
    """As PNG of 256 colours, which is sharp and small. Raises ValueError if it does not fit a help page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    if size > LIMIT or picture.width not in WIDTHS:
        raise ValueError(f"{path.name} is {picture.width} pixels wide and has {size} bytes, not {WIDTHS} and {LIMIT}")
    print(f"{path.relative_to(ROOT)}: {picture.width} x {picture.height}, {size} bytes", flush=True)
