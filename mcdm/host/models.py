"""Questions to a MODEL of the host (a ModelPatcher): its latent space, its frame, its size."""
from __future__ import annotations

import logging
from collections.abc import Sequence

import comfy.latent_formats
import comfy.model_sampling
import comfy.supported_models
import torch

from ..mixture import Expert
from ..noise_levels import NoiseLevels
from ..regions import Regions
from .protocols import LatentFormat, Model

logger = logging.getLogger("mcdm")

REFUSED = ["LotusD"]      # image to image, without noise levels: noise_levels_of says so

# The embedded experts and the kind of condition that each takes; those of IN_LATENTS draw latents of the pack's own.
EMBEDDED = {"faces_text": "text", "faces_hair": "map", "faces_skin": "map", "faces_sketch": "map",
            "faces_embedding": "vector", "scenes_text": "text", "scenes_class": "class", "faces_text_128": "text"}
IN_LATENTS = ("faces_text_128",)

# Pixels of a cell where it is not 8: older hosts' latent formats do not say it, and none says it of SD_X4.
CELLS = {"ChromaRadiance": 1, "SD_X4": 4, "SC_B": 4, "Flux2": 16, "Wan22": 16, "HunyuanVideo15": 16,
         "HunyuanImage21": 32, "LTXV": 32, "SC_Prior": 42}

# Frames of a video in one of the latent, which older hosts' formats do not say.
FRAMES = {"Mochi": 6, "LTXV": 8, "LTXAV": 8, "HunyuanVideo": 4, "HunyuanVideo15": 4, "Cosmos1CV8x8x8": 8, "Wan21": 4,
          "Wan22": 4}


def latent_format(model: Model) -> LatentFormat:
    """The latent format of a MODEL: channels, scale, and how previews are drawn."""
    return model.get_model_object("latent_format")


def is_pixel(model: Model) -> bool:
    """Whether a MODEL works on pixels in [-1, 1], without a VAE."""
    return _is_pixel_format(latent_format(model))


def same_space(a: LatentFormat, b: LatentFormat) -> bool:
    """Whether two latent formats of the host are one latent space.

    Formats of different names are, if both are pixels, or if they scale a probe to the same numbers. If both leave it
    unchanged, that proves nothing: they may still belong to different autoencoders.
    """
    if type(a) is type(b) or (_is_pixel_format(a) and _is_pixel_format(b)):
        return True
    if (a.latent_channels, a.latent_dimensions) != (b.latent_channels, b.latent_dimensions):
        return False
    size = [2] * a.latent_dimensions
    probe = torch.linspace(-1.0, 1.0, a.latent_channels * 2 ** a.latent_dimensions).reshape(1, a.latent_channels, *size)
    try:
        into = a.process_in(probe), b.process_in(probe)
        out_of = a.process_out(probe), b.process_out(probe)
    except Exception:       # formats that want another form of latent
        return False
    return torch.equal(*into) and torch.equal(*out_of) and not torch.equal(into[0], probe)


def _is_pixel_format(space: LatentFormat) -> bool:
    return isinstance(space, comfy.latent_formats.ChromaRadiance)


def space_name(space: LatentFormat) -> str:
    """What a latent format is called in a sentence."""
    return "pixels" if _is_pixel_format(space) else type(space).__name__


def vae_of(space: LatentFormat) -> str:
    """Where the VAE of a latent space comes from, in a sentence."""
    if _is_pixel_format(space):
        return "pixel_space from ComfyUI's Load VAE"
    return f"the VAE from {_node(space)}" if _node(space) else "the VAE of its checkpoint"


def _node(space: LatentFormat) -> str | None:
    """The node that loads the VAE of one of the pack's own latent spaces."""
    return getattr(space, "vae_node", None)


def cells(space: LatentFormat) -> int:
    """The width and height of a latent cell in pixels."""
    return CELLS.get(type(space).__name__) or getattr(space, "spacial_downscale_ratio", None) or 8


def frames_of(space: LatentFormat) -> int:
    """How many frames of a video are one of the latent; the first frame is one for itself."""
    return FRAMES.get(type(space).__name__) or getattr(space, "temporal_downscale_ratio", None) or 1


def embedded_in(space: LatentFormat) -> list[str]:
    """The embedded experts in a latent space, as Load Expert lists them."""
    if _is_pixel_format(space):
        return [name for name in EMBEDDED if name not in IN_LATENTS]
    return list(IN_LATENTS) if _node(space) else []


def embedded_for(kind: str) -> list[str]:
    """The embedded experts that take a kind of condition."""
    return [name for name, own in EMBEDDED.items() if own == kind]


