"""The table from which the U-Net of guided-diffusion, GLIDE and Unite and Conquer is built."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Table:
    """All that distinguishes one of these networks from another.

    widths, attention: one entry per level, the finest first. depth: residual blocks per level on the way down (one
    more on the way up). resample: between levels by a "resblock", by a "conv", or by "pool", which has no weights.
    scale_shift: whether the embedding of time scales the normalised features, too. classes, text_width, vector_width:
    0 = no such condition. num_heads, num_head_channels and new_attention_order are not told by a checkpoint's shapes.
    """
    in_channels: int
    out_channels: int
    model_channels: int
    widths: tuple[int, ...]
    depth: int
    attention: tuple[bool, ...]
    resample: str
    scale_shift: bool
    classes: int = 0
    text_width: int = 0
    vector_width: int = 0
    num_heads: int = 1
    num_head_channels: int = -1
    new_attention_order: bool = False

    @classmethod
    def read(cls, state: dict[str, Tensor]) -> Table:
        """All that the shapes of a state dict tell. Raises KeyError if a block is missing."""
        inputs, outputs = _indices(state, "input_blocks"), _indices(state, "output_blocks")
        count = next(n for n in range(len(outputs) + 1) if n not in outputs)  # as many on the way down as up
        resample, per_level = _resampling(state, inputs, count)
        tops = list(range(0, count, per_level))[::-1]  # the first output block of each level, finest first
        middle = "middle_block.0"
        films = state[f"{middle}.emb_layers.1.weight"].shape[0]
        return cls(
            in_channels=state["input_blocks.0.0.weight"].shape[1],
            out_channels=state["out.2.weight"].shape[0],
            model_channels=state["time_embed.0.weight"].shape[1],
            widths=tuple(state[f"output_blocks.{j}.0.out_layers.3.weight"].shape[0] for j in tops),
            depth=per_level - 1,
            attention=tuple(f"output_blocks.{j}.1.qkv.weight" in state for j in tops),
            resample=resample,
            scale_shift=films == 2 * state[f"{middle}.out_layers.3.weight"].shape[0],
            classes=_size(state, "label_emb.weight", 0),
            text_width=_size(state, "middle_block.1.encoder_kv.weight", 1),
            vector_width=_size(state, f"{middle}.cond_emb_layers.1.weight", 1),
        )

    def heads(self, channels: int) -> int:
        """Attention heads at a width. Raises ValueError if the width does not divide."""
        heads = self.num_heads
        if self.num_head_channels != -1:
            heads = channels // max(self.num_head_channels, 1)
        if heads < 1 or channels % heads or self.num_head_channels not in (-1, channels // heads):
            raise ValueError(
                f"its attention of {channels} channels cannot be split by num_head_channels {self.num_head_channels}, "
                f"num_heads {self.num_heads}; correct the JSON beside the file")
        return heads


def _indices(state: Iterable[str], blocks: str) -> set[int]:
    """The numbers of the blocks in a list of them, such as "input_blocks"."""
    numbers = (key.split(".")[1] for key in state if key.startswith(blocks + "."))
    return {int(number) for number in numbers if number.isdecimal()}


def _resampling(state: dict[str, Tensor], inputs: set[int], count: int) -> tuple[str, int]:
    """(how a network resamples, output blocks per level). inputs: the numbers of the input blocks with weights."""
    ups = []
    for j in range(count):
        if any(f"output_blocks.{j}.{i}.in_layers.0.weight" in state for i in (1, 2)):
            ups.append(j)
    downs = [k for k in range(1, count) if f"input_blocks.{k}.0.op.weight" in state]
    gaps = [k for k in range(1, count) if k not in inputs]
    if downs:
        return "conv", downs[0]
    if gaps and not ups:
        return "pool", gaps[0]
    return "resblock", ups[0] + 1 if ups else count


def _size(state: dict[str, Tensor], key: str, dimension: int) -> int:
    """The size of a tensor in one dimension; 0 where there is no such tensor."""
    return state[key].shape[dimension] if key in state else 0
