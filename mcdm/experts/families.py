"""The table of families: the networks that LoadExpert knows. A new family is one line here."""
from __future__ import annotations

from . import adm, dit, embedded, glide, unc, unet2d, upsampler
from .config import Config
from .model import Family, State

FAMILIES: tuple[Family, ...] = (
    *embedded.FAMILIES,
    *upsampler.FAMILIES,
    *adm.FAMILIES,
    *glide.FAMILIES,
    *unc.FAMILIES,
    *dit.FAMILIES,
    *unet2d.FAMILIES,
)
NAMES = tuple(family.name for family in FAMILIES)


def find(state: State, config: Config) -> Family | None:
    """The first family that recognises a state dict: any, or the one that its file names. None if none does.

    Raises ValueError if the file names a family that does not exist.
    """
    if config.family not in (None, *NAMES):
        raise ValueError(f"its family '{config.family}' is not one of {', '.join(NAMES)}")
    for family in FAMILIES:
        if config.family in (None, family.name) and family.recognises(state, config):
            return family
    return None
