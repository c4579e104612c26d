"""Ablated diffusion models of openai/guided-diffusion: class-conditional, unconditional, and upsamplers."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from .config import Config
from .modality import classes
from .model import ExpertModel, Family, State
from .networks.adm import ADM
from .networks.openai_table import Table
from .pixel import build_expert, input_channels, low_resolution, with_heads

COMMON = {
    "noise_schedule": "linear",
    "diffusion_steps": 1000,
    "rescale_timesteps": False,
    "prediction": "eps",
    "use_new_attention_order": False,
}
MULT_64, MULT_128 = (1, 2, 3, 4), (1, 1, 2, 3, 4)
MULT_256, MULT_512 = (1, 1, 2, 2, 4, 4), (0.5, 1, 1, 2, 2, 4, 4)


def released(model_channels: int, mult: tuple[float, ...], attention: int, depth: int = 2, in_channels: int = 3,
             **conditions: Any) -> Table:
    """The table of a released network. mult: width of each level. attention: on that many of the coarsest levels."""
    return Table(
        in_channels, 6, model_channels,
        widths=tuple(int(m * model_channels) for m in mult),
        depth=depth,
        attention=tuple(level >= len(mult) - attention for level in range(len(mult))),
        resample="resblock",
        scale_shift=True,
        **conditions,
    )


# What the shapes do not tell of the released checkpoints, by the flags in the README of guided-diffusion.
KNOWN: dict[Table, dict[str, Any]] = {
    released(192, MULT_64, 3, depth=3, classes=1000): COMMON | {
        "num_head_channels": 64, "use_new_attention_order": True, "noise_schedule": "cosine"},
    released(256, MULT_128, 3, classes=1000): COMMON | {"num_heads": 4},
    released(256, MULT_256, 3, classes=1000): COMMON | {"num_head_channels": 64},
    released(256, MULT_256, 3): COMMON | {"num_head_channels": 64},  # unconditional, and LSUN bedroom, cat, horse
    released(256, MULT_512, 3, classes=1000): COMMON | {"num_head_channels": 64},
    released(192, MULT_256, 3, classes=1000, in_channels=6): COMMON | {"num_heads": 4},  # 64 to 256
    released(192, MULT_256, 2, classes=1000, in_channels=6): COMMON | {"num_head_channels": 64},  # 128 to 512
}


def _recognises(state: State, config: Config) -> bool:
    return input_channels(state) == 3 and "token_embedding.weight" not in state


def _recognises_superres(state: State, config: Config) -> bool:
    """Without classes its keys are those of the sketch network: then the file or its sidecar has to say which it is."""
    if input_channels(state) != 6 or {"token_embedding.weight", "input_blocks_convert.weight"} & state.keys():
        return False
    return "label_emb.weight" in state or config.family == "adm_superres"


def build(state: State, config: Config, weight_dtype: torch.dtype | None) -> ExpertModel:
    """The model. Raises ValueError or KeyError if the file or its config is incomplete."""
    shape = Table.read(state)
    table = with_heads(shape, config, KNOWN.get(shape))
    table = replace(table, new_attention_order=config.need("use_new_attention_order", (False, True)))
    modalities = []
    if table.classes:
        modalities.append(classes(table.classes, trained_null=False))
    if table.in_channels == 6:
        modalities.append(low_resolution())
    return build_expert(ADM, table, modalities, state, config, weight_dtype)


FAMILIES = (
    Family("adm", _recognises, build),
    Family("adm_superres", _recognises_superres, build),
)
