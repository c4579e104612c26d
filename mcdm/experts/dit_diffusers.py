"""A DiT as diffusers stores it (DiTTransformer2DModel, facebook/DiT-XL-2-*) under the keys of facebookresearch/DiT.

diffusers embeds time with other frequencies than those the released weights were trained with; such networks are given
their own. A network that was trained in diffusers has "freq_shift": 1 in its JSON.
"""
from __future__ import annotations

import torch
from comfy.ldm.modules.diffusionmodules.mmdit import get_2d_sincos_pos_embed
from torch import Tensor

KEYS = {
    "pos_embed.proj.weight",
    "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight",
    "proj_out_2.weight",
}
FIRST = "transformer_blocks.0.norm1.emb."  # every block stores a copy of the embedding of time and class
WORDS = (  # of diffusers and of the reference, replaced in this order
    (FIRST + "timestep_embedder.linear_1", "t_embedder.mlp.0"),
    (FIRST + "timestep_embedder.linear_2", "t_embedder.mlp.2"),
    (FIRST + "class_embedder", "y_embedder"),
    ("pos_embed.proj", "x_embedder.proj"),
    ("proj_out_1", "final_layer.adaLN_modulation.1"),
    ("proj_out_2", "final_layer.linear"),
    ("transformer_blocks.", "blocks."),
    (".norm1.linear.", ".adaLN_modulation.1."),
    (".attn1.to_out.0.", ".attn.proj."),
    (".ff.net.0.proj.", ".mlp.fc1."),
    (".ff.net.2.", ".mlp.fc2."),
)


def from_diffusers(state: dict[str, Tensor], sample_size: int) -> None:
    """Renames the keys of diffusers to those of the reference, in place, and adds the table of positions.

    sample_size: of the latents, along a side. Raises ValueError if blocks have embeddings of their own.
    """
    for key in [key for key in state if ".norm1.emb." in key and not key.startswith(FIRST)]:
        original = FIRST + key.partition(".norm1.emb.")[2]
        if original not in state or not torch.equal(state.pop(key), state[original]):
            raise ValueError(f"its {key} is not that of the first block, but DiT has one embedding for all blocks")
    for key in list(state):
        state[_renamed(key)] = state.pop(key)
    for key in [key for key in state if ".attn1.to_q." in key]:
        q, k, v = (state.pop(key.replace("to_q", name)) for name in ("to_q", "to_k", "to_v"))
        state[key.replace("attn1.to_q", "attn.qkv")] = torch.cat([q, k, v])
    hidden, _, patch, _ = state["x_embedder.proj.weight"].shape
    state.setdefault("pos_embed", positions(hidden, sample_size // patch))


def _renamed(key: str) -> str:
    for old, new in WORDS:
        key = key.replace(old, new)
    return key


def positions(hidden: int, grid: int) -> Tensor:
    """The reference's table [1, grid * grid, hidden] of sines and cosines.

    The column runs along the first half of the width, the row along the second.
    """
    return torch.from_numpy(get_2d_sincos_pos_embed(hidden, grid)).float()[None]
