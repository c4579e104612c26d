"""A grid over the shares, the reliabilities or the weights of one mixture's experts."""
from __future__ import annotations

import math
from typing import NamedTuple

from ..drawing.lettering import labels
from ..mixture import Mixture
from ..shares import RELIABILITIES, SHARES
from .grid import Grid, Titles

KINDS = ("reliability", "weight", "share")
MEANINGS = {"reliability": RELIABILITIES, "share": SHARES}      # of the kinds whose values sum to 1 over the experts


class Axis(NamedTuple):
    """What changes from cell to cell."""
    kind: str               # one of KINDS
    expert: int             # whose, by index
    values: list[float]


class Change(NamedTuple):
    """What an axis has in one cell."""
    kind: str
    expert: int
    value: float


def axis_of(mixture: Mixture, kind: str, expert: str, start: float, end: float, count: int) -> Axis:
    """An axis of `count` values from start to end, evenly spaced.

    expert: whose, by its number, from 1, or its name.
    Raises ValueError for an unknown expert, or for a share or a reliability outside [0, 1].
    """
    index = _find_expert(mixture, expert)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"The {kind} must go from one finite number to another, not from {start} to {end}.")
    if kind in MEANINGS and not (0 <= start <= 1 and 0 <= end <= 1):
        raise ValueError(f"The {kind} must go from one number from 0 to 1 to another, not from {start} to {end}.")
    if kind in MEANINGS and len(mixture.experts) == 1:
        raise ValueError(f"'{mixture.experts[0].name}' is the only expert, so its {kind} is always 1; "
                         "add a second expert, or vary the weight.")
    gaps = max(count - 1, 1)
    return Axis(kind, index, [round(start + (end - start) * i / gaps, 12) for i in range(count)])


def _find_expert(mixture: Mixture, expert: str) -> int:
    """The index of the expert with this number, from 1, or this name. Raises ValueError."""
    names = [e.name for e in mixture.experts]
    word = str(expert).strip()
    found = [i for i, name in enumerate(names) if name.lower() == word.lower()]
    if word.isascii() and word.isdecimal():
        found = [int(word) - 1]
    if len(found) == 1 and 0 <= found[0] < len(names):
        return found[0]
    known = ", ".join(f"{i} '{name}'" for i, name in enumerate(names, 1))
    if len(found) > 1:
        raise ValueError(f"'{word}' names several experts of this mixture; give the number or name of one: {known}.")
    raise ValueError(f"'{word}' is not an expert of this mixture; give the number or name of one: {known}.")


def sweep_grid(mixture: Mixture, x: Axis, y: Axis | None = None) -> Grid:
    """The mixture with the numbers of each cell; x from left to right, y from top to bottom.

    A cell is empty if its shares, or reliabilities, sum to more than 1.
    Raises ValueError if all cells are empty, or if the two axes vary the same thing.
    """
    if y is None:
        rows = [_row(mixture, x)]
    else:
        _check_independent(mixture, x, y)
        rows = [_row(mixture, x, Change(y.kind, y.expert, value)) for value in y.values]
    grid = Grid(rows, _titles(mixture, x, y), mixture, around=_around(x, y))
    if not grid.cells():
        what = MEANINGS[x.kind]         # of both axes
        raise ValueError(f"In every cell the {what} of the two axes sum to more than 1; start lower.")
    return grid


def _around(x: Axis, y: Axis | None) -> list[list[dict[str, float]]]:
    """The inputs of the node for a closer sweep around each cell."""
    columns = [_closer("x", x, value) for value in x.values]
    rows: list[dict[str, float]] = [{}] if y is None else [_closer("y", y, value) for value in y.values]
    around = []
    for row in rows:
        around.append([column | row for column in columns])
    return around


def _closer(letter: str, axis: Axis, value: float) -> dict[str, float]:
    """A range of half a step on either side, of a quarter of the whole where there are two values; {} for a single
    one."""
    start, end = axis.values[0], axis.values[-1]
    if start == end:
        return {}
    reach = (end - start) / max(4, 2 * (len(axis.values) - 1))
    borders = [value - reach, value + reach]
    if axis.kind in MEANINGS:
        borders = [min(max(border, 0.0), 1.0) for border in borders]
    return {f"{letter}_from": round(borders[0], 12), f"{letter}_to": round(borders[1], 12)}


def _check_independent(mixture: Mixture, x: Axis, y: Axis) -> None:
    if (x.kind, x.expert) == (y.kind, y.expert):
        raise ValueError(f"Both axes vary the {x.kind} of expert '{mixture.experts[x.expert].name}'; "
                         "choose another expert or quantity for one.")
    if not {x.kind, y.kind} <= MEANINGS.keys():
        return
    if x.kind != y.kind:
        raise ValueError("One axis varies a share, the other a reliability, and each determines the other; vary two "
                         "shares, or a weight on the second axis.")
    if len(mixture.experts) == 2:
        raise ValueError(f"With two experts, the {x.kind} of one determines that of the other; vary a weight on the "
                         "second axis.")


def _row(mixture: Mixture, x: Axis, *others: Change) -> list[Mixture | None]:
    """The mixture with each value of the axis, and with some other changes."""
    return [_changed(mixture, Change(x.kind, x.expert, value), *others) for value in x.values]


def _changed(mixture: Mixture, *changes: Change) -> Mixture | None:
    """The mixture with some changes; all but the weights are of one kind."""
    weights = {change.expert: change.value for change in changes if change.kind == "weight"}
    numbers = {change.expert: change.value for change in changes if change.kind in MEANINGS}
    meanings = [MEANINGS[change.kind] for change in changes if change.kind in MEANINGS]
    return mixture.varied(weights, numbers, meanings[0] if meanings else RELIABILITIES)


def _titles(mixture: Mixture, x: Axis, y: Axis | None) -> Titles:
    names = labels([e.name for e in mixture.experts])
    columns, across = _values_in_words(x), f"{x.kind} of {names[x.expert]}"
    if y is None:
        return Titles([""], columns, "", across)
    return Titles(_values_in_words(y), columns, f"{y.kind} of {names[y.expert]}", across)


def _values_in_words(axis: Axis) -> list[str]:
    return [f"{value:g}" for value in axis.values]
