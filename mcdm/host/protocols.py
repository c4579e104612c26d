"""What the pack uses of the host's objects, for type checkers; the host's classes know nothing of these."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch

Options = dict[str, Any]                        # the host's model_options, transformer_options, arguments of its hooks
Cond = dict[str, Any]                           # a condition as the host's samplers carry it
Conds = dict[str, list[Cond]]                   # {"positive": [condition, ...], "negative": [...]}


class LatentFormat(Protocol):
    """A latent space: how its numbers are scaled, and how previews of it are drawn."""
    latent_channels: int
    latent_dimensions: int

    def process_in(self, latent: torch.Tensor) -> torch.Tensor: ...

    def process_out(self, latent: torch.Tensor) -> torch.Tensor: ...


class BaseModel(Protocol):
    """A network with its noise schedule and what conditions it takes."""
    current_patcher: Model | None

    def process_latent_in(self, latent: torch.Tensor) -> torch.Tensor: ...

    def scale_latent_inpaint(
        self, sigma: torch.Tensor, noise: torch.Tensor, latent_image: torch.Tensor, **more: torch.Tensor,
    ) -> torch.Tensor: ...

    def parameters(self) -> Iterable[torch.nn.Parameter]: ...


class Model(Protocol):
    """A MODEL: the host's ModelPatcher around a BaseModel."""
    model: BaseModel
    load_device: torch.device
    offload_device: torch.device
    model_options: Options
    wrappers: Mapping[str, object]
    injections: Mapping[str, object]
    object_patches: Mapping[str, object]
    hook_mode: object
    current_hooks: object

    def get_model_object(self, name: str) -> Any: ...

    def model_dtype(self) -> torch.dtype: ...

    # -- models that come with it --------------------------------------------------------------------------------------

    def set_additional_models(self, key: str, models: list[Model]) -> None: ...

    def remove_additional_models(self, key: str) -> None: ...

    def get_additional_models_with_key(self, key: str) -> list[Model]: ...

    def get_nested_additional_models(self) -> list[Model]: ...

    def model_patches_models(self) -> list[Model]: ...

    def model_patches_to(self, device: torch.device | torch.dtype) -> None: ...

    # -- a run ---------------------------------------------------------------------------------------------------------

    def pre_run(self) -> None: ...

    def patch_hooks(self, hooks: object) -> None: ...

    def restore_hook_patches(self) -> None: ...

    def cleanup(self) -> None: ...


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


class Guided(Protocol):
    """What a sampler of the host's asks: model(x, sigma, **extra_args) is the denoised estimate."""
    inner_model: object                         # the guider

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, **extra_args: Any) -> torch.Tensor: ...


class Sampler(Protocol):
    """A SAMPLER of the host's."""

    def sample(
        self, model_wrap: Guided, sigmas: torch.Tensor, extra_args: Options, callback: Callable | None,
        noise: torch.Tensor, latent_image: torch.Tensor | None = None, denoise_mask: torch.Tensor | None = None,
        disable_pbar: bool = False,
    ) -> torch.Tensor: ...

    def max_denoise(self, model_wrap: Guided, sigmas: torch.Tensor) -> bool: ...


