"""The U-Net of guided-diffusion, GLIDE and Unite and Conquer: one network, its differences in a table.

Module names are those of the references (openai/guided-diffusion unet.py, openai/glide-text2im unet.py, Nithin-GK/UniteandConquer
face_utils/unet.py), so that keys of checkpoints and of weight patches fit as they are. For evaluation: no dropout, no checkpointing.
"""
import math
from typing import NamedTuple

import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import nn
from torch.nn import functional as F

from ..model import mean_and_variance
from .openai_table import Table

GROUPS, CHANNELS = 32, 3


class Signals(NamedTuple):
    """What a layer may look at besides the image."""
    emb: torch.Tensor                           # [B, 4 * model_channels]
    options: dict                               # the host's transformer_options
    text: torch.Tensor | None = None            # [B, text_width, L]
    vector: torch.Tensor | None = None          # [B, vector_width]
    twice: torch.Tensor | None = None           # [B, 1, 1, 1] bool: rows that are normalised a second time, by the vector


class ResBlock(nn.Module):
    """resize: None, "down" or "up", of both branches."""

    def __init__(self, table, c_in, c_out, ops, resize=None, **kw):
        super().__init__()
        self.resize, self.scale_shift = resize, table.scale_shift
        films = c_out * (2 if table.scale_shift else 1)
        self.in_layers = nn.Sequential(ops.GroupNorm(GROUPS, c_in, **kw), nn.SiLU(), ops.Conv2d(c_in, c_out, 3, padding=1, **kw))
        self.emb_layers = nn.Sequential(nn.SiLU(), ops.Linear(4 * table.model_channels, films, **kw))
        if table.vector_width:
            self.cond_emb_layers = nn.Sequential(nn.SiLU(), ops.Linear(table.vector_width, films, **kw))
        self.out_layers = nn.Sequential(ops.GroupNorm(GROUPS, c_out, **kw), nn.SiLU(), nn.Identity(), ops.Conv2d(c_out, c_out, 3, padding=1, **kw))
        self.skip_connection = nn.Identity() if c_in == c_out else ops.Conv2d(c_in, c_out, 1, **kw)

    def forward(self, x, signals):
        norm, act, conv = self.in_layers
        h = act(norm(x))
        if self.resize:
            h, x = _resize(h, self.resize), _resize(x, self.resize)
        h = self._modulate(conv(h), self.emb_layers(signals.emb))
        if signals.twice is not None:           # section 7.3: adaptive group norm by the vector, with the same norm again
            again = self._modulate(h, self.cond_emb_layers(signals.vector))
            h = torch.where(signals.twice, again, h)
        if not self.scale_shift:
            h = self.out_layers[0](h)
        return self.skip_connection(x) + self.out_layers[1:](h)

    def _modulate(self, h, film):
        film = film[:, :, None, None]
        if not self.scale_shift:
            return h + film
        scale, shift = film.chunk(2, dim=1)
        return self.out_layers[0](h) * (1 + scale) + shift


class Attention(nn.Module):
    """Self-attention over the pixels; keys and values of the text, where there is one, stand before theirs.

    Old order: heads are split first, then q, k and v; new order: q, k and v first. The shapes do not tell which.
    """

    def __init__(self, table, channels, ops, **kw):
        super().__init__()
        self.heads, self.new_order = table.heads(channels), table.new_attention_order
        self.norm = ops.GroupNorm(GROUPS, channels, **kw)
        self.qkv = ops.Conv1d(channels, 3 * channels, 1, **kw)
        if table.text_width:
            self.encoder_kv = ops.Conv1d(table.text_width, 2 * channels, 1, **kw)
        self.proj_out = ops.Conv1d(channels, channels, 1, **kw)

    def forward(self, x, signals):
        q, k, v = self._split(self.qkv(self.norm(x).flatten(2)), 3)                # [B, heads, HW, C/heads] each
        if signals.text is not None:
            k_text, v_text = self._split(self.encoder_kv(signals.text), 2)
            k, v = torch.cat([k_text, k], dim=2), torch.cat([v_text, v], dim=2)
        h = optimized_attention(q, k, v, self.heads, skip_reshape=True, transformer_options=signals.options)      # [B, HW, C]
        return x + self.proj_out(h.transpose(1, 2)).view_as(x)

    def _split(self, h, parts):
        h = h.unflatten(1, (parts, self.heads, -1)).transpose(1, 2) if self.new_order else h.unflatten(1, (self.heads, parts, -1))
        return h.transpose(-1, -2).unbind(2)                                        # of [B, heads, parts, L, C/heads]


