"""Random Stable Diffusion 1.5 as small as the host allows: a network in memory, and checkpoints for its own loaders."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

# Channels of CLIP-L's text. With them, and with 320 channels of its own, the host takes a UNet for that of SD 1.5.
CONTEXT = 768


def tiny_unet(seed: int, channels: int = 32, in_channels: int = 4) -> Any:
    """A MODEL of SD 1.5's kind (EPS, its noise schedule and latent space), in float32 on the CPU.

    Two levels, of `channels` and twice as many. in_channels = 9 is the inpaint network of SD 1.5.
    """
    import comfy.model_patcher
    config = _config(channels, levels=2, middle=1, in_channels=in_channels)
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, device="cpu")
    model.diffusion_model.load_state_dict(_random(model.diffusion_model, seed))
    return comfy.model_patcher.ModelPatcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu"))


def conditioning(seed: int) -> list[Any]:
    """A CONDITIONING of random numbers, as CLIPTextEncode would give one."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(1, 77, CONTEXT, generator=generator)
    return [[text, {"pooled_output": torch.randn(1, CONTEXT, generator=generator)}]]


def small_vae(seed: int, channels: int = 4) -> Any:
    """The host's small VAE (TAESD) for latents of so many channels, with random weights."""
    import comfy.sd
    import comfy.taesd.taesd
    network = comfy.taesd.taesd.TAESD(latent_channels=channels)
    generator = torch.Generator().manual_seed(seed)
    state = network.state_dict()
    for name, value in state.items():
        if value.ndim:
            state[name] = torch.randn(value.shape, generator=generator) / math.sqrt(value[0].numel() + 9)
    return comfy.sd.VAE(sd=state)


def write(path: Path, seed: int) -> None:
    """A checkpoint that CheckpointLoaderSimple knows for SD 1.5: MODEL, CLIP and VAE, 155 MB.

    The smallest UNet has one level of 320 channels (13 million parameters). CLIP-L has a fixed size, so its 123 million
    travel in 8 bits. The VAE is the host's tiny one (TAESD), which it takes from a checkpoint as well.
    """
    import comfy.ldm.modules.diffusionmodules.openaimodel
    import comfy.sd1_clip
    import comfy.taesd.taesd
    import safetensors.torch
    with torch.device("meta"):
        config = _config(channels=320, levels=1, middle=-2)
        unet = comfy.ldm.modules.diffusionmodules.openaimodel.UNetModel(**config.unet_config)
        clip = comfy.sd1_clip.SDClipModel(device="meta", dtype=torch.float16).transformer.text_model
        vae = comfy.taesd.taesd.TAESD()
    parts = [
        ("model.diffusion_model.", unet, torch.float16),
        ("cond_stage_model.transformer.text_model.", clip, torch.float8_e4m3fn),
        ("first_stage_model.", vae, torch.float16),
    ]
    state = {}
    for prefix, network, dtype in parts:
        for key, value in _random(network, seed).items():
            state[prefix + key] = value.to(dtype)
    safetensors.torch.save_file(state, path)


def _config(channels: int, levels: int, middle: int, in_channels: int = 4) -> Any:
    """The host's SD15 with a UNet of its architecture: one residual block and one transformer block a level."""
    import comfy.supported_models
    return comfy.supported_models.SD15({
        "image_size": 32, "in_channels": in_channels, "out_channels": 4, "model_channels": channels,
        "channel_mult": [1, 2][:levels], "num_res_blocks": [1] * levels,
        "use_spatial_transformer": True, "use_linear_in_transformer": False, "legacy": False,
        "context_dim": CONTEXT, "adm_in_channels": None,
        "transformer_depth": [1] * levels, "transformer_depth_middle": middle,
        "transformer_depth_output": [max(middle, 0)] * 2 * levels,
    })


def _random(network: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Random weights under which the size of a signal neither explodes nor vanishes."""
    generator = torch.Generator().manual_seed(seed)

    def tensor(name: str, shape: torch.Size) -> torch.Tensor:
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            return noise / math.sqrt(math.prod(shape[1:]))
        return 0.1 * noise + (not name.endswith("bias"))

    return {name: tensor(name, value.shape) for name, value in network.state_dict().items()}
