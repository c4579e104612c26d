"""The family of the embedded experts: the files that `dev.py train` writes."""
from __future__ import annotations

import json
import math
from typing import Any

import comfy.latent_formats
import torch

from .config import Config
from .modality import Modality
from .model import ExpertModel, Family, State
from .networks.dual_encoder import DualEncoder
from .networks.embedded import EmbeddedUNet
from .quantize import dequantize
from .schedules import X0Sampling
from .vae import Drawings
from .weights import count_parameters, dtypes, load_weights, operations

NAME = "embedded"
PATCH = 2           # pixels along a side that the network sees as one, where the file does not say
SPACES = {"pixels": comfy.latent_formats.ChromaRadiance, "drawings": Drawings}


def _recognises(state: State, config: Config) -> bool:
    return config.family == NAME or {"linear_skip.weight", "position", "stem.weight"} <= state.keys()


def build(state: State, config: Config, weight_dtype: torch.dtype | None = None) -> ExpertModel:
    """The model. Raises ValueError or KeyError if the file lacks what the training writes."""
    dequantize(state)
    position = state["position"]
    patch = config.get("patch", PATCH)
    size, channels = position.shape[-1] * patch, state["linear_skip.weight"].shape[0] // patch ** 2
    map_channels = state["stem.weight"].shape[1] // patch ** 2 - channels
    space = config.get("latent_space", "pixels")
    if space not in SPACES:
        raise ValueError(f"its latent_space is {space[:60]!r}, but must be {' or '.join(SPACES)}")
    labels = state["label_embed.weight"].shape[1] if "label_embed.weight" in state else 0
    widths, depth = _widths(state)
    levels = noise_levels(config)
    heads = config.need("num_heads", int)
    if heads < 1 or widths[-1] % heads:
        raise ValueError(f"its metadata gives {heads} attention heads for {widths[-1]} channels")
    modalities = _modalities(state, config, map_channels, labels, size)
    dtype, compute_dtype = dtypes(weight_dtype, count_parameters(state), position.dtype)
    ops = operations(dtype, compute_dtype)
    network = EmbeddedUNet(
        map_channels, labels, size, widths, depth, heads, channels, patch, ops=ops, dtype=dtype, device="meta")
    return ExpertModel(load_weights(network, state, dtype), X0Sampling, modalities, fixed_size=(size, size),
                       latent_format=SPACES[space], compute_dtype=compute_dtype, **levels)


def noise_levels(config: Config) -> dict[str, Any]:
    """The settings of X0Sampling. Raises ValueError for impossible ones."""
    levels = {key: config.need(key, float) for key in ("sigma_min", "sigma_max", "sigma_data")}
    in_order = 0 < levels["sigma_min"] < levels["sigma_max"] < math.inf
    if not in_order or not 0 < levels["sigma_data"] < math.inf:
        raise ValueError(f"its metadata gives impossible noise levels: {levels}")
    return levels


def _modalities(state: State, config: Config, map_channels: int, labels: int, size: int) -> list[Modality]:
    """A map, labels, or both, where the network has inputs for them; takes the encoder's tensors out of `state`."""
    name, modalities = config["modality"], []
    if map_channels:
        encoding = config.need("map_encoding", ("binary", "edges"))
        null = torch.zeros(1, map_channels, size, size)
        modalities.append(Modality(name, "map", "condition_map", null, encoding=encoding))
    if not labels:
        return modalities
    encoder = _encoder(state)
    vocabulary, synonyms = json.loads(config["vocabulary"]), json.loads(config.get("synonyms", "{}"))
    count = encoder.words.in_features if encoder else labels
    words = (*vocabulary, *synonyms, *synonyms.values())
    if len(vocabulary) != count or not all(isinstance(word, str) for word in words):
        raise ValueError("its vocabulary does not fit its weights")
    if encoder:
        kind = "vector"
    elif name == "class":
        kind = "class"
    else:
        kind = "text"
    modalities.append(Modality("text" if map_channels else name, kind, "labels", torch.zeros(1, labels),
                               labels=tuple(vocabulary), synonyms=synonyms, encoder=encoder))
    return modalities


def _encoder(state: State) -> DualEncoder | None:
    """Takes the tensors of a dual encoder out of an expert's, if it has one."""
    prefix = "encoder."
    inside = {key.removeprefix(prefix): state.pop(key) for key in list(state) if key.startswith(prefix)}
    if not inside:
        return None
    width, words = inside["words.weight"].shape
    with torch.device("meta"):
        encoder = DualEncoder(words, width)
    return load_weights(encoder, inside, torch.float32).requires_grad_(False).train(False)


def _widths(state: State) -> tuple[tuple[int, ...], int]:
    """(channels of each level, residual blocks per level); a strided convolution ("down.K.weight") ends a level."""
    widths: list[int] = []
    depth, k = 0, 0
    while f"down.{k}.conv1.weight" in state or f"down.{k}.weight" in state:
        if f"down.{k}.weight" in state:
            widths.append(state[f"down.{k}.weight"].shape[0])
        elif not widths:
            depth += 1
        k += 1
    return (*widths, state["mid.0.conv2.weight"].shape[0]), depth


FAMILIES = (Family(NAME, _recognises, build),)
