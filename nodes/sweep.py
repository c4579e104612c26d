"""One seed, many mixtures: a grid over shares, reliabilities and weights on a labelled sheet."""
from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..mcdm.grids.sweep_grid import KINDS, axis_of, sweep_grid
from ..mcdm.mixture import Mixture
from .checks import CheckedCombo, LowerBound, check_choice, first_objection, require
from .common import ADVANCED, CATEGORY, search_aliases
from .grid import CELLS, HIDDEN, OUTPUTS, VAE, grid_output
from .prompt_checks import queued_values
from .sampler_inputs import check_sampler, sampler_inputs

ROW_KINDS = ("nothing", *KINDS)


class ReliabilitySweep(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReliabilitySweep", display_name="Reliability Sweep", category=CATEGORY, is_output_node=True,
            **search_aliases("XY plot", "grid", "contact sheet"),
            description="Samples a mixture over a grid: the share, the reliability or the weight of an expert changes "
                        "from one value to another, all from one noise, on a labelled sheet. The other experts divide "
                        "the rest of 1 in proportion to their own shares or reliabilities.",
            inputs=[
                *sampler_inputs(),
                *_axis_inputs("x", "from left to right", KINDS, "reliability", 0.0, 1.0),
                *_axis_inputs("y", "from top to bottom", ROW_KINDS, "nothing", 1.0, 3.0),
                io.Int.Input("max_cells", **ADVANCED, default=64, min=1, max=100000,
                             tooltip="A larger grid is refused: every cell is a whole sampling run."),
                VAE,
            ],
            outputs=[*OUTPUTS, *CELLS], hidden=HIDDEN,
        )

    @classmethod
    def validate_inputs(cls, max_cells: int | None = 64) -> bool | str:
        given = queued_values(getattr(cls.hidden, "unique_id", None))
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
            check_sampler(sampler_name, scheduler),
            check_choice(x_vary, KINDS, "x_vary"),
            check_choice(y_vary, ROW_KINDS, "y_vary"),
            _check_size(x_cells, y_vary, y_cells, max_cells),
        ))
        x = axis_of(mixture, x_vary, x_expert, x_from, x_to, x_cells)
        y = None if y_vary == "nothing" else axis_of(mixture, y_vary, y_expert, y_from, y_to, y_cells)
        grid = sweep_grid(mixture, x, y)
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise,
               "latent_image": latent_image}
        return grid_output(cls, "sweep", grid, run, vae, clip_denoised, shared={})


def _axis_inputs(letter: str, direction: str, kinds: tuple[str, ...], kind: str, start: float, end: float) -> list[Any]:
    """The inputs of one axis."""
    return [
        CheckedCombo(f"{letter}_vary", optional=True, options=list(kinds), default=kind,
                     tooltip=f"What changes {direction}. share: how much of the look comes from this expert."),
        io.String.Input(f"{letter}_expert", optional=True, default="1",
                        tooltip="The expert whose value changes: its number in the mixture, or its name."),
        io.Float.Input(f"{letter}_from", optional=True, default=start, min=LowerBound(-1e9), max=1e9, step=0.05,
                       round=False, tooltip="The first value."),
        io.Float.Input(f"{letter}_to", optional=True, default=end, min=LowerBound(-1e9), max=1e9, step=0.05,
                       round=False, tooltip="The last value."),
        io.Int.Input(f"{letter}_cells", optional=True, default=3, min=1, max=100000,
                     tooltip="How many values, evenly spaced."),
    ]


def _check_size(columns: int | None, y_vary: str | None, y_cells: int | None, most: int | None) -> bool | str:
    """True, or a sentence for the user. None comes from a wire; the host reports what is not a number."""
    if not isinstance(columns, int) or y_vary is None or not isinstance(y_cells, int) or most is None:
        return True
    rows = 1 if y_vary == "nothing" else y_cells
    if min(columns, rows) < 1:
        return f"A sweep needs at least one cell, not {columns} x {rows}."
    if columns * rows > most:
        return (f"A sweep of {columns} x {rows} cells would be {columns * rows} sampling runs, "
                f"and max_cells is {most}; ask for fewer cells, or raise max_cells.")
    return True
