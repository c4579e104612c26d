"""A mixture as one part of another: any number of experts, by mixers in a chain."""
from __future__ import annotations

from collections.abc import Sequence

from .mixture import Expert, Mixture, Options


def joined(
    experts: Sequence[Expert], numbers: Sequence[float], part: float, inner: Mixture, mixed_spaces: bool, meaning: str,
) -> Mixture:
    """Experts with their numbers, and after them those of a mixture, which is one part of the whole.

    numbers, part: of the experts and of the mixture, whose experts divide their part in proportion to their own
    numbers. meaning: of all numbers of the whole; those of the mixture are said in it, with its own weights.
    Raises ValueError where the mixture has options or automatic masks, which are those of a whole.
    """
    if inner.options != Options():
        raise ValueError("The mixture that arrives at the Reliability Mixer has options, and options act on a whole: "
                         "put Mixture Options behind the last mixer of the chain.")
    if inner.automatic is not None:
        raise ValueError("The mixture that arrives at the Reliability Mixer has automatic masks, and these divide a "
                         "whole: put Automatic Masks behind the last mixer of the chain.")
    shared = [part * number for number in inner.meaning_as(meaning).numbers]
    return Mixture((*experts, *inner.experts), (*numbers, *shared), mixed_spaces, meaning=meaning)
