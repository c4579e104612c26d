"""Which predictions count at a noise level: none is evaluated whose coefficient is zero everywhere."""
from __future__ import annotations

import copy
import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from ... import bands, fusion, shares
from ...mixture import HERE, Expert, MissingNull, Mixture
from ...noise_levels import NoiseLevels
from ..experts.devices import where
from ..experts.run import ExpertRun

logger = logging.getLogger("mcdm")

ROUNDING = 3e-6     # of a border: sigmas are float32, so that equal levels must not be told apart


class Schedule:
    """The lead's schedule, asked in every step without a wait for a device. Levels are the lead's own: sigma, or t."""

    def __init__(self, experts: Sequence[Expert], model: Any, levels: NoiseLevels) -> None:
        self.levels = levels
        self._percent_to_sigma = copy.deepcopy(model.get_model_object("model_sampling")).cpu().percent_to_sigma
        self._windows = [self._window(e) for e in experts]

    def _window(self, expert: Expert) -> tuple[float, float]:
        """(from, to] in levels; the ends of the schedule leave no step out."""
        highest = math.inf if expert.start <= 0 else self.border(expert.start)
        lowest = -math.inf if expert.end >= 1 else self.border(expert.end)
        return highest, lowest

    def border(self, percent: float) -> float:
        """A level just above all that round to this one: it belongs to the window that begins here."""
        return float(self._percent_to_sigma(percent)) * (1.0 + ROUNDING)

    def active(self, level: float) -> tuple[bool, ...]:
        """For each expert, whether its window is open."""
        return tuple(highest >= level > lowest for highest, lowest in self._windows)

    def is_over(self, i: int, level: float) -> bool:
        """Whether the window of an expert is closed at this level and below."""
        return level <= self._windows[i][1]

    def percent(self, level: float) -> float:
        """Where a level lies, from 0 (all noise) to 1: percent_to_sigma backwards, by bisection."""
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2.0
            if float(self._percent_to_sigma(middle)) > level:
                low = middle
            else:
                high = middle
        return high


class Plan(NamedTuple):
    """The work of an evaluation while one set of experts is active. Experts go by index.

    guided: whether the noise level lies in the guidance interval. percent: where in the schedule it lies, if weights or
    reliabilities change there. weights: w_i at this point.
    conditions, nulls: the experts whose condition, whose null counts. No null: D_0 is not needed.
    resting: the picture is to stay as it is, and nobody is asked.
    """
    guided: bool
    percent: float
    weights: tuple[float, ...]
    coefficients: fusion.Coefficients
    conditions: list[int]
    nulls: list[int]
    resting: bool = False

    def null_blend(self, nulls: dict[int, torch.Tensor]) -> torch.Tensor | None:
        """D_0 [B, ...] from the null estimates {expert: D}, None where it is not needed: eq. 8."""
        if not self.nulls:
            return None
        reliabilities = [self.coefficients.reliabilities[i] for i in self.nulls]
        return fusion.null_blend([nulls[i] for i in self.nulls], reliabilities)


class Division(NamedTuple):
    """How what is to be done is divided among the experts, {expert: its part of w_i m_i}.

    looks: their reliabilities follow, as under masks.
    """
    parts: Mapping[int, fusion.Coefficient]
    looks: bool = True


Divide = Callable[[float, dict[int, torch.Tensor], dict[int, torch.Tensor], Plan], Division]


