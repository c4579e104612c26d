"""DiT (Peebles and Xie 2023) and SiT (Ma et al. 2024): one class-conditional transformer on patches of a latent.

Both share every key and shape. DiT predicts noise over discrete time, SiT the velocity of a flow. Keys are those of facebookresearch/DiT
and willisma/SiT; those of a diffusers folder are renamed to them.
"""
import math
import re
from typing import NamedTuple

import comfy.latent_formats
import comfy.ops
import comfy.utils
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import nn
from torch.nn import functional as F

from .dit_diffusers import DIFFUSERS_KEYS, from_diffusers
from .model import ExpertModel, Family, classes, dtypes, fill, mean_and_variance, operations
from .schedules import from_config, sampling

KEYS = {"x_embedder.proj.weight", "t_embedder.mlp.0.weight", "y_embedder.embedding_table.weight", "pos_embed", "blocks.0.mlp.fc1.weight",
        "final_layer.linear.weight"}


class Shape(NamedTuple):
    """What a state dict tells. rows: of the class table, the null class among them. tokens: patches of the one size that it draws."""
    hidden: int
    depth: int
    patch: int
    channels: int
    out_channels: int
    mlp: int
    rows: int
    tokens: int

    @classmethod
    def read(cls, state):
        """Raises ValueError where the tensors have other numbers of dimensions."""
        flat = [k for k, n in (("x_embedder.proj.weight", 4), ("pos_embed", 3), ("final_layer.linear.weight", 2), ("blocks.0.mlp.fc1.weight", 2),
                               ("y_embedder.embedding_table.weight", 2)) if state[k].ndim != n]
        if flat:
            raise ValueError(f"keys of another number of dimensions: {', '.join(flat[:3])}")
        hidden, channels, patch, _ = state["x_embedder.proj.weight"].shape
        return cls(hidden, len({k.split(".")[1] for k in state if k.startswith("blocks.")}), patch, channels,
                   state["final_layer.linear.weight"].shape[0] // patch ** 2, state["blocks.0.mlp.fc1.weight"].shape[0],
                   state["y_embedder.embedding_table.weight"].shape[0], state["pos_embed"].shape[1])


_XL_256, _XL_512 = (Shape(1152, 28, 2, 4, 8, 4608, 1001, tokens) for tokens in (256, 1024))
_DIT = {"num_heads": 16, "noise_schedule": "linear", "diffusion_steps": 1000, "prediction": "eps"}
KNOWN = {("dit", _XL_256): _DIT, ("dit", _XL_512): _DIT, ("sit", _XL_256): {"num_heads": 16, "prediction": "velocity"}}


class Attention(nn.Module):
    def __init__(self, hidden, heads, ops, **kw):
        super().__init__()
        self.heads = heads
        self.qkv = ops.Linear(hidden, 3 * hidden, **kw)
        self.proj = ops.Linear(hidden, hidden, **kw)

    def forward(self, x, transformer_options):
        q, k, v = self.qkv(x).chunk(3, dim=-1)                                      # [B, tokens, hidden] each
        return self.proj(optimized_attention(q, k, v, heads=self.heads, transformer_options=transformer_options))


class Mlp(nn.Module):
    def __init__(self, hidden, width, ops, **kw):
        super().__init__()
        self.fc1 = ops.Linear(hidden, width, **kw)
        self.fc2 = ops.Linear(width, hidden, **kw)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def modulated(x, shift, scale):
    """LayerNorm, then a shift and a scale [B, hidden] from the condition."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    def __init__(self, hidden, heads, mlp, ops, **kw):
        super().__init__()
        self.attn = Attention(hidden, heads, ops, **kw)
        self.mlp = Mlp(hidden, mlp, ops, **kw)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), ops.Linear(hidden, 6 * hidden, **kw))

    def forward(self, x, c, transformer_options):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        x = x + gate1[:, None] * self.attn(modulated(x, shift1, scale1), transformer_options)
        return x + gate2[:, None] * self.mlp(modulated(x, shift2, scale2))


class DiT(nn.Module):
    """[B, channels, size, size] -> the same. freq_shift: 0 as both references embed time; networks trained in diffusers have 1."""
    FREQUENCIES = 128

    def __init__(self, shape, heads, freq_shift=0.0, ops=None, **kw):
        super().__init__()
        self.shape, self.freq_shift = shape, freq_shift
        self.grid = math.isqrt(shape.tokens)
        hidden = shape.hidden
        self.x_embedder = nn.ModuleDict({"proj": ops.Conv2d(shape.channels, hidden, shape.patch, stride=shape.patch, **kw)})
        self.t_embedder = nn.ModuleDict({"mlp": nn.Sequential(ops.Linear(2 * self.FREQUENCIES, hidden, **kw), nn.SiLU(), ops.Linear(hidden, hidden, **kw))})
        self.y_embedder = nn.ModuleDict({"embedding_table": ops.Embedding(shape.rows, hidden, **kw)})
        self.pos_embed = nn.Parameter(torch.empty(1, shape.tokens, hidden, **kw))
        self.blocks = nn.ModuleList(Block(hidden, heads, shape.mlp, ops, **kw) for _ in range(shape.depth))
        self.final_layer = nn.ModuleDict({"linear": ops.Linear(hidden, shape.patch ** 2 * shape.out_channels, **kw),
                                          "adaLN_modulation": nn.Sequential(nn.SiLU(), ops.Linear(hidden, 2 * hidden, **kw))})

    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, y=None, **kwargs):  # noqa: B006
        """x: [B, channels, size, size]. timesteps: [B], 0 = least noise, fractions allowed. y: [B] class. Returns the predicted noise."""
        return mean_and_variance(self.run(x, timesteps, y, transformer_options), self.shape.channels, transformer_options)

    def run(self, x, timesteps, y, transformer_options):
        """[B, out_channels, size, size], as the reference's forward."""
        p, size = self.shape.patch, self.grid * self.shape.patch
        if x.shape[2:] != (size, size):
            raise ValueError(f"This network draws latents of {size} x {size} only, not {x.shape[3]} x {x.shape[2]}; use an empty latent of that size.")
        freqs = torch.exp(torch.arange(self.FREQUENCIES, device=x.device, dtype=torch.float32) * (-math.log(10000) / (self.FREQUENCIES - self.freq_shift)))
        angles = timesteps.float()[:, None] * freqs                                 # float32: t counts to 1000
        c = self.t_embedder["mlp"](torch.cat([angles.cos(), angles.sin()], dim=1).to(x.dtype))
        c = c + self.y_embedder["embedding_table"](y, out_dtype=x.dtype)
        h = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + comfy.ops.cast_to_input(self.pos_embed, x)      # [B, tokens, hidden]
        for block in self.blocks:
            h = block(h, c, transformer_options)
        h = self.final_layer["linear"](modulated(h, *self.final_layer["adaLN_modulation"](c).chunk(2, dim=1)))
        h = h.view(-1, self.grid, self.grid, p, p, self.shape.out_channels).permute(0, 5, 1, 3, 2, 4)             # [B, C, grid, p, grid, p]
        return h.reshape(-1, self.shape.out_channels, size, size)


