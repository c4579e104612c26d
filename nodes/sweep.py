"""One seed, many mixtures: a grid over reliabilities and weights on a labelled sheet."""
import logging
import math

import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io, ui
from comfy_execution.utils import get_executing_context

from ..mcdm.drawing import sheets
from ..mcdm.host import guider
from ..mcdm.host.models import is_pixel
from .common import CATEGORY, choice, search
from .sampling import check, sample, settings

KINDS = ("reliability", "weight")
VAE = io.Vae.Input("vae", optional=True, tooltip="Turns the latents into pictures for the sheet. Pixel experts need none.")
OUTPUTS = [
    io.Image.Output(display_name="sheet", tooltip="The labelled sheet; for a batch of latents one sheet for each picture of it."),
    io.Image.Output(display_name="images", tooltip="All pictures, row by row of the sheet."),
    io.Latent.Output(display_name="latents", tooltip="The same as latents."),
]


def draw(node, name, mixtures, titles, run, vae, clip_denoised, shared=None):
    """Samples a grid of mixtures (rows of Mixture or None) from one noise: (sheets, images, latents, what the page shows).

    titles: what sheets.sheet takes beside the cells. run: the sampler's inputs as a dictionary. shared: see MixtureGuider.
    A run that breaks leaves the sheet so far in the output folder, NAME_so_far.
    """
    lead = mixtures[0][0].experts[0].model
    decode = decoder(lead, vae)
    guiders = [[m and guider.MixtureGuider(m, clip_denoised) for m in row] for row in mixtures]       # all checked before the first is sampled
    count, steps = sum(g is not None for row in guiders for g in row), run["steps"]
    bar = comfy.utils.ProgressBar(count * steps)
    cells: list = [[None] * len(row) for row in mixtures]
    latents: list = []

    def after_step(step, x0, x, total):
        bar.update_absolute(steps * len(latents) + round(steps * (step + 1) / total))
    try:
        for r, row in enumerate(guiders):
            for c, fused in enumerate(row):
                if fused is None:
                    continue
                fused.shared = shared
                latents.append(sample(fused, **run, callback=after_step)[0])
                cells[r][c] = decode(latents[-1]["samples"])
                bar.update_absolute(steps * len(latents), preview=("JPEG", _page(cells, titles), latent_preview.MAX_PREVIEW_RESOLUTION))
    except BaseException:
        if any(c is not None for row in cells for c in row):
            _keep(node, name, _pages(cells, titles), f"{len(latents)} of {count}")
        raise
    pages = _pages(cells, titles)
    images = torch.cat([c for row in cells for c in row if c is not None])
    return io.NodeOutput(pages, images, {"samples": torch.cat([latent["samples"] for latent in latents])}, ui=ui.PreviewImage(pages, cls=node))


