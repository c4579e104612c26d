"""What Reliability Sweep and Compare Experts share: their outputs, and how a grid becomes them."""
from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui

from ..mcdm.grids.grid import Grid
from ..mcdm.grids.grid_run import sample_grid
from ..mcdm.grids.live_sheet import LiveSheet

VAE = io.Vae.Input("vae", optional=True, tooltip="Turns the latents into pictures for the sheet. "
                                                 "Pixel experts need none.")
OUTPUTS = [
    io.Image.Output(display_name="sheet",
                    tooltip="The labelled sheet. A batch of latents gives one sheet per picture."),
    io.Image.Output(display_name="images", tooltip="All pictures, row by row of the sheet."),
    io.Latent.Output(display_name="latents", tooltip="The same pictures, as latents."),
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
    """Samples a grid: the outputs of OUTPUTS, and what the page shows.

    settings: the sampler's inputs, as `sample` takes them. shared: see `sample_grid`.
    A run that breaks leaves the sheet so far in the output folder, NAME_so_far.
    """
    sampled = sample_grid(grid, settings, vae, clip_denoised, LiveSheet(node, name), shared)
    shown = ui.PreviewImage(sampled.pages, cls=node)
    return io.NodeOutput(sampled.pages, sampled.images, {"samples": sampled.latents}, ui=shown)
