"""The face and sketch networks of Unite and Conquer (Nithin-GK/UniteandConquer, face_utils)."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .openai_layers import Signals
from .openai_table import Table
from .openai_unet import CHANNELS, UNet


class FaceUNet(UNet):
    """Maps of the face and the hair are three channels beside the picture; an image's embedding acts as a vector."""

    def __init__(self, table: Table, ops: Any, **kw: Any) -> None:
        super().__init__(table, ops, **kw)
        self.input_blocks_convert = ops.Conv2d(2 * CHANNELS, CHANNELS, 3, padding=1, **kw)

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, *, face_map: Tensor, hair_map: Tensor,  # noqa: B006
                image_embed: Tensor, twice: Tensor | None = None, **kwargs: Any) -> Tensor:
        """x, face_map, hair_map: [B, 3, H, W]. timesteps: [B]. image_embed: [B, 512], zero = none.

        twice: [B, 1], which rows are normalised a second time, by image_embed. None: the authors' rule, all rows of a
        batch that holds any embedding, by which a row depends on its neighbours. Returns the predicted noise.
        """
        if twice is None:
            twice = image_embed.float().sum().expand(len(x), 1)
        signals = Signals(self.embed(timesteps, x.dtype), transformer_options, vector=image_embed.to(x),
                          twice=(twice != 0)[:, :, None, None])
        maps = self.input_blocks_convert(torch.cat([face_map, hair_map], dim=1).to(x))
        return self.run(torch.cat([x, maps], dim=1), signals)


class SketchUNet(UNet):
    """A sketch is three channels beside the picture."""

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, *, sketch: Tensor, **kwargs: Any) -> Tensor:  # noqa: B006
        """x, sketch: [B, 3, H, W]. timesteps: [B]. Returns the predicted noise."""
        signals = Signals(self.embed(timesteps, x.dtype), transformer_options)
        return self.run(torch.cat([x, sketch.to(x)], dim=1), signals)
