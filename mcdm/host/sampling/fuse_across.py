"""The fused estimate across latent spaces: each group of experts computes its part of eq. 10 in its own space."""
from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import comfy.model_management
import torch

from ... import bands, bridges
from ...cures import United
from ...fusion import Coefficient, Coefficients
from ..experts.asking import Answers, Estimates
from ..spaces.several import SeveralSpaces
from .fuse import Contributions, Fusion
from .plan import Plan


class BridgedFusion(Fusion):
    """The estimates of one evaluation across latent spaces, by mcdm/bridges.py."""

    def __init__(
        self, plan: Plan, factors: Sequence[bands.Factors], answers: Answers, spaces: SeveralSpaces,
    ) -> None:
        super().__init__(plan, factors, answers)
        self.spaces = spaces
        self._bands = [[c] for c in plan.grids]         # for each group's cells, the coefficients of each band
        if factors:
            self._bands = [bands.coefficients(c, plan.weights, factors, plan.guided) for c in plan.grids]

    @functools.cached_property
    def null(self) -> torch.Tensor | None:
        return self._joined(None) if self.plan.nulls else None

    def null_of(self, i: int) -> torch.Tensor | None:
        return None if self.null is None else self.spaces.there(self.spaces.spaces[i], self.null)

    @functools.cached_property
    def contributions(self) -> Contributions:
        return Weighted(self.spaces, self.own_contributions())

    def cells_of(self, i: int) -> Coefficients:
        return self.plan.grids[self.spaces.spaces[i]]

    def spread(self, field: torch.Tensor, coefficients: Sequence[Coefficient]) -> torch.Tensor:
        if len(coefficients) == 1:
            return coefficients[0] * field
        height, width = self.spaces.shapes[0][-2:]
        return bands.spread(field, coefficients, (height, width))

    @functools.cached_property
    def fused(self) -> torch.Tensor:
        return self._joined(self.plan.conditions)

    @functools.cached_property
    def reference(self) -> torch.Tensor:
        """R: the mean estimate of the lead's space or, if it has none, of the first space that has one."""
        for s in range(len(self.plan.grids)):
            estimates = [self.answers.denoised[i] for i in self._of(s, self.plan.conditions)]
            estimates = estimates or [self.answers.nulls[j] for j in self._of(s, self.plan.nulls)]
            if estimates:
                return self.spaces.back(s, bridges.mean(estimates))
        raise AssertionError("an evaluation asks at least one expert")

    def united(self) -> United:
        assert self.null is not None
        return self._united_as_fused(self.null)

    def sole_condition(self) -> torch.Tensor | None:
        return None         # its estimate need not be of the sampler's space

    def like(self) -> list[torch.Tensor]:
        return [self.reference]

    def shown(self, estimates: Estimates) -> Mapping[int, torch.Tensor]:
        return FromTheLead(self.spaces, estimates)

    def _joined(self, conditions: Sequence[int] | None) -> torch.Tensor:
        """D in the lead's space, of these conditions and the nulls. None: D_0, the same with all weights 0."""
        parts = []
        for s in range(1, len(self.plan.grids)):
            estimate = self._estimate(s, conditions)
            if estimate is not None:
                parts.append(bridges.ForeignPart(
                    functools.partial(self.spaces.there, s), functools.partial(self.spaces.back, s), estimate,
                    self._coefficient(s, s, conditions), self._coefficient(s, 0, conditions),
                    lambda coefficients, field: self.spread(field, coefficients)))
        return bridges.fuse(self._estimate(0, conditions), self.reference, parts)

    def _of(self, s: int, experts: Sequence[int]) -> Iterator[int]:
        return (i for i in experts if self.spaces.spaces[i] == s)

    def _estimate(self, s: int, conditions: Sequence[int] | None) -> torch.Tensor | None:
        """U_s, None if nothing counts."""
        terms = []
        for i in self._of(s, conditions or ()):
            terms.append(self.spread(self.answers.denoised[i], [c.weights[i] for c in self._bands[s]]))
            if i in self.guided:
                terms.append(self._change(i))
        for j in self._of(s, self.plan.nulls):
            terms.append(self.spread(self.answers.nulls[j], self._null(j, s, conditions)))
        return functools.reduce(torch.add, terms) if terms else None

    def _change(self, i: int) -> torch.Tensor:
        """What CFG functions make of an expert's guidance, m_i (h_i - (D_0 + w_i (D_i - D_0))), in its own space."""
        d = self.answers.denoised[i]
        null = self.null_of(i)
        w = self.plan.weights[i]
        plain = w * d if null is None else null + w * (d - null)
        mask = self.cells_of(i).masks[i]
        factors = self.factors[i] if self.factors else (1.0,)
        return self.spread(self.guided[i] - plain, [mask * f for f in factors])

    def _null(self, j: int, cells: int, conditions: Sequence[int] | None) -> list[Coefficient]:
        """(1 - W) a_j of each band, in the cells of a group."""
        a = self.plan.grids[cells].reliabilities[j]
        return [self._rest(c, conditions) * a for c in self._bands[cells]]

    def _rest(self, c: Coefficients, conditions: Sequence[int] | None) -> Coefficient:
        """1 - W of a band, in the cells of a group. W counts thin regions that the cells of their own expert miss."""
        return 1.0 if conditions is None else c.null

    def _coefficient(self, s: int, cells: int, conditions: Sequence[int] | None) -> list[Coefficient]:
        """g_s of each band, in the cells of a group."""
        own, nulls = list(self._of(s, conditions or ())), list(self._of(s, self.plan.nulls))
        found: list[Coefficient] = []
        for c in self._bands[cells]:
            reliability = sum(self.plan.grids[cells].reliabilities[j] for j in nulls)
            found.append(sum(c.weights[i] for i in own) + self._rest(c, conditions) * reliability)
        return found


class FromTheLead(Mapping[int, Any]):
    """Estimates in the lead's space for observers, which usually read only a few: each is brought over when read."""

    def __init__(self, spaces: SeveralSpaces, estimates: Estimates) -> None:
        self.spaces, self.estimates = spaces, dict(estimates)
        self._brought: Estimates = {}

    def __getitem__(self, i: int) -> Any:
        s = self.spaces.spaces[i]
        if s == 0:
            return self.estimates[i]
        if i not in self._brought:
            comfy.model_management.load_models_gpu(self.spaces.vaes())      # it may be read after the run
            self._brought[i] = self.spaces.back(s, self.estimates[i])
        return self._brought[i]

    def __iter__(self) -> Iterator[int]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)


class Weighted(FromTheLead):
    """The contributions of an evaluation, in the lead's space."""

    def __init__(self, spaces: SeveralSpaces, own: Contributions) -> None:
        super().__init__(spaces, {i: estimate for i, (_, estimate) in own.items()})
        self.weights = {i: weight for i, (weight, _) in own.items()}

    def __getitem__(self, i: int) -> Any:
        return self.weights[i], super().__getitem__(i)
