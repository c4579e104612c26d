"""The numbers of a mixture as a space in which every point is a valid mixture, for a search by eye or by score.

    weight w_i             log |w_i|: factors, not differences; its sign stays, and a weight of 0 is not searched
    shares, reliabilities  s_i >= 0 with the sum 1: isometric log-ratios (Egozcue et al. 2003) of
                           FLOOR + (1 - N FLOOR) s_i, so that 0 and 1 are reached and left again
    a window               its parts before, inside and after, likewise

A point is a list of floats; a step of 1 changes a weight by the factor e.
"""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from .mixture import Mixture
from .shares import RELIABILITIES, SHARES

VARY = ("weights and shares", "weights and reliabilities", "weights", "shares", "reliabilities")
FLOOR = 0.03            # of each part of a whole, where its logarithm is taken
REACH = 4.0             # log factors: no weight gets further from where it began
DIGITS = 4              # of every number that is found: short enough to write down, and the same on every machine
NARROWEST = 0.05        # window

Parts = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Numbers:
    """What is searched of a mixture, () for what is not. windows: (start, end) of each expert."""
    weights: Parts = ()
    shares: Parts = ()
    windows: tuple[tuple[float, float], ...] = ()


class SearchSpace:
    """The space around a mixture, `start`.

    vary: one of VARY. windows: whether the borders of the experts' windows are searched, too.
    """

    def __init__(self, start: Mixture, vary: str = VARY[0], windows: bool = False) -> None:
        self.start = start
        self.weighted = "weights" in vary
        self.meaning = SHARES if SHARES in vary else RELIABILITIES
        self.divided = vary != "weights" and len(start.experts) > 1
        self.windowed = windows
        self._free = [i for i, e in enumerate(start.experts) if e.weight] if self.weighted else []

    @property
    def size(self) -> int:
        """How many numbers a point has."""
        count = len(self.start.experts)
        return len(self._free) + (count - 1) * self.divided + 2 * count * self.windowed

    def point(self) -> list[float]:
        """Where the mixture itself lies, or the nearest point: a share below 0 counts as 0."""
        experts = self.start.experts
        found = [math.log(abs(experts[i].weight)) for i in self._free]
        if self.divided:
            reliabilities, shares = self.start.balance()
            found += log_ratios(shares if self.meaning == SHARES else reliabilities)
        if self.windowed:
            for expert in experts:
                found += log_ratios((expert.start, expert.end - expert.start, 1.0 - expert.end))
        return found

    def numbers(self, point: Sequence[float]) -> Numbers:
        """What a point means, in DIGITS."""
        experts = self.start.experts
        rest = list(point)
        weights = [e.weight for e in experts] if self.weighted else []
        for i in self._free:
            origin = math.log(abs(experts[i].weight))
            log = min(max(rest.pop(0), origin - REACH), origin + REACH)
            weights[i] = float(f"{math.copysign(math.exp(log), experts[i].weight):.{DIGITS}g}")
        shares: Parts = ()
        if self.divided:
            shares = in_digits(parts(rest[:len(experts) - 1]))
            del rest[:len(experts) - 1]
        windows = []
        while rest:
            windows.append(_window(parts(rest[:2])))
            del rest[:2]
        return Numbers(tuple(weights), shares, tuple(windows))

    def mixture(self, numbers: Numbers) -> Mixture:
        """The mixture with these numbers, throughout the schedule. Raises ValueError if it refuses them."""
        experts = list(self.start.experts)
        options = self.start.options
        for i, weight in enumerate(numbers.weights):
            experts[i] = dataclasses.replace(experts[i], weight=weight)
        for i, (start, end) in enumerate(numbers.windows):
            experts[i] = dataclasses.replace(experts[i], start=start, end=end)
        if numbers.weights and options.weights_end:
            options = dataclasses.replace(options, weights_end=numbers.weights)
        if not numbers.shares:
            return dataclasses.replace(self.start, experts=tuple(experts), options=options)
        options = dataclasses.replace(options, numbers_end=())
        return dataclasses.replace(self.start, experts=tuple(experts), numbers=numbers.shares, meaning=self.meaning,
                                   options=options)


def log_ratios(whole: Sequence[float]) -> list[float]:
    """Parts of a whole, [N], as N - 1 numbers without bounds: their logs in an orthonormal basis of the sum 0."""
    kept = [max(part, 0.0) for part in whole]
    total = math.fsum(kept)
    logs = [math.log(FLOOR + (1.0 - len(kept) * FLOOR) * part / total) for part in kept]
    found = []
    for k in range(1, len(logs)):
        found.append(math.sqrt(k / (k + 1.0)) * (math.fsum(logs[:k]) / k - logs[k]))
    return found


def parts(ratios: Sequence[float]) -> Parts:
    """The inverse: N numbers as N + 1 parts >= 0 with the sum 1."""
    logs = [0.0] * (len(ratios) + 1)
    for k, ratio in enumerate(ratios, start=1):
        scale = ratio / math.sqrt(k * (k + 1.0))
        for i in range(k):
            logs[i] += scale
        logs[k] -= k * scale
    highest = max(logs)
    raised = [math.exp(log - highest) for log in logs]
    total = math.fsum(raised)
    above = [max(part / total - FLOOR, 0.0) for part in raised]
    return tuple(part / math.fsum(above) for part in above)


def in_digits(whole: Sequence[float]) -> Parts:
    """Parts of 1 in DIGITS decimals that sum to 1: what rounding leaves goes where it was furthest."""
    units = 10 ** DIGITS
    exact = [part * units for part in whole]
    counts = [math.floor(part) for part in exact]
    by_rest = sorted(range(len(whole)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_rest[:units - sum(counts)]:
        counts[i] += 1
    return tuple(count / units for count in counts)


def _window(whole: Parts) -> tuple[float, float]:
    """(start, end) of a window by its parts before, inside and after; never too narrow for a step."""
    before, _, after = whole
    start = min(round(before, DIGITS), 1.0 - NARROWEST)
    return start, max(round(1.0 - after, DIGITS), round(start + NARROWEST, DIGITS))
