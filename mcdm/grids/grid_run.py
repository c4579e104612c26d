"""Samples the mixtures of a grid from one noise: what all nodes with a sheet share."""
from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import comfy.utils
import torch

from ..drawing.sheets import Places
from ..host.sampling.guider import MixtureGuider
from ..host.sampling.ksampler import STOPS, sample_mixture
from ..host.sampling.watch import Watch
from .decoding import decoder, estimator
from .grid import Cell, Grid, GridPictures
from .live_sheet import LiveSheet

logger = logging.getLogger("mcdm")


class SampledGrid(NamedTuple):
    """pages: the labelled sheets, one for each picture of the batch. images, latents: of all cells, row by row.

    places: where the cells are on each sheet. grid: without what failed.
    """
    pages: torch.Tensor
    images: torch.Tensor
    latents: torch.Tensor
    places: Places
    grid: Grid


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
    A failed run leaves the sheet so far. Raises ValueError if pictures need a VAE, and what a guider raises; a
    forgiving grid, only for its first cell.
    """
    run = _GridRun(grid, vae, settings["steps"], clip_denoised, live, shared)
    try:
        for cell, guider in run.guiders:
            try:
                latent, _ = sample_mixture(guider, **settings, callback=run.after_step)
            except STOPS:
                raise
            except Exception as error:
                run.forgive(cell, error)
                continue
            run.finish(cell, latent["samples"])
    except BaseException:       # an interrupt may be one
        run.keep()
        raise
    grid, pictures = run.grid, run.pictures
    images, latents = torch.cat(pictures.finished()), torch.cat(run.latents)
    return SampledGrid(pictures.pages(), images, latents, pictures.places(), grid)


class _GridRun:
    """The state of a grid that is being sampled."""

    def __init__(self, grid: Grid, vae: Any, steps: int, clip_denoised: bool, live: LiveSheet,
                 shared: dict[Any, Any] | None) -> None:
        cells = grid.cells()
        lead = cells[0].mixture.experts[0].model
        self.decode = decoder(lead, vae)
        self.grid = grid
        self.pictures = GridPictures(grid.titles)
        self.guiders = self._guiders(cells, clip_denoised, Watch(shared=shared))
        self.latents: list[torch.Tensor] = []
        self._done = 0              # cells, those that failed with them
        self._steps, self._live = steps, live
        self._bar = comfy.utils.ProgressBar(len(self.guiders) * steps)
        self._estimate = estimator(lead, self.decode)

    def after_step(self, step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> None:
        """Shows the progress of the cell that is being sampled."""
        self._bar.update_absolute(self._steps * self._done + round(self._steps * (step + 1) / total))
        if self._live.due and self._estimate is not None:
            cell, _ = self.guiders[self._done]
            self.pictures.put(cell, self._estimate(x0))
            self._live.show(self.pictures.page)
            self.pictures.put(cell, None)

    def finish(self, cell: Cell, latents: torch.Tensor) -> None:
        """Stores the latents of a cell."""
        self.latents.append(latents)
        self.pictures.put(cell, self.decode(latents))
        self._finished_one()
        if self._live.due:
            self._live.show(self.pictures.page)

    def forgive(self, cell: Cell, error: Exception) -> None:
        """Leaves a cell empty, and says why; raises the error where the grid forgives none."""
        self._left_out(cell, error)
        self._finished_one()

    def keep(self) -> None:
        """Saves the sheet so far."""
        if self.pictures.finished():
            self._live.keep(self.pictures.pages, f"{len(self.latents)} of {len(self.guiders)}")

    def _finished_one(self) -> None:
        self._done += 1
        self._bar.update_absolute(self._steps * self._done)

    def _left_out(self, cell: Cell, error: Exception) -> None:
        if not self.grid.forgiving or (cell.row, cell.column) == (0, 0):
            raise error
        label = self.grid.titles.captions[cell.row][cell.column]
        logger.warning(f"MCDM: the cell '{label}' failed and stays empty: {error}")
        self.grid = self.grid.without(cell)
        self.pictures.titles = self.grid.titles
        self.pictures.put(cell, None)

    def _guiders(self, cells: list[Cell], clip_denoised: bool, watch: Watch) -> list[tuple[Cell, MixtureGuider]]:
        """The guiders of all cells: all are checked before the first is sampled."""
        found = []
        for cell in cells:
            try:
                found.append((cell, MixtureGuider(cell.mixture, clip_denoised, watch)))
            except ValueError as error:
                self._left_out(cell, error)
        return found
