"""Networks that draw pixels, without an autoencoder, by kind."""
from __future__ import annotations

import torch

from .family import Family, Noise, Whole
from .pictures import CHROMA, NO_POOLED, Z_IMAGE

SQUARE = (3, 64, 64)
RADIANCE = CHROMA | {
    "image_model": "chroma_radiance", "in_channels": 3, "out_channels": 3, "patch_size": 16, "nerf_hidden_size": 16,
    "nerf_mlp_ratio": 2, "nerf_depth": 1, "nerf_max_freqs": 4, "nerf_tile_size": 0, "nerf_final_head_type": "conv",
    "nerf_embedder_dtype": None,
}
PIXELDIT = {
    "image_model": "pixeldit_t2i", "num_groups": 2, "hidden_size": 64, "pixel_hidden_size": 8,
    "pixel_attn_hidden_size": 64, "pixel_num_groups": 2, "patch_depth": 1, "pixel_depth": 1, "patch_size": 16,
    "txt_embed_dim": 32, "txt_max_length": 7,
}
HIDREAM = {
    "image_model": "hidream_o1",
    "text_config_overrides": {
        "vocab_size": 151936, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "rope_dims": [6, 5, 5]},
    "vision_config_overrides": {
        "hidden_size": 32, "num_heads": 2, "intermediate_size": 32, "depth": 1, "deepstack_visual_indexes": ()},
}

PIXELS = [
    Family("ChromaRadiance", RADIANCE, SQUARE, extras=NO_POOLED),
    Family("HiDreamO1", HIDREAM, SQUARE, extras={"text_input_ids": Whole((7,))}),
    Family("PixelDiTT2I", PIXELDIT, SQUARE),
    Family("PiD", PIXELDIT | {"image_model": "pid", "lq_hidden_dim": 16, "lq_num_res_blocks": 1}, SQUARE,
           extras={"lq_latent": Noise((16, 2, 2)), "degrade_sigma": torch.tensor([0.1])}),
    Family("ZImagePixelSpace", Z_IMAGE | {"image_model": "zimage_pixel", "in_channels": 3, "patch_size": 16,
                                        "decoder_hidden_size": 32, "decoder_num_res_blocks": 1}, SQUARE),
]
