"""The network of the embedded experts: a small U-Net that predicts the clean picture, or latent, itself.

    D(z, sigma) = net(z / sqrt(sigma^2 + sigma_data^2), ln(sigma) / 4)

One design serves every modality. A map (hair, skin, sketch) is concatenated to the input. Labels (words, a class) are a
bag whose embeddings are summed into the embedding of the noise level, and so is a vector (section 7.3); that embedding
scales and shifts the group norms. The null condition is zero in all: maps are -1 and +1.
"""
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIGMA_DATA = 0.6


class ResBlock(nn.Module):
    """[B, c_in, H, W] -> [B, c_out, H, W] under an embedding [B, c_emb]."""

    def __init__(self, c_in: int, c_out: int, c_emb: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm1 = ops.GroupNorm(8, c_in, **kw)
        self.conv1 = ops.Conv2d(c_in, c_out, 3, padding=1, **kw)
        self.film = ops.Linear(c_emb, 2 * c_out, **kw)
        self.norm2 = ops.GroupNorm(8, c_out, **kw)
        self.conv2 = ops.Conv2d(c_out, c_out, 3, padding=1, **kw)
        self.skip = ops.Conv2d(c_in, c_out, 1, **kw) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Attention(nn.Module):
    """Self-attention over the pixels of [B, channels, H, W]."""

    def __init__(self, channels: int, heads: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ops.GroupNorm(8, channels, **kw)
        self.qkv = ops.Linear(channels, 3 * channels, **kw)
        self.out = ops.Linear(channels, channels, **kw)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x).flatten(2).transpose(1, 2))  # [B, HW, 3 C]
        q, k, v = qkv.view(b, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # [B, heads, HW, C/heads] each
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + self.out(y).transpose(1, 2).view(b, c, h, w)


class EmbeddedUNet(nn.Module):
    """[B, channels, size, size] -> the same; ops and its keywords are the host's, torch's own by default.

    map_channels: channels of `condition_map` [B, map_channels, size, size] in [-1, 1], 0 = no map.
    labels: length of the bag `labels` [B, labels], 0 = none. widths: channels of each level, the finest first.
    depth: residual blocks per level on the way down (one more on the way up).
    patch: pixels along a side that the network sees as one.
    """

    def __init__(self, map_channels: int = 0, labels: int = 0, size: int = 64, widths: tuple[int, ...] = (32, 64, 128),
                 depth: int = 2, heads: int = 4, channels: int = 3, patch: int = 2, ops: Any = nn, **kw: Any) -> None:
        super().__init__()
        self.map_channels = map_channels
        self.labels = labels
        self.size = size
        self.patch = patch
        patches, cells = patch ** 2, size // patch
        c, c_emb = widths[0], 4 * widths[0]
        self.noise_mlp = nn.Sequential(ops.Linear(64, c_emb, **kw), nn.SiLU(), ops.Linear(c_emb, c_emb, **kw))
        self.label_embed = ops.Linear(labels, c_emb, bias=False, **kw) if labels else None
        self.stem = ops.Conv2d((channels + map_channels) * patches, c, 3, padding=1, **kw)
        self.position = nn.Parameter(torch.zeros(1, c, cells, cells, **kw))

        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips = [c]
        for level, width in enumerate(widths):
            for _ in range(depth):
                self.down.append(ResBlock(c, width, c_emb, ops, **kw))
                c = width
                skips.append(c)
            if level + 1 < len(widths):
                self.down.append(ops.Conv2d(c, c, 3, stride=2, padding=1, **kw))
                skips.append(c)
        self.mid = nn.ModuleList([
            ResBlock(c, c, c_emb, ops, **kw),
            Attention(c, heads, ops, **kw),
            ResBlock(c, c, c_emb, ops, **kw),
        ])
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(depth + 1):
                self.up.append(ResBlock(c + skips.pop(), width, c_emb, ops, **kw))
                c = width
            if level:
                self.up.append(ops.Conv2d(c, c, 3, padding=1, **kw))

        self.norm = ops.GroupNorm(8, c, **kw)
        self.head = ops.Conv2d(c, channels * patches, 3, padding=1, **kw)
        self.linear_skip = ops.Conv2d(channels * patches, channels * patches, 1, **kw)

    def embed(self, timesteps: Tensor, labels: Tensor | None, dtype: torch.dtype) -> Tensor:
        """[B] and [B, labels] -> [B, 4 * widths[0]]: 32 frequencies from pi to 60 pi, and the sum over the bag."""
        frequencies = torch.exp(torch.arange(32, device=timesteps.device, dtype=torch.float32) * (math.log(60.0) / 31))
        angles = timesteps.float()[:, None] * frequencies * math.pi
        emb = self.noise_mlp(torch.cat([angles.cos(), angles.sin()], dim=1).to(dtype))
        if self.label_embed is not None:
            bag = emb.new_zeros(len(emb), self.labels) if labels is None else labels.to(dtype)
            emb = emb + self.label_embed(bag)
        return F.silu(emb)

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, condition_map: Tensor | None = None,  # noqa: B006
                labels: Tensor | None = None, **kwargs: Any) -> Tensor:
        """x: [B, channels, size, size], scaled to unit variance. timesteps: [B], ln(sigma) / 4.

        Returns the clean picture. condition_map: [B, map_channels, size, size], labels: [B, labels]; None = the null.
        """
        emb = self.embed(timesteps, labels, x.dtype)
        inputs = pixels = F.pixel_unshuffle(x, self.patch)
        if self.map_channels:
            if condition_map is None:
                condition_map = x.new_zeros(len(x), self.map_channels, *x.shape[2:])
            inputs = torch.cat([pixels, F.pixel_unshuffle(condition_map.to(x.dtype), self.patch)], dim=1)
        h = self.stem(inputs) + self.position.to(x)
        skips = [h]
        for layer in self.down:
            h = layer(h, emb) if isinstance(layer, ResBlock) else layer(h)
            skips.append(h)
        for layer in self.mid:
            h = layer(h, emb) if isinstance(layer, ResBlock) else layer(h)
        for layer in self.up:
            if isinstance(layer, ResBlock):
                h = torch.cat([h, skips.pop()], dim=1)
                h = layer(h, emb)
            else:
                h = layer(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        out = self.head(F.silu(self.norm(h))) + self.linear_skip(pixels)
        return F.pixel_shuffle(out, self.patch)
