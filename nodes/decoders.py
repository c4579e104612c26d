"""Which VAE is to decode what a node samples: a wrong one would fail only after the last step.

It is told when the node runs. Where its latents are in the host's cache the node does not run: then the page is told
when the prompt is queued, and says it beside VAE Decode.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import folder_paths
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from safetensors import SafetensorError, safe_open

from ..mcdm.host.models import latent_format, vae_of
from ..mcdm.mixture import Mixture
from ..mcdm.prompt import Prompt

DECODERS = ("VAEDecode", "VAEDecodeTiled")
FILES = {"VAELoader": ("vae", "vae_name"), "CheckpointLoaderSimple": ("checkpoints", "ckpt_name")}
LAYERS = ("decoder.conv_in.weight", "taesd_decoder.1.weight")       # the first of a decoder, [out, channels, 3, 3]
PIXELS = "pixel_space_vae"
CHANNELS = {3, 4, 16}       # of latents that a VAE takes as they are; others may be packed

SAMPLERS = ("MCDMSampler", "MCDMGuider")
REMEMBERED = 100            # nodes that have run


_spaces: dict[str, Any] = {}            # {a node with all that is behind it: the space of its latents}


def check_decoders(mixture: Mixture) -> None:
    """Raises ValueError if the node that runs now gives its latents to a VAE for another number of channels.

    Only what the headers of files say is known; other loaders, and nodes in between, may be right.
    """
    context = get_executing_context()
    if context is None:
        return
    space, prompt = latent_format(mixture.experts[0].model), get_progress_state().dynprompt.original_prompt
    for _, sentence in _misfits(prompt, context.node_id, space):
        raise ValueError(sentence)
    if context.node_id in prompt:
        _spaces[_tree(prompt, context.node_id, {})] = space
        while len(_spaces) > REMEMBERED:
            del _spaces[next(iter(_spaces))]


def wrong_decoders(prompt: Prompt) -> dict[str, str]:
    """{VAE Decode: what is wrong with its VAE} for latents that have been sampled before."""
    found: dict[str, str] = {}
    trees: dict[str, str] = {}
    for key, call in prompt.items():
        space = _spaces.get(_tree(prompt, key, trees)) if call["class_type"] in SAMPLERS else None
        if space is not None:
            found.update(_misfits(prompt, key, space))
    return found


def _tree(prompt: Prompt, key: str, known: dict[str, str]) -> str:
    """A node with all that is behind it, as a text. known: {node: its text}, which grows."""
    if key not in known:
        known[key] = ""                 # of a wire in a circle, which the host refuses
        inputs = dict(prompt[key]["inputs"])
        for name, value in inputs.items():
            if isinstance(value, list) and value[0] in prompt:
                inputs[name] = [hash(_tree(prompt, value[0], known)), *value[1:]]
            elif isinstance(value, int):                # the host makes numbers of a queued prompt those of the field
                inputs[name] = float(value)
        known[key] = json.dumps([prompt[key]["class_type"], inputs], sort_keys=True)
    return known[key]


def _misfits(prompt: Prompt, node: str, space: Any) -> Iterator[tuple[str, str]]:
    """(VAE Decode, sentence) of each that decodes what a sampler or a guider gives by a VAE of another space."""
    for key, loader in _loaders(prompt, node):
        name, channels = _vae(loader)
        if channels != space.latent_channels and {channels, space.latent_channels} <= CHANNELS:
            sentence = (f"VAE Decode is given the VAE '{name}', which does not fit the latents of this mixture; "
                        f"connect {vae_of(space)}.")
            yield key, sentence


def _loaders(prompt: Prompt, node: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(VAE Decode, the loader of its VAE) of each that decodes what a sampler or a guider gives."""
    for key, call in prompt.items():
        inputs = call["inputs"]
        if not any(isinstance(value, list) and value[:1] == [node] for value in inputs.values()):
            continue
        if call["class_type"] == "SamplerCustomAdvanced":
            yield from _loaders(prompt, key)
        elif call["class_type"] in DECODERS and inputs["vae"][0] in prompt:
            yield key, prompt[inputs["vae"][0]]


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
