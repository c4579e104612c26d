"""DiT and SiT, with the keys of facebookresearch/DiT and willisma/SiT, or of a diffusers folder of DiT."""
from __future__ import annotations

import math
import re
from typing import Any

import comfy.latent_formats
import comfy.utils
import torch

from . import dit_diffusers
from .config import Config
from .modality import Modality, classes
from .model import ExpertModel, Family, State
from .networks.dit import DiT, Shape, SiT
from .schedules import FlowSampling, from_config
from .weights import count_parameters, dtypes, load_weights, operations

KEYS = {
    "x_embedder.proj.weight",
    "t_embedder.mlp.0.weight",
    "y_embedder.embedding_table.weight",
    "pos_embed",
    "blocks.0.mlp.fc1.weight",
    "final_layer.linear.weight",
}

_XL = {"hidden": 1152, "depth": 28, "patch": 2, "channels": 4, "out_channels": 8, "mlp": 4608, "rows": 1001}
XL_256, XL_512 = Shape(**_XL, tokens=256), Shape(**_XL, tokens=1024)
COMMON = {"num_heads": 16, "noise_schedule": "linear", "diffusion_steps": 1000, "prediction": "eps"}

# What the shapes do not tell of the released checkpoints; their files' names tell the family.
KNOWN: dict[tuple[str | None, Shape], dict[str, Any]] = {
    ("dit", XL_256): COMMON,
    ("dit", XL_512): COMMON,
    ("sit", XL_256): {"num_heads": 16, "prediction": "velocity"},
}


def family_of(state: State, config: Config) -> str | None:
    """"dit", "sit", or None where only the user knows: their keys and shapes are the same."""
    if config.family:
        return config.family
    if "prediction" in config:
        return "sit" if config["prediction"] == "velocity" else "dit"
    if state.keys() >= dit_diffusers.KEYS:
        return "dit"
    named = set(re.findall(r"(?<![a-z])(dit|sit)(?![a-z])", config.stem.lower()))
    family = named.pop() if len(named) == 1 else None
    return family if (family, Shape.read(state)) in KNOWN else None


def _recognises_dit(state: State, config: Config) -> bool:
    """Files that could be either are taken here; `build` then asks."""
    ours = state.keys() >= KEYS or state.keys() >= dit_diffusers.KEYS
    return ours and family_of(state, config) != "sit"


def _recognises_sit(state: State, config: Config) -> bool:
    return state.keys() >= KEYS and family_of(state, config) == "sit"


def build(state: State, config: Config, weight_dtype: torch.dtype | None) -> ExpertModel:
    """The model. Raises ValueError or KeyError if the file or its config is incomplete or does not fit."""
    family = family_of(state, config) or config.need("family", ("dit", "sit"))
    if state.keys() >= dit_diffusers.KEYS:
        dit_diffusers.from_diffusers(state, config.need("sample_size", int))
    shape = Shape.read(state)
    config.known(KNOWN.get((family, shape)))
    config.ignore("image_size")  # told by the table of positions
    heads = config.get("num_attention_heads", 0) or config.need("num_heads", int)
    _check(shape, heads, config)
    modality = _classes(shape, config)
    if family == "sit" and "prediction" in config:
        config.need("prediction", ("velocity",))
    levels = FlowSampling if family == "sit" else from_config(config)
    dtype, compute_dtype = dtypes(weight_dtype, count_parameters(state), comfy.utils.weight_dtype(state))
    ops = operations(dtype, compute_dtype, config.fast_fp8)
    kind = SiT if family == "sit" else DiT
    network = kind(shape, heads, config.get("freq_shift", 0.0), ops=ops, dtype=dtype, device="meta")
    size = network.grid * shape.patch
    return ExpertModel(
        load_weights(network, state, dtype), levels, [modality],
        fixed_size=(size, size),
        compute_dtype=compute_dtype,
        latent_format=comfy.latent_formats.SD15,
        memory_usage_factor=shape.hidden / 4000,  # ten tensors of `hidden` per patch, a patch being four cells
    )


def _check(shape: Shape, heads: int, config: Config) -> None:
    """Raises ValueError for an impossible network, or one that draws in another space than Stable Diffusion's."""
    if heads < 1 or shape.hidden % heads:
        raise ValueError(f"its {shape.hidden} channels cannot be split into num_heads {heads}; "
                         "correct the JSON beside it")
    learned = shape.out_channels == 2 * shape.channels
    learn_sigma = config.get("learn_sigma", learned)
    if shape.channels != 4 or shape.out_channels not in (4, 8) or learn_sigma != learned:
        raise ValueError(f"it takes {shape.channels} channels and gives {shape.out_channels}; a network of "
                         "Stable Diffusion's latents takes 4 and gives 4, or 8 with learn_sigma")
    if math.isqrt(shape.tokens) ** 2 != shape.tokens:
        raise ValueError(f"its table of {shape.tokens} positions is not square")


def _classes(shape: Shape, config: Config) -> Modality:
    """The table has one row more than there are classes, the null, unless the training never dropped a class."""
    count = config.get("num_classes", shape.rows - 1)
    if shape.rows == 1000:  # of either kind
        count = config.need("num_classes", (999, 1000))
    if count not in (shape.rows - 1, shape.rows) or count < 1:
        raise ValueError(f"its class table has {shape.rows} rows, which does not fit num_classes {count}")
    has_null = count < shape.rows
    return classes(count, null=count if has_null else None, trained_null=has_null)


FAMILIES = (
    Family("dit", _recognises_dit, build),
    Family("sit", _recognises_sit, build),
)
