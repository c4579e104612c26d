"""The released checkpoints that the examples and README name, in their formats but tiny.

They are the recorded networks of tests/golden, each with its sidecar. What a workflow relies on is stretched to the
size of the released ones: ImageNet's 1000 classes, and for a text every byte.
"""
from __future__ import annotations

from pathlib import Path

import torch

from support import vectors
from unite_and_conquer.devtools import prompts, tiny_sd15

ROWS = {"label_emb.weight": 1000, "y_embedder.embedding_table.weight": 1001, "token_embedding.weight": 258}
MERGE = "t h"       # the one of the vocabulary: 256 bytes, this, and the end token
NETWORKS = {        # {file: the network of tests/golden}
    "DiT-XL-2-256x256.pt": "dit",
    "SiT-XL-2-256x256.pt": "sit",
    "256x256_diffusion.pt": "adm_oldorder_classcond",
    "256x256_diffusion_uncond.pt": "adm_oldorder_uncond",
    "64x64_diffusion.pt": "adm_classcond",
    "64_256_upsampler.pt": "adm_superres",
    "base.pt": "glide_base",
}


def write(folder: Path, name: str) -> list[Path]:
    """Writes a file of NETWORKS and what belongs beside it, and returns their paths.

    The transformers draw 64 x 64 pixels, the others any size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = vectors.place(NETWORKS[name], folder, name)
    state = torch.load(path, weights_only=True)
    for key in ROWS.keys() & state.keys():
        state[key] = state[key].repeat(-(-ROWS[key] // len(state[key])), 1)[:ROWS[key]]
    if "pos_embed" in state:
        state["pos_embed"] = state["pos_embed"][:, :16]         # 4 x 4 patches of 2 x 2 latent cells
    torch.save(state, path)
    vocabulary = folder / "vocab.bpe"
    if "token_embedding.weight" in state:
        vocabulary.write_text(f"#version: 0.2\n{MERGE}\n")
    return [file for file in (path, path.with_suffix(".json"), vocabulary) if file.exists()]


def write_all(models: Path) -> list[Path]:
    """All of NETWORKS and the checkpoints of the example workflows, into a host's models/; returns their paths."""
    files = []
    for name in NETWORKS:
        files += [file for file in write(models / "experts", name) if file not in files]
    (models / "checkpoints").mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(sorted(_checkpoints())):
        files.append(models / "checkpoints" / name)
        tiny_sd15.write(files[-1], seed)
    return files


def _checkpoints() -> set[str]:
    """The files that the example workflows load by CheckpointLoaderSimple."""
    calls = [call for name in prompts.names() for call in prompts.prompt(name).values()]
    return {call["inputs"]["ckpt_name"] for call in calls if "ckpt_name" in call["inputs"]}
