"""What Reliability Sweep and Compare Experts share: their outputs, and how a grid becomes them."""
from __future__ import annotations

import json
from typing import Any

import torch
from comfy_api.latest import io, ui

from ..mcdm.grids.grid import Grid
from ..mcdm.grids.grid_run import sample_grid
from ..mcdm.grids.live_sheet import LiveSheet
from ..mcdm.grids.offered import offered

VAE = io.Vae.Input("vae", optional=True, tooltip="Turns the latents into pictures for the sheet. "
                                                 "Pixel experts need none.")
OUTPUTS = [
    io.Image.Output(display_name="sheet",
                    tooltip="The labelled sheet. A batch of latents gives one sheet per picture."),
    io.Image.Output(display_name="images", tooltip="All pictures, row by row of the sheet."),
    io.Latent.Output(display_name="latents", tooltip="The same pictures, as latents."),
]
CELLS = [
    io.String.Output(display_name="json", tooltip="Every cell's place on the sheet, its numbers, and the inputs of the "
                                                  "API graph that make it."),
]
HIDDEN = [io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id]       # written into the files that are kept


def grid_output(
    node: type[io.ComfyNode],
    name: str,
    grid: Grid,
    settings: dict[str, Any],
    vae: Any,
    clip_denoised: bool,
    shared: dict[Any, Any] | None = None,
) -> io.NodeOutput:
    """Samples a grid: the outputs of OUTPUTS and CELLS, and what the page shows.

    settings: the sampler's inputs, as `sample` takes them. shared: see `sample_grid`.
    A run that breaks leaves the sheet so far in the output folder, NAME_so_far.
    """
    grid = grid.settled()
    sampled = sample_grid(grid, settings, vae, clip_denoised, LiveSheet(node, name), shared)
    hidden = getattr(node, "hidden", None)
    cells = offered(sampled.grid, sampled.places, getattr(hidden, "prompt", None), getattr(hidden, "unique_id", None))
    told = json.dumps(cells)
    shown = _Clickable(sampled.pages, node, told)
    return io.NodeOutput(sampled.pages, sampled.images, {"samples": sampled.latents}, told, ui=shown)


class _Clickable(ui.PreviewImage):
    """The sheets in the node, and what the page needs to know of their cells."""

    def __init__(self, pages: torch.Tensor, node: type[io.ComfyNode], cells: str) -> None:
        super().__init__(pages, cls=node)
        self.cells = cells

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"mcdm_cells": (self.cells,)}
