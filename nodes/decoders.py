"""Which VAE is to decode what a node samples: a wrong one would fail only after the last step."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import folder_paths
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from safetensors import SafetensorError, safe_open

from ..mcdm.host.models import latent_format, vae_of
from ..mcdm.mixture import Mixture

DECODERS = ("VAEDecode", "VAEDecodeTiled")
FILES = {"VAELoader": ("vae", "vae_name"), "CheckpointLoaderSimple": ("checkpoints", "ckpt_name")}
LAYERS = ("decoder.conv_in.weight", "taesd_decoder.1.weight")       # the first of a decoder, [out, channels, 3, 3]
PIXELS = "pixel_space_vae"
CHANNELS = {3, 4, 16}       # of latents that a VAE takes as they are; others may be packed

Prompt = dict[str, dict[str, Any]]


def check_decoders(mixture: Mixture) -> None:
    """Raises ValueError if the node that runs now gives its latents to a VAE for another number of channels.

    Only what the headers of files say is known; other loaders, and nodes in between, may be right.
    """
    context = get_executing_context()
    if context is None:
        return
    space = latent_format(mixture.experts[0].model)
    for loader in _loaders(get_progress_state().dynprompt.original_prompt, context.node_id):
        name, channels = _vae(loader)
        if channels != space.latent_channels and {channels, space.latent_channels} <= CHANNELS:
            raise ValueError(f"VAE Decode is given the VAE '{name}', which does not fit the latents of this mixture; "
                             f"connect {vae_of(space)}.")


def _loaders(prompt: Prompt, node: str) -> Iterator[dict[str, Any]]:
    """The loaders of the VAEs that decode what a sampler or a guider gives."""
    for key, call in prompt.items():
        inputs = call["inputs"]
        if not any(isinstance(value, list) and value[:1] == [node] for value in inputs.values()):
            continue
        if call["class_type"] == "SamplerCustomAdvanced":
            yield from _loaders(prompt, key)
        elif call["class_type"] in DECODERS and inputs["vae"][0] in prompt:
            yield prompt[inputs["vae"][0]]


def _vae(loader: dict[str, Any]) -> tuple[str, int]:
    """(name, channels of its latents) of the VAE from a loader; 0 channels: not known."""
    folder, field = FILES.get(loader["class_type"], ("", "vae"))
    name = str(loader["inputs"].get(field))
    if name == "pixel_space":
        return name, 3
    if loader["class_type"] == "LoadExpertVAE":
        return name, 4
    path = folder_paths.get_full_path(folder, name) if folder else None
    try:
        return name, _channels(path) if path else 0
    except (OSError, SafetensorError):      # another kind of file
        return name, 0


def _channels(path: str) -> int:
    with safe_open(path, "pt") as file:
        keys = file.keys()
        for key in keys:
            if key.endswith(PIXELS):
                return 3
            if key.removeprefix("first_stage_model.") in LAYERS:
                return file.get_slice(key).get_shape()[1]
    return 0
