"""DiT (Peebles and Xie 2023, arXiv:2212.09748) and SiT (Ma et al. 2024, arXiv:2401.08740).

One class-conditional transformer on patches of a latent; both networks share every key and shape. DiT predicts noise
over discrete time, SiT the velocity of a flow. The keys are those of facebookresearch/DiT and willisma/SiT.
"""
from __future__ import annotations

import math
from typing import Any, NamedTuple

import comfy.ops
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn
from torch.nn import functional as F

from .timesteps import shifted_timestep_embedding
from .variance import mean_and_variance

DIMENSIONS = {
    "x_embedder.proj.weight": 4,
    "pos_embed": 3,
    "final_layer.linear.weight": 2,
    "blocks.0.mlp.fc1.weight": 2,
    "y_embedder.embedding_table.weight": 2,
}


class Shape(NamedTuple):
    """All that a state dict tells.

    rows: of the class table, the null class among them. tokens: patches of the one size that the network draws.
    """
    hidden: int
    depth: int
    patch: int
    channels: int
    out_channels: int
    mlp: int
    rows: int
    tokens: int

    @classmethod
    def read(cls, state: dict[str, Tensor]) -> Shape:
        """Raises ValueError if the tensors have other numbers of dimensions."""
        wrong = [key for key, dimensions in DIMENSIONS.items() if state[key].ndim != dimensions]
        if wrong:
            raise ValueError(f"keys with another number of dimensions: {', '.join(wrong[:3])}")
        hidden, channels, patch, _ = state["x_embedder.proj.weight"].shape
        return cls(
            hidden=hidden,
            depth=len({key.split(".")[1] for key in state if key.startswith("blocks.")}),
            patch=patch,
            channels=channels,
            out_channels=state["final_layer.linear.weight"].shape[0] // patch ** 2,
            mlp=state["blocks.0.mlp.fc1.weight"].shape[0],
            rows=state["y_embedder.embedding_table.weight"].shape[0],
            tokens=state["pos_embed"].shape[1],
        )


class Attention(nn.Module):
    """[B, tokens, hidden] -> [B, tokens, hidden]."""

    def __init__(self, hidden: int, heads: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = ops.Linear(hidden, 3 * hidden, **kw)
        self.proj = ops.Linear(hidden, hidden, **kw)

    def forward(self, x: Tensor, transformer_options: dict[str, Any]) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)  # [B, tokens, hidden] each
        return self.proj(optimized_attention(q, k, v, heads=self.heads, transformer_options=transformer_options))


class Mlp(nn.Module):
    """[B, tokens, hidden] -> [B, tokens, hidden], `width` channels between."""

    def __init__(self, hidden: int, width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.fc1 = ops.Linear(hidden, width, **kw)
        self.fc2 = ops.Linear(width, hidden, **kw)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm of [B, tokens, hidden], then a scale and a shift [B, hidden] from the condition (adaLN)."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    """[B, tokens, hidden] -> [B, tokens, hidden] under a condition c [B, hidden] (adaLN-Zero)."""

    def __init__(self, hidden: int, heads: int, mlp: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.attn = Attention(hidden, heads, ops, **kw)
        self.mlp = Mlp(hidden, mlp, ops, **kw)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), ops.Linear(hidden, 6 * hidden, **kw))

    def forward(self, x: Tensor, c: Tensor, transformer_options: dict[str, Any]) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        x = x + gate1[:, None] * self.attn(modulated(x, shift1, scale1), transformer_options)
        return x + gate2[:, None] * self.mlp(modulated(x, shift2, scale2))


class DiT(nn.Module):
    """[B, channels, size, size] -> [B, channels, size, size].

    freq_shift: 0 as both references embed time; networks trained in diffusers have 1. ops: the host's layers.
    """
    FREQUENCIES = 128  # of the embedding of time

    def __init__(self, shape: Shape, heads: int, freq_shift: float = 0.0, ops: Any = None, **kw: Any) -> None:
        super().__init__()
        self.shape, self.freq_shift = shape, freq_shift
        self.grid = math.isqrt(shape.tokens)
        hidden, patch = shape.hidden, shape.patch
        self.x_embedder = nn.ModuleDict({
            "proj": ops.Conv2d(shape.channels, hidden, patch, stride=patch, **kw),
        })
        self.t_embedder = nn.ModuleDict({
            "mlp": nn.Sequential(
                ops.Linear(2 * self.FREQUENCIES, hidden, **kw),
                nn.SiLU(),
                ops.Linear(hidden, hidden, **kw),
            ),
        })
        self.y_embedder = nn.ModuleDict({"embedding_table": ops.Embedding(shape.rows, hidden, **kw)})
        self.pos_embed = nn.Parameter(torch.empty(1, shape.tokens, hidden, **kw))
        self.blocks = nn.ModuleList(Block(hidden, heads, shape.mlp, ops, **kw) for _ in range(shape.depth))
        self.final_layer = nn.ModuleDict({
            "linear": ops.Linear(hidden, patch ** 2 * shape.out_channels, **kw),
            "adaLN_modulation": nn.Sequential(nn.SiLU(), ops.Linear(hidden, 2 * hidden, **kw)),
        })

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, *, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: B006
        """x: [B, channels, size, size]. timesteps: [B], 0 = least noise, fractions allowed. y: [B] class.

        Returns the predicted noise. Raises ValueError for another size.
        """
        out = self.run(x, timesteps, y, transformer_options)
        return mean_and_variance(out, self.shape.channels, transformer_options)

    def run(self, x: Tensor, timesteps: Tensor, y: Tensor, transformer_options: dict[str, Any]) -> Tensor:
        """[B, out_channels, size, size], as the reference's forward."""
        p, size = self.shape.patch, self.grid * self.shape.patch
        if x.shape[2:] != (size, size):
            raise ValueError(f"This network draws only latents of {size} x {size}, not {x.shape[3]} x {x.shape[2]}; "
                             "use an empty latent of that size.")
        waves = shifted_timestep_embedding(timesteps, 2 * self.FREQUENCIES, self.freq_shift)
        c = self.t_embedder["mlp"](waves.to(x.dtype))
        c = c + self.y_embedder["embedding_table"](y, out_dtype=x.dtype)
        h = self.x_embedder["proj"](x).flatten(2).transpose(1, 2)  # [B, tokens, hidden]
        h = h + comfy.ops.cast_to_input(self.pos_embed, x)
        for block in self.blocks:
            h = block(h, c, transformer_options)
        shift, scale = self.final_layer["adaLN_modulation"](c).chunk(2, dim=1)
        h = self.final_layer["linear"](modulated(h, shift, scale))
        h = h.view(-1, self.grid, self.grid, p, p, self.shape.out_channels)
        h = h.permute(0, 5, 1, 3, 2, 4)  # [B, out_channels, grid, p, grid, p]
        return h.reshape(-1, self.shape.out_channels, size, size)


class SiT(DiT):
    """SiT counts t from noise to data and predicts data - noise; the host's flows count and predict the other way."""

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, *, y: Tensor, **kwargs: Any) -> Tensor:  # noqa: B006
        """x: [B, channels, size, size] = (1 - t) x0 + t n. timesteps: [B], t in [0, 1]. y: [B] class.

        Returns n - x0. Raises ValueError for another size.
        """
        return -self.run(x, 1 - timesteps, y, transformer_options)[:, :self.shape.channels]
