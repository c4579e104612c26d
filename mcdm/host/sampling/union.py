"""The estimates of one evaluation in several latent spaces, and what mcdm/bridges.py makes of them."""
from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import comfy.model_management
import torch

from ... import bridges
from ...fusion import Coefficient
from ..experts.asking import Estimates
from ..experts.run import ExpertRun
from ..spaces.groups import Spaces
from .plan_groups import BridgedPlan


class Union:
    """The estimates of one evaluation, each in its own space, and what mcdm/bridges.py makes of them."""

    def __init__(self, spaces: Spaces, plan: BridgedPlan, denoised: Estimates, nulls: Estimates) -> None:
        self.spaces, self.plan, self.nulls = spaces, plan, nulls
        self.reference = self._reference(denoised)

    def _reference(self, denoised: Estimates) -> torch.Tensor:
        """R: what the lead's space says by itself or, where it says nothing, the first that does."""
        for s, own in enumerate(self.plan.groups):
            estimates = [denoised[i] for i in own.conditions] or [self.nulls[i] for i in own.nulls]
            if estimates:
                mean = bridges.mean(estimates)
                return mean if s == 0 else self.spaces.back(s, mean)
        raise AssertionError("an evaluation asks somebody")

    def fuse(self, terms: Estimates, weights: Sequence[Mapping[int, Coefficient]]) -> torch.Tensor:
        """D in the lead's space. terms: {expert: D}, each in its own. weights: {expert: w m} in the cells of each."""
        estimates = [self._estimate(s, terms, own) for s, own in enumerate(weights)]
        parts = []
        for s in range(1, len(estimates)):
            estimate = estimates[s]
            if estimate is not None:
                there, back = functools.partial(self.spaces.there, s), functools.partial(self.spaces.back, s)
                here, ours = (self._coefficient(s, at, weights[at]) for at in (s, 0))
                parts.append(bridges.Part(there, back, estimate, here, ours))
        return bridges.fuse(estimates[0], self.reference, parts)

    def _shares(self, s: int, at: int, weights: Mapping[int, Coefficient]) -> Iterator[tuple[int, Coefficient]]:
        """(1 - W) a_j of the nulls of group s, in the cells of group `at`."""
        null = 1.0 - sum(weights.values())
        for j in self.plan.groups[s].nulls:
            yield j, null * self.plan.groups[at].coefficients.reliabilities[j]

    def _estimate(self, s: int, terms: Estimates, weights: Mapping[int, Coefficient]) -> torch.Tensor | None:
        """U_s, None where nothing counts."""
        own = [weights[i] * terms[i] for i in self.plan.groups[s].conditions if i in terms]
        own += [share * self.nulls[j] for j, share in self._shares(s, s, weights)]
        return functools.reduce(torch.add, own) if own else None

    def _coefficient(self, s: int, at: int, weights: Mapping[int, Coefficient]) -> Coefficient:
        """g_s in the cells of group `at`."""
        own = sum(weights[i] for i in self.plan.groups[s].conditions if i in weights)
        return own + sum(share for _, share in self._shares(s, at, weights))


class Across(Mapping[int, Any]):
    """Estimates of experts in the lead's space, for observers, who mostly look at few: each is brought when read."""

    def __init__(self, spaces: Spaces, runs: Sequence[ExpertRun], estimates: Estimates) -> None:
        self.spaces, self.runs, self.estimates = spaces, runs, dict(estimates)
        self._brought: Estimates = {}

    def __getitem__(self, i: int) -> torch.Tensor:
        s = self.runs[i].space
        if s == 0:
            return self.estimates[i]
        if i not in self._brought:
            comfy.model_management.load_models_gpu(self.spaces.patchers())      # a look may come after the run
            self._brought[i] = self.spaces.back(s, self.estimates[i])
        return self._brought[i]

    def __iter__(self) -> Iterator[int]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)


class Weighted(Across):
    """The same with the coefficient of each, in the lead's cells."""

    def __init__(self, *args: Any, weights: Mapping[int, Coefficient]) -> None:
        super().__init__(*args)
        self.weights = weights

    def __getitem__(self, i: int) -> Any:
        return self.weights[i], super().__getitem__(i)
