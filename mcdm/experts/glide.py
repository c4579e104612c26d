"""GLIDE of openai/glide-text2im: text to picture, its upsampler, and the inpainting variants of both."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from .adm import MULT_64, MULT_256, released
from .config import Config
from .modality import Given, Modality
from .model import ExpertModel, Family, State
from .networks.glide import GlideUNet, TextTable
from .networks.openai_table import Table
from .networks.openai_unet import CHANNELS
from .pixel import build_expert, input_channels, low_resolution, with_heads

COMMON = {
    "num_head_channels": 64,
    "xf_heads": 8,
    "noise_schedule": "squaredcos_cap_v2",
    "diffusion_steps": 1000,
    "rescale_timesteps": False,
    "prediction": "eps",
}
TEXT = TextTable(width=512, layers=16, context=128, vocabulary=50257)
# Input channels.
BASE = 3
BASE_INPAINT = 7
UPSAMPLER = 6
UPSAMPLER_INPAINT = 10

# What the shapes do not tell of the released checkpoints (glide_text2im/model_creation.py).
KNOWN: dict[tuple[Table, TextTable], dict[str, Any]] = {
    (released(192, MULT_64, 3, depth=3, text_width=512, in_channels=BASE), TEXT): COMMON,
    (released(192, MULT_64, 3, depth=3, text_width=512, in_channels=BASE_INPAINT), TEXT): COMMON,
    (released(192, MULT_256, 3, text_width=512, in_channels=UPSAMPLER), TEXT): COMMON | {"noise_schedule": "linear"},
    (released(192, MULT_256, 3, text_width=512, in_channels=UPSAMPLER_INPAINT), TEXT): COMMON | {
        "noise_schedule": "linear"},
}


def _recognises(state: State, config: Config) -> bool:
    return "token_embedding.weight" in state and input_channels(state) in (BASE, BASE_INPAINT)


def _recognises_upsampler(state: State, config: Config) -> bool:
    return "token_embedding.weight" in state and input_channels(state) in (UPSAMPLER, UPSAMPLER_INPAINT)


def build(state: State, config: Config, weight_dtype: torch.dtype | None) -> ExpertModel:
    """The model. Raises ValueError or KeyError if the file or its config is incomplete."""
    shape, text = Table.read(state), TextTable.read(state)
    table = with_heads(shape, config, KNOWN.get((shape, text)))
    text = replace(text, heads=config.need("xf_heads", int))
    end = torch.full((1, text.context), text.vocabulary - 1)
    no_words = torch.zeros(1, text.context, dtype=torch.bool)
    modalities = [Modality("text", "text", "tokens", end, parts={"mask": no_words})]
    if shape.in_channels in (BASE_INPAINT, UPSAMPLER_INPAINT):
        blank = torch.zeros(1, CHANNELS, 1, 1)
        modalities.append(Given("inpainting", "map", "inpaint_image", blank, encoding="inpainting",
                                parts={"inpaint_mask": blank[:, :1]}))
    if shape.in_channels in (UPSAMPLER, UPSAMPLER_INPAINT):
        modalities.append(low_resolution())
    return build_expert(GlideUNet, table, modalities, state, config, weight_dtype, text=text)


FAMILIES = (
    Family("glide", _recognises, build),
    Family("glide_upsampler", _recognises_upsampler, build),
)
