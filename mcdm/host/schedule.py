"""Where in the schedule a noise level lies, and which experts' windows are open there."""
from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

from ..mixture import Expert
from ..noise_levels import NoiseLevels
from .protocols import Model

ROUNDING = 3e-6     # of a border: sigmas are float32, so that equal levels must not be told apart
BISECTIONS = 40     # which leave less than one part in 10 ** 12 of the schedule


class Schedule:
    """The lead's schedule, read in every step without waiting for a device. Levels are the lead's own: sigma, or t."""

    def __init__(self, experts: Sequence[Expert], model: Model, levels: NoiseLevels) -> None:
        self.levels = levels
        sampling = copy.deepcopy(model.get_model_object("model_sampling")).cpu()
        self._percent_to_sigma: Callable[[float], float] = sampling.percent_to_sigma
        self._windows = [self._window(e) for e in experts]

    def _window(self, expert: Expert) -> tuple[float, float]:
        """(from, to] in levels; the ends of the schedule leave no step out."""
        highest = math.inf if expert.start <= 0 else self.border(expert.start)
        lowest = -math.inf if expert.end >= 1 else self.border(expert.end)
        return highest, lowest

    def border(self, percent: float) -> float:
        """A level just above all that round to this one; it belongs to the window that begins here."""
        return float(self._percent_to_sigma(percent)) * (1.0 + ROUNDING)

    def active(self, level: float) -> tuple[bool, ...]:
        """For each expert, whether its window is open."""
        return tuple(highest >= level > lowest for highest, lowest in self._windows)

    def borders(self) -> set[float]:
        """All levels at which a window opens or closes."""
        found: set[float] = set()
        return found.union(*self._windows) - {math.inf, -math.inf}

    def percent(self, level: float) -> float:
        """Where a level lies, from 0 (all noise) to 1: percent_to_sigma backwards, by bisection."""
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            if float(self._percent_to_sigma(middle)) > level:
                low = middle
            else:
                high = middle
        return high
