"""What the pack uses of the host's objects, for whoever reads types: no class of the host's need know of these."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

Options = dict[str, Any]                        # the host's model_options and transformer_options


class LatentFormat(Protocol):
    """A latent space: how its numbers are scaled, and how previews of it are drawn."""
    latent_channels: int
    latent_dimensions: int
    latent_rgb_factors: list[list[float]] | None
    latent_rgb_factors_bias: list[float] | None
    latent_rgb_factors_reshape: Any

    def process_in(self, latent: torch.Tensor) -> torch.Tensor: ...

    def process_out(self, latent: torch.Tensor) -> torch.Tensor: ...


class BaseModel(Protocol):
    """A network with its noise schedule and what conditions it takes."""
    current_patcher: Any
    model_config: Any

    def process_latent_in(self, latent: torch.Tensor) -> torch.Tensor: ...

    def process_latent_out(self, latent: torch.Tensor) -> torch.Tensor: ...

    def scale_latent_inpaint(self, **given: Any) -> torch.Tensor: ...

    def parameters(self) -> Any: ...


class Model(Protocol):
    """A MODEL: the host's ModelPatcher around a BaseModel."""
    model: Any
    load_device: torch.device
    offload_device: torch.device
    model_options: Options

    def get_model_object(self, name: str) -> Any: ...

    def clone(self) -> Any: ...

    def model_dtype(self) -> torch.dtype: ...


class Vae(Protocol):
    """A VAE of the host's."""
    patcher: Model
    first_stage_model: Any
    device: torch.device
    vae_dtype: torch.dtype
    latent_dim: int
    latent_channels: int
    process_input: Callable[[torch.Tensor], torch.Tensor]
    process_output: Callable[[torch.Tensor], torch.Tensor]

    def spacial_compression_decode(self) -> int: ...

    def decode_tiled_(self, samples: torch.Tensor) -> torch.Tensor: ...

    def encode_tiled_(self, pixel_samples: torch.Tensor) -> torch.Tensor: ...


class Sampler(Protocol):
    """A SAMPLER of the host's."""

    def sample(
        self, model_wrap: Any, sigmas: torch.Tensor, extra_args: Options, callback: Callable | None,
        noise: torch.Tensor, latent_image: torch.Tensor | None = None, denoise_mask: torch.Tensor | None = None,
        disable_pbar: bool = False,
    ) -> torch.Tensor: ...

    def max_denoise(self, model_wrap: Any, sigmas: torch.Tensor) -> bool: ...


Conds = dict[str, list[Options]]                # {"positive": [condition, ...], "negative": [...]}
Conditioning = Sequence[tuple[torch.Tensor, Options]]
