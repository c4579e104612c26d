"""Mixtures in rows and columns, and the sheet of their pictures."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image

from ..chaining import chain_of
from ..drawing import sheets
from ..mixture import Mixture
from ..writing import settled


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
    """What to sample: rows of mixtures, None for a cell that stays empty. At least one is a mixture.

    base: the mixture that arrives at the node, from which the cells differ; without it no cell can be used further.
    as_numbers: in the same rows, a cell in numbers of the base's experts, where it is another mixture itself.
    around: in the same rows, the inputs of the node for a closer look at a cell, {input: value}.
    forgiving: a cell that fails stays empty, but for the first.
    """
    mixtures: Sequence[Sequence[Mixture | None]]
    titles: Titles
    base: Mixture | None = None
    as_numbers: Sequence[Sequence[Mixture | None]] = ()
    around: Sequence[Sequence[dict[str, float]]] = ()
    forgiving: bool = False

    def without(self, failed: Cell) -> Grid:
        """The grid in which a cell is empty, and its caption says that it failed."""
        mixtures = [list(row) for row in self.mixtures]
        captions = [list(row) for row in self.titles.captions]
        mixtures[failed.row][failed.column] = None
        if captions:
            captions[failed.row][failed.column] += " (failed)"
        return self._replace(mixtures=mixtures, titles=self.titles._replace(captions=captions))

    def settled(self) -> Grid:
        """The grid with numbers that survive being written into the mixers' texts, to the last bit."""
        if self.base is None:
            return self
        rows = []
        for row in self.mixtures:
            rows.append([None if mixture is None else _settled(mixture, self.base) for mixture in row])
        return self._replace(mixtures=rows)

    def numbers(self, cell: Cell) -> Mixture:
        """A cell in numbers of the base's experts."""
        found = self.as_numbers[cell.row][cell.column] if self.as_numbers else None
        return found or cell.mixture

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


def _settled(mixture: Mixture, base: Mixture) -> Mixture:
    """A mixture of the base's experts with other numbers. One of other experts, and the base's own, stay."""
    if len(mixture.experts) != len(base.experts):
        return mixture
    ends = mixture.options.numbers_end
    if (mixture.numbers, mixture.meaning) != (base.numbers, base.meaning):
        mixture = dataclasses.replace(mixture, numbers=settled(mixture.numbers, chain_of(mixture)))
    if ends and ends != base.options.numbers_end:
        options = dataclasses.replace(mixture.options, numbers_end=settled(ends, (len(ends),)))
        mixture = dataclasses.replace(mixture, options=options)
    return mixture


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

    def places(self) -> sheets.Places:
        """Where the cells are on each sheet."""
        shown = []
        for row in self.rows:
            shown.append([None if pictures is None else pictures[0] for pictures in row])
        words = self.titles
        return sheets.places(words.rows, words.columns, shown, words.down, words.across, words.captions)

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
