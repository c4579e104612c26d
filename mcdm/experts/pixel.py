"""What the experts around openai_unet share: choices that shapes do not tell, and conditions that are pictures of any size."""
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from .model import CONDITION, ExpertModel, Modality, conditioning, dtypes, fill, operations
from .networks.openai_unet import CHANNELS, UNet
from .schedules import PREDICTIONS, SCHEDULES, sampling

UNET = {"time_embed.0.weight", "input_blocks.0.0.weight", "middle_block.1.qkv.weight", "output_blocks.0.0.out_layers.3.weight", "out.2.weight"}
RESIZE = {"low_res": "bilinear", "inpaint_mask": "nearest-exact"}


@dataclass(frozen=True)
class Given(Modality):
    """A condition that is no wish: what is to be enlarged or completed. The null keeps it. An empty null: the network cannot do without."""


def channels(state):
    """Channels of a U-Net's input, 0 where the state dict is none of this family's."""
    return state["input_blocks.0.0.weight"].shape[1] if state.keys() >= UNET and state["input_blocks.0.0.weight"].ndim == 4 else 0


def picture(name, key, encoding="picture", **kw):
    """The modality of a picture [B, 3, H, W] in [-1, 1] beside the noisy one; its null is mid grey, at any size."""
    return Modality(name, "map", key, torch.zeros(1, CHANNELS, 1, 1), encoding=encoding, **kw)


def low_resolution():
    return Given("low resolution", "map", "low_res", torch.empty(1, CHANNELS, 0, 0), encoding="low resolution")


def heads(table, config, known):
    """The table with its attention heads as the file's config gives them. Raises ValueError where it does not.

    known: the row of the released checkpoint of this shape, or None; a number of heads beside the file counts for more than its channels of a head.
    """
    by_number = "num_heads" in config and "num_head_channels" not in config
    config.known({k: v for k, v in (known or {}).items() if not (by_number and k == "num_head_channels")})
    if "num_head_channels" not in config and "num_heads" not in config:
        raise ValueError("its weights do not tell the attention heads; write either num_head_channels (channels of a head, such as 64) or num_heads (heads at "
                         f'every level, such as 4) as {{"num_head_channels": 64}} into {config.stem or "NAME"}.json beside the file, or into its metadata.')
    per_head = config.get("num_head_channels", -1)
    number = config.need("num_heads", int) if per_head == -1 else config.get("num_heads", 1)
    return replace(table, num_head_channels=per_head, num_heads=number)


def expert(network, table, modalities, state, config, weight_dtype, model=None, **parts):
    """The ExpertModel (of the class `model`) around a UNet class with the weights in `state`, which is emptied. parts: further arguments of the network."""
    learned = table.out_channels == 2 * CHANNELS
    if table.out_channels not in (CHANNELS, 2 * CHANNELS) or config.get("learn_sigma", learned) != learned:
        raise ValueError(f"its output has {table.out_channels} channels, which does not fit learn_sigma {config.get('learn_sigma', learned)}: "
                         f"{CHANNELS} are a prediction, {2 * CHANNELS} a prediction and a learned variance.")
    config.get("image_size", 0)                 # convolutions know no size
    steps = config.need("diffusion_steps", int)
    levels = sampling(config.need("prediction", tuple(PREDICTIONS)), config.need("noise_schedule", SCHEDULES), steps,
                      rescale_timesteps=config.get("rescale_timesteps", False) if steps == 1000 else config.need("rescale_timesteps", bool))
    dtype, compute_dtype = dtypes(weight_dtype, sum(v.numel() for v in state.values()), state["out.2.weight"].dtype)
    unet: UNet = network(table, **parts, ops=operations(dtype, compute_dtype, config.fast_fp8), dtype=dtype, device="meta")
    return (model or PixelExpert)(fill(unet, state, dtype), levels, modalities, compute_dtype=compute_dtype,
                       memory_usage_factor=table.widths[0] / 256)          # the finest level holds the most; three times what its tensors take


class PixelExpert(ExpertModel):
    """An expert in pixel space; pictures among its conditions are brought to the size that is drawn."""

    def null_conditioning(self, condition=None):
        """The nulls, and of `condition` what is Given. Raises ValueError where the network cannot do without and it is missing."""
        given: dict = {}
        for _, rest in reversed(condition or []):
            given |= rest.get(CONDITION, {})
        kept = {k: given[k] for m in self.modalities.values() if isinstance(m, Given) for k in m.nulls if k in given}
        self._require(kept)
        return conditioning(self.nulls | kept) if kept else super().null_conditioning(condition)

    def extra_conds(self, **kwargs):
        given = kwargs.get(CONDITION, {})
        self._require(given)
        size = kwargs["noise"].shape[-2:]
        fitted = {k: fit(v, size, RESIZE.get(k, "bicubic")) for k, v in (self.nulls | given).items()}
        return super().extra_conds(**kwargs | {CONDITION: fitted})

    def _require(self, given):
        for m in self.modalities.values():
            if not m.null.numel() and m.key not in given:
                raise ValueError(f"This expert works on a picture ({m.name}); connect Map Condition with that modality as its condition.")


def fit(condition, size, mode):
    """A picture [B, C, h, w] at another size; anything else as it is."""
    if condition.ndim < 4 or condition.shape[-2:] == size:
        return condition
    if mode == "bicubic":           # as the authors bring their maps to size
        return F.interpolate(condition, size, mode=mode, antialias=True).clamp(-1, 1)
    return F.interpolate(condition, size, mode=mode)
