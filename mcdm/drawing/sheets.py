"""Labelled contact sheets as IMAGE."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from .lettering import INK, PAPER, extent, font, line_count, wrap

Cells = Sequence[Sequence[torch.Tensor | None]]       # rows of pictures

EMPTY = (240, 240, 237)         # the colour of a cell without a picture
CELL = 192          # pixels: small pictures are enlarged to about this
LONGEST = 4096      # pixels: pictures make no side of a sheet longer than this


# ------------------------------------------------------------------------------------------------ pictures

def picture(pixels: torch.Tensor) -> Image.Image:
    """[H, W, 1, 3 or 4] in [0, 1] as a PIL image."""
    array = (pixels[..., :3].float().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(np.broadcast_to(array, (*array.shape[:2], 3)).copy())


def image(page: Image.Image) -> torch.Tensor:
    """A PIL image as IMAGE, [1, H, W, 3] in [0, 1]."""
    return torch.from_numpy(np.asarray(page.convert("RGB")).copy()).float()[None] / 255


# ------------------------------------------------------------------------------------------------ the sheet

def sheet(rows: Sequence[str], columns: Sequence[str], cells: Cells, down: str = "", across: str = "",
          captions: Sequence[Sequence[str]] = ()) -> Image.Image:
    """A page of pictures.

    cells[r][c]: [H, W, C] in [0, 1], all of one size, or None if nothing is (yet).
    rows, columns: a title for each; down, across: what these are. captions: below each picture, row by row.
    Small pictures are enlarged by a whole factor, pixel by pixel.
    """
    layout = _layout(rows, columns, cells, down, across, captions)
    page = Image.new("RGB", layout.page, PAPER)
    if across:
        _draw_across(page, layout, across)
    if down:
        _draw_down(page, layout, down)
    _draw_titles(page, layout)
    for r, row in enumerate(cells):
        for c, cell in enumerate(row):
            _draw_cell(page, layout, layout.corner(r, c), cell)
    for r, row_of_captions in enumerate(layout.captions):
        for c, caption in enumerate(row_of_captions):
            _draw_caption(page, layout, layout.corner(r, c), caption)
    return page


class Places(NamedTuple):
    """Where pictures are on a sheet, in pixels: its (width, height); row by row each (left, top, width, height)."""
    page: tuple[int, int]
    boxes: list[list[tuple[int, int, int, int]]]


def places(rows: Sequence[str], columns: Sequence[str], cells: Cells, down: str = "", across: str = "",
           captions: Sequence[Sequence[str]] = ()) -> Places:
    """Where `sheet` puts them."""
    layout = _layout(rows, columns, cells, down, across, captions)
    boxes = []
    for r in range(len(rows)):
        boxes.append([(*layout.corner(r, c), layout.width, layout.height) for c in range(len(columns))])
    return Places(layout.page, boxes)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where everything is on a sheet, in pixels."""
    columns: list[str]                  # the titles, wrapped
    rows: list[str]
    small: ImageFont.FreeTypeFont       # for these
    bold: ImageFont.FreeTypeFont        # for what the axes are
    width: int                          # of a cell
    height: int
    enlarged: bool
    gap: int                            # between cells
    margin: int                         # around everything
    left: int                           # where the cells begin
    head: int
    captions: list[list[str]]           # below each picture, wrapped

    @property
    def foot(self) -> int:
        """The height of the captions below a row."""
        lines = [line_count(row) for row in self.captions if row]
        return self.line * max(lines) + self.gap if lines else 0

    @property
    def line(self) -> int:
        """The height of a line of a title."""
        return round(self.small.size * 1.3)

    @property
    def page(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        right, bottom = self.corner(len(self.rows), len(self.columns))
        return right - self.gap + self.margin, bottom - self.gap + self.margin

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """(x, y) of a cell."""
        return self.left + column * (self.width + self.gap), self.head + row * (self.height + self.foot + self.gap)


def _layout(rows: Sequence[str], columns: Sequence[str], cells: Cells, down: str, across: str,
            captions: Sequence[Sequence[str]]) -> _Layout:
    picture_height, picture_width = _picture_size(cells)
    scale = _enlargement(picture_height * len(rows), picture_width * len(columns), max(picture_height, picture_width))
    width, height = max(1, round(picture_width * scale)), max(1, round(picture_height * scale))
    longer = max(width, height)
    small, bold = font(longer / 12), font(longer / 10)
    gap = max(4, longer // 32)
    margin = round(1.2 * bold.size)
    line = round(small.size * 1.3)
    column_titles = [wrap(title, width, small) for title in columns]
    row_titles = [wrap(title, max(2 * width // 3, 6 * line), small) for title in rows]
    left = head = margin
    if down:
        left += 2 * margin
    if any(row_titles):
        left += round(extent(row_titles, small)) + 2 * gap
    if across:
        head += round(1.8 * bold.size)
    if any(column_titles):
        head += line * line_count(column_titles) + gap
    below = []
    for row in captions:
        below.append([wrap(caption, width, small) for caption in row])
    return _Layout(column_titles, row_titles, small, bold, width, height, scale >= 1, gap, margin, left, head, below)


def _picture_size(cells: Cells) -> tuple[int, int]:
    """(height, width) of the pictures, unscaled."""
    for row in cells:
        for cell in row:
            if cell is not None:
                return cell.shape[0], cell.shape[1]
    return CELL, CELL


def _enlargement(height: int, width: int, longer: int) -> float:
    """By how much pictures are enlarged: a whole factor, below 1 only if the sheet would be too long.

    height, width: of all pictures together. longer: the longer side of one of them.
    """
    room = LONGEST / max(height, width)
    return min(max(1, CELL // longer), int(room) or room)


def _draw_across(page: Image.Image, layout: _Layout, text: str) -> None:
    """What the columns are, above them."""
    right = page.width - layout.margin
    middle = layout.left + (right - layout.left) / 2
    text = wrap(text, page.width - 2 * layout.margin, layout.bold)
    ImageDraw.Draw(page).text((middle, layout.margin), text, INK, layout.bold, anchor="ma")


def _draw_down(page: Image.Image, layout: _Layout, text: str) -> None:
    """What the rows are, at the left edge, from bottom to top."""
    margin, bold = layout.margin, layout.bold
    text = wrap(text, page.height - 2 * margin, bold)
    strip = Image.new("RGB", (math.ceil(bold.getlength(text)) + 2, 2 * margin), PAPER)
    ImageDraw.Draw(strip).text((0, margin), text, INK, bold, anchor="lm")
    strip = strip.rotate(90, expand=True)
    bottom = page.height - margin
    top = layout.head + (bottom - layout.head - strip.height) / 2
    page.paste(strip, (margin // 2, round(max(0, top))))


def _draw_titles(page: Image.Image, layout: _Layout) -> None:
    """The titles of the columns and of the rows."""
    pen, face = ImageDraw.Draw(page), layout.small
    spacing = layout.line - face.size
    for c, title in enumerate(layout.columns):
        x, y = layout.corner(0, c)
        above = x + layout.width / 2, y - layout.gap
        pen.multiline_text(above, title, INK, face, anchor="md", align="center", spacing=spacing)
    for r, title in enumerate(layout.rows):
        x, y = layout.corner(r, 0)
        beside = x - 2 * layout.gap, y + layout.height / 2
        pen.multiline_text(beside, title, INK, face, anchor="rm", align="right", spacing=spacing)


def _draw_caption(page: Image.Image, layout: _Layout, corner: tuple[int, int], caption: str) -> None:
    """The words below a picture."""
    x, y = corner
    middle = x + layout.width / 2, y + layout.height + layout.gap
    pen, face = ImageDraw.Draw(page), layout.small
    pen.multiline_text(middle, caption, INK, face, anchor="ma", align="center", spacing=layout.line - face.size)


def _draw_cell(page: Image.Image, layout: _Layout, corner: tuple[int, int], cell: torch.Tensor | None) -> None:
    """One picture, or a blank."""
    x, y = corner
    if cell is None:
        box = x, y, x + layout.width - 1, y + layout.height - 1
        ImageDraw.Draw(page).rectangle(box, EMPTY)
        return
    how = Image.Resampling.NEAREST if layout.enlarged else Image.Resampling.LANCZOS
    page.paste(picture(cell).resize((layout.width, layout.height), how), (x, y))
