"""Transformers that draw videos, by kind."""
from __future__ import annotations

from typing import Any

import torch

from .family import Family, LatentNoise, Noise, Seen
from .pictures import PREDICT2

FRAMES = (16, 3, 16, 16)
WAN = {"image_model": "wan2.1", "model_type": "t2v", "dim": 48, "ffn_dim": 32, "freq_dim": 16, "text_dim": 32,
       "in_dim": 16, "out_dim": 16, "num_heads": 2, "num_layers": 1}
HUNYUAN = {
    "image_model": "hunyuan_video", "in_channels": 16, "out_channels": 16, "vec_in_dim": 16, "context_in_dim": 32,
    "hidden_size": 32, "mlp_ratio": 2.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1, "axes_dim": [4, 6, 6],
    "theta": 256, "patch_size": [1, 2, 2], "qkv_bias": True, "guidance_embed": True, "byt5": False, "meanflow": False,
    "use_cond_type_embedding": False, "vision_in_dim": None,
}
HUNYUAN15 = HUNYUAN | {"in_channels": 65, "out_channels": 32, "patch_size": [1, 1, 1], "vec_in_dim": None,
                       "guidance_embed": False, "vision_in_dim": 1152, "use_cond_type_embedding": True}
COSMOS = {
    "image_model": "cosmos", "max_img_h": 240, "max_img_w": 240, "max_frames": 128, "in_channels": 16,
    "out_channels": 16, "patch_spatial": 2, "patch_temporal": 1, "model_channels": 64, "num_blocks": 1, "num_heads": 2,
    "crossattn_emb_channels": 32, "block_config": "FA-CA-MLP", "use_adaln_lora": True, "adaln_lora_dim": 16,
    "pos_emb_cls": "rope3d", "pos_emb_learnable": True, "pos_emb_interpolation": "crop", "block_x_format": "THWBD",
    "affline_emb_norm": True, "extra_per_block_abs_pos_emb": True, "extra_per_block_abs_pos_emb_type": "learnable",
    "concat_padding_mask": True,
}
MOCHI = {
    "image_model": "mochi_preview", "depth": 2, "patch_size": 2, "num_heads": 2, "hidden_size_x": 48,
    "hidden_size_y": 24, "mlp_ratio_x": 256.0, "mlp_ratio_y": 256.0, "learn_sigma": False, "in_channels": 12,
    "qk_norm": True, "qkv_bias": False, "out_bias": True, "attn_drop": 0.0, "patch_embed_bias": True,
    "posenc_preserve_area": True, "timestep_mlp_bias": True, "attend_to_padding": False, "timestep_scale": 1000.0,
    "use_t5": True, "t5_feat_dim": 32, "t5_token_length": 7, "rope_theta": 10000.0,
}
LTX = {"image_model": "ltxv", "in_channels": 128, "cross_attention_dim": 64, "attention_head_dim": 32,
       "num_attention_heads": 2, "caption_channels": 32, "num_layers": 1}
LTXAV = LTX | {
    "image_model": "ltxav", "audio_in_channels": 128, "audio_cross_attention_dim": 64, "audio_attention_head_dim": 32,
    "audio_num_attention_heads": 2, "connector_attention_head_dim": 16, "connector_num_attention_heads": 2,
    "connector_num_layers": 1,
}
MINIMAX = {
    "image_model": "minimax_h3", "hidden_size": 64, "num_layers": 1, "token_refiner_num_layers": 1,
    "num_attention_heads": 2, "attention_head_dim": 96, "ffn_hidden_size": 64, "text_dim": 32, "timestep_input_dim": 16,
    "time_embed_hidden_size": 32, "time_embed_dim": 32,
}
KANDINSKY = {
    "image_model": "kandinsky5", "in_visual_dim": 33, "out_visual_dim": 16, "in_text_dim": 32, "in_text_dim2": 16,
    "time_dim": 32, "model_dim": 64, "ff_dim": 64, "visual_embed_dim": 132, "num_text_blocks": 1,
    "num_visual_blocks": 1, "axes_dims": (8, 12, 12),
}
TRIPO = {"image_model": "triposplat", "q_token_length": 64, "model_channels": 64, "cond_channels": 32, "num_blocks": 1,
         "num_refiner_blocks": 1, "num_head_channels": 32, "mlp_ratio": 2}
SEEDVR = {
    "image_model": "seedvr2", "norm_eps": 1e-5, "num_layers": 2, "mlp_type": "normal", "vid_dim": 64, "txt_in_dim": 32,
    "heads": 2, "head_dim": 32, "mm_layers": 1, "rope_type": "rope3d", "rope_dim": 16,
}
COG = {
    "image_model": "cogvideox", "num_attention_heads": 2, "attention_head_dim": 32, "in_channels": 16,
    "out_channels": 16, "time_embed_dim": 32, "text_embed_dim": 32, "num_layers": 1, "sample_width": 16,
    "sample_height": 16, "sample_frames": 9, "patch_size": 2, "max_text_seq_length": 7,
    "use_rotary_positional_embeddings": True,
}
POOLED = {"pooled_output": Noise((16,)), "guidance": 4.0}
NO_POOLED: dict[str, Any] = {"pooled_output": None}
MASK = {"attention_mask": torch.ones(1, 7, dtype=torch.long)}
BESIDE = {"concat_latent_image": LatentNoise()}
START = BESIDE | {"concat_mask": LatentNoise(1)}


