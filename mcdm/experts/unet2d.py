"""diffusers' UNet2DModel in pixel space, such as google/ddpm-*: a folder with config.json, weights and scheduler_config.json.

Nothing is told by shapes: all is read from those files, with the defaults of diffusers' class. Keys are those of huggingface/diffusers.
"""
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import comfy.utils
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import nn
from torch.nn import functional as F

from .model import ExpertModel, Family, classes, dtypes, fill, mean_and_variance, operations
from .schedules import from_config

KEYS = {"conv_in.weight", "time_embedding.linear_1.weight", "down_blocks.0.resnets.0.norm1.weight", "up_blocks.0.resnets.0.norm1.weight",
        "conv_norm_out.weight"}
DEPRECATED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}          # attention saved before diffusers 0.13
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"silu": F.silu, "swish": F.silu, "mish": F.mish, "gelu": F.gelu, "relu": F.relu}
DOWN = {"DownBlock2D": False, "AttnDownBlock2D": True}          # whether with attention
UP = {"UpBlock2D": False, "AttnUpBlock2D": True}
KNOWN: dict = {}                                                # google/ddpm-* come with their configs


class Settings(NamedTuple):
    """config.json, read. head_dim: channels of an attention head, None = one head over all."""
    widths: list
    down: list
    up: list
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

    @classmethod
    def read(cls, config, keys):
        """keys: how many the state dict has; no network has more layers than that. Raises ValueError for what is not supported or cannot be."""
        widths = config.need("block_out_channels", list)
        if not (0 < len(widths) <= keys and all(type(w) is int and w > 0 for w in widths)):
            raise ValueError(f"its block_out_channels are {str(widths)[:60]}, but must be whole numbers")
        blocks = {}
        for key, known in (("down_block_types", DOWN), ("up_block_types", UP)):
            blocks[key] = config.need(key, list)
            if len(blocks[key]) != len(widths) or not all(isinstance(b, str) and b in known for b in blocks[key]):
                raise ValueError(f"its {key} are {str(blocks[key])[:90]}; supported are {' and '.join(known)}, one for each of block_out_channels")
        layers, groups = config.get("layers_per_block", 2), config.get("norm_num_groups", 32)
        head_dim = None if config.null("attention_head_dim") else config.get("attention_head_dim", 8)
        if not 0 < layers <= keys or groups < 1 or (head_dim is not None and head_dim < 1):
            raise ValueError(f"its layers_per_block {layers}, norm_num_groups {groups} or attention_head_dim {head_dim} is impossible")
        for key, default, supported in (("time_embedding_type", "positional", ("positional",)), ("act_fn", "silu", tuple(ACTIVATIONS)),
                                        ("downsample_type", "conv", ("conv", "resnet")), ("upsample_type", "conv", ("conv", "resnet")),
                                        ("mid_block_type", "UNetMidBlock2D", ("UNetMidBlock2D",)), ("class_embed_type", "none", ("none",)),
                                        ("resnet_time_scale_shift", "default", ("default", "scale_shift"))):
            if config.get(key, default) not in supported:
                raise ValueError(f"its {key} is {str(config[key])[:60]}; supported is {' or '.join(supported)}")
        scale_shift = config.get("resnet_time_scale_shift", "default") == "scale_shift"
        rescale = config.get("mid_block_scale_factor", 1.0)
        if not rescale:
            raise ValueError("its mid_block_scale_factor is 0, but it divides by it")
        return cls(
            widths, [DOWN[b] for b in blocks["down_block_types"]], [UP[b] for b in blocks["up_block_types"]], middle=not config.null("mid_block_type"),
            layers=layers, channels=config.get("in_channels", 3), out_channels=config.get("out_channels", 3), groups=groups,
            middle_groups=config.get("attn_norm_num_groups", 0 if scale_shift else groups), eps=config.get("norm_eps", 1e-5),
            activation=config.get("act_fn", "silu"), scale_shift=scale_shift, attention=config.get("add_attention", True), head_dim=head_dim,
            rescale=rescale, padding=config.get("downsample_padding", 1), downsample=config.get("downsample_type", "conv"),
            upsample=config.get("upsample_type", "conv"), flip=config.get("flip_sin_to_cos", True), freq_shift=config.get("freq_shift", 0.0),
            center=config.get("center_input_sample", False), emb=config.get("time_embedding_dim", 4 * widths[0]), classes=config.get("num_class_embeds", 0))


