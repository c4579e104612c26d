"""Transformers that draw pictures in a latent space, by kind."""
from __future__ import annotations

from typing import Any

import torch

from .family import Family, LatentNoise, Noise

FOUR = (4, 16, 16)
LARGER = (4, 40, 40)
SIXTEEN = (16, 16, 16)
WIDE = (128, 8, 8)
CUBE = (16, 1, 16, 16)
MASK = {"attention_mask": torch.ones(1, 7, dtype=torch.long)}
POOLED = {"pooled_output": Noise((16,))}
NO_POOLED: dict[str, Any] = {"pooled_output": None}

FLUX = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "vec_in_dim": 16, "context_in_dim": 32,
    "hidden_size": 32, "mlp_ratio": 2.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1, "axes_dim": [4, 6, 6],
    "theta": 10000, "patch_size": 2, "qkv_bias": True, "guidance_embed": True,
}
SCHNELL = FLUX | {"guidance_embed": False}
FLUX2 = FLUX | {
    "image_model": "flux2", "in_channels": 128, "out_channels": 128, "patch_size": 1, "vec_in_dim": None,
    "axes_dim": [4, 4, 4, 4], "global_modulation": True, "mlp_silu_act": True, "qkv_bias": False, "ops_bias": False,
    "txt_ids_dims": [3],
}
CHROMA = {
    "image_model": "chroma", "in_channels": 64, "out_channels": 64, "context_in_dim": 32, "hidden_size": 32,
    "mlp_ratio": 2.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1, "axes_dim": [4, 6, 6], "theta": 10000,
    "patch_size": 2, "qkv_bias": True, "in_dim": 64, "out_dim": 32, "hidden_dim": 32, "n_layers": 2,
}
LUMINA = {
    "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 48, "n_layers": 1, "n_refiner_layers": 1,
    "n_heads": 2, "n_kv_heads": 1, "multiple_of": 16, "qk_norm": True, "cap_feat_dim": 32, "axes_dims": [8, 8, 8],
    "axes_lens": [300, 512, 512], "rope_theta": 10000.0, "ffn_dim_multiplier": 1.0,
}
Z_IMAGE = LUMINA | {
    "dim": 256, "n_heads": 8, "n_kv_heads": 8, "axes_dims": [16, 8, 8], "rope_theta": 256.0,
    "z_image_modulation": True, "time_scale": 1000.0, "pad_tokens_multiple": 32,
}
HIDREAM = {
    "image_model": "hidream", "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 1,
    "num_single_layers": 1, "attention_head_dim": 32, "num_attention_heads": 2, "caption_channels": [32, 32],
    "text_emb_dim": 16, "num_routed_experts": 2, "num_activated_experts": 1, "axes_dims_rope": [16, 8, 8],
    "max_resolution": [128, 128], "llama_layers": [0, 1],
}
OMNIGEN = {
    "image_model": "omnigen2", "patch_size": 2, "in_channels": 16, "hidden_size": 48, "num_layers": 1,
    "num_refiner_layers": 1, "num_attention_heads": 2, "num_kv_heads": 1, "multiple_of": 16,
    "axes_dim_rope": [8, 8, 8], "axes_lens": [300, 128, 128], "text_feat_dim": 32, "timestep_scale": 1000.0,
}
SD3: dict[str, Any] = {
    "input_size": None, "patch_size": 2, "in_channels": 16, "out_channels": 16, "depth": 1, "num_blocks": 1,
    "adm_in_channels": 16, "context_size": 32, "pos_embed_scaling_factor": None, "pos_embed_max_size": 24,
    "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": 32, "out_features": 64}},
    "num_patches": 576, "qk_norm": "rms", "x_block_self_attn_layers": [],
}
AURA = {"cond_seq_dim": 32, "max_seq": 1024, "n_layers": 2, "n_double_layers": 1, "dim": 32, "n_heads": 2,
        "global_conddim": 32}
