"""Files that are not experts but belong elsewhere in the host, and the node that loads them there."""
from __future__ import annotations

from typing import Any, NamedTuple

import comfy.model_detection


class Home(NamedTuple):
    """A kind of file of the host's: its name, the node that loads it, and its folder."""
    what: str
    node: str
    folder: str


CHECKPOINT = ("Load Checkpoint (CheckpointLoaderSimple)", "models/checkpoints")
DIFFUSION_MODEL = ("Load Diffusion Model (UNETLoader)", "models/diffusion_models")
OTHERS = (  # parts of keys that give a file away
    (("lora_up.", "lora_down.", ".lora_A.", ".lora_B.", ".hada_w1", ".lokr_w1"),
     Home("a LoRA", "Load LoRA (LoraLoader)", "models/loras")),
    (("control_model.", "controlnet_cond_embedding.", "input_hint_block.0."),
     Home("a ControlNet", "Load ControlNet Model (ControlNetLoader)", "models/controlnet")),
    (("decoder.up_blocks.", "decoder.up.0.", "taesd_decoder."),
     Home("a VAE", "Load VAE (VAELoader)", "models/vae")),
    (("text_model.encoder.", "encoder.block.0.layer.0.SelfAttention"),
     Home("a text encoder", "Load CLIP (CLIPLoader)", "models/text_encoders")),
)
WHOLE = "model.diffusion_model."  # prefix of the network in a checkpoint that has its VAE and text encoder, too
MOST_KEYS = 20_000  # the host's detection compares every key with every block


def describe(state: dict[str, Any]) -> Home | None:
    """The home of a state dict that ComfyUI loads itself, or None."""
    whole = any(key.startswith(WHOLE) for key in state)
    name = _diffusion_model(state, WHOLE if whole else "") if len(state) < MOST_KEYS else None
    if name or whole:
        return Home(f"a checkpoint of {name or 'a diffusion model'}", *(CHECKPOINT if whole else DIFFUSION_MODEL))
    for marks, home in OTHERS:
        if any(mark in key for key in state for mark in marks):
            return home
    return None


def _diffusion_model(state: dict[str, Any], prefix: str) -> str | None:
    """The host's name of a diffusion model, such as SD15, or None."""
    try:
        config = comfy.model_detection.model_config_from_unet(dict(state), prefix)
        if config is None and not prefix:
            config = _of_diffusers(state)
    except (KeyError, IndexError, AttributeError, TypeError, ValueError, RuntimeError, ZeroDivisionError):
        return None  # the host's detection trusts the shapes
    return type(config).__name__ if config else None


def _of_diffusers(state: dict[str, Any]) -> Any:
    """The host's configuration of a diffusion model under the keys of diffusers, or None."""
    converted = comfy.model_detection.convert_diffusers_mmdit(dict(state), "")
    if converted:
        return comfy.model_detection.model_config_from_unet(converted, "")
    return comfy.model_detection.model_config_from_diffusers_unet(dict(state))