def decoder(model, vae):
    """What makes pictures [N, H, W, C] in [0, 1] of latents. Raises ValueError where a VAE is needed."""
    if vae is not None:
        return lambda samples: (lambda p: p.reshape(-1, *p.shape[-3:]))(vae.decode(samples))
    if is_pixel(model):
        return lambda samples: ((samples + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)
    raise ValueError(f"The sheet needs pictures, and the latent space {type(model.get_model_object('latent_format')).__name__} needs a VAE for that; "
                     "connect the VAE of these models.")


def _page(cells, titles, picture=0):
    return sheets.sheet(cells=[[None if c is None else c[picture] for c in row] for row in cells], **titles)


def _pages(cells, titles):
    """[pictures of the batch, H, W, 3]"""
    return torch.cat([sheets.image(_page(cells, titles, i)) for i in range(len(next(c for row in cells for c in row if c is not None)))])


def _keep(node, name, pages, share):
    """Writes the sheet of a run that broke, and shows it in the node. No failure here hides why the run broke."""
    try:
        from server import PromptServer
        saved = ui.ImageSaveHelper.get_save_images_ui(pages, f"mcdm/{name}_so_far", cls=node).as_dict()
        logging.info(f"MCDM: {share} pictures were finished; the sheet so far is output/mcdm/{saved['images'][0]['filename']}.")
        context, host = get_executing_context(), getattr(PromptServer, "instance", None)
        if context is not None and host is not None:
            host.send_sync("executed", {"node": context.node_id, "display_node": context.node_id, "output": saved, "prompt_id": context.prompt_id},
                           host.client_id)
    except Exception as error:
        logging.warning(f"MCDM: the sheet so far could not be kept: {error}")


def _axis(letter, what, options, default, expert, start, end):
    """The inputs of one axis."""
    return [
        io.Combo.Input(f"{letter}_vary", optional=True, options=list(options), default=default, tooltip=f"What changes {what}."),
        io.String.Input(f"{letter}_expert", optional=True, default=expert, tooltip="Whose: the expert's number in the mixture, or its name."),
        io.Float.Input(f"{letter}_from", optional=True, default=start, min=-1e9, max=1e9, step=0.05, round=False, tooltip="The first value."),
        io.Float.Input(f"{letter}_to", optional=True, default=end, min=-1e9, max=1e9, step=0.05, round=False, tooltip="The last value."),
        io.Int.Input(f"{letter}_cells", optional=True, default=3, min=1, max=100000, tooltip="How many values, evenly spaced."),
    ]


class ReliabilitySweep(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ReliabilitySweep", display_name="Reliability Sweep", category=CATEGORY, is_output_node=True,
            **search("XY plot", "grid", "contact sheet"),
            description="Samples a mixture over a grid, the reliability or the weight of an expert from one value to another, all from one noise, on a "
                        "labelled sheet. The other experts share the rest of the reliability in proportion to their own.",
            inputs=[
                *settings(),
                *_axis("x", "from left to right", KINDS, "reliability", "1", 0.0, 1.0),
                *_axis("y", "from top to bottom", ("nothing", *KINDS), "nothing", "1", 1.0, 3.0),
                io.Int.Input("max_cells", optional=True, default=64, min=1, max=100000,
                             tooltip="A larger grid is refused: every cell is a whole sampling run."),
                VAE,
            ],
            outputs=OUTPUTS, hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, sampler_name, scheduler, x_vary="reliability", x_cells=3, y_vary="nothing", y_cells=3, max_cells=64):
        checks = [check(sampler_name, scheduler), choice(x_vary, KINDS, "x_vary"), choice(y_vary, ("nothing", *KINDS), "y_vary")]
        if None not in (x_cells, y_vary, y_cells, max_cells):           # None comes from a wire, and is checked when it runs
            columns, rows = x_cells, 1 if y_vary == "nothing" else y_cells
            if min(columns, rows) < 1:
                checks.append(f"A sweep needs at least one cell, not {columns} x {rows}.")
            elif columns * rows > max_cells:
                checks.append(f"A sweep of {columns} x {rows} cells would be {columns * rows} sampling runs, and max_cells is {max_cells}; "
                              "ask for fewer cells, or raise max_cells.")
        return next((c for c in checks if c is not True), True)

    @classmethod
    def execute(cls, mixture, seed, steps, sampler_name, scheduler, denoise=1.0, latent_image=None, clip_denoised=False, x_vary="reliability", x_expert="1",
                x_from=0.0, x_to=1.0, x_cells=3, y_vary="nothing", y_expert="1", y_from=1.0, y_to=3.0, y_cells=3, max_cells=64, vae=None) -> io.NodeOutput:
        checked = cls.validate_inputs(sampler_name, scheduler, x_vary, x_cells, y_vary, y_cells, max_cells)
        if checked is not True:
            raise ValueError(checked)
        axes = [_values(mixture, x_vary, x_expert, x_from, x_to, x_cells)]
        if y_vary != "nothing":
            axes.append(_values(mixture, y_vary, y_expert, y_from, y_to, y_cells))
            if axes[0][:2] == axes[1][:2]:
                raise ValueError(f"Both axes vary the {x_vary} of expert '{mixture.experts[axes[0][1]].name}'; choose another expert or quantity for one.")
            if x_vary == y_vary == "reliability" and len(mixture.experts) == 2:
                raise ValueError("Of two experts the reliability of one decides that of the other; vary a weight on the second axis.")
        (_, column, across), (_, row, down) = axes[0], axes[1] if len(axes) > 1 else ("nothing", 0, [math.nan])
        mixtures = []
        for y in down:
            changes = [[(x_vary, column, x), (y_vary, row, y)] for x in across]
            mixtures.append([mixture.varied(*({i: v for kind, i, v in c if kind == k} for k in ("weight", "reliability"))) for c in changes])
        if not any(m for line in mixtures for m in line):
            raise ValueError("The reliabilities of the two axes are more than 1 together in every cell; start lower.")
        names = sheets.labels([e.name for e in mixture.experts])
        titles = {"columns": [f"{x:g}" for x in across], "across": f"{x_vary} of {names[column]}", "rows": [f"{y:g}" for y in down] if len(axes) > 1 else [""],
                  "down": f"{y_vary} of {names[row]}" if len(axes) > 1 else ""}
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise, "latent_image": latent_image}
        return draw(cls, "sweep", mixtures, titles, run, vae, clip_denoised, shared={})


def _values(mixture, kind, expert, start, end, count):
    """One axis as (kind, index of the expert, values). Raises ValueError for an unknown expert or a reliability outside [0, 1]."""
    names = [e.name for e in mixture.experts]
    word = str(expert).strip()
    found = [int(word) - 1] if word.isascii() and word.isdecimal() else [i for i, name in enumerate(names) if name.lower() == word.lower()]
    if len(found) != 1 or not 0 <= found[0] < len(names):
        known = ", ".join(f"{i} '{name}'" for i, name in enumerate(names, 1))
        raise ValueError(f"'{word}' {'names several experts' if len(found) > 1 else 'is no expert'} of this mixture; give the number or name of one: {known}.")
    if not all(math.isfinite(v) and (kind == "weight" or 0 <= v <= 1) for v in (start, end)):
        raise ValueError(f"The {kind} must go from one {'finite number' if kind == 'weight' else 'number from 0 to 1'} to another, not from {start} to {end}.")
    if kind == "reliability" and len(names) == 1:
        raise ValueError(f"'{names[0]}' is the only expert, its reliability is always 1; add a second expert, or vary the weight.")
    return kind, found[0], [round(start + (end - start) * i / max(count - 1, 1), 12) for i in range(count)]
