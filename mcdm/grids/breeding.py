"""The candidates of a generation as a sheet: *Breed a Mixture*."""
from __future__ import annotations

from ..mixture import Mixture
from ..search_state import Search
from ..shares import SHARES
from .grid import Grid, Titles

COLUMNS = 3


def generation_grid(search: Search, budget: int) -> Grid:
    """The candidates of the present generation with their numbers. budget: generations, for the title."""
    captions = []
    for number, candidate in enumerate(search.candidates, start=1):
        numbers = "refused" if candidate.mixture is None else in_words(candidate.mixture, search.settings.windows)
        captions.append(f"{number}{_first(search) if number == 1 else ''}: {numbers}")
    drawn = search.generation * search.settings.count
    across = (f"generation {search.generation} of {budget}, spread {search.spread:.2g}, {drawn} of "
              f"{budget * search.settings.count} pictures")
    mixtures = [candidate.mixture for candidate in search.candidates]
    rows = range(0, len(mixtures), COLUMNS)
    cells: list[list[Mixture | None]] = [mixtures[i:i + COLUMNS] for i in rows]
    cells[-1] += [None] * (COLUMNS - len(cells[-1]))
    titles = Titles([""] * len(rows), [""] * COLUMNS, "", across, [captions[i:i + COLUMNS] for i in rows])
    return Grid(cells, titles, search.start, forgiving=True)


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
