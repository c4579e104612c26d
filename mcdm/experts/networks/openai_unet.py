"""The U-Net of guided-diffusion, GLIDE and Unite and Conquer: one network, its differences in a table.

Module names are those of the references (openai/guided-diffusion unet.py, openai/glide-text2im unet.py,
Nithin-GK/UniteandConquer face_utils/unet.py), so that the keys of checkpoints and weight patches fit as they are.
It is for evaluation: no dropout, no gradient checkpointing.
"""
from __future__ import annotations

from typing import Any

import torch
from comfy.ldm.modules.diffusionmodules.util import timestep_embedding
from torch import Tensor, nn
from torch.nn import functional as F

from .openai_layers import GROUPS, Attention, Block, Downsample, ResBlock, Resize, Signals, Upsample
from .openai_table import Table
from .variance import mean_and_variance

CHANNELS = 3  # of a picture


class UNet(nn.Module):
    """[B, in_channels, H, W] -> [B, out_channels, H, W] at any H and W that halve once per level.

    ops: the host's layers. dtype: of the weights. Families derive from it and say in `forward` what they are given.
    """

    def __init__(self, table: Table, ops: Any, dtype: torch.dtype | None = None, **kw: Any) -> None:
        super().__init__()
        self.table, self.dtype = table, dtype
        kw["dtype"] = dtype
        c_emb, coarsest = 4 * table.model_channels, len(table.widths) - 1
        self.time_embed = nn.Sequential(
            ops.Linear(table.model_channels, c_emb, **kw),
            nn.SiLU(),
            ops.Linear(c_emb, c_emb, **kw),
        )
        if table.classes:
            self.label_emb = ops.Embedding(table.classes, c_emb, **kw)

        c = table.widths[0]
        self.input_blocks = nn.ModuleList([Block([ops.Conv2d(table.in_channels, c, 3, padding=1, **kw)])])
        skips = [c]
        for level, width in enumerate(table.widths):
            for _ in range(table.depth):
                self.input_blocks.append(_block(table, c, width, level, ops, **kw))
                c = width
                skips.append(c)
            if level < coarsest:
                self.input_blocks.append(Block([_resampler(table, c, "down", ops, **kw)]))
                skips.append(c)

        self.middle_block = Block([
            ResBlock(table, c, c, ops, **kw),
            Attention(table, c, ops, **kw),
            ResBlock(table, c, c, ops, **kw),
        ])

        self.output_blocks = nn.ModuleList()
        for level, width in reversed(list(enumerate(table.widths))):
            for i in range(table.depth + 1):
                block = _block(table, c + skips.pop(), width, level, ops, **kw)
                c = width
                if level and i == table.depth:
                    block.append(_resampler(table, c, "up", ops, **kw))
                self.output_blocks.append(block)
        self.out = nn.Sequential(
            ops.GroupNorm(GROUPS, c, **kw),
            nn.SiLU(),
            ops.Conv2d(c, table.out_channels, 3, padding=1, **kw),
        )

    def embed(self, timesteps: Tensor, dtype: torch.dtype) -> Tensor:
        """[B] -> [B, 4 * model_channels]. The sinusoids are float32: half precision cannot tell steps apart."""
        return self.time_embed(timestep_embedding(timesteps, self.table.model_channels).to(dtype))

    def run(self, x: Tensor, signals: Signals) -> Tensor:
        """The prediction [B, 3, H, W] for an input [B, in_channels, H, W]; a learned variance goes to signals.options.

        Raises ValueError for a size that cannot be halved often enough.
        """
        cell = 2 ** (len(self.table.widths) - 1)
        if x.shape[-1] % cell or x.shape[-2] % cell:
            raise ValueError(f"This expert draws sizes that are multiples of {cell}, "
                             f"not {x.shape[-1]} x {x.shape[-2]}; choose another width and height.")
        stem, *down = self.input_blocks
        h = next(stem.children())(x)
        skips = [h]
        for block in down:
            h = block(h, signals)
            skips.append(h)
        h = self.middle_block(h, signals)
        for block in self.output_blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), signals)
        return mean_and_variance(self.out(h), CHANNELS, signals.options)


def _block(table: Table, c_in: int, c_out: int, level: int, ops: Any, **kw: Any) -> Block:
    """A residual block, with attention where the level has one."""
    block = Block([ResBlock(table, c_in, c_out, ops, **kw)])
    if table.attention[level]:
        block.append(Attention(table, c_out, ops, **kw))
    return block


def _resampler(table: Table, channels: int, direction: str, ops: Any, **kw: Any) -> nn.Module:
    """What lies between two levels. direction: "down" or "up"."""
    if table.resample == "resblock":
        return ResBlock(table, channels, channels, ops, direction, **kw)
    if table.resample == "pool":
        return Resize(direction)
    return Downsample(channels, ops, **kw) if direction == "down" else Upsample(channels, ops, **kw)


def beside(x: Tensor, low_res: Tensor) -> Tensor:
    """[B, C, H, W] with a picture [B, 3, h, w], bilinear at the size of x, as further channels."""
    picture = F.interpolate(low_res.to(x), x.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([x, picture], dim=1)
