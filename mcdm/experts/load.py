"""From a file to a MODEL: who recognises it builds it."""
import logging

from . import adm, checkpoint, dit, embedded, foreign, glide, unc, unet2d
from .model import patcher

FAMILIES = (embedded, *adm.FAMILIES, *glide.FAMILIES, *unc.FAMILIES, *dit.FAMILIES, *unet2d.FAMILIES)


def load_expert(path, name, weight_dtype=None, fast_fp8=False):
    """The MODEL in the file or diffusers folder at `path`. Raises ValueError, one sentence that names it, where it is no expert or not a whole one.

    weight_dtype: a torch dtype, None leaves the choice to the host. fast_fp8: multiply fp8 weights as fp8 where the device can.
    """
    try:
        state, config = checkpoint.read(path, fast_fp8)
    except checkpoint.Unreadable as error:
        raise _refusal(name, f"cannot be used: {error}") from error
    family = None
    try:
        if config.family not in (None, *(f.NAME for f in FAMILIES)):
            raise ValueError(f"its family '{config.family}' is none of {', '.join(f.NAME for f in FAMILIES)}")
        family = next((f for f in FAMILIES if config.family in (None, f.NAME) and f.recognises(state, config)), None)
        if family:
            model = family.build(state, config, weight_dtype)
    except Exception as error:                              # a stranger's shapes and settings go wrong in any way
        looks = f"looks like the family {family.NAME} but " if family else ""
        raise _refusal(name, f"{looks}cannot be used: {_reason(error)}") from error
    if family is None:
        raise _refusal(name, _stranger(state, config))
    if config.unknown():
        logging.warning(f"MCDM: expert '{name}': its JSON has keys that mean nothing to the family {family.NAME}: {', '.join(config.unknown())}.")
    logging.info(f"MCDM: expert '{name}', family {family.NAME}, conditions: {', '.join(model.modalities) or 'none'}.")
    return patcher(model)


def _stranger(state, config):
    """What a state dict is that no family recognises, as the rest of a sentence."""
    known = foreign.describe(state)
    if known:
        what, node, folder = known
        return f"is {what}, which ComfyUI loads itself; put it into {folder} and use its node {node}"
    keys = ", ".join(k[:60] for k in list(state)[:3])
    if config.family:
        return f"is said to be of the family {config.family}, but its keys, which begin with {keys}, are not; correct the JSON beside it"
    return f"is of no family that LoadExpert knows ({', '.join(f.NAME for f in FAMILIES)}); its keys begin with {keys}"


def _reason(error):
    """An exception as the end of a sentence."""
    if isinstance(error, KeyError):
        return f"{error} is missing in it"
    return str(error) if isinstance(error, ValueError) else f"building it failed ({str(error) or type(error).__name__})"


def _refusal(name, text):
    """One sentence, whatever keys and messages a file brought into it."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return ValueError(f"Expert file '{name}' {' '.join(printable.split())[:600].rstrip('.')}.")