class ResnetBlock(nn.Module):
    """resize: what is done to both branches before the first convolution, None for nothing."""

    def __init__(self, c_in, c_out, settings, ops, resize=None, rescale=1.0, **kw):
        super().__init__()
        self.activation, self.scale_shift, self.resize, self.rescale = ACTIVATIONS[settings.activation], settings.scale_shift, resize, rescale
        self.norm1 = ops.GroupNorm(settings.groups, c_in, eps=settings.eps, **kw)
        self.conv1 = ops.Conv2d(c_in, c_out, 3, padding=1, **kw)
        self.time_emb_proj = ops.Linear(settings.emb, c_out * (2 if settings.scale_shift else 1), **kw)
        self.norm2 = ops.GroupNorm(settings.groups, c_out, eps=settings.eps, **kw)
        self.conv2 = ops.Conv2d(c_out, c_out, 3, padding=1, **kw)
        self.conv_shortcut = ops.Conv2d(c_in, c_out, 1, **kw) if c_in != c_out else None

    def forward(self, x, emb):
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
        return ((self.conv_shortcut(x) if self.conv_shortcut else x) + h) / self.rescale


class Attention(nn.Module):
    def __init__(self, channels, settings, groups, ops, rescale=1.0, **kw):
        super().__init__()
        head_dim = settings.head_dim or channels
        self.heads, self.rescale = channels // head_dim, rescale
        self.group_norm = ops.GroupNorm(groups, channels, eps=settings.eps, **kw) if groups else None
        self.to_q, self.to_k, self.to_v = (ops.Linear(channels, self.heads * head_dim, **kw) for _ in range(3))
        self.to_out = nn.ModuleList([ops.Linear(self.heads * head_dim, channels, **kw)])

    def forward(self, x, transformer_options):
        h = (self.group_norm(x) if self.group_norm else x).flatten(2).transpose(1, 2)                # [B, HW, C]
        h = optimized_attention(self.to_q(h), self.to_k(h), self.to_v(h), heads=self.heads, transformer_options=transformer_options)
        return (x + self.to_out[0](h).transpose(1, 2).reshape(x.shape)) / self.rescale


class Downsample(nn.Module):
    """padding 0 = one row and column at the right and bottom, as diffusers has it."""

    def __init__(self, channels, settings, ops, **kw):
        super().__init__()
        self.corner = settings.padding == 0
        self.conv = ops.Conv2d(channels, channels, 3, stride=2, padding=settings.padding, **kw)

    def forward(self, x, emb):
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.corner else x)


class Upsample(nn.Module):
    def __init__(self, channels, settings, ops, **kw):
        super().__init__()
        self.conv = ops.Conv2d(channels, channels, 3, padding=1, **kw)

    def forward(self, x, emb):
        return self.conv(enlarge(x))


enlarge = partial(F.interpolate, scale_factor=2.0, mode="nearest")
shrink = partial(F.avg_pool2d, kernel_size=2, stride=2)


class Level(nn.Module):
    """Residual blocks of one resolution, their attentions, and what leads to the next (samplers: "downsamplers" or "upsamplers")."""

    def __init__(self, inputs, width, attention, settings, ops, samplers, last, **kw):
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(c, width, settings, ops, **kw) for c in inputs)
        self.attentions = nn.ModuleList(Attention(width, settings, settings.groups, ops, **kw) for _ in inputs if attention)
        plain, resize, kind = (Downsample, shrink, settings.downsample) if samplers == "downsamplers" else (Upsample, enlarge, settings.upsample)
        between = ResnetBlock(width, width, settings, ops, resize=resize, **kw) if attention and kind == "resnet" else plain(width, settings, ops, **kw)
        self.add_module(samplers, nn.ModuleList([] if last else [between]))
        self.samplers = samplers

    def forward(self, h, emb, transformer_options, skips=None):
        """Downwards (skips None) also the list of what the way up will need."""
        kept = []
        for i, resnet in enumerate(self.resnets):
            h = resnet(h if skips is None else torch.cat([h, skips.pop()], dim=1), emb)
            if self.attentions:
                h = self.attentions[i](h, transformer_options)
            kept.append(h)
        for sampler in getattr(self, self.samplers):
            h = sampler(h, emb)
            kept.append(h)
        return (h, kept) if skips is None else h


class Middle(nn.Module):
    def __init__(self, channels, settings, ops, **kw):
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(channels, channels, settings, ops, rescale=settings.rescale, **kw) for _ in range(2))
        self.attentions = nn.ModuleList(Attention(channels, settings, settings.middle_groups, ops, rescale=settings.rescale, **kw)
                                        for _ in range(settings.attention))

    def forward(self, h, emb, transformer_options):
        h = self.resnets[0](h, emb)
        for attention in self.attentions:
            h = attention(h, transformer_options)
        return self.resnets[1](h, emb)


