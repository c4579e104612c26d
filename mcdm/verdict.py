"""Which conditions contradict each other, and what the report says about it in words."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .analysis import Figures

CONTRADICTION = 0.62        # opposition at or above which two conditions contradict each other: see the help page
HELD = 0.4                  # opposition at one noise level above which a contradiction goes on


class Contradiction(NamedTuple):
    """Two experts, by index, that contradict each other from a noise level on."""
    first: int
    second: int
    opposition: float
    sigma: float


def contradictions(figures: Figures) -> list[Contradiction]:
    """The pairs that contradict each other, the worst first."""
    found = [Contradiction(p.first, p.second, p.opposition, _since(p.opposition_at, figures))
             for p in figures.pairs if p.opposition >= CONTRADICTION]
    return sorted(found, key=lambda c: -c.opposition)


def _since(opposed: Sequence[float], figures: Figures) -> float:
    """The highest noise level from which two are opposed for as long as the content is decided."""
    low, high = figures.decides
    levels = [(sigma, share) for sigma, share in zip(figures.sigmas, opposed, strict=True) if sigma >= low]
    since = None
    for sigma, share in reversed(levels):
        if not share >= HELD:       # nan ends it too
            break
        since = sigma
    if since is None:
        return next(sigma for sigma in figures.sigmas if low <= sigma <= high)
    return since


def sentence(figures: Figures, names: Sequence[str]) -> str:
    """The verdict of the report, in words."""
    found = contradictions(figures)
    if found:
        return _warning(found, names)
    acting = [name for name, sizes in zip(names, figures.contributions, strict=True) if any(sizes)]
    if not acting:
        return "No condition acts here: there is nothing to compare."
    if len(acting) == 1:
        return f"Only '{acting[0]}' acts here: there is nothing to contradict."
    low, high = figures.decides
    if not any(low <= sigma <= high for sigma in figures.sigmas):
        return (f"No verdict: this run has no step between sigma {high:.3g} and {low:.3g}, where the content of the "
                "picture is decided; use more steps, or a higher denoise.")
    compared = [p for p in figures.pairs if not math.isnan(p.opposition)]
    if not compared:
        return ("No two of these conditions contradict each other: in every pair, one is much stronger, or the two "
                "never act together while content is decided.")
    most = max(compared, key=lambda p: p.opposition)
    return (f"No two of these conditions contradict each other. Most opposed are '{names[most.first]}' and "
            f"'{names[most.second]}', with {most.opposition:.2f} of 1; a contradiction begins at {CONTRADICTION:g}.")


def _warning(found: Sequence[Contradiction], names: Sequence[str]) -> str:
    """Who contradicts whom, and what to do about it."""
    said = [f"'{names[c.first]}' and '{names[c.second]}' contradict each other from sigma {c.sigma:.3g} on "
            f"(opposition {c.opposition:.2f} of 1)" for c in found]
    return (f"{'; '.join(said)}. Neither will be met in full. Try a mask, so that each acts in its own region; a "
            "window, so that one is done before the other begins; a lower weight or more reliability for the one that "
            "matters less; or change one condition.")
