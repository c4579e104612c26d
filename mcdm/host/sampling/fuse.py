"""From the answers of the networks to the fused estimate: eq. 18 in one latent space."""
from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import torch

from ... import bands, fusion
from ...cures import United, unite
from ...fusion import Coefficient, Coefficients
from ..experts.asking import Answers, Estimates
from .plan import Plan

Contributions = Mapping[int, tuple[Coefficient, torch.Tensor]]      # {expert: (w_i m_i, D_i)}


class Fusion:
    """The estimates of one evaluation in one latent space.

    null: D_0, None if it is not needed. guided: what the experts' CFG functions made of their estimates, which already
    includes w_i.
    """

    def __init__(self, plan: Plan, factors: Sequence[bands.Factors], answers: Answers) -> None:
        self.plan = plan
        self.factors = factors
        self.answers = answers
        self.guided: Estimates = {}

    @functools.cached_property
    def null(self) -> torch.Tensor | None:
        return self.plan.null_blend(self.answers.nulls)

    def null_of(self, i: int) -> torch.Tensor | None:
        """D_0 in the latent space of an expert."""
        return self.null

    def estimate(self, i: int) -> torch.Tensor:
        """D_i, or what CFG functions made of it."""
        return self.guided.get(i, self.answers.denoised[i])

    def weight(self, i: int) -> Coefficient:
        """w_i m_i in the lead's cells; m_i if CFG functions have applied w_i."""
        c = self.plan.coefficients
        return c.masks[i] if i in self.guided else c.weights[i]

    @functools.cached_property
    def contributions(self) -> Contributions:
        """(w_i m_i, D_i) of each condition that counts. In frequency bands: (w_i, D_i with masks and bands in it)."""
        return self.own_contributions()

    def own_contributions(self) -> dict[int, tuple[Coefficient, torch.Tensor]]:
        """The same, each in its expert's latent space."""
        return {i: self.in_bands(i) if self.factors else (self.weight(i), self.estimate(i))
                for i in self.plan.conditions}

    def in_bands(self, i: int) -> tuple[float, torch.Tensor]:
        """(w_i, D_i) of one expert, with masks and frequency bands in this D_i."""
        plan, null = self.plan, self.null_of(i)
        weights = [1.0 if k == i and i in self.guided else w for k, w in enumerate(plan.weights)]
        weight = weights[i] if plan.guided and weights[i] else 1.0
        of_bands = bands.coefficients(self.cells_of(i), weights, self.factors, plan.guided)
        d = self.estimate(i)
        moved = self.spread(d if null is None else d - null, [own.weights[i] for own in of_bands]) / weight
        return weight, moved if null is None else null + moved

    def cells_of(self, i: int) -> Coefficients:
        """The coefficients in the cells of an expert's latent."""
        return self.plan.coefficients

    def spread(self, field: torch.Tensor, coefficients: Sequence[Coefficient]) -> torch.Tensor:
        """A field of any group's latent, times a coefficient for each band."""
        return bands.spread(field, coefficients)

    @functools.cached_property
    def fused(self) -> torch.Tensor:
        """Eq. 18."""
        weights, terms = [], []
        for weight, term in self.contributions.values():
            weights.append(weight)
            terms.append(term)
        return fusion.fuse(self.null, terms, weights)

    def united(self) -> United:
        """All conditions as one, for the cures of strong guidance. Only where there is a D_0."""
        assert self.null is not None
        if self.factors or self.guided:
            return self._united_as_fused(self.null)
        return self._united(self.null, [self.estimate(i) for i in self.plan.conditions])

    def _united(self, null: torch.Tensor, terms: Sequence[torch.Tensor]) -> United:
        c = self.plan.coefficients
        weights = [c.weights[i] for i in self.plan.conditions]
        return unite(null, terms, weights, [c.masks[i] for i in self.plan.conditions])

    def _united_as_fused(self, null: torch.Tensor) -> United:
        """The one condition that leads to the fused estimate by eq. 18, however that was made."""
        united = self._united(null, [null] * len(self.plan.conditions))
        return united._replace(condition=null + (self.fused - null) / united.scale)

    def sole_condition(self) -> torch.Tensor | None:
        """The one condition's estimate, if no other was asked."""
        return next(iter(self.answers.denoised.values())) if len(self.answers.denoised) == 1 else None

    def like(self) -> list[torch.Tensor]:
        """The estimates to whose contrast the fused one may be rescaled."""
        return [self.answers.denoised[i] for i in self.plan.conditions]

    def shown(self, estimates: Estimates) -> Mapping[int, torch.Tensor]:
        """Estimates of experts, in the lead's space."""
        return estimates
