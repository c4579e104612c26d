"""Who watches while a guider samples, and what they want to see."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ...account import Account
from ...observation import Observation
from ..experts.asking import Shared
from ..experts.lanes import Clock

Observer = Callable[[Observation], object]


@dataclasses.dataclass
class Watch:
    """The default costs nothing.

    observe: gets an Observation of every evaluation, before the sampler's own hooks.
    all_nulls: D_0, and the null of every expert whose condition counts, are evaluated for comparison.
    clock, shared: see Asking.
    account: what a particle sampler did, once it has finished.
    """
    observe: Observer | None = None
    all_nulls: bool = False
    clock: Clock | None = None
    shared: Shared | None = None
    account: Account | None = None
