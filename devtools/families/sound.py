"""Networks whose latents are sound or a shape in space, by kind."""
from __future__ import annotations

import torch

from .family import Family, Noise, Whole

STABLE_AUDIO = {
    "audio_model": "dit1.0", "io_channels": 64, "embed_dim": 64, "depth": 1, "num_heads": 2, "cond_token_dim": 768,
    "project_cond_tokens": True, "global_cond_dim": 1536,
}
STABLE_AUDIO3 = {
    "audio_model": "dit1.0", "io_channels": 256, "embed_dim": 64, "depth": 1, "num_heads": 2, "cond_token_dim": 768,
    "project_cond_tokens": True, "global_cond_dim": 768, "global_cond_shared_embed": True, "global_cond_type": "adaLN",
    "timestep_features_type": "expo", "local_add_cond_dim": 257,
}
ACE = {"audio_model": "ace", "num_layers": 1, "inner_dim": 64, "attention_head_dim": 32, "num_attention_heads": 2,
       "mlp_ratio": 2.0, "text_embedding_dim": 32, "lyric_hidden_size": 1024, "ssl_latent_dims": [32, 32]}
SHAPE = {"image_model": "hunyuan3d2", "in_channels": 64, "context_in_dim": 32, "hidden_size": 32, "mlp_ratio": 2.0,
         "num_heads": 2, "depth": 1, "depth_single_blocks": 1, "guidance_embed": False}
SHAPE21 = {"image_model": "hunyuan3d2_1", "in_channels": 64, "context_dim": 1024, "hidden_size": 64, "mlp_ratio": 2.0,
           "num_heads": 2, "depth": 1, "qkv_bias": False, "guidance_cond_proj_dim": None}
ACE15 = {
    "audio_model": "ace1.5", "hidden_size": 64, "text_hidden_dim": 32, "num_dit_layers": 1, "num_lyric_layers": 1,
    "num_timbre_layers": 1, "num_tokenizer_layers": 1, "num_heads": 2, "num_kv_heads": 1, "head_dim": 32,
    "intermediate_size": 64, "fsq_dim": 64, "encoder_hidden_size": 64, "encoder_intermediate_size": 64,
    "encoder_num_heads": 2,
}


def total_seconds() -> dict[str, torch.Tensor]:
    """The same of Stable Audio 3, which counts by powers."""
    import comfy.ldm.audio.embedders
    embedder = comfy.ldm.audio.embedders.NumberConditioner(768, min_val=0, max_val=384, fourier_features_type="expo")
    generator = torch.Generator().manual_seed(1)
    return {f"conditioner.conditioners.seconds_total.{key}": 0.1 * torch.randn(value.shape, generator=generator)
            for key, value in embedder.state_dict().items()}


def seconds() -> dict[str, torch.Tensor]:
    """What turns a length in seconds into numbers: it lies beside the network of Stable Audio."""
    import comfy.ldm.audio.embedders
    generator = torch.Generator().manual_seed(1)
    state = {}
    for key, value in comfy.ldm.audio.embedders.NumberConditioner(768, min_val=0, max_val=512).state_dict().items():
        for end in ("start", "total"):
            state[f"conditioner.conditioners.seconds_{end}.{key}"] = 0.1 * torch.randn(value.shape, generator=generator)
    return state


SOUND = [
    Family("StableAudio", STABLE_AUDIO, (64, 40), (7, 768), {"seconds_start": 0, "seconds_total": 10}, state=seconds),
    Family("StableAudio3", STABLE_AUDIO3, (256, 40), (7, 768), {"seconds_total": 10}, state=total_seconds),
    Family("ACEStep", ACE, (8, 16, 12), extras={"conditioning_lyrics": Whole((6,))}),
    Family("Hunyuan3Dv2", SHAPE, (64, 16)),
    Family("Hunyuan3Dv2mini", SHAPE, (64, 16)),
    Family("Hunyuan3Dv2_1", SHAPE21, (64, 16), (7, 1024)),
    Family("ACEStep15", ACE15, (64, 40), extras={"conditioning_lyrics": Noise((6, 32))}),
]
