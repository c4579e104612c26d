"""Samples the mixtures of a grid from one noise: what Reliability Sweep and Compare Experts share."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import comfy.utils
import torch

from ..drawing.sheets import Places
from ..host.sampling.guider import MixtureGuider
from ..host.sampling.ksampler import sample_mixture
from ..host.sampling.watch import Watch
from .decoding import decoder, estimator
from .grid import Cell, Grid, GridPictures
from .live_sheet import LiveSheet


class SampledGrid(NamedTuple):
    """pages: the labelled sheets, one for each picture of the batch. images, latents: of all cells, row by row.

    places: where the cells are on each sheet.
    """
    pages: torch.Tensor
    images: torch.Tensor
    latents: torch.Tensor
    places: Places


def sample_grid(
    grid: Grid,
    settings: Mapping[str, Any],
    vae: Any,
    clip_denoised: bool,
    live: LiveSheet,
    shared: dict[Any, Any] | None = None,
) -> SampledGrid:
    """Samples the cells of a grid one after the other, and shows them as they come.

    settings: the sampler's inputs, as `sample` takes them. shared: see Asking in mcdm/host/experts/asking.py.
    A failed run leaves the sheet so far. Raises ValueError if pictures need a VAE, and what a guider raises.
    """
    run = _GridRun(grid, vae, settings["steps"], clip_denoised, live, shared)
    try:
        for cell, guider in run.guiders:
            latent, _ = sample_mixture(guider, **settings, callback=run.after_step)
            run.finish(cell, latent["samples"])
    except BaseException:       # an interrupt may be one
        run.keep()
        raise
    pictures = run.pictures
    return SampledGrid(pictures.pages(), torch.cat(pictures.finished()), torch.cat(run.latents), pictures.places())


class _GridRun:
    """The state of a grid that is being sampled."""

    def __init__(self, grid: Grid, vae: Any, steps: int, clip_denoised: bool, live: LiveSheet,
                 shared: dict[Any, Any] | None) -> None:
        cells = grid.cells()
        lead = cells[0].mixture.experts[0].model
        self.decode = decoder(lead, vae)
        self.guiders = _guiders(cells, clip_denoised, Watch(shared=shared))
        self.pictures = GridPictures(grid.titles)
        self.latents: list[torch.Tensor] = []
        self._steps, self._live = steps, live
        self._bar = comfy.utils.ProgressBar(len(cells) * steps)
        self._estimate = estimator(lead, self.decode)

    def after_step(self, step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> None:
        """Shows the progress of the cell that is being sampled."""
        self._bar.update_absolute(self._steps * len(self.latents) + round(self._steps * (step + 1) / total))
        if self._live.due and self._estimate is not None:
            cell, _ = self.guiders[len(self.latents)]
            self.pictures.put(cell, self._estimate(x0))
            self._live.show(self.pictures.page)
            self.pictures.put(cell, None)

    def finish(self, cell: Cell, latents: torch.Tensor) -> None:
        """Stores the latents of a cell."""
        self.latents.append(latents)
        self.pictures.put(cell, self.decode(latents))
        self._bar.update_absolute(self._steps * len(self.latents))
        if self._live.due:
            self._live.show(self.pictures.page)

    def keep(self) -> None:
        """Saves the sheet so far."""
        if self.pictures.finished():
            self._live.keep(self.pictures.pages, f"{len(self.latents)} of {len(self.guiders)}")


def _guiders(cells: list[Cell], clip_denoised: bool, watch: Watch) -> list[tuple[Cell, MixtureGuider]]:
    """The guiders of all cells: all are checked before the first is sampled."""
    return [(cell, MixtureGuider(cell.mixture, clip_denoised, watch)) for cell in cells]
