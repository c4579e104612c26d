"""The layers of diffusers' UNet2DModel, under its keys."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn
from torch.nn import functional as F

Function = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Function] = {"silu": F.silu, "swish": F.silu, "mish": F.mish, "gelu": F.gelu, "relu": F.relu}

enlarge = partial(F.interpolate, scale_factor=2.0, mode="nearest")
shrink = partial(F.avg_pool2d, kernel_size=2, stride=2)


class Settings(NamedTuple):
    """The network's config.json, in the words of this file. Widths, down and up: one entry per level.

    widths: channels, the finest level first. down, up: whether a level has attention, in the order of evaluation.
    middle: whether there is a middle block. attention: whether that has one. groups, middle_groups: of the group
    norms, 0 = no norm. head_dim: channels of an attention head, None = one head over all. rescale: by which the
    middle block divides. emb: channels of the embedding of time. classes: 0 = unconditional.
    """
    widths: list[int]
    down: list[bool]
    up: list[bool]
    middle: bool
    layers: int
    channels: int
    out_channels: int
    groups: int
    middle_groups: int
    eps: float
    activation: str
    scale_shift: bool
    attention: bool
    head_dim: int | None
    rescale: float
    padding: int
    downsample: str
    upsample: str
    flip: bool
    freq_shift: float
    center: bool
    emb: int
    classes: int


class ResnetBlock(nn.Module):
    """[B, c_in, H, W] -> [B, c_out, H, W]. resize: applied to both branches before the first convolution."""

    def __init__(self, c_in: int, c_out: int, settings: Settings, ops: Any, resize: Function | None = None,
                 rescale: float = 1.0, **kw: Any) -> None:
        super().__init__()
        self.activation, self.scale_shift = ACTIVATIONS[settings.activation], settings.scale_shift
        self.resize, self.rescale = resize, rescale
        self.norm1 = ops.GroupNorm(settings.groups, c_in, eps=settings.eps, **kw)
        self.conv1 = ops.Conv2d(c_in, c_out, 3, padding=1, **kw)
        self.time_emb_proj = ops.Linear(settings.emb, 2 * c_out if settings.scale_shift else c_out, **kw)
        self.norm2 = ops.GroupNorm(settings.groups, c_out, eps=settings.eps, **kw)
        self.conv2 = ops.Conv2d(c_out, c_out, 3, padding=1, **kw)
        self.conv_shortcut = ops.Conv2d(c_in, c_out, 1, **kw) if c_in != c_out else None

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.activation(self.norm1(x))
        if self.resize:
            x, h = self.resize(x), self.resize(h)
        h = self.conv1(h)
        emb = self.time_emb_proj(self.activation(emb))[:, :, None, None]
        if self.scale_shift:
            scale, shift = emb.chunk(2, dim=1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h + emb)
        h = self.conv2(self.activation(h))
        shortcut = self.conv_shortcut(x) if self.conv_shortcut else x
        return (shortcut + h) / self.rescale


class Attention(nn.Module):
    """Self-attention over the pixels of [B, channels, H, W]. groups: of its norm, 0 = no norm."""

    def __init__(self, channels: int, settings: Settings, groups: int, ops: Any, rescale: float = 1.0,
                 **kw: Any) -> None:
        super().__init__()
        head_dim = settings.head_dim or channels
        self.heads, self.rescale = channels // head_dim, rescale
        inner = self.heads * head_dim
        self.group_norm = ops.GroupNorm(groups, channels, eps=settings.eps, **kw) if groups else None
        self.to_q = ops.Linear(channels, inner, **kw)
        self.to_k = ops.Linear(channels, inner, **kw)
        self.to_v = ops.Linear(channels, inner, **kw)
        self.to_out = nn.ModuleList([ops.Linear(inner, channels, **kw)])

    def forward(self, x: Tensor, transformer_options: dict[str, Any]) -> Tensor:
        normed = self.group_norm(x) if self.group_norm else x
        h = normed.flatten(2).transpose(1, 2)  # [B, HW, C]
        h = optimized_attention(self.to_q(h), self.to_k(h), self.to_v(h), heads=self.heads,
                                transformer_options=transformer_options)
        return (x + self.to_out[0](h).transpose(1, 2).reshape(x.shape)) / self.rescale


class Downsample(nn.Module):
    """[B, C, H, W] -> [B, C, H/2, W/2]. padding 0 = one row and column at the right and bottom, as diffusers does."""

    def __init__(self, channels: int, settings: Settings, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.corner = settings.padding == 0
        self.conv = ops.Conv2d(channels, channels, 3, stride=2, padding=settings.padding, **kw)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.corner else x)


class Upsample(nn.Module):
    """[B, C, H, W] -> [B, C, 2 H, 2 W]."""

    def __init__(self, channels: int, settings: Settings, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.conv = ops.Conv2d(channels, channels, 3, padding=1, **kw)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.conv(enlarge(x))


class Level(nn.Module):
    """The residual blocks of one resolution and their attentions; `inputs`: the channels that each block is given."""

    def __init__(self, inputs: list[int], width: int, attention: bool, settings: Settings, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(c, width, settings, ops, **kw) for c in inputs)
        self.attentions = nn.ModuleList()
        if attention:
            self.attentions.extend(Attention(width, settings, settings.groups, ops, **kw) for _ in inputs)

    def layer(self, i: int, h: Tensor, emb: Tensor, transformer_options: dict[str, Any]) -> Tensor:
        """The i-th block, with its attention where there is one."""
        h = self.resnets[i](h, emb)
        return self.attentions[i](h, transformer_options) if self.attentions else h


class DownLevel(Level):
    """A level on the way down; all but the last halve the size."""

    def __init__(self, inputs: list[int], width: int, attention: bool, settings: Settings, ops: Any, last: bool,
                 **kw: Any) -> None:
        super().__init__(inputs, width, attention, settings, ops, **kw)
        self.downsamplers = nn.ModuleList()
        if not last and attention and settings.downsample == "resnet":
            self.downsamplers.append(ResnetBlock(width, width, settings, ops, resize=shrink, **kw))
        elif not last:
            self.downsamplers.append(Downsample(width, settings, ops, **kw))

    def forward(self, h: Tensor, emb: Tensor, transformer_options: dict[str, Any]) -> tuple[Tensor, list[Tensor]]:
        """(the features, all that the way up will need)."""
        kept = []
        for i in range(len(self.resnets)):
            h = self.layer(i, h, emb, transformer_options)
            kept.append(h)
        for sampler in self.downsamplers:
            h = sampler(h, emb)
            kept.append(h)
        return h, kept


class UpLevel(Level):
    """A level on the way up; all but the last double the size."""

    def __init__(self, inputs: list[int], width: int, attention: bool, settings: Settings, ops: Any, last: bool,
                 **kw: Any) -> None:
        super().__init__(inputs, width, attention, settings, ops, **kw)
        self.upsamplers = nn.ModuleList()
        if not last and attention and settings.upsample == "resnet":
            self.upsamplers.append(ResnetBlock(width, width, settings, ops, resize=enlarge, **kw))
        elif not last:
            self.upsamplers.append(Upsample(width, settings, ops, **kw))

    def forward(self, h: Tensor, emb: Tensor, transformer_options: dict[str, Any], skips: list[Tensor]) -> Tensor:
        """Takes one of `skips` from its end for each block."""
        for i in range(len(self.resnets)):
            h = self.layer(i, torch.cat([h, skips.pop()], dim=1), emb, transformer_options)
        for sampler in self.upsamplers:
            h = sampler(h, emb)
        return h


class Middle(nn.Module):
    """Two residual blocks with an attention between them, [B, channels, H, W] at the coarsest level."""

    def __init__(self, channels: int, settings: Settings, ops: Any, **kw: Any) -> None:
        super().__init__()
        kw["rescale"] = settings.rescale
        self.resnets = nn.ModuleList(ResnetBlock(channels, channels, settings, ops, **kw) for _ in range(2))
        self.attentions = nn.ModuleList()
        if settings.attention:
            self.attentions.append(Attention(channels, settings, settings.middle_groups, ops, **kw))

    def forward(self, h: Tensor, emb: Tensor, transformer_options: dict[str, Any]) -> Tensor:
        h = self.resnets[0](h, emb)
        for attention in self.attentions:
            h = attention(h, transformer_options)
        return self.resnets[1](h, emb)
