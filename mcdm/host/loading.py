"""One load of all networks of a mixture."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.sampler_helpers

from .run import ExpertRun

KEY = "mcdm"


def load_together(
    executor: Callable, runs: Sequence[ExpertRun], noise_shape: Sequence[int], *args: Any, **kwargs: Any,
) -> list[Any]:
    """Loads all networks and ControlNets by the host's prepare_sampling, `executor`, and returns what it loaded.

    Working memory is that of the hungriest expert, not the sum.
    """
    carriers = {id(run.model): run.patcher for run in reversed(runs)}       # the first patcher of each network

    def working_memory(run: ExpertRun) -> float:
        return comfy.sampler_helpers.estimate_memory(run.patcher, noise_shape, run.conds)[0]
    hungriest = max(runs, key=working_memory)
    hungry = carriers.pop(id(hungriest.model))
    others = list(carriers.values())
    for run in runs:
        others += run.additional_models()
    everything = {f"{kind}{i}": rows for i, run in enumerate(runs) for kind, rows in run.conds.items()}
    hungry.set_additional_models(KEY, others)
    try:
        _, _, models = executor(hungry, noise_shape, everything, *args, **kwargs)
    finally:
        hungry.remove_additional_models(KEY)
    return models
