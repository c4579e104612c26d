"""From the answers of the networks to the fused estimate: eq. 18, and what a mixture's options do on top of it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ... import bands, fusion
from ...cures import Cures, unite
from ...fusion import Coefficient
from ...options import Options
from ..experts.asking import Estimates, Evaluator
from ..experts.hooks import apply_cfg_hooks
from ..experts.run import ExpertRun, Place, log_failing_expert
from .plan import Plan

Contributions = dict[int, tuple[Coefficient, torch.Tensor]]      # {index of the expert: (w_i m_i, D_i)}


class Combiner:
    """The fused estimates of one sampling."""

    def __init__(self, options: Options, runs: Sequence[ExpertRun], evaluator: Evaluator) -> None:
        self.options, self.runs, self.evaluator = options, runs, evaluator
        self.bands = bands.of([run.expert.bands for run in runs])
        self._cures = Cures(options.apg, options.cfg_zero)

    def contributions(
        self, plan: Plan, places: Sequence[Place], denoised: Estimates, null: torch.Tensor | None,
    ) -> Contributions:
        """(w_i m_i, D_i) of each condition that counts; an expert's own CFG hooks answer for w_i, so m_i is left."""
        found: Contributions = {}
        for i in plan.conditions:
            run = self.runs[i]
            if plan.guided and run.has_cfg_hooks:
                with log_failing_expert(run.expert):
                    self.evaluator.refresh(i, plan, places)
                    hooked = apply_cfg_hooks(run, plan.weights[i], denoised[i], null, places[i])
                found[i] = plan.coefficients.masks[i], hooked.to(denoised[i].device)
            else:
                found[i] = plan.coefficients.weights[i], denoised[i]
        return self._in_bands(plan, null, found) if self.bands else found

    def _in_bands(self, plan: Plan, null: torch.Tensor | None, contributions: Contributions) -> Contributions:
        """The same (w_i, D_i) in frequency bands: masks and bands are in these D_i."""
        found: Contributions = {}
        for i, (_, d) in contributions.items():
            hooked = plan.guided and self.runs[i].has_cfg_hooks
            weights = [1.0 if k == i and hooked else w for k, w in enumerate(plan.weights)]
            of_bands = bands.coefficients(plan.coefficients, weights, self.bands, plan.guided)
            moved = bands.spread(d if null is None else d - null, [own.weights[i] for own in of_bands])
            weight = weights[i] if plan.guided and weights[i] else 1.0
            found[i] = weight, moved / weight if null is None else null + moved / weight
        return found

    def __call__(
        self, plan: Plan, x: torch.Tensor, level: float, null: torch.Tensor | None, contributions: Contributions,
        denoised: Estimates,
    ) -> torch.Tensor:
        """The fused estimate [B, ...] of x [B, ...] at the sampler's level. denoised: what the networks answered."""
        weights, terms = zip(*contributions.values(), strict=True) if contributions else ((), ())
        fused = fusion.fuse(null, terms, weights)
        if not terms:
            return fused
        if plan.guided and null is not None and (self.options.apg or self.options.cfg_zero):
            masks = [plan.coefficients.masks[i] for i in contributions]
            fused = self._cures(x, level, fused, unite(null, terms, weights, masks))
        if self.options.rescale:
            fused = fusion.rescale(fused, [denoised[i] for i in contributions], self.options.rescale)
        return fused

    def across(
        self, plan: Plan, x: torch.Tensor, level: float, fused: torch.Tensor, null: torch.Tensor | None,
        weights: Mapping[int, Coefficient], like: torch.Tensor,
    ) -> torch.Tensor:
        """The same for an estimate of several latent spaces, already fused in the lead's.

        null: D_0 there. weights: {expert: w_i m_i}. like: what the lead's own experts say, for the rescale.
        """
        if not weights:
            return fused
        if plan.guided and null is not None and (self.options.apg or self.options.cfg_zero):
            masks = [plan.coefficients.masks[i] for i in weights]
            united = unite(null, [null] * len(masks), [*weights.values()], masks)
            condition = null + (fused - null) / united.scale        # the one that leads to D by eq. 18
            fused = self._cures(x, level, fused, united._replace(condition=condition))
        if self.options.rescale:
            fused = fusion.rescale(fused, [like], self.options.rescale)
        return fused