class Downsample(nn.Module):
    def __init__(self, channels, ops, **kw):
        super().__init__()
        self.op = ops.Conv2d(channels, channels, 3, stride=2, padding=1, **kw)

    def forward(self, x, signals):
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, channels, ops, **kw):
        super().__init__()
        self.conv = ops.Conv2d(channels, channels, 3, padding=1, **kw)

    def forward(self, x, signals):
        return self.conv(_resize(x, "up"))


class Resize(nn.Module):
    def __init__(self, direction):
        super().__init__()
        self.direction = direction

    def forward(self, x, signals):
        return _resize(x, self.direction)


class Block(nn.ModuleList):
    """An entry of input_blocks, middle_block or output_blocks."""

    def forward(self, x, signals):
        for layer in self:
            x = layer(x, signals)
        return x


def _resize(x, direction):
    return F.interpolate(x, scale_factor=2, mode="nearest") if direction == "up" else F.avg_pool2d(x, 2)


def timestep_embedding(timesteps, width):
    """[B] -> [B, width], cos then sin. In float32 whatever the network computes in: half precision cannot tell steps apart."""
    half = width // 2
    freqs = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=timesteps.device) / half)
    angles = timesteps.float()[:, None] * freqs
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class UNet(nn.Module):
    """[B, in_channels, H, W] -> [B, out_channels, H, W] at any H and W that halve once a level. dtype: of the weights."""

    def __init__(self, table: Table, ops, dtype=None, **kw):
        super().__init__()
        self.table, self.dtype = table, dtype
        kw["dtype"] = dtype
        c_emb, coarsest = 4 * table.model_channels, len(table.widths) - 1
        self.time_embed = nn.Sequential(ops.Linear(table.model_channels, c_emb, **kw), nn.SiLU(), ops.Linear(c_emb, c_emb, **kw))
        if table.classes:
            self.label_emb = ops.Embedding(table.classes, c_emb, **kw)

        def block(c_in, c_out, level):
            layers = [ResBlock(table, c_in, c_out, ops, **kw)]
            return Block([*layers, Attention(table, c_out, ops, **kw)] if table.attention[level] else layers)

        def resampler(c, direction):
            if table.resample == "resblock":
                return ResBlock(table, c, c, ops, resize=direction, **kw)
            if table.resample == "conv":
                return (Downsample if direction == "down" else Upsample)(c, ops, **kw)
            return Resize(direction)

        c = table.widths[0]
        self.input_blocks = nn.ModuleList([Block([ops.Conv2d(table.in_channels, c, 3, padding=1, **kw)])])
        skips = [c]
        for level, width in enumerate(table.widths):
            for _ in range(table.depth):
                self.input_blocks.append(block(c, width, level))
                c = width
                skips.append(c)
            if level < coarsest:
                self.input_blocks.append(Block([resampler(c, "down")]))
                skips.append(c)
        self.middle_block = Block([ResBlock(table, c, c, ops, **kw), Attention(table, c, ops, **kw), ResBlock(table, c, c, ops, **kw)])
        self.output_blocks = nn.ModuleList()
        for level, width in reversed(list(enumerate(table.widths))):
            for i in range(table.depth + 1):
                entry = block(c + skips.pop(), width, level)
                c = width
                if level and i == table.depth:
                    entry.append(resampler(c, "up"))
                self.output_blocks.append(entry)
        self.out = nn.Sequential(ops.GroupNorm(GROUPS, c, **kw), nn.SiLU(), ops.Conv2d(c, table.out_channels, 3, padding=1, **kw))

    def embed(self, timesteps, dtype):
        return self.time_embed(timestep_embedding(timesteps, self.table.model_channels).to(dtype))

    def run(self, x, signals):
        """The prediction [B, 3, H, W]; a learned variance goes to signals.options. Raises ValueError for a size that cannot be halved often enough."""
        cell = 2 ** (len(self.table.widths) - 1)
        if x.shape[-1] % cell or x.shape[-2] % cell:
            raise ValueError(f"This expert draws sizes that are multiples of {cell}, not {x.shape[-1]} x {x.shape[-2]}; choose another width and height.")
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


def beside(x, low_res):
    """x with the low-resolution picture, bilinear at its size, as further channels."""
    return torch.cat([x, F.interpolate(low_res.to(x), x.shape[-2:], mode="bilinear", align_corners=False)], dim=1)
