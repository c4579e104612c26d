"""diffusers' UNet2DModel in pixel space, such as google/ddpm-*.

It is a folder with weights, config.json and scheduler_config.json. The shapes tell nothing: everything is read from
those files, with the defaults of diffusers' class.
"""
from __future__ import annotations

import comfy.utils
import torch

from .config import Config
from .modality import Modality, classes
from .model import ExpertModel, Family, State
from .networks.unet2d import UNet2D
from .networks.unet2d_layers import ACTIVATIONS, Settings
from .schedules import from_config
from .weights import count_parameters, dtypes, load_weights, operations

KEYS = {
    "conv_in.weight",
    "time_embedding.linear_1.weight",
    "down_blocks.0.resnets.0.norm1.weight",
    "up_blocks.0.resnets.0.norm1.weight",
    "conv_norm_out.weight",
}
DOWN = {"DownBlock2D": False, "AttnDownBlock2D": True}  # whether with attention
UP = {"UpBlock2D": False, "AttnUpBlock2D": True}
DEPRECATED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # before diffusers 0.13
SUPPORTED = {  # setting: the values that this network knows, diffusers' default first
    "time_embedding_type": ("positional",),
    "act_fn": tuple(ACTIVATIONS),
    "downsample_type": ("conv", "resnet"),
    "upsample_type": ("conv", "resnet"),
    "mid_block_type": ("UNetMidBlock2D",),
    "class_embed_type": ("none",),
    "resnet_time_scale_shift": ("default", "scale_shift"),
}


def read_settings(config: Config, keys: int) -> Settings:
    """The Settings in a config; keys: how many the state dict has, since no network has more layers than that.

    Raises ValueError for what is not supported or not possible.
    """
    widths = config.need("block_out_channels", list)
    if not 0 < len(widths) <= keys or not all(type(width) is int and width > 0 for width in widths):
        raise ValueError(f"its block_out_channels are {str(widths)[:60]}, but must be whole numbers")
    down = _attentions(config, "down_block_types", DOWN, len(widths))
    up = _attentions(config, "up_block_types", UP, len(widths))
    layers, groups = config.get("layers_per_block", 2), config.get("norm_num_groups", 32)
    head_dim = None if config.is_null("attention_head_dim") else config.get("attention_head_dim", 8)
    if not 0 < layers <= keys or groups < 1 or (head_dim is not None and head_dim < 1):
        raise ValueError(f"its layers_per_block {layers}, norm_num_groups {groups} or "
                         f"attention_head_dim {head_dim} is impossible")
    for key, supported in SUPPORTED.items():
        if config.get(key, supported[0]) not in supported:
            raise ValueError(f"its {key} is {str(config[key])[:60]}; supported: {' or '.join(supported)}")
    scale_shift = config.get("resnet_time_scale_shift", "default") == "scale_shift"
    rescale = config.get("mid_block_scale_factor", 1.0)
    if not rescale:
        raise ValueError("its mid_block_scale_factor is 0, but it divides by it")
    return Settings(
        widths, down, up,
        middle=not config.is_null("mid_block_type"),
        layers=layers,
        channels=config.get("in_channels", 3),
        out_channels=config.get("out_channels", 3),
        groups=groups,
        middle_groups=config.get("attn_norm_num_groups", 0 if scale_shift else groups),
        eps=config.get("norm_eps", 1e-5),
        activation=config.get("act_fn", "silu"),
        scale_shift=scale_shift,
        attention=config.get("add_attention", True),
        head_dim=head_dim,
        rescale=rescale,
        padding=config.get("downsample_padding", 1),
        downsample=config.get("downsample_type", "conv"),
        upsample=config.get("upsample_type", "conv"),
        flip=config.get("flip_sin_to_cos", True),
        freq_shift=config.get("freq_shift", 0.0),
        center=config.get("center_input_sample", False),
        emb=config.get("time_embedding_dim", 4 * widths[0]),
        classes=config.get("num_class_embeds", 0),
    )


def _attentions(config: Config, key: str, known: dict[str, bool], levels: int) -> list[bool]:
    """Whether each level has attention, by the names of its blocks. Raises ValueError for others than `known`."""
    names = config.need(key, list)
    if len(names) != levels or not all(isinstance(name, str) and name in known for name in names):
        raise ValueError(f"its {key} are {str(names)[:90]}; supported: {' and '.join(known)}, one for each of "
                         "block_out_channels")
    return [known[name] for name in names]


def _recognises(state: State, config: Config) -> bool:
    return state.keys() >= KEYS and not any(".attn2." in key for key in state)  # cross-attention is the host's


def build(state: State, config: Config, weight_dtype: torch.dtype | None) -> ExpertModel:
    """The model. Raises ValueError for settings that are missing, not supported or do not fit the weights."""
    settings = read_settings(config, len(state))
    if settings.channels != 3 or settings.out_channels not in (3, 6):
        raise ValueError(f"it takes {settings.channels} channels and gives {settings.out_channels}; an expert in pixel "
                         "space takes 3 and gives 3, or 6 with a learned variance")
    if "vae" in config or "vqvae" in config:
        raise ValueError("it draws in the latents of its own autoencoder, which no other expert shares")
    _rename_deprecated(state)
    dtype, compute_dtype = dtypes(weight_dtype, count_parameters(state), comfy.utils.weight_dtype(state))
    ops = operations(dtype, compute_dtype, config.fast_fp8)
    network = load_weights(UNet2D(settings, ops=ops, dtype=dtype, device="meta"), state, dtype)
    modalities: list[Modality] = []
    if settings.classes:
        modalities.append(classes(settings.classes, trained_null=False))
    return ExpertModel(
        network, from_config(config), modalities,
        compute_dtype=compute_dtype,
        memory_usage_factor=settings.widths[0] / 700,  # fifteen tensors of the finest level
    )


def _rename_deprecated(state: State) -> None:
    """Attention's old keys to those of today, in place: X.attentions.0.query.weight to X.attentions.0.to_q.weight."""
    for key in list(state):
        block, _, rest = key.partition(".attentions.")
        number, _, name = rest.partition(".")
        layer, _, kind = name.partition(".")
        if layer in DEPRECATED:
            state[f"{block}.attentions.{number}.{DEPRECATED[layer]}.{kind}"] = state.pop(key)


FAMILIES = (Family("unet2d", _recognises, build),)
