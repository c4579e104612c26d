"""The network of the embedded experts: a small U-Net in pixel space that predicts the clean picture itself.

    D(z, sigma) = net(z / sqrt(sigma^2 + sigma_data^2), ln(sigma) / 4)

One design serves every modality. A map (hair, skin, sketch) is concatenated to the input, labels (words, a class) are a
bag whose embeddings are summed into the noise embedding, and so is a vector (section 7.3), which scales and shifts the group norms
with it. The null condition is zero in all: maps are -1 and +1.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

SIGMA_DATA = 0.6


class ResBlock(nn.Module):
    def __init__(self, c_in, c_out, c_emb, ops, **kw):
        super().__init__()
        self.norm1 = ops.GroupNorm(8, c_in, **kw)
        self.conv1 = ops.Conv2d(c_in, c_out, 3, padding=1, **kw)
        self.film = ops.Linear(c_emb, 2 * c_out, **kw)
        self.norm2 = ops.GroupNorm(8, c_out, **kw)
        self.conv2 = ops.Conv2d(c_out, c_out, 3, padding=1, **kw)
        self.skip = ops.Conv2d(c_in, c_out, 1, **kw) if c_in != c_out else nn.Identity()

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Attention(nn.Module):
    def __init__(self, channels, heads, ops, **kw):
        super().__init__()
        self.heads = heads
        self.norm = ops.GroupNorm(8, channels, **kw)
        self.qkv = ops.Linear(channels, 3 * channels, **kw)
        self.out = ops.Linear(channels, channels, **kw)

    def forward(self, x):
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x).flatten(2).transpose(1, 2))                    # [B, HW, 3C]
        q, k, v = qkv.view(b, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)     # [B, heads, HW, C/heads] each
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + self.out(y).transpose(1, 2).view(b, c, h, w)


class EmbeddedUNet(nn.Module):
    """[B, 3, size, size] -> [B, 3, size, size]; ops and its keywords are the host's, torch's own by default.

    map_channels: channels of `condition_map` [B, map_channels, size, size] in [-1, 1], 0 = no map.
    labels: length of the bag `labels` [B, labels], 0 = none.
    """
    PATCH = 2

    def __init__(self, map_channels=0, labels=0, size=64, widths=(32, 64, 128), depth=2, heads=4, ops=nn, **kw):
        super().__init__()
        self.map_channels, self.labels, self.size = map_channels, labels, size
        c_emb = 4 * widths[0]
        self.noise_mlp = nn.Sequential(ops.Linear(64, c_emb, **kw), nn.SiLU(), ops.Linear(c_emb, c_emb, **kw))
        self.label_embed = ops.Linear(labels, c_emb, bias=False, **kw) if labels else None
        patches = self.PATCH ** 2
        self.stem = ops.Conv2d((3 + map_channels) * patches, widths[0], 3, padding=1, **kw)
        self.position = nn.Parameter(torch.zeros(1, widths[0], size // self.PATCH, size // self.PATCH, **kw))
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        c, skips = widths[0], [widths[0]]
        for level, width in enumerate(widths):
            for _ in range(depth):
                self.down.append(ResBlock(c, width, c_emb, ops, **kw))
                c = width
                skips.append(c)
            if level + 1 < len(widths):
                self.down.append(ops.Conv2d(c, c, 3, stride=2, padding=1, **kw))
                skips.append(c)
        self.mid = nn.ModuleList([ResBlock(c, c, c_emb, ops, **kw), Attention(c, heads, ops, **kw), ResBlock(c, c, c_emb, ops, **kw)])
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(depth + 1):
                self.up.append(ResBlock(c + skips.pop(), width, c_emb, ops, **kw))
                c = width
            if level:
                self.up.append(ops.Conv2d(c, c, 3, padding=1, **kw))
        self.norm = ops.GroupNorm(8, c, **kw)
        self.head = ops.Conv2d(c, 3 * patches, 3, padding=1, **kw)
        self.linear_skip = ops.Conv2d(3 * patches, 3 * patches, 1, **kw)

    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, condition_map=None, labels=None, **kwargs):  # noqa: B006
        """x: [B, 3, size, size], scaled to unit variance. timesteps: [B], ln(sigma) / 4. Returns the clean picture."""
        freqs = torch.exp(torch.arange(32, device=x.device, dtype=torch.float32) * (math.log(60.0) / 31))
        angles = timesteps.float()[:, None] * freqs * math.pi
        emb = self.noise_mlp(torch.cat([angles.cos(), angles.sin()], dim=1).to(x.dtype))
        if self.label_embed is not None:
            bag = x.new_zeros(x.shape[0], self.labels) if labels is None else labels.to(x.dtype)
            emb = emb + self.label_embed(bag)
        emb = F.silu(emb)
        pixels = F.pixel_unshuffle(x, self.PATCH)
        inputs = pixels
        if self.map_channels:
            m = x.new_zeros(x.shape[0], self.map_channels, *x.shape[2:]) if condition_map is None else condition_map.to(x.dtype)
            inputs = torch.cat([pixels, F.pixel_unshuffle(m, self.PATCH)], dim=1)
        h = self.stem(inputs) + self.position.to(x)
        skips = [h]
        for layer in self.down:
            h = layer(h, emb) if isinstance(layer, ResBlock) else layer(h)
            skips.append(h)
        for layer in self.mid:
            h = layer(h, emb) if isinstance(layer, ResBlock) else layer(h)
        for layer in self.up:
            h = (layer(torch.cat([h, skips.pop()], dim=1), emb) if isinstance(layer, ResBlock)
                 else layer(F.interpolate(h, scale_factor=2.0, mode="nearest")))
        out = self.head(F.silu(self.norm(h))) + self.linear_skip(pixels)
        return F.pixel_shuffle(out, self.PATCH)