def wan(kind: str, **settings: object) -> dict[str, object]:
    """A Wan network of one block."""
    return WAN | {"model_type": kind} | settings


VIDEO = [
    Family("WAN21_T2V", WAN, FRAMES),
    Family("WAN21_CausalAR_T2V", WAN, FRAMES),
    Family("WAN21_I2V", wan("i2v", in_dim=36), FRAMES, extras=START | {"clip_vision_output": Seen(1280, 257)},
           option="clip vision"),
    Family("WAN21_FunControl2V", wan("i2v", in_dim=48), FRAMES, extras={"concat_latent_image": LatentNoise(32)}),
    Family("WAN21_Vace", wan("vace", vace_layers=1, vace_in_dim=96), FRAMES),
    Family("WAN21_Camera", wan("camera", in_dim=32), FRAMES, extras=BESIDE),
    Family("WAN22_Camera", wan("camera_2.2", in_dim=36), FRAMES, extras=START),
    Family("WAN22_S2V", wan("s2v"), FRAMES),
    Family("WAN21_HuMo", wan("humo"), FRAMES),
    Family("WAN22_Animate", wan("animate", in_dim=36), FRAMES, extras=START),
    Family("WAN21_FlowRVS", wan("flow_rvs"), FRAMES),
    Family("WAN21_SCAIL", wan("scail"), FRAMES),
    Family("WAN21_SCAIL2", wan("scail2"), FRAMES),
    Family("WAN_Animate2", wan("animate2", in_dim=36), FRAMES, extras=START),
    Family("WAN22_WanDancer", wan("wandancer", in_dim=36), FRAMES, extras=START),
    Family("WAN22_T2V", wan("t2v", in_dim=48, out_dim=48), (48, 3, 8, 8)),
    Family("CosmosI2VPredict2", PREDICT2 | {"in_channels": 17}, FRAMES, extras=BESIDE),
    Family("CosmosT2V", COSMOS, (16, 2, 8, 8)),
    Family("CosmosI2V", COSMOS | {"in_channels": 17}, (16, 2, 8, 8)),
    Family("HunyuanVideo", HUNYUAN, (16, 2, 8, 8), extras=POOLED),
    Family("HunyuanVideoI2V", HUNYUAN | {"in_channels": 33}, (16, 2, 8, 8), extras=POOLED | START),
    Family("HunyuanVideoSkyreelsI2V", HUNYUAN | {"in_channels": 32}, (16, 2, 8, 8), extras=POOLED | BESIDE),
    Family("HunyuanVideo15", HUNYUAN15, (32, 2, 8, 8), extras=START | NO_POOLED),
    Family("HunyuanVideo15_SR_Distilled", HUNYUAN15 | {"in_channels": 98}, (32, 2, 8, 8),
           extras=NO_POOLED | {"concat_latent_image": LatentNoise(66)}),
    Family("HunyuanImage21Refiner", HUNYUAN | {
        "in_channels": 128, "out_channels": 64, "patch_size": [1, 1, 1], "vec_in_dim": None, "guidance_embed": False},
        (64, 2, 8, 8), extras=NO_POOLED | {"concat_latent_image": Noise((32, 3, 8, 8))}),
    Family("Kandinsky5", KANDINSKY, (16, 2, 8, 8), extras={"pooled_output": Noise((16,))}),
    Family("GenmoMochi", MOCHI, (12, 2, 8, 8), extras=MASK),
    Family("LTXV", LTX, (128, 2, 4, 4), extras=MASK | {"frame_rate": 24}),
    Family("LTXAV", LTXAV, (128, 2, 4, 4), extras={"frame_rate": 24}, beside=((8, 10, 16),)),
    Family("MiniMaxH3", MINIMAX, (24, 2, 4, 4), beside=((32, 2, 8),)),
    Family("TripoSplat", TRIPO, (64, 16), extras={"reference_latents": [Noise((128, 4, 4))]}, beside=((1, 5),)),
    Family("SeedVR2", SEEDVR, (16, 2, 8, 8), extras={"condition": LatentNoise(17)}),
    Family("CogVideoX_T2V", COG, (16, 3, 16, 16)),
    Family("CogVideoX_I2V", COG | {"in_channels": 32}, (16, 3, 16, 16), extras=BESIDE),
    Family("CogVideoX_Inpaint", COG | {"in_channels": 48}, (16, 3, 16, 16),
           extras={"concat_latent_image": LatentNoise(32)}),
]