class UNet2D(nn.Module):
    """[B, channels, H, W] -> the same; H and W are multiples of 2^(levels - 1)."""

    def __init__(self, settings, ops=None, **kw):
        super().__init__()
        self.settings = settings
        widths, first, layers = settings.widths, settings.widths[0], settings.layers
        self.conv_in = ops.Conv2d(settings.channels, first, 3, padding=1, **kw)
        self.time_embedding = nn.ModuleDict({"linear_1": ops.Linear(first, settings.emb, **kw), "linear_2": ops.Linear(settings.emb, settings.emb, **kw)})
        self.class_embedding = ops.Embedding(settings.classes, settings.emb, **kw) if settings.classes else None
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            inputs = [widths[max(i - 1, 0)]] + [width] * (layers - 1)
            self.down_blocks.append(Level(inputs, width, settings.down[i], settings, ops, "downsamplers", i == len(widths) - 1, **kw))
        self.mid_block = Middle(widths[-1], settings, ops, **kw) if settings.middle else None
        coarse = widths[::-1]
        for i, width in enumerate(coarse):
            skips = [width] * layers + [coarse[min(i + 1, len(coarse) - 1)]]
            inputs = [h + skip for h, skip in zip([coarse[max(i - 1, 0)]] + [width] * layers, skips, strict=True)]
            self.up_blocks.append(Level(inputs, width, settings.up[i], settings, ops, "upsamplers", i == len(coarse) - 1, **kw))
        self.conv_norm_out = ops.GroupNorm(settings.groups, first, eps=settings.eps, **kw)
        self.conv_out = ops.Conv2d(first, settings.out_channels, 3, padding=1, **kw)

    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, y=None, **kwargs):  # noqa: B006
        """timesteps: [B], 0 = least noise, fractions allowed. y: [B] class. Returns what the scheduler's prediction_type says."""
        multiple = 2 ** (len(self.down_blocks) - 1)
        if x.shape[2] % multiple or x.shape[3] % multiple:
            raise ValueError(f"This network draws sizes that are multiples of {multiple}, not {x.shape[3]} x {x.shape[2]}.")
        if self.settings.center:
            x = 2 * x - 1
        half = self.settings.widths[0] // 2
        freqs = torch.exp(torch.arange(half, device=x.device, dtype=torch.float32) * (-math.log(10000) / (half - self.settings.freq_shift)))
        angles = timesteps.float()[:, None] * freqs                                 # float32: t counts to 1000
        pair = (angles.cos(), angles.sin()) if self.settings.flip else (angles.sin(), angles.cos())
        waves = F.pad(torch.cat(pair, dim=1), (0, self.settings.widths[0] % 2)).to(x.dtype)
        emb = self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](waves)))
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
        return mean_and_variance(self.conv_out(F.silu(self.conv_norm_out(h))), self.settings.channels, transformer_options)


def build(state, config, weight_dtype):
    settings = Settings.read(config, len(state))
    if settings.channels != 3 or settings.out_channels not in (3, 6):
        raise ValueError(f"it takes {settings.channels} channels and gives {settings.out_channels}; an expert in pixel space takes 3 and gives 3, "
                         "or 6 with a learned variance")
    if "vae" in config or "vqvae" in config:
        raise ValueError("it draws in the latents of an autoencoder of its own, which no expert shares")
    for key in list(state):
        block, _, rest = key.partition(".attentions.")
        number, _, name = rest.partition(".")
        layer, _, kind = name.partition(".")
        if layer in DEPRECATED:
            state[f"{block}.attentions.{number}.{DEPRECATED[layer]}.{kind}"] = state.pop(key)
    dtype, compute_dtype = dtypes(weight_dtype, sum(v.numel() for v in state.values()), comfy.utils.weight_dtype(state))
    network = UNet2D(settings, ops=operations(dtype, compute_dtype, config.fast_fp8), dtype=dtype, device="meta")
    return ExpertModel(fill(network, state, dtype), from_config(config), [classes(settings.classes, trained_null=False)] if settings.classes else [],
                       compute_dtype=compute_dtype, memory_usage_factor=settings.widths[0] / 700)       # fifteen tensors of the finest level


FAMILIES = (Family("unet2d", lambda state, config: state.keys() >= KEYS and not any(".attn2." in k for k in state), build),)
