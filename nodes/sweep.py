"""One seed, many mixtures: a grid over shares, reliabilities and weights on a labelled sheet."""
from __future__ import annotations

import math
from typing import Any, NamedTuple

from comfy_api.latest import io

from ..mcdm.drawing.lettering import labels
from ..mcdm.mixture import Mixture
from ..mcdm.shares import RELIABILITIES, SHARES
from .common import CATEGORY, Choice, Least, choice, first_objection, require, search
from .grid import HIDDEN, OUTPUTS, VAE, Titles, sample_grid
from .prompt_checks import values
from .sampler_inputs import check_settings, settings

KINDS = ("reliability", "weight", "share")
ROW_KINDS = ("nothing", *KINDS)
MEANINGS = {"reliability": RELIABILITIES, "share": SHARES}      # of the kinds whose values sum to 1 over the experts


class Axis(NamedTuple):
    """What changes from cell to cell."""
    kind: str               # one of KINDS
    expert: int             # whose, by index
    values: list[float]


class ReliabilitySweep(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReliabilitySweep", display_name="Reliability Sweep", category=CATEGORY, is_output_node=True,
            **search("XY plot", "grid", "contact sheet"),
            description="Samples a mixture over a grid: the share, the reliability or the weight of an expert goes "
                        "from one value to another, all from one noise, on a labelled sheet. The other experts divide "
                        "the rest of 1 in proportion to their own shares or reliabilities.",
            inputs=[
                *settings(),
                *_axis_inputs("x", "from left to right", KINDS, "reliability", 0.0, 1.0),
                *_axis_inputs("y", "from top to bottom", ROW_KINDS, "nothing", 1.0, 3.0),
                io.Int.Input("max_cells", optional=True, default=64, min=1, max=100000,
                             tooltip="A larger grid is refused: every cell is a whole sampling run."),
                VAE,
            ],
            outputs=OUTPUTS, hidden=HIDDEN,
        )

    @classmethod
    def validate_inputs(cls, max_cells: int | None = 64) -> bool | str:
        given = values(getattr(cls.hidden, "unique_id", None))
        return _check_size(given.get("x_cells", 3), given.get("y_vary", "nothing"), given.get("y_cells", 3), max_cells)

    @classmethod
    def execute(
        cls,
        mixture: Mixture,
        seed: int,
        steps: int,
        sampler_name: str,
        scheduler: str,
        denoise: float = 1.0,
        latent_image: Any = None,
        clip_denoised: bool = False,
        x_vary: str = "reliability",
        x_expert: str = "1",
        x_from: float = 0.0,
        x_to: float = 1.0,
        x_cells: int = 3,
        y_vary: str = "nothing",
        y_expert: str = "1",
        y_from: float = 1.0,
        y_to: float = 3.0,
        y_cells: int = 3,
        max_cells: int = 64,
        vae: Any = None,
    ) -> io.NodeOutput:
        require(first_objection(
            check_settings(sampler_name, scheduler),
            choice(x_vary, KINDS, "x_vary"),
            choice(y_vary, ROW_KINDS, "y_vary"),
            _check_size(x_cells, y_vary, y_cells, max_cells),
        ))
        x = _axis(mixture, x_vary, x_expert, x_from, x_to, x_cells)
        y = None if y_vary == "nothing" else _axis(mixture, y_vary, y_expert, y_from, y_to, y_cells)
        mixtures = _mixtures(mixture, x, y)
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise,
               "latent_image": latent_image}
        return sample_grid(cls, "sweep", mixtures, _titles(mixture, x, y), run, vae, clip_denoised, shared={})


def _axis_inputs(letter: str, direction: str, kinds: tuple[str, ...], kind: str, start: float, end: float) -> list[Any]:
    """The inputs of one axis."""
    return [
        Choice(f"{letter}_vary", optional=True, options=list(kinds), default=kind,
               tooltip=f"What changes {direction}. share: how much of the look comes from this expert."),
        io.String.Input(f"{letter}_expert", optional=True, default="1",
                        tooltip="The expert whose value changes: its number in the mixture, or its name."),
        io.Float.Input(f"{letter}_from", optional=True, default=start, min=Least(-1e9), max=1e9, step=0.05,
                       round=False, tooltip="The first value."),
        io.Float.Input(f"{letter}_to", optional=True, default=end, min=Least(-1e9), max=1e9, step=0.05,
                       round=False, tooltip="The last value."),
        io.Int.Input(f"{letter}_cells", optional=True, default=3, min=1, max=100000,
                     tooltip="How many values, evenly spaced."),
    ]


# ------------------------------------------------------------------------------------------------ checks

