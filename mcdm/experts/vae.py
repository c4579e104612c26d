"""The latent space of the drawings, and its autoencoder as an ordinary VAE of ComfyUI."""
from __future__ import annotations

import functools
import json
from pathlib import Path

import comfy.latent_formats
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import torch
from safetensors import safe_open

from . import checkpoint
from .model import State
from .networks.autoencoder import CHANNELS, FACTOR, Autoencoder
from .weights import load_weights

FOLDER = Path(__file__).parents[1] / "builtin" / "vae"
DRAWINGS = FOLDER / "drawings.safetensors"
# Bytes of working memory for each byte of a number: what the widest layers hold at a time.
ENCODING, DECODING = 40, 1000       # per pixel, per latent cell


@functools.cache
def _colours() -> list[list[float]]:
    """[CHANNELS + 1, 3]: from a latent cell to its colour in [-1, 1], the bias last, as the training has fitted it."""
    with safe_open(DRAWINGS, "pt") as file:
        return json.loads(file.metadata()["latent_to_rgb"])


class Drawings(comfy.latent_formats.LatentFormat):
    """The latent space of the pack's autoencoder for drawings."""
    latent_channels, spacial_downscale_ratio = CHANNELS, FACTOR
    vae_node = "Load Expert VAE"    # for messages

    def __init__(self) -> None:
        *self.latent_rgb_factors, self.latent_rgb_factors_bias = _colours()


class DrawingsVAE(comfy.sd.VAE):
    """The host's VAE with the autoencoder inside. It is made as the host makes that of pixels, and filled anew.

    Raises ValueError if the weights are not those of the autoencoder.
    """

    def __init__(self, state: State) -> None:
        device = comfy.model_management.vae_device()
        dtype = comfy.model_management.vae_dtype(device, [torch.float32])   # bridges would lose more in half precision
        network = load_weights(Autoencoder(device="meta"), state, dtype)
        super().__init__(sd={"pixel_space_vae": torch.tensor(1.0)}, device=device, dtype=dtype)
        self.first_stage_model = network.train(False).requires_grad_(False)
        self.latent_channels = CHANNELS
        self.downscale_ratio = FACTOR
        self.upscale_ratio = FACTOR
        bytes_of = comfy.model_management.dtype_size
        self.memory_used_encode = lambda shape, dtype: ENCODING * shape[2] * shape[3] * bytes_of(dtype)
        self.memory_used_decode = lambda shape, dtype: DECODING * shape[2] * shape[3] * bytes_of(dtype)
        self.patcher = comfy.model_patcher.ModelPatcher(
            self.first_stage_model, load_device=device,
            offload_device=comfy.model_management.vae_offload_device())
        self.size = comfy.model_management.module_size(self.first_stage_model)


def load_vae(path: str, name: str) -> DrawingsVAE:
    """The VAE in a file. name: of the file in messages. Raises ValueError if it holds none."""
    try:
        return DrawingsVAE(checkpoint.read(path)[0])
    except ValueError as error:
        raise ValueError(f"VAE file '{name}' cannot be used: {error}.") from error
