"""Pictures of 64 pixels enlarged to 256 by the embedded upsampler, as the blueprint *Enlarge to 256* does it."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..mcdm.experts.networks.upsampler import FACTOR
from .inprocess import InProcess

FILE = "builtin/upsampler_drawings.safetensors"
STEPS = 1
SCHEDULER = "simple"
BATCH = 8


def enlarge(comfy: InProcess, pictures: Tensor, steps: int = STEPS, noise_augmentation: float = 0.0,
            expert: str = FILE) -> Tensor:
    """Pictures [N, 3, h, w] in [-1, 1] as [N, 3, 4 h, 4 w], by the nodes and the stock KSampler."""
    model, = comfy.call("LoadExpert", expert=expert)
    vae, = comfy.call("VAELoader", vae_name="pixel_space")
    images = (pictures.clamp(-1, 1) / 2 + 0.5).movedim(1, -1)
    return torch.cat([_enlarged(comfy, model, vae, some, steps, noise_augmentation) for some in images.split(BATCH)])


def _enlarged(comfy: InProcess, model: Any, vae: Any, images: Tensor, steps: int, noise_augmentation: float) -> Tensor:
    condition, = comfy.call("MapCondition", model=model, image=images, noise_augmentation=noise_augmentation)
    large, = comfy.call("ImageScaleBy", image=images, upscale_method="bicubic", scale_by=float(FACTOR))
    latent, = comfy.call("VAEEncode", pixels=large, vae=vae)
    drawn, = comfy.call("KSampler", model=model, positive=condition, negative=condition, latent_image=latent, seed=0,
                        steps=steps, cfg=1.0, sampler_name="euler", scheduler=SCHEDULER, denoise=1.0)
    decoded, = comfy.call("VAEDecode", samples=drawn, vae=vae)
    return decoded.movedim(-1, 1) * 2 - 1
