"""The recorded DiT and SiT as the host sees them, networks of other sizes, and an independent reading of the paper."""
from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

FAMILIES = ["dit", "sit"]


def at_time(family: str, case: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(z, sigma, denoised in float64) of a recorded case, as the host sees it."""
    t, x, out = (case[k].double() for k in ("t", "x", "out"))
    if family == "sit":
        return x, 1 - t, x + (1 - t)[:, None, None, None] * out
    acp = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    logs = ((1 - acp) / acp).log() / 2
    low, high = t.floor().long(), t.ceil().long()
    sigma = (logs[low] + t.frac() * (logs[high] - logs[low])).exp()
    wide = sigma[:, None, None, None]
    z = x * (1 + wide ** 2).sqrt()
    return z, sigma, z - wide * out[:, :4]


def denoise(model: Any, z: torch.Tensor, sigma: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The denoised estimate of a MODEL. z: [B, 4, H, W]. sigma, y: [B]."""
    with torch.inference_mode():
        return model.model.apply_model(z.float(), sigma.float(), y=y)


def invented(
    hidden: int, depth: int, patch: int, mlp: int, classes: int, size: int, learn_sigma: bool, seed: int,
) -> dict[str, torch.Tensor]:
    """A random state dict of DiT's and SiT's keys."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "x_embedder.proj": (hidden, 4, patch, patch),
        "t_embedder.mlp.0": (hidden, 256),
        "t_embedder.mlp.2": (hidden, hidden),
        "final_layer.linear": (patch * patch * (8 if learn_sigma else 4), hidden),
        "final_layer.adaLN_modulation.1": (2 * hidden, hidden),
    }
    for i in range(depth):
        shapes |= {
            f"blocks.{i}.attn.qkv": (3 * hidden, hidden),
            f"blocks.{i}.attn.proj": (hidden, hidden),
            f"blocks.{i}.mlp.fc1": (mlp, hidden),
            f"blocks.{i}.mlp.fc2": (hidden, mlp),
            f"blocks.{i}.adaLN_modulation.1": (6 * hidden, hidden),
        }
    state = {"pos_embed": torch.randn(1, (size // patch) ** 2, hidden, generator=generator),
             "y_embedder.embedding_table.weight": torch.randn(classes + 1, hidden, generator=generator)}
    for name, shape in shapes.items():
        state[name + ".weight"] = torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:]))
        state[name + ".bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    return state


def reference(
    state: dict[str, torch.Tensor], heads: int, x: torch.Tensor, t: torch.Tensor, y: torch.Tensor,
) -> torch.Tensor:
    """DiT's forward, written out: patches, blocks with adaLN-Zero, softmax by hand. float64."""
    def linear(name, v):
        return v @ state[name + ".weight"].T + state[name + ".bias"]

    def norm(v, shift, scale):
        v = v - v.mean(-1, keepdim=True)
        return v / (v.square().mean(-1, keepdim=True) + 1e-6).sqrt() * (1 + scale[:, None]) + shift[:, None]
    p = state["x_embedder.proj.weight"].shape[-1]
    b, c, size, _ = x.shape
    patches = F.unfold(x, p, stride=p).transpose(1, 2)
    h = patches @ state["x_embedder.proj.weight"].flatten(1).T + state["x_embedder.proj.bias"] + state["pos_embed"]
    angles = t[:, None] * 10000.0 ** (-torch.arange(128, dtype=torch.float64) / 128)
    emb = linear("t_embedder.mlp.2", F.silu(linear("t_embedder.mlp.0", torch.cat([angles.cos(), angles.sin()], 1))))
    emb = F.silu(emb + state["y_embedder.embedding_table.weight"][y])
    block = 0
    while f"blocks.{block}.attn.qkv.weight" in state:
        name = f"blocks.{block}."
        m = linear(name + "adaLN_modulation.1", emb).chunk(6, 1)
        q, k, v = (
            linear(name + "attn.qkv", norm(h, m[0], m[1]))
            .view(b, -1, 3, heads, h.shape[-1] // heads)
            .permute(2, 0, 3, 1, 4)
        )
        a = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1) @ v
        h = h + m[2][:, None] * linear(name + "attn.proj", a.transpose(1, 2).flatten(2))
        h = h + m[5][:, None] * linear(
            name + "mlp.fc2", F.gelu(linear(name + "mlp.fc1", norm(h, m[3], m[4])), approximate="tanh")
        )
        block += 1
    h = linear(
        "final_layer.linear", norm(h, *linear("final_layer.adaLN_modulation.1", emb).chunk(2, 1))
    )  # p, q, channel
    out = h.shape[-1] // p ** 2
    return F.fold(h.view(b, -1, p * p, out).transpose(2, 3).flatten(2).transpose(1, 2), size, p, stride=p)
