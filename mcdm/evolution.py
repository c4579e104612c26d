"""The search itself: separable CMA-ES (Ros and Hansen 2008; Hansen 2016, arXiv:1604.00772) of the package `cmaes`.

Of the family, the separable form learns fastest from few candidates, and needs no eigenvectors, whose signs differ from
machine to machine: the same seed and the same choices give the same candidates everywhere.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SEEDS = 2 ** 32
LEAST = 2               # numbers: the package searches no line


class Evolution:
    """A distribution of points [size], centred at `mean` at first, that moves to where the good ones are.

    spread: its standard deviation at first. count: points of a generation. Raises ValueError if the package is missing.
    """

    def __init__(self, mean: Sequence[float], spread: float, count: int, seed: int) -> None:
        try:
            import cmaes
            import numpy as np
        except ImportError as error:
            raise ValueError("This search needs the small package cmaes (MIT licence), which is not in ComfyUI's "
                             "Python; install it there, as requirements.txt of this pack asks, and start ComfyUI "
                             "again.") from error
        self.size, self.count = len(mean), count
        padded = np.zeros(max(self.size, LEAST))
        padded[:self.size] = mean
        self._search = cmaes.SepCMA(mean=padded, sigma=spread, population_size=count, seed=seed % SEEDS)
        self._unseen: dict[tuple[float, ...], np.ndarray] = {}      # points as the search knows them

    def ask(self, count: int) -> list[tuple[float, ...]]:
        """New points."""
        found = []
        for _ in range(count):
            whole = self._search.ask()
            point = tuple(float(value) for value in whole[:self.size])
            self._unseen[point] = whole
            found.append(point)
        return found

    def tell(self, points: Sequence[tuple[float, ...]], order: Sequence[int]) -> None:
        """Moves to the good ones of a generation: `order` has their numbers from 0, the best first; none: stays.

        Fewer than half of them stand in for the missing parents by turns, because those that are not named are bad.
        """
        if not order:
            return
        parents = max(self.count // 2, len(order))
        ranked = [order[i % len(order)] for i in range(parents)]
        others = [i for i in range(len(points)) if i not in order]
        ranked += (others * self.count)[:self.count - len(ranked)]
        self._search.tell([(self._whole(points[i]), float(rank)) for rank, i in enumerate(ranked)])

    def middle(self) -> tuple[float, ...]:
        """Where the points lie around now."""
        return tuple(float(value) for value in self._search.mean[:self.size])

    def _whole(self, point: tuple[float, ...]) -> np.ndarray:
        known = self._unseen.get(point)
        if known is not None:
            return known
        whole = self._search.mean.copy()
        whole[:self.size] = point
        return whole
