"""diffusers' UNet2DModel in pixel space (DDPM, Ho et al. 2020, arXiv:2006.11239), under the keys of diffusers."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .timesteps import shifted_timestep_embedding
from .unet2d_layers import DownLevel, Middle, Settings, UpLevel
from .variance import mean_and_variance


class UNet2D(nn.Module):
    """[B, channels, H, W] -> the same; H and W are multiples of 2^(levels - 1). ops: the host's layers."""

    def __init__(self, settings: Settings, ops: Any = None, **kw: Any) -> None:
        super().__init__()
        self.settings = settings
        widths = settings.widths
        first = widths[0]
        last = len(widths) - 1
        self.conv_in = ops.Conv2d(settings.channels, first, 3, padding=1, **kw)
        self.time_embedding = nn.ModuleDict({
            "linear_1": ops.Linear(first, settings.emb, **kw),
            "linear_2": ops.Linear(settings.emb, settings.emb, **kw),
        })
        self.class_embedding = ops.Embedding(settings.classes, settings.emb, **kw) if settings.classes else None

        self.down_blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            inputs = [widths[max(i - 1, 0)]] + [width] * (settings.layers - 1)
            self.down_blocks.append(DownLevel(inputs, width, settings.down[i], settings, ops, last=i == last, **kw))
        self.mid_block = Middle(widths[-1], settings, ops, **kw) if settings.middle else None
        self.up_blocks = nn.ModuleList()
        coarse = widths[::-1]
        for i, width in enumerate(coarse):
            below = [coarse[max(i - 1, 0)]] + [width] * settings.layers
            skips = [width] * settings.layers + [coarse[min(i + 1, last)]]
            inputs = [a + b for a, b in zip(below, skips, strict=True)]
            self.up_blocks.append(UpLevel(inputs, width, settings.up[i], settings, ops, last=i == last, **kw))

        self.conv_norm_out = ops.GroupNorm(settings.groups, first, eps=settings.eps, **kw)
        self.conv_out = ops.Conv2d(first, settings.out_channels, 3, padding=1, **kw)

    def embed(self, timesteps: Tensor, dtype: torch.dtype) -> Tensor:
        """[B] -> [B, emb]; sines come first unless `flip` is set."""
        width = self.settings.widths[0]
        waves = shifted_timestep_embedding(timesteps, width, self.settings.freq_shift)
        if not self.settings.flip:
            waves = torch.cat(waves.chunk(2, dim=1)[::-1], dim=1)
        waves = F.pad(waves, (0, width % 2)).to(dtype)
        return self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](waves)))

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, y: Tensor | None = None,  # noqa: B006
                **kwargs: Any) -> Tensor:
        """timesteps: [B], 0 = least noise, fractions allowed. y: [B] class.

        Returns what the scheduler's prediction_type says. Raises ValueError for a size that cannot be halved enough.
        """
        multiple = 2 ** (len(self.down_blocks) - 1)
        if x.shape[2] % multiple or x.shape[3] % multiple:
            raise ValueError(f"This network draws sizes that are multiples of {multiple}, "
                             f"not {x.shape[3]} x {x.shape[2]}.")
        if self.settings.center:
            x = 2 * x - 1
        emb = self.embed(timesteps, x.dtype)
        if self.class_embedding is not None:
            emb = emb + self.class_embedding(y, out_dtype=x.dtype)
        h = self.conv_in(x)
        skips = [h]
        for level in self.down_blocks:
            h, kept = level(h, emb, transformer_options)
            skips += kept
        if self.mid_block is not None:
            h = self.mid_block(h, emb, transformer_options)
        for level in self.up_blocks:
            h = level(h, emb, transformer_options, skips)
        out = self.conv_out(F.silu(self.conv_norm_out(h)))
        return mean_and_variance(out, self.settings.channels, transformer_options)
