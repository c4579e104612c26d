"""Every family of networks that ComfyUI knows, at toy size: for the tests, and for docs/compatibility.md."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .family import Family
from .pictures import PICTURES
from .pixels import PIXELS
from .sound import SOUND
from .unets import UNETS
from .video import VIDEO

SameSpace = Callable[[Any, Any], bool]

FAMILIES: list[Family] = [*UNETS, *PICTURES, *VIDEO, *SOUND, *PIXELS]

# Families of the host that are not built, and why.
NOT_BUILT = {
    "LotusD": "an image-to-image network without noise levels, which the pack refuses",
    "Trellis2": "a sparse grid of voxels instead of a latent",
    "MiniMaxMusic3": "all sizes are fixed in its code: billions of weights",
    "RT_DETR_v4": "finds objects and draws nothing",
    "SAM3": "cuts out objects and draws nothing",
    "SAM31": "cuts out objects and draws nothing",
    "DepthAnything3": "estimates depth and draws nothing",
}


def of_the_host() -> list[Any]:
    """The running host's own list of families: the classes, in its order, each once."""
    import comfy.supported_models
    return list(dict.fromkeys(comfy.supported_models.models))


def here() -> list[Family]:
    """The families at toy size that the running host has."""
    kinds = {kind.__name__ for kind in of_the_host()}
    return [family for family in FAMILIES if family.kind in kinds]


def spaces(same_space: SameSpace) -> dict[str, list[str]]:
    """The families of the running host by latent space. same_space: mcdm.host.models.same_space of the pack."""
    found: dict[str, list[str]] = {}
    formats: dict[str, Any] = {}
    for kind in of_the_host():
        latent_format = kind.latent_format()
        name = next((name for name, other in formats.items() if same_space(other, latent_format)), None)
        if name is None:
            name = oldest(latent_format, same_space)
            formats[name] = latent_format
        found.setdefault(name, []).append(kind.__name__)
    return found


def oldest(latent_format: Any, same_space: SameSpace) -> str:
    """The name of a latent space: that of the oldest class that a format descends from and equals."""
    *ancestors, _, _ = type(latent_format).__mro__         # without LatentFormat and object
    same = [ancestor for ancestor in ancestors if same_space(ancestor(), latent_format)]
    return (same or [type(latent_format)])[-1].__name__


def vaes(same_space: SameSpace) -> dict[str, dict[str, Any]]:
    """What the host knows of the VAE of each latent space.

    keys: where a checkpoint that holds everything has its VAE. preview: the small decoder of vae_approx, "" without.
    """
    kinds = {kind.__name__: kind for kind in of_the_host()}
    found: dict[str, dict[str, Any]] = {}
    for space, names in spaces(same_space).items():
        latent_format = kinds[names[0]].latent_format()
        found[space] = {
            "channels": latent_format.latent_channels,
            "keys": sorted({prefix for name in names for prefix in kinds[name].vae_key_prefix}),
            "preview": latent_format.taesd_decoder_name or "",
        }
    return found
