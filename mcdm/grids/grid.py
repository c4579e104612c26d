"""Mixtures in rows and columns, and the sheet of their pictures."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image

from ..drawing import sheets
from ..mixture import Mixture


class Titles(NamedTuple):
    """The words on a sheet: a title for each row and column; what the rows (down) and columns (across) are.

    captions: below each cell, row by row.
    """
    rows: Sequence[str]
    columns: Sequence[str]
    down: str = ""
    across: str = ""
    captions: Sequence[Sequence[str]] = ()


class Grid(NamedTuple):
    """What to sample: rows of mixtures, None for a cell that stays empty. At least one is a mixture."""
    mixtures: Sequence[Sequence[Mixture | None]]
    titles: Titles

    def cells(self) -> list[Cell]:
        """The cells that have a mixture, row by row."""
        found = []
        for r, row in enumerate(self.mixtures):
            found += [Cell(r, c, mixture) for c, mixture in enumerate(row) if mixture is not None]
        return found


class Cell(NamedTuple):
    """A mixture, and where it is."""
    row: int
    column: int
    mixture: Mixture


class GridPictures:
    """The pictures so far: rows of [pictures of the batch, H, W, C] in [0, 1], None if nothing is (yet)."""

    def __init__(self, titles: Titles) -> None:
        self.titles = titles
        self.rows: list[list[torch.Tensor | None]] = [[None] * len(titles.columns) for _ in titles.rows]

    def put(self, cell: Cell, pictures: torch.Tensor | None) -> None:
        """Sets the pictures of a cell, or removes them."""
        self.rows[cell.row][cell.column] = pictures

    def finished(self) -> list[torch.Tensor]:
        """The pictures of the cells that are finished, row by row."""
        found: list[torch.Tensor] = []
        for row in self.rows:
            found += [pictures for pictures in row if pictures is not None]
        return found

    def page(self, number: int = 0) -> Image.Image:
        """The sheet of one picture of the batch."""
        shown = []
        for row in self.rows:
            shown.append([None if pictures is None else pictures[number] for pictures in row])
        words = self.titles
        return sheets.sheet(words.rows, words.columns, shown, words.down, words.across, words.captions)

    def pages(self) -> torch.Tensor:
        """The sheets of all pictures of the batch as IMAGE, [pictures, H, W, 3]."""
        return torch.cat([sheets.image(self.page(i)) for i in range(len(self.finished()[0]))])
