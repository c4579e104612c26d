"""The family of the embedded upsampler: the file that `dev.py train upsampler` writes."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .config import Config
from .embedded import noise_levels
from .modality import AUGMENTATION, CONDITION
from .model import ExpertModel, Family, State
from .networks.upsampler import FACTOR, Upsampler
from .pixel import PixelExpert, low_resolution
from .quantize import dequantize
from .schedules import X0Sampling
from .weights import count_parameters, dtypes, load_weights, operations

NAME = "embedded_upsampler"


def _recognises(state: State, config: Config) -> bool:
    return config.family == NAME or {"level_mlp.0.weight", "blocks.0.film.weight", "head.weight"} <= state.keys()


def build(state: State, config: Config, weight_dtype: torch.dtype | None = None) -> ExpertModel:
    """The model. Raises ValueError or KeyError if the file lacks what the training writes."""
    dequantize(state)
    width = state["stem.weight"].shape[0]
    blocks = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    levels = noise_levels(config)
    dtype, compute_dtype = dtypes(weight_dtype, count_parameters(state), state["stem.weight"].dtype)
    network = Upsampler(width, blocks, ops=operations(dtype, compute_dtype), dtype=dtype, device="meta")
    picture = replace(low_resolution(), parts={AUGMENTATION: torch.zeros(1)})
    return EnlargingExpert(load_weights(network, state, dtype), X0Sampling, [picture],
                           compute_dtype=compute_dtype, memory_usage_factor=1.0, **levels)


class EnlargingExpert(PixelExpert):
    """An upsampler that takes the small picture as it is, a pixel of it for FACTOR x FACTOR of the large one."""

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """The network's inputs as the host's conds. Raises ValueError for a size that the network cannot draw."""
        height, width = kwargs["noise"].shape[-2:]
        if height % FACTOR or width % FACTOR:
            raise ValueError(f"This upsampler draws pictures whose sides are multiples of {FACTOR} pixels, "
                             f"not {width} x {height}; change the size of the latent.")
        given = dict(kwargs.get(CONDITION, {}))
        if "low_res" in given:
            given["low_res"] = spread(small(given["low_res"], height // FACTOR, width // FACTOR))
        return super().extra_conds(**kwargs | {CONDITION: given})


def small(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture [B, C, h, w] at another size: by area where it is larger, else by cubic interpolation."""
    if picture.shape[-2] >= height and picture.shape[-1] >= width:
        return F.interpolate(picture, (height, width), mode="area")
    return F.interpolate(picture, (height, width), mode="bicubic", align_corners=False).clamp(-1, 1)


def spread(picture: Tensor) -> Tensor:
    """[B, C, h, w] with each pixel repeated: [B, C, FACTOR h, FACTOR w], of which the host can cut tiles."""
    return picture.repeat_interleave(FACTOR, -2).repeat_interleave(FACTOR, -1)


FAMILIES = (Family(NAME, _recognises, build),)