class Planner:
    """The plans of one sampling.

    all_nulls: nulls of all experts whose condition counts, needed or not.
    bands: the factors of each expert, () where all are 1.
    divide: divides what is to be done among the experts by (sigma, their answers, those of the nulls, the plan).
    compares: whether the answers at a sigma are compared, for which every null is needed.
    """

    def __init__(self, mixture: Mixture, schedule: Schedule, runs: Sequence[ExpertRun], all_nulls: bool) -> None:
        self.mixture, self.schedule, self.runs = mixture, schedule, runs
        self.divide: Divide | None = None
        self.compares: Callable[[float], bool] = lambda sigma: all_nulls
        self.bands = bands.of([e.bands for e in mixture.experts])
        self._rests_above = schedule.border(mixture.options.zero_init) if mixture.options.zero_init else math.inf
        self._plans: dict[Any, Plan] = {}
        self._complained = False        # about shares that are not met: once a run

    def plan(self, level: float, null_wanted: bool) -> Plan:
        """The plan at a level. null_wanted: D_0 is needed even where its coefficient is zero."""
        if level > self._rests_above:
            return Plan(False, 0.0, (), fusion.Coefficients((), (), ()), [], [], resting=True)
        active = self.schedule.active(level)
        guided = self._in_interval(level)
        sizes = tuple(run.mask.shape for run in self.runs if isinstance(run.mask, torch.Tensor))
        compared = self.compares(self.schedule.levels.sigma(level))
        key = active, null_wanted, guided, self.divides, compared, level if self.mixture.scheduled else None, sizes
        if key not in self._plans:
            self._plans[key] = self._make(level, active, guided, null_wanted, compared)
        return self._plans[key]

    @property
    def divides(self) -> bool:
        """Whether coefficients are known only after the answers."""
        return self.divide is not None

    def _in_interval(self, level: float) -> bool:
        low, high = self.mixture.options.interval
        sigma = self.schedule.levels.sigma(level)
        return (low < sigma or low == 0) and sigma <= high

    def _make(self, level: float, active: Sequence[bool], guided: bool, null_wanted: bool, every_null: bool) -> Plan:
        percent = self.schedule.percent(level) if self.mixture.scheduled else 0.0
        weights, _ = self.mixture.at(percent)
        masks = [run.mask if on else 0.0 for run, on in zip(self.runs, active, strict=True)]
        c = self._coefficients(percent, masks, guided)
        hooked = []         # even at weight 0: their functions may do anything with the condition's estimate
        for i, run in enumerate(self.runs):
            if guided and run.has_cfg_hooks and not fusion.vanishes(masks[i]):
                hooked.append(i)
        conditions = [i for i, w in enumerate(c.weights) if i in hooked or not fusion.vanishes(w)]
        asking = [i for i in conditions if self.runs[i].wants_null]
        looking = [i for i in asking if self.runs[i].looks_at_null]
        needed = (null_wanted or every_null or not conditions or bool(asking)
                  or self._null_counts(c, weights, guided) or (guided and self.mixture.options.apg is not None)
                  or any(not math.isclose(weights[i], 1.0) for i in hooked))
        compared = conditions if every_null else []
        nulls = []
        for i, a in enumerate(c.reliabilities):
            own_null = i in looking or (i in compared and self.runs[i].expert.null is not None)
            shifts = self.divides and self.mixture.meaning == shares.SHARES     # any reliability may come of a share
            if needed and (own_null or shifts or not fusion.vanishes(a)):
                nulls.append(i)
        for i in nulls:
            require_null(self.runs[i].expert)
        return Plan(guided, percent, weights, c, conditions, nulls)

    def _coefficients(self, percent: float, masks: Sequence[fusion.Coefficient], guided: bool) -> fusion.Coefficients:
        weights, numbers = self.mixture.at(percent)
        c = fusion.coefficients(weights, numbers, masks)
        if self.mixture.meaning == shares.SHARES:
            c = self._from_shares(c)
        return c if guided else fusion.without_guidance(c)

    def _null_counts(self, c: fusion.Coefficients, weights: Sequence[float], guided: bool) -> bool:
        """Whether D_0 has a coefficient. Divided weights of 1 have the sum 1, as those outside the interval."""
        if self.bands:
            every = bands.coefficients(c, weights, self.bands, guided)
            return self.divides or not all(fusion.vanishes(own.null) for own in every)
        if not self.divides or not guided:
            return not fusion.vanishes(c.null)
        masked = any(isinstance(m, torch.Tensor) for m in c.masks)
        return masked or any(m and not math.isclose(w, 1.0) for m, w in zip(c.masks, weights, strict=True))

    def divided(self, plan: Plan, division: Division) -> Plan:
        """The plan with masks m_i times the part of each expert."""
        masks = [m * division.parts.get(i, 0.0) for i, m in enumerate(plan.coefficients.masks)]
        if division.looks:
            c = self._coefficients(plan.percent, masks, plan.guided)
        else:
            c = dataclasses.replace(
                plan.coefficients, weights=tuple(w * m for w, m in zip(plan.weights, masks, strict=True)))
            c = c if plan.guided else fusion.without_guidance(c)
        return plan._replace(coefficients=c)

    def _from_shares(self, c: fusion.Coefficients) -> fusion.Coefficients:
        """Coefficients whose reliabilities are shares, with the reliabilities that give these shares."""
        asked, reliabilities = c.reliabilities, shares.reliabilities_of(c.weights, c.reliabilities)
        if not self._complained:
            names = [e.name for e in self.mixture.experts]
            words = shares.complaint(names, c.weights, asked, shares.shares_of(c.weights, reliabilities))
            if words:
                logger.info(f"MCDM: {words}")
                self._complained = True
        return dataclasses.replace(c, reliabilities=reliabilities)

    def describe(self, levels: Sequence[float], null_wanted: bool) -> str:
        """The plans of a run in words: how many predictions each step takes, what is left out, and who is elsewhere."""
        steps: dict[str, int] = {}
        for level in levels[:-1]:
            words = self._words(self.plan(level, null_wanted))
            steps[words] = steps.get(words, 0) + 1
        parts = [f"{count} x {words}" for words, count in steps.items()]
        parts += [f"'{e.name}' runs on {where(e)}" for e in self.mixture.experts if where(e) != HERE]
        return "; ".join(parts)

    def _words(self, plan: Plan) -> str:
        if plan.resting:
            return "at rest"
        experts = self.mixture.experts
        missing = [f"condition of '{e.name}'" for i, e in enumerate(experts) if i not in plan.conditions]
        missing += [f"null of '{e.name}'" for i, e in enumerate(experts) if i not in plan.nulls]
        without = f" without {', '.join(missing)}" if missing else ""
        return f"{len(plan.conditions) + len(plan.nulls)} predictions{without}"


def check_nulls(mixture: Mixture) -> None:
    """Raises MissingNull where a null that is left out may be needed.

    It is not where its expert has no reliability, or where the weights sum to one for good.
    """
    experts = mixture.experts
    everywhere = all(e.mask is None and e.start <= 0 and e.end >= 1 for e in experts)
    always_one = everywhere and not mixture.scheduled and mixture.options.apg is None
    sums = [sum(own) for own in bands.by_band([e.weight for e in experts], [e.bands for e in experts])]
    if always_one and all(fusion.vanishes(1.0 - total) for total in sums):
        return
    if mixture.meaning == shares.SHARES and not everywhere:
        return      # whose null such shares need differs from place to place: the plans find out
    reliabilities, _ = mixture.balance()
    for expert, a in zip(experts, reliabilities, strict=True):
        if a > 0:
            require_null(expert)


def require_null(expert: Expert) -> None:
    """Raises MissingNull for an expert without a null condition."""
    if expert.null is None:
        raise MissingNull(f"Expert '{expert.name}' has no null condition, and this mixture needs it: connect the "
                          "conditioning of an empty prompt to null_condition, or set its reliability to 0.")
