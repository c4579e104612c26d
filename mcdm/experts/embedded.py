"""The family of the embedded experts: what `dev.py train` writes."""
import json
import math

import torch

from . import model
from .networks.dual_encoder import DualEncoder
from .networks.embedded import EmbeddedUNet
from .quantize import dequantize

NAME = "embedded"


def recognises(state, config):
    return config.family == NAME or {"linear_skip.weight", "position", "stem.weight"} <= state.keys()


def build(state, config, weight_dtype=None):
    """The ExpertModel. Raises ValueError or KeyError where the file lacks what the training writes."""
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
