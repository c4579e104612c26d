"""UNets, by kind: Stable Diffusion and its kin; and the two stages of Stable Cascade."""
from __future__ import annotations

from typing import Any

import torch

from .family import Family, LatentNoise, Noise, Seen

LATENT = (4, 16, 16)
TEXT = (77, 32)


def unet(**settings: Any) -> dict[str, Any]:
    """A UNet of two levels with attention on both."""
    return {
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "channel_mult": [1, 2],
        "num_res_blocks": [1, 1], "transformer_depth": [1, 1], "transformer_depth_middle": 1,
        "transformer_depth_output": [1, 1, 1, 1], "use_spatial_transformer": True, "legacy": False, "context_dim": 32,
        "adm_in_channels": None, "use_temporal_attention": False, "use_linear_in_transformer": False,
    } | settings


def with_pooled(channels: int, **settings: Any) -> dict[str, Any]:
    """A UNet that takes a vector of so many channels beside the text. Heads are 64 wide, as in SDXL."""
    return unet(model_channels=64, use_linear_in_transformer=True, adm_in_channels=channels, num_classes="sequential",
                **settings)


def frames(channels: int) -> dict[str, Any]:
    """A UNet over the frames of a video, which are the batch: Stable Video Diffusion."""
    return with_pooled(channels, in_channels=8) | {
        "use_temporal_attention": True, "use_temporal_resblock": True, "video_kernel_size": [3, 1, 1],
        "extra_ff_mix_layer": True, "merge_strategy": "learned_with_images", "merge_factor": 0.0,
    }


def zero123_state() -> dict[str, torch.Tensor]:
    """The projection of picture and camera, which lies beside the network."""
    weight = torch.randn(768, 772, generator=torch.Generator().manual_seed(1))
    return {"cc_projection.weight": weight / 28, "cc_projection.bias": torch.zeros(768)}


def v_prediction_state() -> dict[str, torch.Tensor]:
    """By a norm of the last block the host knows a v-prediction."""
    return {"output_blocks.11.1.transformer_blocks.0.norm1.bias": torch.randn(64)}


def edm_state() -> dict[str, torch.Tensor]:
    return {"edm_vpred.sigma_max": torch.tensor(120.0)}


def zero_snr_state() -> dict[str, torch.Tensor]:
    return {"v_pred": torch.ones(1), "ztsnr": torch.ones(1)}


SEEN = {"unclip_conditioning": [{"clip_vision_output": Seen(768), "strength": 1.0, "noise_augmentation": 0.1}]}
SEEN_LARGE = {"unclip_conditioning": [{"clip_vision_output": Seen(1024), "strength": 1.0, "noise_augmentation": 0.1}]}
POOLED = {"pooled_output": Noise((1280,))}
SIZES = POOLED | {"width": 640, "height": 768, "crop_w": 8, "crop_h": 16, "target_width": 512, "target_height": 1024}
BESIDE = {"concat_latent_image": LatentNoise()}
MASKED = BESIDE | {"concat_mask": Noise((1, 16, 16))}
UPSCALER = unet(in_channels=7, use_linear_in_transformer=True, model_channels=64, channel_mult=[1, 1, 1, 1],
                num_res_blocks=[1] * 4, transformer_depth=[0, 0, 0, 1],
                transformer_depth_output=[1, 1, 0, 0, 0, 0, 0, 0])
PRIOR = {"stable_cascade_stage": "c", "c_cond": 32, "c_hidden": [32, 32], "nhead": [2, 2], "blocks": [[1, 1], [1, 1]],
         "c_clip_text": 32, "c_clip_text_pooled": 32}
CASCADE = {"stable_cascade_stage": "b", "c_cond": 32, "c_hidden": [32] * 4, "nhead": [-1, -1, 2, 2],
           "blocks": [[1] * 4] * 2, "block_repeat": [[1] * 4] * 2, "c_clip": 32}
XL = with_pooled(2816)

UNETS = [
    Family("SD15", unet(), LATENT, TEXT),
    Family("SD15", unet(in_channels=9), LATENT, TEXT, MASKED, option="inpainting"),
    Family("SD15_instructpix2pix", unet(in_channels=8), LATENT, TEXT, BESIDE),
    Family("SD20", unet(use_linear_in_transformer=True, model_channels=64), LATENT, TEXT, state=v_prediction_state),
    Family("SD21UnclipL", with_pooled(1536), LATENT, TEXT, SEEN, option="clip vision"),
    Family("SD21UnclipH", with_pooled(2048), LATENT, TEXT, SEEN_LARGE, option="clip vision"),
    Family("Stable_Zero123", unet(in_channels=8, context_dim=768), LATENT, (1, 772), BESIDE, state=zero123_state),
    Family("SVD_img2vid", frames(768), LATENT, (1, 32),
           BESIDE | {"fps": 6, "motion_bucket_id": 100, "augmentation_level": 0.0}),
    Family("SV3D_u", frames(256), LATENT, (1, 32), BESIDE | {"augmentation_level": 0.0}),
    Family("SV3D_p", frames(1280), LATENT, (1, 32),
           BESIDE | {"augmentation_level": 0.0, "elevation": 10.0, "azimuth": 30.0}),
    Family("SDXL", XL, LATENT, TEXT, POOLED),
    Family("SDXL", XL, LATENT, TEXT, SIZES, option="sizes"),
    Family("SDXL", XL, LATENT, TEXT, POOLED, option="EDM", state=edm_state),
    Family("SDXL", XL, LATENT, TEXT, POOLED, option="v-prediction, zero SNR", state=zero_snr_state),
    Family("SDXLRefiner", with_pooled(2560), LATENT, TEXT, POOLED | {"aesthetic_score": 7.5}),
    Family("SDXL_instructpix2pix", with_pooled(2816, in_channels=8), LATENT, TEXT, POOLED | BESIDE),
    Family("SSD1B", XL, LATENT, TEXT, POOLED),
    Family("KOALA_700M", XL, LATENT, TEXT, POOLED),
    Family("KOALA_1B", XL, LATENT, TEXT, POOLED),
    Family("Segmind_Vega", XL, LATENT, TEXT, POOLED),
    Family("SD_X4Upscaler", UPSCALER, LATENT, TEXT, {"concat_image": Noise((3, 16, 16)), "noise_augmentation": 0.1}),
    Family("Stable_Cascade_C", PRIOR, (16, 8, 8), extras={"pooled_output": Noise((32,))}),
    Family("Stable_Cascade_B", CASCADE, (4, 32, 32),
           extras={"pooled_output": Noise((32,)), "stable_cascade_prior": Noise((16, 3, 3))}),
]
