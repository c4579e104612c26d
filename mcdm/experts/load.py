"""From a file to a MODEL: the family that recognises it builds it."""
from __future__ import annotations

import logging

import comfy.model_patcher
import torch

from . import checkpoint, families, foreign
from .config import Config
from .model import State, patcher

logger = logging.getLogger("mcdm")


def load_expert(path: str, name: str, weight_dtype: torch.dtype | None = None,
                fast_fp8: bool = False) -> comfy.model_patcher.ModelPatcher:
    """The MODEL in the file or diffusers folder at `path`.

    name: of the expert in messages. weight_dtype: None leaves the choice to the host. fast_fp8: multiply fp8 weights as
    fp8 where the device can. Raises ValueError, one sentence that names the expert, where the file holds none or not a
    whole one.
    """
    try:
        state, config = checkpoint.read(path, fast_fp8)
    except checkpoint.Unreadable as error:
        raise _refusal(name, f"cannot be used: {error}") from error
    family = None
    try:
        family = families.find(state, config)
        if family:
            model = family.build(state, config, weight_dtype)
    except Exception as error:  # unknown shapes and settings may fail in any way
        looks = f"looks like the family {family.name} but " if family else ""
        raise _refusal(name, f"{looks}cannot be used: {_reason(error)}") from error
    if family is None:
        raise _refusal(name, _stranger(state, config))
    if config.unknown():
        logger.warning(f"MCDM: expert '{name}': its JSON has keys that the family {family.name} does not use: "
                       f"{', '.join(config.unknown())}.")
    logger.info(f"MCDM: expert '{name}', family {family.name}, conditions: {', '.join(model.modalities) or 'none'}.")
    return patcher(model)


def _stranger(state: State, config: Config) -> str:
    """A state dict that no family recognises, as the rest of a sentence."""
    known = foreign.describe(state)
    if known:
        what, node, folder = known
        return f"is {what}, which ComfyUI loads itself; put it into {folder} and use its node {node}"
    keys = ", ".join(key[:60] for key in list(state)[:3])
    if config.family:
        return (f"is declared as the family {config.family}, but its keys, which begin with {keys}, do not belong to "
                "it; correct the JSON beside it")
    return f"belongs to no family that LoadExpert knows ({', '.join(families.NAMES)}); its keys begin with {keys}"


def _reason(error: Exception) -> str:
    """An exception as the end of a sentence."""
    if isinstance(error, KeyError):
        return f"{error} is missing from it"
    if isinstance(error, ValueError):
        return str(error)
    return f"building it failed ({str(error) or type(error).__name__})"


def _refusal(name: str, text: str) -> ValueError:
    """One sentence, whatever keys and messages a file brought into it."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    sentence = " ".join(printable.split())[:600].rstrip(".")
    return ValueError(f"Expert file '{name}' {sentence}.")
