"""The network of the embedded experts: a small U-Net in pixel space that predicts the clean picture itself.

    D(z, sigma) = net(z / sqrt(sigma^2 + sigma_data^2), ln(sigma) / 4)

One design serves every modality. A map (hair, skin, sketch) is concatenated to the input, labels (words, a class) are a
bag whose embeddings are summed into the noise embedding, and so is a vector (section 7.3), which scales and shifts the group norms
with it. The null condition is zero in all: maps are -1 and +1.
"""
import json
import math

import torch
from torch import nn
from torch.nn import functional as F

from .dual_encoder import DualEncoder

NAME = "embedded"
SIGMA_DATA = 0.6


def edges(pixels):
    """What a sketch is here: Canny's edges [B, 1, H, W] in {0, 1} of pictures [B, 1 or 3, H, W] in [0, 1]."""
    from kornia.filters import canny
    return canny(pixels)[1]


def fit(pixels, height, width):
    """The middle of pictures [B, C, H, W] at another size, by area: what the host's common_upscale gives for "area" and "center"."""
    h, w = pixels.shape[-2:]
    old, new = w / h, width / height
    x, y = round((w - w * (new / old)) / 2) if old > new else 0, round((h - h * (old / new)) / 2) if old < new else 0
    return F.interpolate(pixels[..., y:h - y, x:w - x], size=(height, width), mode="area")


def binary(pixels, height, width):
    """What a binary map is here: [B, 1, height, width] in {0, 1} of pictures in [0, 1], bright where the region is."""
    return (fit((pixels.amax(1, keepdim=True) >= 0.5).float(), height, width) >= 0.5).float()


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


SCALE = ".scale"            # beside a weight in int8: what to multiply each of its output channels with


def quantize(state):
    """Tensors as a small file holds them: large weights in int8 with one scale an output channel, all else in fp16."""
    stored: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        if tensor.ndim > 1 and tensor.shape[0] > 1 and tensor.numel() > 4096:
            rows = tensor.float().flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            stored |= {key: (rows / scale).round().to(torch.int8).view(tensor.shape), key + SCALE: scale[:, 0].contiguous()}
        else:
            stored[key] = tensor.half().contiguous()
    return stored


def dequantize(state):
    """`quantize` backwards, in fp16 and in place: the tensors of a file, quantized or not. Raises ValueError where a scale does not fit."""
    for key in [k for k in state if k.endswith(SCALE)]:
        scale, weight = state.pop(key), state.get(key.removesuffix(SCALE))
        if weight is None or weight.ndim < 2 or scale.shape != weight.shape[:1]:
            raise ValueError(f"{key} is the scale of no weight in it")
        state[key.removesuffix(SCALE)] = (weight.float() * scale.float().view(-1, *[1] * (weight.ndim - 1))).half()
    return state


def recognises(state, config):
    return config.family == NAME or {"linear_skip.weight", "position", "stem.weight"} <= state.keys()


def build(state, config, weight_dtype=None):
    """The ExpertModel. Raises ValueError or KeyError where the file lacks what the training writes."""
    from . import model  # here, so that the training can import this file without the host
    dequantize(state)
    position, size = state["position"], state["position"].shape[-1] * EmbeddedUNet.PATCH
    map_channels = state["stem.weight"].shape[1] // EmbeddedUNet.PATCH ** 2 - 3
    labels = state["label_embed.weight"].shape[1] if "label_embed.weight" in state else 0
    widths, depth = _widths(state)
    levels = {k: config.need(k, float) for k in ("sigma_min", "sigma_max", "sigma_data")}
    if not (0 < levels["sigma_min"] < levels["sigma_max"] < math.inf and 0 < levels["sigma_data"] < math.inf):
        raise ValueError(f"its metadata gives impossible noise levels: {levels}")
    heads = config.need("num_heads", int)
    if heads < 1 or widths[-1] % heads:
        raise ValueError(f"its metadata gives {heads} attention heads for {widths[-1]} channels")
    name, modalities = config["modality"], []
    if map_channels:
        encoding = config.need("map_encoding", ("binary", "edges"))
        modalities.append(model.Modality(name, "map", "condition_map", torch.zeros(1, map_channels, size, size), encoding=encoding))
    if labels:
        encoder = _encoder(state)
        vocabulary, synonyms = json.loads(config["vocabulary"]), json.loads(config.get("synonyms", "{}"))
        words = encoder.words.in_features if encoder else labels
        if len(vocabulary) != words or not all(isinstance(w, str) for w in (*vocabulary, *synonyms, *synonyms.values())):
            raise ValueError("its vocabulary does not fit its weights")
        kind = "vector" if encoder else "class" if name == "class" else "text"
        modalities.append(model.Modality("text" if map_channels else name, kind, "labels", torch.zeros(1, labels), labels=tuple(vocabulary),
                                         synonyms=synonyms, encoder=encoder))
    dtype, compute_dtype = model.dtypes(weight_dtype, sum(v.numel() for v in state.values()), position.dtype)
    network = EmbeddedUNet(map_channels, labels, size, widths, depth, heads, ops=model.operations(dtype, compute_dtype), dtype=dtype, device="meta")
    return model.ExpertModel(model.fill(network, state, dtype), model.X0Sampling, modalities, fixed_size=(size, size), compute_dtype=compute_dtype, **levels)


def _encoder(state):
    """Takes the tensors of a dual encoder out of an expert's, if it has one: DualEncoder or None."""
    from . import model
    inside = {k.removeprefix("encoder."): state.pop(k) for k in [*state] if k.startswith("encoder.")}
    if not inside:
        return None
    width, words = inside["words.weight"].shape
    with torch.device("meta"):
        encoder = DualEncoder(words, width)
    return model.fill(encoder, inside, torch.float32).requires_grad_(False).eval()


def _widths(state):
    """Channels of each level and residual blocks a level; a strided convolution ("down.K.weight") ends a level."""
    widths, depth, k = [], 0, 0
    while f"down.{k}.conv1.weight" in state or f"down.{k}.weight" in state:
        if f"down.{k}.weight" in state:
            widths.append(state[f"down.{k}.weight"].shape[0])
        depth, k = depth + (not widths), k + 1
    return (*widths, state["mid.0.conv2.weight"].shape[0]), depth
