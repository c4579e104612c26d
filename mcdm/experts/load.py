"""From a file to a MODEL. Files are untrusted: safetensors, or torch's weights-only loader; never code, never a path of theirs."""
import logging
import os

import comfy.utils

from . import embedded
from .model import patcher

FAMILIES = (embedded,)


def load_expert(path, name, weight_dtype=None):
    """The MODEL in the file at `path`. Raises ValueError, naming the file, where it cannot be read or is no expert."""
    if not os.path.isfile(path):
        raise ValueError(f"Expert file '{name}' is not there (any more); choose another, or put it into models/experts.")
    try:
        state, metadata = comfy.utils.load_torch_file(path, safe_load=True, return_metadata=True)
    except Exception as error:
        raise ValueError(f"Expert file '{name}' cannot be read: it is damaged, incomplete, or not a plain file of weights ({_first_line(error)}). "
                         "Download it again, or save it as safetensors.") from error
    metadata = metadata or {}
    if not isinstance(state, dict) or not state or not all(hasattr(v, "shape") for v in state.values()):
        raise ValueError(f"Expert file '{name}' holds no state dict of tensors; it is not an expert.")
    for family in FAMILIES:
        if family.recognises(state, metadata):
            try:
                model = family.build(state, metadata, weight_dtype)
            except (KeyError, TypeError, RuntimeError, ValueError) as error:
                raise ValueError(f"Expert file '{name}' looks like a network of the family {family.NAME} but cannot be used: {error}") from error
            logging.info(f"MCDM: expert '{name}', family {family.NAME}, conditions: {', '.join(model.modalities)}.")
            return patcher(model)
    keys = ", ".join(list(state)[:3])
    raise ValueError(f"Expert file '{name}' is not of a family that LoadExpert knows ({', '.join(f.NAME for f in FAMILIES)}); its keys begin with {keys}. "
                     "Load Stable Diffusion and other models of ComfyUI itself with their own loader nodes.")


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
