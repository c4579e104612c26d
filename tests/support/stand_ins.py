"""The released files that the examples and README name, but tiny.

Those of the pack's own loader are the recorded networks of tests/golden, each with its sidecar. What a workflow relies
on is stretched to the size of the released ones: ImageNet's 1000 classes, and for a text every byte. Of the host's own
loaders' files, Stable Diffusion 1.5 is written out; for the larger ones toy_loaders.py takes a line of JSON.
"""
from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
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
TOYS = {            # {the input that names a file: (its folder, {file: kind of the family at toy size})}
    "ckpt_name": ("checkpoints", {
        "sd_xl_base_1.0.safetensors": "SDXL",
        "sd_xl_refiner_1.0.safetensors": "SDXLRefiner",
        "animagine-xl-4.0.safetensors": "SDXL",
        "SSD-1B-A1111.safetensors": "SSD1B",
        "flux1-dev-fp8.safetensors": "Flux",
    }),
    "unet_name": ("diffusion_models", {
        "PixArt-Sigma-XL-2-1024-MS.pth": "PixArtSigma",
        "z_image_turbo_bf16.safetensors": "ZImage",
        "wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors": "WAN21_T2V",
        "wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors": "WAN21_T2V",
    }),
    "clip_name": ("text_encoders", {
        "t5xxl_fp16.safetensors": "PixArtSigma",
        "qwen_3_4b.safetensors": "ZImage",
        "umt5_xxl_fp8_e4m3fn_scaled.safetensors": "WAN21_T2V",
    }),
    "vae_name": ("vae", {"wan_2.1_vae.safetensors": "WAN21_T2V"}),
    "control_net_name": ("controlnet", {"control_v11p_sd15_scribble_fp16.safetensors": "SD15"}),
}
SIDES = {"sdxl_and_pixart_sigma": 320, "pixels_and_latents": 128}  # pixels of a small picture, where 64 are too few
LORA = "diffusion_model.out.2.lora_"        # on the last layer of SDXL at toy size, of rank 2


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
    for name_of, (folder, kinds) in TOYS.items():
        for seed, name in enumerate(sorted(_named(name_of))):
            files.append(models / folder / name)
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            if name in kinds:
                files[-1].write_text(json.dumps({"stand_in": kinds[name], "seed": seed}))
            else:
                tiny_sd15.write(files[-1], seed)
    for seed, name in enumerate(sorted(_named("lora_name"))):
        files.append(models / "loras" / name)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        generator = torch.Generator().manual_seed(seed)
        halves = {"up": (4, 2, 1, 1), "down": (2, 64, 3, 3)}
        lora = {f"{LORA}{half}.weight": torch.randn(shape, generator=generator) for half, shape in halves.items()}
        safetensors.torch.save_file(lora, files[-1])
    return files


def _named(name_of: str) -> set[str]:
    """The files that the example workflows name in inputs called so; the host brings pixel_space itself."""
    calls = [call for name in prompts.names() for call in prompts.prompt(name).values()]
    return {call["inputs"][name_of] for call in calls if name_of in call["inputs"]} - {"pixel_space"}