def families_of(space: LatentFormat) -> list[str]:
    """The host's own families in a latent space, the plainest names first: variants of a family have longer ones."""
    families = comfy.supported_models.models
    names = {family.__name__ for family in families if same_space(space, family.latent_format())}
    return sorted(names - set(REFUSED), key=lambda name: (len(name), name))


def check_spaces(experts: Sequence[Expert], mixed: bool = False) -> None:
    """Raises ValueError unless all experts share one latent space, not merely the same number of channels.

    mixed: the user vouches for spaces with different names; then only the number of channels is checked, and the log
    says so.
    """
    lead, *others = experts
    ours = latent_format(lead.model)
    for expert in others:
        theirs = latent_format(expert.model)
        if same_space(ours, theirs):
            continue
        names = f"expert '{expert.name}' works in {space_name(theirs)}, expert '{lead.name}' in {space_name(ours)}"
        if not mixed or ours.latent_channels != theirs.latent_channels:
            named = embedded_in(ours) or families_of(ours)[:5]
            fitting = ", ".join(named) or "other models of its kind"
            latents = [(e.name, space) for e, space in ((lead, ours), (expert, theirs)) if not _is_pixel_format(space)]
            whose, space = max(latents, key=lambda each: _node(each[1]) is not None)
            raise ValueError(f"These cannot be united directly: expert '{expert.name}' works in {space_name(theirs)}, "
                             f"expert '{lead.name}' in {space_name(ours)}. Connect the VAE of each that draws latents "
                             f"to vae of its Condition Expert (for '{whose}': {vae_of(space)}), or use experts of one "
                             f"latent space; with '{lead.name}', for example, {fitting}.")
        logger.warning(f"MCDM: {names}; they are united because allow_mixed_latents is on.")


def noise_levels_of(model: Model) -> NoiseLevels:
    """The frame and the trained range of a MODEL. Raises ValueError if it has no noise levels."""
    sampling = model.get_model_object("model_sampling")
    if isinstance(sampling, comfy.model_sampling.IMG_TO_IMG):
        raise ValueError(f"{type(model.model).__name__} is an image-to-image network without noise levels and cannot "
                         "be an expert; use another model.")
    return NoiseLevels(
        flow=isinstance(sampling, comfy.model_sampling.CONST),
        sigma_min=float(sampling.sigma_min),
        sigma_max=float(sampling.sigma_max),
        sigma_data=float(getattr(sampling, "sigma_data", 1.0)),
        scale=float(getattr(sampling, "noise_scale", 1.0)),      # of newer hosts
    )


def check_latent(experts: Sequence[Expert], latent: torch.Tensor, regions: Regions | None = None) -> None:
    """Raises ValueError for a latent [B, C, H, W] or [B, C, T, H, W] that these experts cannot sample from.

    In a nested latent, picture and sound together, the first part is the picture. regions: the mixture's.
    """
    nested = latent.is_nested
    if nested:
        for part in latent.unbind():
            _check_finite(part)
        latent = latent.unbind()[0]
    lead = experts[0]
    space = latent_format(lead.model)
    if not nested and latent.shape[1] != space.latent_channels:
        raise ValueError(f"Expert '{lead.name}' works on latents of {space.latent_channels} channels "
                         f"({space_name(space)}), but the latent has {latent.shape[1]}; use EmptyExpertLatent, "
                         "or encode the picture with the VAE of this latent space.")
    height, width = latent.shape[-2:]
    for expert in experts:
        size = getattr(expert.model.model, "fixed_size", None)
        if size is not None and (height, width) != tuple(size):
            cell = cells(space)
            raise ValueError(f"Expert '{expert.name}' works only at {size[1]} x {size[0]}, but the latent is {width} x "
                             f"{height}; use EmptyExpertLatent with {size[1] * cell} x {size[0] * cell} pixels.")
    for expert in experts:
        if expert.mask is not None and latent.ndim not in (4, 5):
            raise ValueError(f"Expert '{expert.name}' has a mask, but masks are for pictures and videos; this latent "
                             "is neither. Disconnect the mask, or use a window of the schedule.")
    if regions is not None and latent.ndim not in (4, 5):
        raise ValueError("Expert Regions are for pictures and videos, and this latent is neither. Bypass the node, or "
                         "use windows of the schedule.")
    for word, slots in (("crop", regions.cropped), ("centred", regions.centred)) if regions is not None else ():
        if slots and nested:
            raise ValueError(f"regions: {word} is not for nested latents (picture and sound in one); take {word} out.")
    _check_finite(latent)


def _check_finite(latent: torch.Tensor) -> None:
    if not torch.isfinite(latent).all():
        raise ValueError("The latent holds NaN or infinite values; nothing can be sampled from it.")
