"""An empty latent to start from."""
from __future__ import annotations

import comfy.model_management
import torch
from comfy_api.latest import io

from ..mcdm.host.models import cells, latent_format
from ..mcdm.host.spaces.groups import groups_of
from ..mcdm.host.spaces.several import SeveralSpaces
from ..mcdm.mixture import Mixture
from .common import CATEGORY, MixtureWire, search_aliases


class EmptyExpertLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmptyExpertLatent", display_name="Empty Expert Latent", category=CATEGORY,
            **search_aliases("empty latent", "blank"),
            description="An empty latent in the latent space of a mixture.",
            inputs=[
                MixtureWire.Input("mixture", tooltip="Determines the latent space."),
                io.Int.Input("width", default=64, min=1, max=16384,
                             tooltip="Width of the picture in pixels; the embedded experts draw 64 x 64, "
                                     "faces_text_128 draws 128 x 128."),
                io.Int.Input("height", default=64, min=1, max=16384, tooltip="Height of the picture in pixels."),
                io.Int.Input("batch_size", optional=True, default=1, min=1, max=4096, tooltip="How many pictures."),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="For the sampler.")],
        )

    @classmethod
    def execute(cls, mixture: Mixture, width: int = 64, height: int = 64, batch_size: int = 1) -> io.NodeOutput:
        space = latent_format(mixture.experts[0].model)
        if space.latent_dimensions != 2:
            raise ValueError(f"{type(space).__name__} is a latent space for video or sound; "
                             "use the stock node for its empty latent, such as EmptyHunyuanLatentVideo.")
        cell = cells(space)
        if width % cell or height % cell:
            raise ValueError(f"Width and height must be multiples of {cell} in the latent space "
                             f"{type(space).__name__}, not {width} x {height}.")
        rows, columns = height // cell, width // cell
        groups = groups_of(mixture.experts, mixture.mixed_spaces)
        if len(groups) > 1:
            shape = batch_size, space.latent_channels, rows, columns
            SeveralSpaces(mixture.experts, groups, shape)       # raises early
        for expert in (mixture.experts[i] for i in groups[0].members):
            size = getattr(expert.model.model, "fixed_size", None)
            if size is not None and (rows, columns) != tuple(size):
                raise ValueError(f"Expert '{expert.name}' draws only {size[1] * cell} x {size[0] * cell}, not {width} "
                                 f"x {height}.")
        device = comfy.model_management.intermediate_device()
        return io.NodeOutput({"samples": torch.zeros(batch_size, space.latent_channels, rows, columns, device=device)})
