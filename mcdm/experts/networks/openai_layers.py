"""The layers of the U-Net of guided-diffusion, GLIDE and Unite and Conquer, under the references' own names."""
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn
from torch.nn import functional as F

from .openai_table import Table

GROUPS = 32  # of the group norms


class Signals(NamedTuple):
    """What a layer may look at besides the image."""
    emb: Tensor                     # [B, 4 * model_channels], of time and class
    options: dict[str, Any]         # the host's transformer_options
    text: Tensor | None = None      # [B, text_width, L]
    vector: Tensor | None = None    # [B, vector_width]
    twice: Tensor | None = None     # [B, 1, 1, 1] bool: rows that are normalised a second time, by the vector


def resized(x: Tensor, direction: str) -> Tensor:
    """[B, C, H, W] at twice the size ("up") or half of it ("down")."""
    return F.interpolate(x, scale_factor=2, mode="nearest") if direction == "up" else F.avg_pool2d(x, 2)


class ResBlock(nn.Module):
    """[B, c_in, H, W] -> [B, c_out, H, W]. direction: "down" or "up" resizes both branches."""

    def __init__(self, table: Table, c_in: int, c_out: int, ops: Any, direction: str = "", **kw: Any) -> None:
        super().__init__()
        self.direction, self.scale_shift = direction, table.scale_shift
        films = 2 * c_out if table.scale_shift else c_out
        self.in_layers = nn.Sequential(
            ops.GroupNorm(GROUPS, c_in, **kw),
            nn.SiLU(),
            ops.Conv2d(c_in, c_out, 3, padding=1, **kw),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), ops.Linear(4 * table.model_channels, films, **kw))
        if table.vector_width:
            self.cond_emb_layers = nn.Sequential(nn.SiLU(), ops.Linear(table.vector_width, films, **kw))
        self.out_layers = nn.Sequential(
            ops.GroupNorm(GROUPS, c_out, **kw),
            nn.SiLU(),
            nn.Identity(),  # the references' dropout
            ops.Conv2d(c_out, c_out, 3, padding=1, **kw),
        )
        self.skip_connection = nn.Identity() if c_in == c_out else ops.Conv2d(c_in, c_out, 1, **kw)

    def forward(self, x: Tensor, signals: Signals) -> Tensor:
        norm, act, conv = self.in_layers
        h = act(norm(x))
        if self.direction:
            h, x = resized(h, self.direction), resized(x, self.direction)
        h = self._modulate(conv(h), self.emb_layers(signals.emb))
        if signals.twice is not None:  # section 7.3: adaptive group norm by the vector, with the same norm again
            again = self._modulate(h, self.cond_emb_layers(signals.vector))
            h = torch.where(signals.twice, again, h)
        if not self.scale_shift:
            h = self.out_layers[0](h)
        return self.skip_connection(x) + self.out_layers[1:](h)

    def _modulate(self, h: Tensor, film: Tensor) -> Tensor:
        """Features [B, C, H, W] under a signal [B, C or 2 C]."""
        film = film[:, :, None, None]
        if not self.scale_shift:
            return h + film
        scale, shift = film.chunk(2, dim=1)
        return self.out_layers[0](h) * (1 + scale) + shift


class Attention(nn.Module):
    """Self-attention over the pixels of [B, C, H, W]; keys and values of a text stand before theirs.

    The old order splits heads first, then q, k and v; the new order q, k and v first. The shapes do not tell which.
    """

    def __init__(self, table: Table, channels: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.heads, self.new_order = table.heads(channels), table.new_attention_order
        self.norm = ops.GroupNorm(GROUPS, channels, **kw)
        self.qkv = ops.Conv1d(channels, 3 * channels, 1, **kw)
        if table.text_width:
            self.encoder_kv = ops.Conv1d(table.text_width, 2 * channels, 1, **kw)
        self.proj_out = ops.Conv1d(channels, channels, 1, **kw)

    def forward(self, x: Tensor, signals: Signals) -> Tensor:
        q, k, v = self._split(self.qkv(self.norm(x).flatten(2)), 3)  # [B, heads, HW, C/heads] each
        if signals.text is not None:
            k_text, v_text = self._split(self.encoder_kv(signals.text), 2)
            k, v = torch.cat([k_text, k], dim=2), torch.cat([v_text, v], dim=2)
        h = optimized_attention(q, k, v, self.heads, skip_reshape=True, transformer_options=signals.options)
        return x + self.proj_out(h.transpose(1, 2)).view_as(x)  # h: [B, HW, C]

    def _split(self, h: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[B, parts * C, L] to `parts` parts [B, heads, L, C/heads]."""
        h = h.unflatten(1, (parts, self.heads, -1) if self.new_order else (self.heads, parts, -1))
        if self.new_order:
            h = h.transpose(1, 2)
        return h.transpose(-1, -2).unbind(2)  # of [B, heads, parts, L, C/heads]


class Downsample(nn.Module):
    """[B, C, H, W] -> [B, C, H/2, W/2] by a strided convolution."""

    def __init__(self, channels: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.op = ops.Conv2d(channels, channels, 3, stride=2, padding=1, **kw)

    def forward(self, x: Tensor, signals: Signals) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """[B, C, H, W] -> [B, C, 2 H, 2 W], then a convolution."""

    def __init__(self, channels: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.conv = ops.Conv2d(channels, channels, 3, padding=1, **kw)

    def forward(self, x: Tensor, signals: Signals) -> Tensor:
        return self.conv(resized(x, "up"))


class Resize(nn.Module):
    """Twice the size or half of it, without weights."""

    def __init__(self, direction: str) -> None:
        super().__init__()
        self.direction = direction

    def forward(self, x: Tensor, signals: Signals) -> Tensor:
        return resized(x, self.direction)


class Block(nn.ModuleList):
    """An entry of input_blocks, middle_block or output_blocks."""

    def forward(self, x: Tensor, signals: Signals) -> Tensor:
        for layer in self:
            x = layer(x, signals)
        return x
