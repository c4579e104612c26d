"""Which predictions count at a noise level: those with a coefficient of zero everywhere are not evaluated."""
from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch

from ... import bands, fusion, shares
from ...fusion import Coefficient, Coefficients
from ...mixture import HERE, Mixture
from ..experts.asking import Answers, Estimates
from ..experts.devices import where
from ..experts.run import ExpertRun
from ..schedule import Schedule
from ..spaces.layout import Masks, OneSpace
from .reasons import Reasons, require_null

logger = logging.getLogger("mcdm")

BESIDE = 1e-5       # so far, in parts of a level, do plans look on both sides of a border


class Plan(NamedTuple):
    """The work of an evaluation while one set of experts is active. Experts go by index.

    guided: whether the noise level lies in the guidance interval. percent: where in the schedule it lies, if weights or
    reliabilities change there. weights: w_i at this point.
    grids: the coefficients in the cells of each group's latent, those of the lead first.
    conditions, nulls: the experts whose condition, whose null counts. No null: D_0 is not needed.
    resting: the picture does not change, and no expert is asked.
    """
    guided: bool
    percent: float
    weights: tuple[float, ...]
    grids: list[Coefficients]
    conditions: list[int]
    nulls: list[int]
    resting: bool = False

    @property
    def coefficients(self) -> Coefficients:
        """In the lead's cells."""
        return self.grids[0]

    def null_blend(self, nulls: Estimates) -> torch.Tensor | None:
        """D_0 [B, ...] from the null estimates {expert: D} of one space, None if it is not needed: eq. 8."""
        if not self.nulls:
            return None
        reliabilities = [self.coefficients.reliabilities[i] for i in self.nulls]
        return fusion.null_blend([nulls[i] for i in self.nulls], reliabilities)


REST = Plan(False, 0.0, (), [Coefficients((), (), ())], [], [], resting=True)


class Division(NamedTuple):
    """How the work is divided among the experts that were asked.

    masks: in the cells of each group's latent, {expert: its mask, the user's included}. looks: their reliabilities
    follow, as under masks.
    """
    masks: Sequence[Mapping[int, Coefficient]]
    looks: bool = True


class Divider(Protocol):
    """Divides the work among the experts, after their answers."""

    def compares(self, sigma: float) -> bool:
        """Whether the answers at a sigma are compared with the experts' own nulls, which are then asked too."""

    def divide(
        self, sigma: float, plan: Plan, answers: Answers, null_of: Callable[[int], torch.Tensor | None],
    ) -> Division:
        """null_of: D_0 in the latent space of an expert, None if it is not needed."""


