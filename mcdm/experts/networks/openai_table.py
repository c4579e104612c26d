"""What the shapes of a checkpoint tell of the U-Net of guided-diffusion, GLIDE and Unite and Conquer, and what they do not."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """widths and attention: one entry a level, finest first. depth: residual blocks a level on the way down (one more on the way up).

    resample: between levels by a "resblock", a "conv", or "pool" without weights. text_width, vector_width, classes: 0 = no such condition.
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
    def read(cls, state):
        """What the shapes of a state dict tell: all but the heads and their order. Raises KeyError where a block is missing."""
        inputs, outputs = _indices(state, "input_blocks"), _indices(state, "output_blocks")
        blocks = next(n for n in range(len(outputs) + 1) if n not in outputs)          # as many on the way down as up
        ups = [j + 1 for j in range(blocks) if any(f"output_blocks.{j}.{i}.in_layers.0.weight" in state for i in (1, 2))]
        downs = [k for k in range(1, blocks) if f"input_blocks.{k}.0.op.weight" in state]
        gaps = [k for k in range(1, blocks) if k not in inputs]
        resample, first = ("conv", downs) if downs else ("pool", gaps) if gaps and not ups else ("resblock", ups)
        per_level = first[0] if first else blocks
        top = list(range(0, blocks, per_level))[::-1]                   # the first output block of each level, finest first
        label, vector = state.get("label_emb.weight"), state.get("middle_block.0.cond_emb_layers.1.weight")
        text = state.get("middle_block.1.encoder_kv.weight")
        widths = tuple(state[f"output_blocks.{j}.0.out_layers.3.weight"].shape[0] for j in top)
        return cls(
            in_channels=state["input_blocks.0.0.weight"].shape[1], out_channels=state["out.2.weight"].shape[0],
            model_channels=state["time_embed.0.weight"].shape[1], widths=widths, depth=per_level - 1,
            attention=tuple(f"output_blocks.{j}.1.qkv.weight" in state for j in top), resample=resample,
            scale_shift=state["middle_block.0.emb_layers.1.weight"].shape[0] == 2 * state["middle_block.0.out_layers.3.weight"].shape[0],
            classes=0 if label is None else label.shape[0], text_width=0 if text is None else text.shape[1],
            vector_width=0 if vector is None else vector.shape[1])

    def heads(self, channels):
        """Attention heads at a width. Raises ValueError where the width does not divide."""
        heads = self.num_heads if self.num_head_channels == -1 else channels // max(self.num_head_channels, 1)
        if heads < 1 or channels % heads or self.num_head_channels not in (-1, channels // heads):
            raise ValueError(f"its attention of {channels} channels cannot be split by num_head_channels {self.num_head_channels}, "
                             f"num_heads {self.num_heads}; correct the JSON beside the file")
        return heads


def _indices(state, blocks):
    return {int(k.split(".")[1]) for k in state if k.startswith(blocks + ".") and k.split(".")[1].isdecimal()}