PIXART = {
    "input_size": 16, "pe_interpolation": 1, "patch_size": 2, "in_channels": 4, "hidden_size": 72, "depth": 1,
    "num_heads": 2, "caption_channels": 32, "model_max_length": 7, "image_model": "pixart_sigma",
    "micro_condition": False,
}
HUNYUAN_DIT = {
    "image_model": "hydit", "input_size": 16, "patch_size": 2, "in_channels": 4, "hidden_size": 64, "depth": 2,
    "num_heads": 2, "mlp_ratio": 2.0, "text_states_dim": 32, "text_states_dim_t5": 32, "text_len": 7, "text_len_t5": 5,
    "size_cond": True, "use_style_cond": True,
}
HUNYUAN_WORDS = MASK | {
    "conditioning_mt5xl": Noise((5, 32)), "attention_mask_mt5xl": torch.ones(1, 5, dtype=torch.long),
}
HUNYUAN_IMAGE = {
    "image_model": "hunyuan_video", "in_channels": 64, "out_channels": 64, "vec_in_dim": None, "context_in_dim": 32,
    "hidden_size": 32, "mlp_ratio": 2.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1, "axes_dim": [8, 8],
    "theta": 256, "patch_size": [1, 1], "qkv_bias": True, "guidance_embed": False, "byt5": False, "meanflow": False,
    "use_cond_type_embedding": False, "vision_in_dim": None,
}
QWEN = {
    "image_model": "qwen_image", "patch_size": 2, "in_channels": 64, "out_channels": 16, "num_layers": 1,
    "attention_head_dim": 32, "num_attention_heads": 2, "joint_attention_dim": 32, "axes_dims_rope": (8, 12, 12),
}
PREDICT2 = {
    "image_model": "cosmos_predict2", "max_img_h": 240, "max_img_w": 240, "max_frames": 128, "in_channels": 16,
    "out_channels": 16, "patch_spatial": 2, "patch_temporal": 1, "model_channels": 64, "num_blocks": 1, "num_heads": 2,
    "crossattn_emb_channels": 32, "pos_emb_cls": "rope3d", "pos_emb_learnable": True, "pos_emb_interpolation": "crop",
    "use_adaln_lora": True, "adaln_lora_dim": 16, "concat_padding_mask": True,
}
KANDINSKY = {
    "image_model": "kandinsky5", "in_visual_dim": 16, "out_visual_dim": 16, "in_text_dim": 32, "in_text_dim2": 16,
    "time_dim": 32, "model_dim": 64, "ff_dim": 64, "visual_embed_dim": 64, "num_text_blocks": 1,
    "num_visual_blocks": 1, "axes_dims": (8, 12, 12),
}
MAGE = {"image_model": "mage_flow", "num_layers": 1, "attention_head_dim": 32, "num_attention_heads": 2,
        "joint_attention_dim": 32, "axes_dims_rope": (8, 12, 12)}
IDEOGRAM = {
    "image_model": "ideogram4", "num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 32,
    "intermediate_size": 64, "adaln_dim": 16, "llm_features_dim": 32, "rope_theta": 5000000,
    "mrope_section": (6, 5, 5),
}
LENS = {
    "image_model": "lens", "num_layers": 1, "attention_head_dim": 32, "num_attention_heads": 2, "enc_hidden_dim": 32,
    "axes_dims_rope": (8, 12, 12), "multi_layer_encoder_feature": False,
}
KREA = {
    "image_model": "krea2", "features": 64, "tdim": 32, "txtdim": 32, "heads": 2, "kvheads": 1, "multiplier": 2,
    "layers": 1, "patch": 2, "channels": 16, "txtlayers": 2, "txtheads": 2, "txtkvheads": 2,
}
JOY = {"image_model": "joyimage", "in_channels": 16, "hidden_size": 64, "num_attention_heads": 2, "text_dim": 32,
       "num_layers": 1, "rope_dim_list": [8, 12, 12], "theta": 10000}
