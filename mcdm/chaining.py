"""A mixture as one part of another: mixers in a chain unite any number of experts."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from .mixture import Expert, Mixture, Options


def joined(
    experts: Mapping[int, Expert], numbers: Sequence[float], inner: Mixture, mixed_spaces: bool, meaning: str,
) -> Mixture:
    """Experts by the slot where each is wired, followed by those of a mixture, which is one part of the whole.

    numbers: one for each expert, and the last for the mixture, whose experts divide it in proportion to their own.
    meaning: of all numbers of the whole; the mixture's are converted to it, with its own weights.
    The slots of the mixture's experts count on from the last of these.
    Raises ValueError if the mixture has options, automatic masks or regions, which act on a whole mixture.
    """
    if inner.options != Options():
        raise ValueError("The mixture that arrives at the Reliability Mixer has options, which act on a whole mixture: "
                         "put Mixture Options after the last mixer of the chain.")
    if inner.automatic is not None:
        raise ValueError("The mixture that arrives at the Reliability Mixer has automatic masks, which divide a whole "
                         "mixture: put Automatic Masks after the last mixer of the chain.")
    if inner.regions is not None:
        raise ValueError("The mixture that arrives at the Reliability Mixer has regions, which divide a whole mixture: "
                         "put Expert Regions after the last mixer of the chain.")
    *own, part = numbers
    shared = [part * number for number in inner.meaning_as(meaning).numbers]
    last = max(experts, default=0)
    return Mixture(
        (*experts.values(), *inner.experts), (*own, *shared), mixed_spaces, meaning=meaning,
        slots=(*experts, *(last + slot for slot in inner.slots)),
        chain=(len(experts), *chain_of(inner)),
    )


def chain_of(mixture: Mixture) -> tuple[int, ...]:
    """How many experts each mixer of its chain has of its own, the last mixer first."""
    return mixture.chain or (len(mixture.experts),)
