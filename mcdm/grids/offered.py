"""The cells of a sheet as data: where each is, its numbers, and the inputs that make it. For the page and scripts."""
from __future__ import annotations

from typing import Any

from ..drawing.sheets import Places
from ..mixture import Mixture
from ..prompt import Prompt
from .grid import Cell, Grid
from .sources import Sources


def offered(grid: Grid, places: Places, prompt: Prompt | None, node: str | None) -> dict[str, Any]:
    """{node, page: [width, height], meaning, cells}, as JSON has it. docs/architecture.md describes a cell.

    prompt, node: what is run, and the id of the grid's node in it; without them cells have no inputs.
    """
    sources, trouble = _sources(grid, prompt, node)
    cells = [_cell(grid, cell, places, sources, trouble, node) for cell in grid.cells()]
    return {"node": node, "page": list(places.page), "cells": cells}


def _sources(grid: Grid, prompt: Prompt | None, node: str | None) -> tuple[Sources | None, list[str]]:
    if grid.base is None or not prompt or node not in prompt:
        return None, []
    try:
        return Sources(prompt, node, grid.base), []
    except ValueError as error:
        return None, [str(error)]


def _cell(
    grid: Grid, cell: Cell, places: Places, sources: Sources | None, trouble: list[str], node: str | None,
) -> dict[str, Any]:
    mixture = grid.numbers(cell)
    inputs, troubles = sources.inputs(mixture) if sources else ({}, trouble)
    around = grid.around[cell.row][cell.column] if grid.around else {}
    return {
        "number": cell.row * len(grid.titles.columns) + cell.column + 1,
        "row": cell.row,
        "column": cell.column,
        "label": _label(grid, cell),
        "box": list(places.boxes[cell.row][cell.column]),
        "experts": _experts(mixture),
        "meaning": mixture.meaning,
        "inputs": inputs,
        "troubles": troubles,
        "around": {node: around} if around and node else {},
    }


def _experts(mixture: Mixture) -> list[dict[str, Any]]:
    reliabilities, shares = mixture.balance()
    found = []
    for expert, reliability, share in zip(mixture.experts, reliabilities, shares, strict=True):
        found.append({"name": expert.name, "weight": expert.weight, "reliability": reliability, "share": share,
                      "start": expert.start, "end": expert.end})
    return found


def _label(grid: Grid, cell: Cell) -> str:
    """A cell's own caption, else its titles in one line, such as "share of hair 0.5, weight of skin 2"."""
    titles = grid.titles
    if titles.captions:
        return titles.captions[cell.row][cell.column]
    words = [f"{titles.across} {titles.columns[cell.column]}".strip(), f"{titles.down} {titles.rows[cell.row]}".strip()]
    return ", ".join(word for word in words if word)