ERNIE = {
    "image_model": "ernie", "hidden_size": 64, "num_attention_heads": 2, "num_layers": 1, "ffn_hidden_size": 64,
    "text_in_dim": 32, "rope_axes_dim": (8, 12, 12),
}
BOOGU = {
    "image_model": "boogu", "hidden_size": 48, "num_layers": 1, "num_double_stream_layers": 1, "num_refiner_layers": 1,
    "num_attention_heads": 2, "num_kv_heads": 1, "multiple_of": 16, "axes_dim_rope": (8, 8, 8),
    "axes_lens": (300, 128, 128), "instruction_feat_dim": 32,
}
TOKENS = {"t5xxl_ids": torch.arange(7), "t5xxl_weights": torch.ones(7)}
EDITED = {"reference_latents": [Noise((16, 8, 8))]}

PICTURES = [
    Family("Flux", FLUX, SIXTEEN, extras=POOLED | {"guidance": 3.0}),
    Family("Flux", FLUX, SIXTEEN, extras=POOLED | EDITED | {"guidance": 2.5}, option="reference latents"),
    Family("FluxInpaint", FLUX | {"in_channels": 96}, SIXTEEN, extras=POOLED | {
        "guidance": 30.0, "concat_latent_image": LatentNoise(), "concat_mask": Noise((1, 128, 128))}),
    Family("FluxSchnell", SCHNELL, SIXTEEN, extras=POOLED),
    Family("LongCatImage", SCHNELL | {"vec_in_dim": None, "txt_ids_dims": [1, 2]}, SIXTEEN),
    Family("Chroma", CHROMA, SIXTEEN, extras=NO_POOLED),
    Family("Lumina2", LUMINA, SIXTEEN, extras=MASK),
    Family("ZImage", Z_IMAGE, SIXTEEN),
    Family("HiDream", HIDREAM, SIXTEEN, extras=POOLED | {"conditioning_llama3": Noise((2, 5, 32))}),
    Family("Omnigen2", OMNIGEN, SIXTEEN, extras=MASK),
    Family("Omnigen2", OMNIGEN, SIXTEEN, extras=MASK | EDITED, option="reference latents"),
    Family("Kandinsky5Image", KANDINSKY, SIXTEEN, extras=POOLED),
    Family("Boogu", BOOGU, SIXTEEN, extras=MASK),
    Family("SD3", SD3, SIXTEEN, extras=POOLED),
    Family("AuraFlow", AURA, FOUR),
    Family("PixArtAlpha", PIXART | {"image_model": "pixart_alpha", "micro_condition": True}, LARGER),
    Family("PixArtSigma", PIXART, LARGER),
    Family("HunyuanDiT", HUNYUAN_DIT, FOUR, extras=HUNYUAN_WORDS),
    Family("HunyuanDiT1", HUNYUAN_DIT | {"image_model": "hydit1"}, FOUR, extras=HUNYUAN_WORDS),
    Family("HunyuanImage21", HUNYUAN_IMAGE, (64, 8, 8)),
    Family("QwenImage", QWEN, CUBE),
    Family("QwenImage", QWEN, CUBE, extras={"reference_latents": [Noise((16, 1, 8, 8))]}, option="reference latents"),
    Family("CosmosT2IPredict2", PREDICT2, CUBE),
    Family("Krea2", KREA, CUBE, (7, 64)),
    Family("JoyImage", JOY, CUBE),
    Family("Anima", PREDICT2 | {"image_model": "anima", "crossattn_emb_channels": 1024}, CUBE, (7, 1024), TOKENS),
    Family("Flux2", FLUX2, WIDE, extras=NO_POOLED | {"guidance": 4.0}),
    Family("MageFlow", MAGE, WIDE),
    Family("Ideogram4", IDEOGRAM, WIDE),
    Family("Lens", LENS, WIDE),
    Family("ErnieImage", ERNIE, WIDE),
]
