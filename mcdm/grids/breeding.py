"""The candidates of a generation as a sheet: *Breed a Mixture*."""
from __future__ import annotations

from ..mixture import Mixture
from ..search_state import Search
from ..shares import SHARES
from .grid import Grid, Titles


def generation_grid(search: Search, budget: int) -> Grid:
    """The candidates of the present generation in a row, with their numbers. budget: generations, for the title."""
    columns = []
    for number, candidate in enumerate(search.candidates, start=1):
        numbers = "refused" if candidate.mixture is None else in_words(candidate.mixture, search.settings.windows)
        columns.append(f"{number}{_first(search) if number == 1 else ''}: {numbers}")
    drawn = search.generation * search.settings.count
    across = (f"generation {search.generation} of {budget}, spread {search.spread:.2g}: {drawn} of "
              f"{budget * search.settings.count} pictures; mark the good ones, the best first")
    return Grid([[candidate.mixture for candidate in search.candidates]], Titles([""], columns, "", across))


def _first(search: Search) -> str:
    return " as it is" if search.best.mixture is search.start else " best so far"


def in_words(mixture: Mixture, windows: bool = False) -> str:
    """A mixture's numbers, short enough for the title of a column."""
    weights = " ".join(f"{e.weight:.3g}" for e in mixture.experts)
    kind = "shares" if mixture.meaning == SHARES else "a"
    told = f"w {weights}, {kind} {' '.join(f'{n:.2g}' for n in mixture.numbers)}"
    if windows:
        told += ", from " + " ".join(f"{e.start:.2g}-{e.end:.2g}" for e in mixture.experts)
    return told
