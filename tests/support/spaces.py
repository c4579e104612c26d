"""Latent spaces that are known maps of one another: VAEs that are matrices, and experts seen through such a map.

Space M holds M z, where z is a latent of Stable Diffusion 1.5 as its networks see it. M mixes all channels of 2 x 2
cells; the "pictures" are 8 times as large, with 3 channels, so that each patch of 16 numbers is 768 there.

`pair`, `together` and `apart` mix such experts, and the same ones in a single space.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from support.mixtures import expert, mix
from unite_and_conquer.devtools.inprocess import InProcess

PATCH = 2
NUMBERS = 16
PIXELS = 768
IDENTITY = torch.eye(NUMBERS, dtype=torch.float64)


def rotation(seed: int, scale: float = 1.0) -> torch.Tensor:
    """An orthogonal map of the numbers of a patch, times a scale."""
    numbers = torch.randn(NUMBERS, NUMBERS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(numbers)[0] * scale


def through(matrix: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """A map of patches on latents [B, 4, h, w]."""
    patches = F.pixel_unshuffle(z.double(), PATCH)
    return F.pixel_shuffle(torch.einsum("ij,bjhw->bihw", matrix, patches), PATCH).to(z)


class Matrix(torch.nn.Module):
    """encode and decode, as the host's VAE calls them, in float64. matrix: M. scale: of its latent format."""

    def __init__(self, matrix: torch.Tensor, scale: float) -> None:
        super().__init__()
        tall = torch.randn(PIXELS, NUMBERS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        tall = torch.linalg.qr(tall)[0]
        self.decoder = torch.nn.Parameter(tall @ torch.linalg.pinv(matrix) * scale, requires_grad=False)
        self.encoder = torch.nn.Parameter(matrix @ tall.T / scale, requires_grad=False)
        self.calls: list[tuple[str, int]] = []

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        self.calls.append(("decode", len(z)))
        patches = torch.einsum("ij,bjhw->bihw", self.decoder, F.pixel_unshuffle(z.double(), PATCH))
        return F.pixel_shuffle(patches, 16)

    def encode(self, picture: torch.Tensor) -> torch.Tensor:
        self.calls.append(("encode", len(picture)))
        patches = torch.einsum("ij,bjhw->bihw", self.encoder, F.pixel_unshuffle(picture.double(), 16))
        return F.pixel_shuffle(patches, PATCH)


def vae(matrix: torch.Tensor, number: int = 0) -> Any:
    """For space `number`, a VAE of the host whose networks are matrices, and which clamps no colours."""
    import comfy.model_patcher
    import comfy.sd
    made = comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)})
    cpu = torch.device("cpu")
    made.first_stage_model = Matrix(matrix, space(number).scale_factor)
    made.patcher = comfy.model_patcher.ModelPatcher(made.first_stage_model, load_device=cpu, offload_device=cpu)
    made.latent_channels = 4
    made.downscale_ratio = 8
    made.upscale_ratio = 8
    made.vae_dtype = torch.float64
    made.process_input = made.process_output = lambda picture: picture
    return made


def space(number: int) -> Any:
    """A latent format that is another space than those of other numbers."""
    import comfy.latent_formats

    class Space(comfy.latent_formats.LatentFormat):
        scale_factor = 0.5 ** (number + 1)
    Space.__name__ = f"Space{number}"
    return Space()


def seen_through(model: Any, matrix: torch.Tensor, number: int) -> Any:
    """An expert of space `number`: the same network as `model`, asked through the map."""
    inverse = torch.linalg.inv(matrix)
    moved = model.clone()
    moved.add_object_patch("latent_format", space(number))

    def mapped(apply_model: Any, args: dict[str, Any]) -> torch.Tensor:
        denoised = apply_model(through(inverse, args["input"]), args["timestep"], **args["c"])
        return through(matrix, denoised)
    moved.set_model_unet_function_wrapper(mapped)
    return moved


def together(
    comfy: InProcess, models: Sequence[Any], more: Sequence[dict[str, Any]] = ({}, {}, {}), **mixer: Any,
) -> Any:
    """The mixture of experts of one space. more: inputs of each ConditionExpert. mixer: of ReliabilityMixer."""
    alike = [seen_through(m, IDENTITY, 0) for m in models]
    experts = [expert(comfy, m, i, 1.5 + i, **extra) for i, (m, extra) in enumerate(zip(alike, more, strict=False))]
    return mix(comfy, experts, mixer.pop("reliabilities", "1 2 3"[:2 * len(models) - 1]), **mixer)


def apart(
    comfy: InProcess, models: Sequence[Any], matrices: Sequence[torch.Tensor],
    more: Sequence[dict[str, Any]] = ({}, {}, {}), **mixer: Any,
) -> Any:
    """The same experts, each of the later ones in the space of its matrix."""
    experts = []
    for i, (model, matrix, extra) in enumerate(zip(models, [IDENTITY, *matrices], more, strict=False)):
        moved = seen_through(model, matrix, i)
        experts.append(expert(comfy, moved, i, 1.5 + i, vae=vae(matrix, i), **extra))
    return mix(comfy, experts, mixer.pop("reliabilities", "1 2 3"[:2 * len(models) - 1]), **mixer)


def with_function(model: Any, function: Callable[..., torch.Tensor], how: str) -> Any:
    """A MODEL with a CFG function. how: the kind, as the host's setters are called."""
    changed = model.clone()
    if how == "sampler_cfg_function":
        changed.set_model_sampler_cfg_function(function)
    else:
        getattr(changed, f"set_model_{how}")(function)
    return changed


def pair(
    comfy: InProcess, models: Sequence[Any], matrix: torch.Tensor, more: Sequence[dict[str, Any]] = ({}, {}),
    weights: Sequence[float] = (1.5, 2.5), reliabilities: str = "1 2",
    changed: Sequence[tuple[Callable[..., torch.Tensor], str] | None] = (None, None),
    bridge: torch.Tensor | None = None,
) -> list[Any]:
    """[two experts in one space, the same in two]. changed: (CFG function, how) of each expert's MODEL, or None.

    bridge: what the foreign VAE keeps, if not all.
    """
    mixtures = []
    for matrices in ((IDENTITY, IDENTITY), (IDENTITY, matrix)):
        experts = []
        for i, (model, own, given) in enumerate(zip(models, matrices, more, strict=True)):
            number = i if matrices[1] is matrix else 0
            seen = seen_through(model, own, number)
            change = changed[i]
            if change is not None:
                seen = with_function(seen, *change)
            kept = bridge if bridge is not None and number else own
            experts.append(expert(comfy, seen, i, weights[i], vae=vae(kept, number), **given))
        mixtures.append(mix(comfy, experts, reliabilities))
    return mixtures
