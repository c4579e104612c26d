"""The evaluations of a mixture, one after the other: plan, ask, divide, fuse, cure, show."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from ... import fusion
from ...cures import Cures
from ...mixture import Mixture
from ...observation import Observation
from ..experts.asking import Answers, Asking
from ..experts.conds import check_parts
from ..experts.hooks import apply_cfg_hooks
from ..experts.loading import Loader
from ..experts.run import ExpertRun, LeadRun, Query, log_failing_expert
from ..schedule import Schedule
from ..spaces.layout import OneSpace
from ..spaces.several import SeveralSpaces
from .automatic_masks import AutomaticMasks
from .fuse import Fusion
from .fuse_across import BridgedFusion
from .plan import Divider, Plan, Planner
from .watch import Observer, Watch


class Estimate(NamedTuple):
    """The result of an evaluation, for the sampler's latent.

    null: D_0, None if it was not needed or nobody looks at it. alone: D_i if only one condition was asked.
    led: whether the lead's condition was asked, so that its network has predicted its variance.
    """
    fused: torch.Tensor
    null: torch.Tensor | None
    alone: torch.Tensor | None = None
    led: bool = False


class Evaluation:
    """The evaluations of one sampling. clip_denoised: clamp the fused estimate to [-1, 1]."""

    def __init__(
        self, mixture: Mixture, schedule: Schedule, lead: LeadRun, runs: Sequence[ExpertRun], layout: OneSpace,
        watch: Watch, clip_denoised: bool,
    ) -> None:
        self.mixture = mixture
        self.schedule = schedule
        self.runs = runs
        self.layout = layout
        self.clip_denoised = clip_denoised
        self.planner = Planner(mixture, schedule, runs, layout, watch.all_nulls)
        self.asking = Asking(runs, watch.shared, watch.clock)
        self.loader = Loader(self.planner.plan, lead, runs, layout)
        self._cures = Cures(mixture.options.apg, mixture.options.cfg_zero)
        self._observers = [] if watch.observe is None else [watch.observe]
        if mixture.automatic is not None:
            self.planner.divider = AutomaticMasks(mixture.automatic, layout)

    def foresee(self, levels: Sequence[float], null_wanted: bool) -> None:
        """Before a run through these levels. Masks have to fit already."""
        for i, run in enumerate(self.runs):
            run.view = self.layout.view(i)
        self.loader.foresee(levels, null_wanted)
        if len(self.layout.grids) > 1:
            self.layout.left_at = self.planner.left_at(levels)

    @contextlib.contextmanager
    def accompanied(self, observe: Observer, divider: Divider | None) -> Iterator[None]:
        """For a sampler that wants to see every evaluation before others do, and may divide the work."""
        self._observers.insert(0, observe)
        before = self.planner.divider
        self.planner.divider = divider or before
        try:
            yield
        finally:
            self._observers.remove(observe)
            self.planner.divider = before

    def close(self) -> None:
        """Once all is sampled, or has failed."""
        self.asking.close()
        self.loader.close()
        self.layout.forget()

    def __call__(
        self, x: torch.Tensor, timestep: torch.Tensor, level: float, null_wanted: bool, null_shown: bool,
    ) -> Estimate:
        """Eq. 18 at x [B, ...], the sampler's latent, at the level [B].

        null_wanted: D_0 is needed even where its coefficient is zero. null_shown: the sampler looks at D_0.
        """
        layout = self.layout
        layout.fit(x.shape, x.device)
        plan = self.planner.plan(level, null_wanted)
        if plan.resting:
            return self._at_rest(x, level)
        if self.loader.require(plan, level):
            self.asking.regroup()
        blocks = layout.unpack(x)
        queries = [run.query(blocks[run.space], timestep, level) for run in self.runs]
        answers = self._asked(plan, queries)
        plan = self._divided(plan, level, answers)
        found = self._fusion(plan, answers)
        self._guide(found, queries)
        fused = self._cured(found, blocks[0], level)
        self._show(plan, level, found, fused)
        null = layout.targets(found.null, level) if null_shown and found.null is not None else None
        return Estimate(layout.targets(fused, level), null, found.sole_condition(), 0 in answers.denoised)

    def _at_rest(self, x: torch.Tensor, level: float) -> Estimate:
        """The picture does not change, and no expert is asked."""
        still = self.schedule.levels.at_rest(x, level)
        own, *_ = self.layout.unpack(still)
        self._tell(Observation(self.schedule.levels.sigma(level), {}, {}, own, own))
        return Estimate(still, still)

    def _asked(self, plan: Plan, queries: Sequence[Query]) -> Answers:
        for i in {*plan.conditions, *plan.nulls}:
            check_parts(self.runs[i].expert, self.runs[i].conds, self.layout.parts)
        denoised, nulls = self.asking.ask(plan, queries)
        return Answers(self.layout.completed(denoised, denoised), self.layout.completed(nulls, denoised))

    def _divided(self, plan: Plan, level: float, answers: Answers) -> Plan:
        """The plan with the work divided among the experts, if there is a divider."""
        divider = self.planner.divider
        if divider is None or not answers.denoised:
            return plan
        null_of = self._fusion(plan, answers).null_of
        return self.planner.divided(plan, divider.divide(self.schedule.levels.sigma(level), plan, answers, null_of))

    def _fusion(self, plan: Plan, answers: Answers) -> Fusion:
        if isinstance(self.layout, SeveralSpaces):
            return BridgedFusion(plan, self.planner.bands, answers, self.layout)
        return Fusion(plan, self.planner.bands, answers)

    def _guide(self, found: Fusion, queries: Sequence[Query]) -> None:
        """Lets the experts' own CFG functions act, each on its expert and with the D_0 of all."""
        plan = found.plan
        for i in plan.conditions if plan.guided else []:
            run = self.runs[i]
            if run.has_cfg_hooks:
                with log_failing_expert(run.expert):
                    self.asking.refresh(i, plan.conditions, queries[i])
                    d, null = found.answers.denoised[i], found.null_of(i)
                    found.guided[i] = apply_cfg_hooks(run, plan.weights[i], d, null, queries[i]).to(d.device)

    def _cured(self, found: Fusion, x: torch.Tensor, level: float) -> torch.Tensor:
        """The fused estimate with what the mixture's options do to it. x: the lead's latent."""
        options = self.mixture.options
        plan = found.plan
        fused = found.fused
        if plan.conditions:
            if plan.guided and (options.apg or options.cfg_zero) and found.null is not None:
                fused = self._cures(x, level, fused, found.united())
            if options.rescale:
                fused = fusion.rescale(fused, found.like(), options.rescale)
        return fused.clamp(-1.0, 1.0) if self.clip_denoised else fused

    def _show(self, plan: Plan, level: float, found: Fusion, fused: torch.Tensor) -> None:
        if self._observers:
            self._tell(Observation(
                self.schedule.levels.sigma(level), found.shown(found.answers.denoised), found.contributions,
                found.null, fused, found.shown(found.answers.nulls), plan.coefficients))

    def _tell(self, seen: Observation) -> None:
        if self._observers:
            seen = self.layout.shown(seen)
            for observe in self._observers:
                observe(seen)