class Planner:
    """The plans of one sampling.

    all_nulls: nulls of all experts whose condition counts, needed or not. divider: see there; None: masks as they are.
    """

    def __init__(
        self, mixture: Mixture, schedule: Schedule, runs: Sequence[ExpertRun], layout: OneSpace, all_nulls: bool,
    ) -> None:
        self.mixture = mixture
        self.schedule = schedule
        self.runs = runs
        self.layout = layout
        self.all_nulls = all_nulls
        self.divider: Divider | None = None
        self.bands = bands.of([e.bands for e in mixture.experts])
        self._rests_above = schedule.border(mixture.options.zero_init) if mixture.options.zero_init else math.inf
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._complained = False        # about shares that are not met: once per run

    def plan(self, level: float, null_wanted: bool) -> Plan:
        """The plan at a level. null_wanted: D_0 is needed even where its coefficient is zero.

        Raises MissingNull if an expert's null is needed that it does not have.
        """
        plan = self._known(level, null_wanted)
        for i in plan.nulls:
            require_null(self.runs[i].expert)
        return plan

    def _known(self, level: float, null_wanted: bool) -> Plan:
        """Made once for all levels at which it is the same."""
        if level > self._rests_above:
            return REST
        compared = self._compared(level)
        at = level if self.mixture.scheduled else None
        key = (self.schedule.active(level), self._in_interval(level), null_wanted, self.divider is not None, compared,
               at, self.layout.size)
        if key not in self._plans:
            self._plans[key] = self._made(level, null_wanted, compared)
        return self._plans[key]

    def _compared(self, level: float) -> bool:
        """Whether the answers at a level are compared, for which every null is needed."""
        return self.all_nulls or (
            self.divider is not None and self.divider.compares(self.schedule.levels.sigma(level)))

    def _in_interval(self, level: float) -> bool:
        low, high = self.mixture.options.interval
        sigma = self.schedule.levels.sigma(level)
        return (low < sigma or low == 0) and sigma <= high

    def _made(self, level: float, null_wanted: bool, compared: bool) -> Plan:
        percent = self.schedule.percent(level) if self.mixture.scheduled else 0.0
        weights, numbers = self.mixture.at(percent)
        guided, active = self._in_interval(level), self.schedule.active(level)
        grids = []
        for s, masks in enumerate(self.layout.masks(active)):
            inactive = self.layout.inactive(s, numbers)
            grids.append(self._coefficients(fusion.coefficients(weights, numbers, masks, inactive), guided))
        reasons = Reasons(
            self.runs, self.mixture, self.layout.spaces, weights, grids, guided, null_wanted, compared,
            self.bands, self.divider is not None)
        conditions = [i for i in range(len(self.runs)) if reasons.for_condition(i)]
        nulls = []
        if reasons.for_null_blend(conditions):
            nulls = [j for j in range(len(self.runs)) if reasons.for_null(j, conditions)]
        return Plan(guided, percent, weights, grids, conditions, nulls)

    def _coefficients(self, c: Coefficients, guided: bool) -> Coefficients:
        """c: with reliabilities or shares, as the mixture's numbers are."""
        if self.mixture.meaning == shares.SHARES:
            c = self._from_shares(c)
        return c if guided else fusion.without_guidance(c)

    def divided(self, plan: Plan, division: Division) -> Plan:
        """The plan with the masks of a division for the experts that it divides the work among.

        Where these masks leave no null, the reliabilities are those of the masks before.
        """
        grids = []
        for s, (c, own) in enumerate(zip(plan.grids, division.masks, strict=True)):
            masks = tuple(own.get(i, mask) for i, mask in enumerate(c.masks))
            grids.append(self._divided(plan, s, c, masks, division.looks))
        return plan._replace(grids=grids)

    def _divided(self, plan: Plan, s: int, c: Coefficients, masks: Masks, looks: bool) -> Coefficients:
        if looks:
            _, numbers = self.mixture.at(plan.percent)
            before = fusion.renormalised(numbers, c.masks, self.layout.inactive(s, numbers))
            return self._coefficients(fusion.coefficients(plan.weights, numbers, masks, before), plan.guided)
        weights = tuple(w * m for w, m in zip(plan.weights, masks, strict=True))
        c = dataclasses.replace(c, masks=masks, weights=weights)
        return c if plan.guided else fusion.without_guidance(c)

    def _from_shares(self, c: Coefficients) -> Coefficients:
        """Coefficients whose reliabilities are shares, with the reliabilities that give these shares."""
        asked, reliabilities = c.reliabilities, shares.reliabilities_of(c.weights, c.reliabilities)
        if not self._complained:
            names = [e.name for e in self.mixture.experts]
            words = shares.complaint(names, c.weights, asked, shares.shares_of(c.weights, reliabilities))
            if words:
                logger.info(f"MCDM: {words}")
                self._complained = True
        return dataclasses.replace(c, reliabilities=reliabilities)

    # -- a whole run ---------------------------------------------------------------------------------------------------

    def left_at(self, levels: Sequence[float]) -> list[float]:
        """For each group, a level at and below which a run through these levels never asks it.

        Between these levels, where samplers also ask, plans change only at borders.
        """
        nearby = {*levels[:-1]}
        for border in self._borders():
            nearby |= {border * (1.0 - BESIDE), border, border * (1.0 + BESIDE)}
        left = [-math.inf] * len(self.layout.grids)
        if any(later > level for level, later in pairwise(levels)):     # it goes back up
            return left
        asked: set[int] = set()
        for level in sorted(nearby):
            plan = self._known(level, null_wanted=True)
            asked |= {self.layout.spaces[i] for i in (*plan.conditions, *plan.nulls)}
            for s in range(len(left)):
                left[s] = left[s] if s in asked else level
        return left

    def _borders(self) -> set[float]:
        """The levels at which the plan of a run may change."""
        found = self.schedule.borders()
        for sigma in self.mixture.options.interval:
            if 0.0 < sigma < math.inf:
                found.add(self.schedule.levels.level(sigma))
        return found

    def describe(self, levels: Sequence[float], null_wanted: bool) -> str:
        """The plans of a run in words: the predictions per step, what is left out, and which experts run elsewhere."""
        steps: dict[str, int] = {}
        for level in levels[:-1]:
            words = self._words(self.plan(level, null_wanted))
            steps[words] = steps.get(words, 0) + 1
        parts = [f"{count} x {words}" for words, count in steps.items()]
        parts += [f"'{e.name}' runs on {where(e)}" for e in self.mixture.experts if where(e) != HERE]
        if len(self.layout.grids) > 1:
            parts.append(f"{len(self.layout.grids)} latent spaces")
        return "; ".join(parts)

    def _words(self, plan: Plan) -> str:
        if plan.resting:
            return "at rest"
        experts = self.mixture.experts
        missing = [f"condition of '{e.name}'" for i, e in enumerate(experts) if i not in plan.conditions]
        missing += [f"null of '{e.name}'" for i, e in enumerate(experts) if i not in plan.nulls]
        without = f" without {', '.join(missing)}" if missing else ""
        return f"{len(plan.conditions) + len(plan.nulls)} predictions{without}"
