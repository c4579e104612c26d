"""Which predictions count at a noise level where experts work in several latent spaces."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ... import fusion
from ...fusion import Coefficient
from ...mixture import Mixture
from ..experts.run import ExpertRun
from ..spaces.groups import Spaces
from .plan import Plan, Planner, Schedule, require_null


class Seen:
    """A run as the planner of one group sees it: with its mask in the cells of that group's latent."""

    def __init__(self, run: ExpertRun, mask: Coefficient) -> None:
        self.run, self.mask = run, mask

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)


class BridgedPlan(NamedTuple):
    """The plan of each group, with the predictions of its own experts; and all of these together."""
    groups: list[Plan]
    conditions: list[int]
    nulls: list[int]


class BridgedPlanner:
    """A planner for each group, whose masks have the size of its latent."""

    def __init__(self, mixture: Mixture, schedule: Schedule, runs: Sequence[ExpertRun], spaces: Spaces,
                 all_nulls: bool, device: torch.device) -> None:
        self.groups, self.runs, self.schedule = spaces.groups, runs, schedule
        self.planners = []
        for shape in spaces.shapes:
            masks = [1.0 if run.expert.mask is None else fusion.latent_mask(run.expert.mask, shape, device)
                     for run in runs]
            seen: Any = [Seen(run, mask) for run, mask in zip(runs, masks, strict=True)]
            self.planners.append(Planner(mixture, schedule, seen, all_nulls))

    def plan(self, level: float, null_wanted: bool) -> BridgedPlan:
        plans = []
        for group, planner in zip(self.groups, self.planners, strict=True):
            whole = planner.plan(level, null_wanted)
            conditions = [i for i in whole.conditions if i in group.members]
            nulls = [i for i in whole.nulls if i in group.members]
            plans.append(whole._replace(conditions=conditions, nulls=nulls or self._nulls_of_hooks(whole, conditions)))
        conditions, nulls = ([i for plan in plans for i in getattr(plan, kind)] for kind in ("conditions", "nulls"))
        return BridgedPlan(plans, conditions, nulls)

    def _nulls_of_hooks(self, plan: Plan, conditions: Sequence[int]) -> list[int]:
        """The nulls that CFG functions need where no null of their space counts: those of their own experts."""
        hooked = [i for i in conditions if plan.guided and self.runs[i].has_cfg_hooks and plan.weights[i] != 1.0]
        for i in hooked:
            require_null(self.runs[i].expert)
        return hooked

    def describe(self, levels: Sequence[float], null_wanted: bool) -> str:
        return f"{self.planners[0].describe(levels, null_wanted)}; {len(self.groups)} latent spaces"

    def is_over(self, s: int, level: float) -> bool:
        """Whether no expert of a group is asked at this level and below."""
        return all(self.schedule.is_over(i, level) for i in self.groups[s].members)
