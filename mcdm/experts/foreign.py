"""Files that are no experts but at home elsewhere in the host, and the node that loads them there."""
import comfy.model_detection

CHECKPOINT = ("Load Checkpoint (CheckpointLoaderSimple)", "models/checkpoints")
DIFFUSION_MODEL = ("Load Diffusion Model (UNETLoader)", "models/diffusion_models")
OTHERS = (          # a part of a key that gives it away
    (("lora_up.", "lora_down.", ".lora_A.", ".lora_B.", ".hada_w1", ".lokr_w1"), "a LoRA", "Load LoRA (LoraLoader)", "models/loras"),
    (("control_model.", "controlnet_cond_embedding.", "input_hint_block.0."), "a ControlNet", "Load ControlNet Model (ControlNetLoader)", "models/controlnet"),
    (("decoder.up_blocks.", "decoder.up.0.", "taesd_decoder."), "a VAE", "Load VAE (VAELoader)", "models/vae"),
    (("text_model.encoder.", "encoder.block.0.layer.0.SelfAttention"), "a text encoder", "Load CLIP (CLIPLoader)", "models/text_encoders"),
)
MOST_KEYS = 20_000          # the host's detection compares every key with every block


def describe(state):
    """(what it is, the host's node, its folder) of a state dict that ComfyUI loads itself, or None."""
    whole = any(k.startswith("model.diffusion_model.") for k in state)
    name = _diffusion_model(state, "model.diffusion_model." if whole else "") if len(state) < MOST_KEYS else None
    if name or whole:
        return (f"a checkpoint of {name or 'a diffusion model'}", *(CHECKPOINT if whole else DIFFUSION_MODEL))
    return next(((what, node, folder) for marks, what, node, folder in OTHERS if any(mark in k for k in state for mark in marks)), None)


def _diffusion_model(state, prefix):
    """The host's name of a diffusion model, such as SD15, or None."""
    detection = comfy.model_detection
    try:
        config = detection.model_config_from_unet(dict(state), prefix)
        if config is None and not prefix:
            converted = detection.convert_diffusers_mmdit(dict(state), "")
            config = detection.model_config_from_unet(converted, "") if converted else detection.model_config_from_diffusers_unet(dict(state))
    except (KeyError, IndexError, AttributeError, TypeError, ValueError, RuntimeError, ZeroDivisionError):        # it trusts the shapes
        return None
    return config and type(config).__name__
