"""The networks of openai/guided-diffusion (Dhariwal and Nichol 2021, arXiv:2105.05233)."""
from __future__ import annotations

from typing import Any

from torch import Tensor

from .openai_layers import Signals
from .openai_unet import UNet, beside


class ADM(UNet):
    """Class-conditional, unconditional, or an upsampler, as the table says."""

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, y: Tensor | None = None,  # noqa: B006
                low_res: Tensor | None = None, **kwargs: Any) -> Tensor:
        """x: [B, 3, H, W]. timesteps: [B], 0 = least noise, fractions allowed. Returns the predicted noise.

        y: [B] class. low_res: [B, 3, h, w] in [-1, 1], the picture that an upsampler enlarges.
        """
        emb = self.embed(timesteps, x.dtype)
        if self.table.classes:
            emb = emb + self.label_emb(y, out_dtype=x.dtype)
        if low_res is not None:
            x = beside(x, low_res)
        return self.run(x, Signals(emb, transformer_options))
