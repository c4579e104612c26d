"""The common part of the experts around openai_unet: in pixel space, with pictures of any size as conditions."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .config import Config, Source
from .modality import CONDITION, Conditioning, Given, Modality, conditioning
from .model import ExpertModel, State
from .networks.openai_table import Table
from .networks.openai_unet import CHANNELS, UNet
from .schedules import of_guided_diffusion
from .weights import count_parameters, dtypes, load_weights, operations

KEYS = {
    "time_embed.0.weight",
    "input_blocks.0.0.weight",
    "middle_block.1.qkv.weight",
    "output_blocks.0.0.out_layers.3.weight",
    "out.2.weight",
}
RESIZE = {"low_res": "bilinear", "inpaint_mask": "nearest-exact"}  # other conditions: bicubic


def input_channels(state: State) -> int:
    """Channels of a U-Net's input, 0 where the state dict is not of this kind."""
    if not state.keys() >= KEYS or state["input_blocks.0.0.weight"].ndim != 4:
        return 0
    return state["input_blocks.0.0.weight"].shape[1]


def picture(name: str, key: str, trained_null: bool = True) -> Modality:
    """The modality of a picture [B, 3, H, W] in [-1, 1] beside the noisy one; its null is mid grey, at any size."""
    null = torch.zeros(1, CHANNELS, 1, 1)
    return Modality(name, "map", key, null, encoding="picture", trained_null=trained_null)


def low_resolution() -> Modality:
    """The picture [B, 3, h, w] in [-1, 1] that an upsampler enlarges."""
    return Given("low resolution", "map", "low_res", torch.empty(1, CHANNELS, 0, 0), encoding="low resolution")


def with_heads(table: Table, config: Config, known: Source | None) -> Table:
    """The table with its attention heads as the file's config gives them. Raises ValueError if it does not.

    known: the row of the released checkpoint of this shape, or None. A number of heads beside the file counts for more
    than its channels per head.
    """
    row = dict(known or {})
    if "num_heads" in config and "num_head_channels" not in config:
        row.pop("num_head_channels", None)
    config.known(row)
    if "num_head_channels" not in config and "num_heads" not in config:
        raise ValueError("its weights do not reveal the attention heads; write either num_head_channels (channels of a "
                         "head, such as 64) or num_heads (heads at every level, such as 4) as "
                         f'{{"num_head_channels": 64}} into {config.stem or "NAME"}.json beside the file, '
                         "or into its metadata.")
    per_head = config.get("num_head_channels", -1)
    heads = config.need("num_heads", int) if per_head == -1 else config.get("num_heads", 1)
    return replace(table, num_head_channels=per_head, num_heads=heads)


def build_expert(network: type[UNet], table: Table, modalities: list[Modality], state: State, config: Config,
                 weight_dtype: torch.dtype | None, model: type[ExpertModel] | None = None,
                 **parts: Any) -> ExpertModel:
    """The ExpertModel around a UNet class with the weights in `state`, which is emptied.

    model: its class, None = PixelExpert. parts: further arguments of the network. Raises ValueError for settings that
    are missing or do not fit.
    """
    learned = table.out_channels == 2 * CHANNELS
    learn_sigma = config.get("learn_sigma", learned)
    if table.out_channels not in (CHANNELS, 2 * CHANNELS) or learn_sigma != learned:
        raise ValueError(f"its output has {table.out_channels} channels, which does not fit learn_sigma {learn_sigma}: "
                         f"{CHANNELS} are a prediction, {2 * CHANNELS} a prediction and a learned variance.")
    config.ignore("image_size")  # convolutions know no size
    levels = of_guided_diffusion(config)
    dtype, compute_dtype = dtypes(weight_dtype, count_parameters(state), state["out.2.weight"].dtype)
    ops = operations(dtype, compute_dtype, config.fast_fp8)
    unet = network(table, **parts, ops=ops, dtype=dtype, device="meta")
    return (model or PixelExpert)(
        load_weights(unet, state, dtype), levels, modalities,
        compute_dtype=compute_dtype,
        memory_usage_factor=table.widths[0] / 256,  # the finest level holds the most; three times what its tensors take
    )


class PixelExpert(ExpertModel):
    """An expert in pixel space; pictures among its conditions are brought to the size that is drawn."""

    def null_conditioning(self, condition: Conditioning | None = None) -> Conditioning:
        """The nulls, and those parts of `condition` that are Given.

        Raises ValueError if one is missing that the network cannot do without.
        """
        given: dict[str, Tensor] = {}
        for _, rest in reversed(condition or []):
            given |= rest.get(CONDITION, {})
        kept: dict[str, Tensor] = {}
        for modality in self.modalities.values():
            if isinstance(modality, Given):
                kept |= {key: given[key] for key in modality.nulls if key in given}
        self._require(kept)
        return conditioning(self.nulls | kept) if kept else super().null_conditioning(condition)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """The network's inputs as the host's conds, at the size of kwargs["noise"]. Raises ValueError."""
        given = kwargs.get(CONDITION, {})
        self._require(given)
        size = kwargs["noise"].shape[-2:]
        resized = {}
        for key, value in (self.nulls | given).items():
            resized[key] = resize_condition(value, size, RESIZE.get(key, "bicubic"))
        return super().extra_conds(**kwargs | {CONDITION: resized})

    def _require(self, given: dict[str, Tensor]) -> None:
        for modality in self.modalities.values():
            if not modality.null.numel() and modality.key not in given:
                raise ValueError(f"This expert works on a picture ({modality.name}); "
                                 "connect Map Condition with that modality as its condition.")


def resize_condition(condition: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """A picture [B, C, h, w] at another size (height, width); anything else as it is."""
    if condition.ndim < 4 or condition.shape[-2:] == size:
        return condition
    if mode == "bicubic":  # as the authors bring their maps to size
        return F.interpolate(condition, size, mode=mode, antialias=True).clamp(-1, 1)
    return F.interpolate(condition, size, mode=mode)