class SiT(DiT):
    """SiT counts t from noise to data and predicts data - noise; the host's flows count and predict the other way round."""

    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, y=None, **kwargs):  # noqa: B006
        """x: [B, channels, size, size] = (1 - t) x0 + t n. timesteps: [B], t in [0, 1]. y: [B] class. Returns n - x0."""
        return -self.run(x, 1 - timesteps, y, transformer_options)[:, :self.shape.channels]


def which(state, config):
    """ "dit", "sit", or None where only the user knows: keys and shapes are the same."""
    if config.family:
        return config.family
    if "prediction" in config:
        return "sit" if config["prediction"] == "velocity" else "dit"
    if state.keys() >= DIFFUSERS_KEYS:
        return "dit"
    named = set(re.findall(r"(?<![a-z])(dit|sit)(?![a-z])", config.stem.lower()))
    family = named.pop() if len(named) == 1 else None
    return family if (family, Shape.read(state)) in KNOWN else None


def is_transformer(state):
    return state.keys() >= KEYS or state.keys() >= DIFFUSERS_KEYS


def build(state, config, weight_dtype):
    family = which(state, config) or config.need("family", ("dit", "sit"))
    if state.keys() >= DIFFUSERS_KEYS:
        from_diffusers(state, config.need("sample_size", int))
    shape = Shape.read(state)
    config.known(KNOWN.get((family, shape)))
    config.get("image_size", 0)                 # its table of positions knows
    heads = config.get("num_attention_heads", 0) or config.need("num_heads", int)
    learned = shape.out_channels == 2 * shape.channels
    if heads < 1 or shape.hidden % heads:
        raise ValueError(f"its {shape.hidden} channels cannot be split into num_heads {heads}; correct the JSON beside it")
    if shape.channels != 4 or shape.out_channels not in (4, 8) or config.get("learn_sigma", learned) != learned:
        raise ValueError(f"it takes {shape.channels} channels and gives {shape.out_channels}; a network of Stable Diffusion's latents takes 4 and gives 4, "
                         "or 8 with learn_sigma")
    if math.isqrt(shape.tokens) ** 2 != shape.tokens:
        raise ValueError(f"its table of {shape.tokens} positions is no square")
    # A class table has one row more, the null, unless the training never dropped a class.
    count = config.need("num_classes", (999, 1000)) if shape.rows == 1000 else config.get("num_classes", shape.rows - 1)
    if count not in (shape.rows - 1, shape.rows) or count < 1:
        raise ValueError(f"its class table has {shape.rows} rows, which does not fit num_classes {count}")
    null = shape.rows - 1 if count < shape.rows else None
    if family == "sit" and "prediction" in config:
        config.need("prediction", ("velocity",))
    levels = sampling("velocity") if family == "sit" else from_config(config)
    dtype, compute_dtype = dtypes(weight_dtype, sum(v.numel() for v in state.values()), comfy.utils.weight_dtype(state))
    network = (SiT if family == "sit" else DiT)(shape, heads, config.get("freq_shift", 0.0), dtype=dtype, device="meta",
                                                ops=operations(dtype, compute_dtype, config.fast_fp8))
    size = network.grid * shape.patch
    return ExpertModel(fill(network, state, dtype), levels, [classes(count, null, trained_null=null is not None)], fixed_size=(size, size),
                       compute_dtype=compute_dtype, latent_format=comfy.latent_formats.SD15,
                       memory_usage_factor=shape.hidden / 4000)             # ten tensors of `hidden` a patch, a patch being four cells


FAMILIES = (Family("dit", lambda state, config: is_transformer(state) and which(state, config) != "sit", build),
            Family("sit", lambda state, config: state.keys() >= KEYS and which(state, config) == "sit", build))
