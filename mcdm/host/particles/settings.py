"""The settings of MCDM Corrected, and what it accepts: see mcdm/host/particles/particle_sampler.py."""
from __future__ import annotations

from typing import NamedTuple

from ...bands import EVERY
from ..sampling.guider import MixtureGuider

METHODS = FEYNMAN_KAC, OR, AND, PLAIN = "Feynman-Kac", "SuperDiff OR", "SuperDiff AND", "none"
KEEPS = ALL, ONE = "all particles", "one per picture"


class Settings(NamedTuple):
    """method, keep: of METHODS, of KEEPS. particles: K, 0 = the whole batch is one picture's.

    threshold: particles are resampled when their effective size falls below this fraction of K.
    langevin_steps, langevin_size: at each noise level after the first; the size in variances of the noise.
    """
    method: str = FEYNMAN_KAC
    particles: int = 0
    keep: str = ALL
    threshold: float = 0.5
    langevin_steps: int = 0
    langevin_size: float = 0.1


DEFAULT = Settings()


def checked(guider: object, settings: Settings) -> MixtureGuider:
    """The guider, if it is a mixture's and gives what eq. 10 gives. Raises ValueError."""
    if not isinstance(guider, MixtureGuider):
        raise ValueError("MCDM Corrected is for a mixture's guider; connect an MCDM Guider.")
    if guider.latent_shapes is not None and len(guider.latent_shapes) > 1:
        raise ValueError("MCDM Corrected does not take nested latents (picture and sound together); use an ordinary "
                         "latent.")
    if settings.method != PLAIN and len(guider.groups) > 1:
        raise ValueError("MCDM Corrected weighs particles by densities at one noisy latent, and experts of several "
                         "latent spaces each see a noisy latent of their own; set method to none, or use experts of "
                         "one space.")
    if settings.method != PLAIN:
        options, experts = guider.mixture.options, guider.mixture.experts
        changed = [name for name, on in (
            ("rescale", options.rescale), ("APG", options.apg), ("CFG-Zero*", options.cfg_zero),
            ("automatic masks", guider.mixture.automatic),
            ("crop of a region", guider.mixture.regions and guider.mixture.regions.cropped)) if on]
        changed += [f"the bands of '{e.name}'" for e in experts if e.bands != EVERY]
        changed += [f"the CFG functions of '{run.expert.name}'" for run in guider.sampling.runs if run.has_cfg_hooks]
        if changed:
            raise ValueError(f"MCDM Corrected follows eq. 10 itself, which {changed[0]} would change; turn that off, "
                             "or set method to none.")
    if settings.method in (OR, AND) and settings.langevin_steps:
        raise ValueError(f"{settings.method} cannot be combined with Langevin steps; set langevin_steps to 0.")
    return guider