def _check_size(columns: int | None, y_vary: str | None, y_cells: int | None, most: int | None) -> bool | str:
    """True, or a sentence for the user. None comes from a wire, and what is no number is told by the host."""
    if not isinstance(columns, int) or y_vary is None or not isinstance(y_cells, int) or most is None:
        return True
    rows = 1 if y_vary == "nothing" else y_cells
    if min(columns, rows) < 1:
        return f"A sweep needs at least one cell, not {columns} x {rows}."
    if columns * rows > most:
        return (f"A sweep of {columns} x {rows} cells would be {columns * rows} sampling runs, "
                f"and max_cells is {most}; ask for fewer cells, or raise max_cells.")
    return True


def _axis(mixture: Mixture, kind: str, expert: str, start: float, end: float, count: int) -> Axis:
    """One axis. Raises ValueError for an unknown expert, or for a share or a reliability outside [0, 1]."""
    index = _find_expert(mixture, expert)
    if kind in MEANINGS:
        allowed, legal = "number from 0 to 1", all(0 <= value <= 1 for value in (start, end))
    else:
        allowed, legal = "finite number", math.isfinite(start) and math.isfinite(end)
    if not legal:
        raise ValueError(f"The {kind} must go from one {allowed} to another, not from {start} to {end}.")
    if kind in MEANINGS and len(mixture.experts) == 1:
        raise ValueError(f"'{mixture.experts[0].name}' is the only expert, so its {kind} is always 1; "
                         "add a second expert, or vary the weight.")
    gaps = max(count - 1, 1)
    return Axis(kind, index, [round(start + (end - start) * i / gaps, 12) for i in range(count)])


def _find_expert(mixture: Mixture, expert: str) -> int:
    """The index of the expert that a number, from 1 on, or a name means. Raises ValueError."""
    names = [e.name for e in mixture.experts]
    word = str(expert).strip()
    found = [i for i, name in enumerate(names) if name.lower() == word.lower()]
    if word.isascii() and word.isdecimal():
        found = [int(word) - 1]
    if len(found) == 1 and 0 <= found[0] < len(names):
        return found[0]
    problem = "names several experts" if len(found) > 1 else "is not an expert"
    known = ", ".join(f"{i} '{name}'" for i, name in enumerate(names, 1))
    raise ValueError(f"'{word}' {problem} of this mixture; give the number or name of one: {known}.")


# ------------------------------------------------------------------------------------------------ the grid

def _mixtures(mixture: Mixture, x: Axis, y: Axis | None) -> list[list[Mixture | None]]:
    """The mixture with the numbers of each cell, row by row.

    None where shares, or reliabilities, are more than 1 together.
    Raises ValueError where that is so everywhere, or where the two axes vary the same.
    """
    if y is None:
        rows = [_row(mixture, x)]
    else:
        _check_independent(mixture, x, y)
        rows = [_row(mixture, x, (y, value)) for value in y.values]
    if not any(cell for row in rows for cell in row):
        what = MEANINGS[x.kind]         # of both axes
        raise ValueError(f"In every cell the {what} of the two axes sum to more than 1; start lower.")
    return rows


def _check_independent(mixture: Mixture, x: Axis, y: Axis) -> None:
    if (x.kind, x.expert) == (y.kind, y.expert):
        raise ValueError(f"Both axes vary the {x.kind} of expert '{mixture.experts[x.expert].name}'; "
                         "choose another expert or quantity for one.")
    if not {x.kind, y.kind} <= MEANINGS.keys():
        return
    if x.kind != y.kind:
        raise ValueError("One axis varies a share, the other a reliability, and each decides the other; "
                         "vary two shares, or a weight on the second axis.")
    if len(mixture.experts) == 2:
        raise ValueError(f"With two experts, the {x.kind} of one decides that of the other; "
                         "vary a weight on the second axis.")


def _row(mixture: Mixture, x: Axis, *changes: tuple[Axis, float]) -> list[Mixture | None]:
    """The mixture with each value of the axis, and a value for each of some others."""
    return [_varied(mixture, (x, value), *changes) for value in x.values]


def _varied(mixture: Mixture, *changes: tuple[Axis, float]) -> Mixture | None:
    """The mixture with a value for each of some axes."""
    weights = {axis.expert: value for axis, value in changes if axis.kind == "weight"}
    numbers = {axis.expert: value for axis, value in changes if axis.kind in MEANINGS}
    kinds = [axis.kind for axis, _ in changes if axis.kind in MEANINGS]       # all equal
    return mixture.varied(weights, numbers, MEANINGS[kinds[0]] if kinds else RELIABILITIES)


def _titles(mixture: Mixture, x: Axis, y: Axis | None) -> Titles:
    names = labels([e.name for e in mixture.experts])
    columns, across = [f"{value:g}" for value in x.values], f"{x.kind} of {names[x.expert]}"
    if y is None:
        return Titles([""], columns, "", across)
    return Titles([f"{value:g}" for value in y.values], columns, f"{y.kind} of {names[y.expert]}", across)
