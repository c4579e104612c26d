"""A DiT in diffusers' clothes (DiTTransformer2DModel, facebook/DiT-XL-2-*) under the keys of facebookresearch/DiT.

diffusers embeds time with other frequencies than those the released weights were trained with; such networks are asked with their own.
One that was trained in diffusers has "freq_shift": 1 in its JSON.
"""
import torch

DIFFUSERS_KEYS = {"pos_embed.proj.weight", "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight", "proj_out_2.weight"}


def from_diffusers(state, sample_size):
    """The keys of diffusers' DiTTransformer2DModel to those of the reference, in place; the position table is computed."""
    first = "transformer_blocks.0.norm1.emb."
    for key in [k for k in state if ".norm1.emb." in k and not k.startswith(first)]:        # every block stores a copy
        original = first + key.partition(".norm1.emb.")[2]
        if original not in state or not torch.equal(state.pop(key), state[original]):
            raise ValueError(f"its {key} is not that of the first block, but DiT has one embedding for all blocks")
    words = ((first + "timestep_embedder.linear_1", "t_embedder.mlp.0"), (first + "timestep_embedder.linear_2", "t_embedder.mlp.2"),
             (first + "class_embedder", "y_embedder"), ("pos_embed.proj", "x_embedder.proj"), ("proj_out_1", "final_layer.adaLN_modulation.1"),
             ("proj_out_2", "final_layer.linear"), ("transformer_blocks.", "blocks."), (".norm1.linear.", ".adaLN_modulation.1."),
             (".attn1.to_out.0.", ".attn.proj."), (".ff.net.0.proj.", ".mlp.fc1."), (".ff.net.2.", ".mlp.fc2."))
    for key in list(state):
        new = key
        for old, word in words:
            new = new.replace(old, word)
        state[new] = state.pop(key)
    for key in [k for k in state if ".attn1.to_q." in k]:
        parts = [state.pop(key.replace("to_q", f"to_{part}")) for part in "qkv"]
        state[key.replace("attn1.to_q", "attn.qkv")] = torch.cat(parts)
    hidden, _, patch, _ = state["x_embedder.proj.weight"].shape
    state.setdefault("pos_embed", positions(hidden, sample_size // patch))


def positions(hidden, grid):
    """The table [1, grid * grid, hidden] of sines and cosines: the column along the first half of the width, the row along the second."""
    omega = 10000.0 ** -(torch.arange(hidden // 4, dtype=torch.float64) / (hidden // 4))
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * omega
    line = torch.cat([angles.sin(), angles.cos()], dim=1)                           # [grid, hidden / 2]
    table = torch.cat([line.expand(grid, -1, -1), line[:, None].expand(-1, grid, -1)], dim=2)
    return table.reshape(1, grid * grid, 4 * (hidden // 4)).float()
