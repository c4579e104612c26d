"""Options on top of eq. 10. Plain data, checked when it is made."""
from __future__ import annotations

import dataclasses
import math

from .cures import Apg

EVERYWHERE = (0.0, math.inf)    # the guidance interval that leaves nothing out


@dataclasses.dataclass(frozen=True)
class Options:
    """What is done on top of eq. 10; the defaults do nothing, exactly.

    weights_end, numbers_end: what the w_i and the mixture's numbers, reliabilities a_j or shares s_j, become at the end
    of the schedule; () = as at its start.
    curve: how they get there, "linear" or "cosine" in percent of the schedule.
    rescale: phi of Lin et al. 2023 (arXiv:2305.08891), 0 to 1.
    interval: the sigmas (low, high] of Kynkaanniemi et al. 2024 (arXiv:2404.07724) in which guidance acts;
    outside it the weights are w_i / sum w, without a null.
    apg, cfg_zero: cures of strong guidance, see mcdm/cures.py. zero_init: the first part of the schedule, in which the
    picture does not change (CFG-Zero*) and no network is asked.
    Raises ValueError for numbers outside these ranges.
    """
    weights_end: tuple[float, ...] = ()
    numbers_end: tuple[float, ...] = ()
    curve: str = "linear"
    rescale: float = 0.0
    interval: tuple[float, float] = EVERYWHERE
    apg: Apg | None = None
    cfg_zero: bool = False
    zero_init: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.interval
        if not all(math.isfinite(w) for w in self.weights_end):
            raise ValueError(f"weights_end must be finite numbers, not {list(self.weights_end)}.")
        if not 0.0 <= self.rescale <= 1.0:
            raise ValueError(f"The rescale must lie from 0 to 1, not {self.rescale}.")
        if not 0.0 <= low < high:
            raise ValueError(f"The guidance interval must have 0 <= sigma_low < sigma_high, not {low} to {high}.")
        if not 0.0 <= self.zero_init < 1.0:
            raise ValueError(f"zero_init must be a part of the schedule, from 0 to below 1, not {self.zero_init}.")
