"""Does what was found beat the start on seeds that the search has not seen?"""
from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

# Student's t at 97.5 %, by degrees of freedom from 1.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
     2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)


class Paired(NamedTuple):
    """The mean difference of pairs, and its 95 % interval by Student's t."""
    mean: float
    low: float
    high: float
    pairs: int


def paired(before: Sequence[float], after: Sequence[float]) -> Paired | None:
    """after - before, seed by seed; pairs with a score that is no number are left out. None: fewer than two pairs."""
    pairs = zip(before, after, strict=True)
    differences = [b - a for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
    count = len(differences)
    if count < 2:
        return None
    mean = statistics.fmean(differences)
    reach = T[min(count - 1, len(T)) - 1] * statistics.stdev(differences) / math.sqrt(count)
    return Paired(mean, mean - reach, mean + reach, count)


def in_words(found: Paired | None, improved: bool, constant: bool, unscored: bool = False) -> str:
    """The verdict as a sentence. improved: something better than the start was found. constant: all scores equal.
    unscored: nothing has a score."""
    if unscored:
        return "No candidate has a score, nor has the start: give another score; json says what was wrong."
    if constant:
        return "All candidates have the same score: it cannot tell one from another. Give another score."
    if not improved:
        return "Nothing better than the start was found."
    if found is None:
        return "Something better was found on this seed; without fresh seeds nobody knows whether it is luck."
    told = (f"On {found.pairs} fresh seeds what was found scores {found.mean:+.3g} against the start "
            f"(95 % interval {found.low:+.3g} to {found.high:+.3g})")
    if found.low > 0:
        return f"{told}: better."
    if found.high < 0:
        return f"{told}: worse. It was luck with one seed."
    return f"{told}: these seeds cannot tell."
