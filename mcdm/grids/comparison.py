"""The united picture beside what each expert alone makes of its condition."""
from __future__ import annotations

from collections.abc import Iterator

from ..drawing.lettering import labels
from ..host.spaces.groups import groups_of
from ..mixture import Mixture
from .grid import Grid, Titles


def comparison(mixture: Mixture) -> Grid:
    """A mixture and each of its experts alone, in a row."""
    names = labels([e.name for e in mixture.experts])
    titles = Titles(rows=[""], columns=["united", *(f"{name} alone" for name in names)])
    as_numbers = [_among_silent(mixture, i) for i in range(len(mixture.experts))]
    return Grid([[mixture, *_each_alone(mixture)]], titles, mixture, [[mixture, *as_numbers]])


def _among_silent(mixture: Mixture, index: int) -> Mixture | None:
    """One expert where all are wired: the others weigh nothing, and their nulls do not count."""
    others = [i for i in range(len(mixture.experts)) if i != index]
    return mixture.varied(dict.fromkeys(others, 0.0), {index: 1.0})


def _each_alone(mixture: Mixture) -> Iterator[Mixture | None]:
    """Each expert alone. One of another latent space still works in the latent of the first expert's space, by itself
    there."""
    of_the_first = groups_of(mixture.experts, mixture.mixed_spaces)[0].members
    everybody = range(len(mixture.experts))
    for i in everybody:
        if i in of_the_first:
            yield mixture.alone(i)
        else:
            yield _among_silent(mixture, i)
