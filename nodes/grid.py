"""Many mixtures from one noise on a labelled sheet: what Reliability Sweep and Compare Experts share."""
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import comfy.utils
import torch
from comfy_api.latest import io, ui
from comfy_execution.utils import get_executing_context
from PIL import Image

from ..mcdm.drawing import sheets
from ..mcdm.host.models import is_pixel
from ..mcdm.host.sampling.guider import MixtureGuider
from ..mcdm.host.sampling.ksampler import sample
from ..mcdm.host.sampling.watch import Watch
from ..mcdm.mixture import Mixture
from .live_sheet import Growing, estimator

logger = logging.getLogger("mcdm")

VAE = io.Vae.Input("vae", optional=True, tooltip="Turns the latents into pictures for the sheet. "
                                                 "Pixel experts need none.")
OUTPUTS = [
    io.Image.Output(display_name="sheet",
                    tooltip="The labelled sheet. A batch of latents gives one sheet per picture."),
    io.Image.Output(display_name="images", tooltip="All pictures, row by row of the sheet."),
    io.Latent.Output(display_name="latents", tooltip="The same pictures, as latents."),
]
HIDDEN = [io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id]       # written into the files that are kept


class Titles(NamedTuple):
    """The words on a sheet: a title for each row and column; what the rows (down) and columns (across) are."""
    rows: list[str]
    columns: list[str]
    down: str = ""
    across: str = ""


class Grid:
    """The pictures so far: cells[r][c] is [pictures of the batch, H, W, C] in [0, 1], None where nothing is (yet)."""

    def __init__(self, titles: Titles) -> None:
        self.titles = titles
        self.cells: list[list[torch.Tensor | None]] = [[None] * len(titles.columns) for _ in titles.rows]

    def pictures(self) -> list[torch.Tensor]:
        """The cells that are finished, row by row."""
        return [cell for row in self.cells for cell in row if cell is not None]

    def page(self, number: int = 0) -> Image.Image:
        """The sheet of one picture of the batch."""
        titles, cells = self.titles, []
        for row in self.cells:
            cells.append([None if cell is None else cell[number] for cell in row])
        return sheets.sheet(titles.rows, titles.columns, cells, titles.down, titles.across)

    def pages(self) -> torch.Tensor:
        """The sheets of all pictures of the batch as IMAGE, [pictures, H, W, 3]."""
        return torch.cat([sheets.image(self.page(i)) for i in range(len(self.pictures()[0]))])


def sample_grid(
    node: type[io.ComfyNode],
    name: str,
    mixtures: Sequence[Sequence[Mixture | None]],
    titles: Titles,
    settings: dict[str, Any],
    vae: Any,
    clip_denoised: bool,
    shared: dict[Any, Any] | None = None,
) -> io.NodeOutput:
    """Samples rows of mixtures, or of None, from one noise: the outputs of OUTPUTS, and what the page shows.

    settings: the sampler's inputs, as `sample` takes them. shared: see Asking in mcdm/host/experts/asking.py.
    A run that breaks leaves the sheet so far in the output folder, NAME_so_far.
    """
    lead = next(mixture for row in mixtures for mixture in row if mixture is not None).experts[0]
    decode = decoder(lead.model, vae)
    runs = _guiders(mixtures, clip_denoised, shared)
    grid, steps = Grid(titles), settings["steps"]
    latents: list[torch.Tensor] = []
    bar = comfy.utils.ProgressBar(len(runs) * steps)
    growing, estimate = Growing(node, lambda: sheets.image(grid.page())), estimator(lead.model, decode)

    def after_step(step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> None:
        bar.update_absolute(steps * len(latents) + round(steps * (step + 1) / total))
        if growing.due and estimate is not None:
            run = runs[len(latents)]
            grid.cells[run.row][run.column] = estimate(x0)
            growing.show()
            grid.cells[run.row][run.column] = None
    try:
        for run in runs:
            latent, _ = sample(run.guider, **settings, callback=after_step)
            latents.append(latent["samples"])
            grid.cells[run.row][run.column] = decode(latent["samples"])
            bar.update_absolute(steps * len(latents))
            if growing.due:
                growing.show()
    except BaseException:       # an interrupt may be one
        if grid.pictures():
            _keep(node, name, grid, f"{len(latents)} of {len(runs)}")
        raise
    pages = grid.pages()
    images = torch.cat(grid.pictures())
    return io.NodeOutput(pages, images, {"samples": torch.cat(latents)}, ui=ui.PreviewImage(pages, cls=node))


class _Run(NamedTuple):
    """A cell that is sampled."""
    row: int
    column: int
    guider: MixtureGuider


def _guiders(
    mixtures: Sequence[Sequence[Mixture | None]], clip_denoised: bool, shared: dict[Any, Any] | None,
) -> list[_Run]:
    """The guiders of all cells that have a mixture: all are checked before the first is sampled."""
    runs = []
    for r, row in enumerate(mixtures):
        for c, mixture in enumerate(row):
            if mixture is not None:
                runs.append(_Run(r, c, MixtureGuider(mixture, clip_denoised, Watch(shared=shared))))
    return runs


def decoder(model: Any, vae: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from latents to pictures [N, H, W, C] in [0, 1]. Raises ValueError where it would need a VAE."""
    def by_vae(samples: torch.Tensor) -> torch.Tensor:
        pictures = vae.decode(samples)
        return pictures.reshape(-1, *pictures.shape[-3:])

    def as_they_are(samples: torch.Tensor) -> torch.Tensor:
        return ((samples + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)
    if vae is not None:
        return by_vae
    if is_pixel(model):
        return as_they_are
    space = type(model.get_model_object("latent_format")).__name__
    raise ValueError(f"The sheet needs pictures, and the latent space {space} needs a VAE for that; "
                     "connect the VAE of these models.")


def _keep(node: type[io.ComfyNode], name: str, grid: Grid, finished: str) -> None:
    """Writes the sheet of a run that broke, and shows it in the node. No failure here hides why the run broke."""
    try:
        saved = ui.ImageSaveHelper.get_save_images_ui(grid.pages(), f"mcdm/{name}_so_far", cls=node).as_dict()
        logger.info(f"MCDM: {finished} pictures were finished; "
                    f"the sheet so far is output/mcdm/{saved['images'][0]['filename']}.")
        _show(saved)
    except Exception as error:
        logger.warning(f"MCDM: the sheet so far could not be kept: {error}")


def _show(output: dict[str, Any]) -> None:
    """Shows pictures in the node that is running, where a page has queued it."""
    from server import PromptServer
    context, host = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or host is None:
        return
    shown = {"node": context.node_id, "display_node": context.node_id, "output": output, "prompt_id": context.prompt_id}
    host.send_sync("executed", shown, host.client_id)
