"""SuperDiff on the experts of a mixture: how much each one acts, from the log densities of their conditions.

The formulas are in mcdm/corrected.py. Each density is that of an expert's condition, without guidance.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch

from ... import corrected
from ...fusion import Coefficient
from ..sampling.plan import Plan


class ParticleState(NamedTuple):
    """Where all particles are, in the frame z = x0 + sigma n, and the step that follows.

    z: [N, ...], float64. noise: of the step. before, more: `more` times the change of the fused estimate since `before`
    is added to it, see `corrected.multistep_factor`.
    """
    z: torch.Tensor
    sigma: float
    sigma_next: float
    noise: torch.Tensor
    before: torch.Tensor | None
    more: float


class SuperDiff:
    """The log densities of one sampling, {expert: [N]}.

    equal: AND, all log densities equal after each step; else OR, the posterior of each expert. data: the standard
    deviation of pictures. cells: 1 where the picture is sampled.
    """

    def __init__(self, equal: bool, data: float, cells: Coefficient) -> None:
        self.equal = equal
        self.data = data
        self.cells = cells
        self.log_densities: dict[int, torch.Tensor] = {}

    def kappa(
        self, at: ParticleState, denoised: Mapping[int, torch.Tensor], null: torch.Tensor | None, plan: Plan,
    ) -> dict[int, torch.Tensor]:
        """The part of each expert that was asked, {expert: [N]}, with the sum 1. null: D_0."""
        if at.sigma == math.inf:
            one = torch.full((len(at.z),), 1.0 / len(denoised), dtype=torch.float64)
            return dict.fromkeys(denoised, one)
        if self.log_densities.keys() != denoised.keys():        # a window opens or closes: they start anew
            self.log_densities = {}
            for i, d in denoised.items():
                self.log_densities[i] = corrected.log_density(at.z, d, at.sigma, self.data, self.cells)
        logs = torch.stack([self.log_densities[i] for i in denoised])
        kappa = corrected.or_weights(logs)
        if self.equal and len(denoised) > 1:
            kappa = self._equalising(logs, at, denoised, null, plan)
        return dict(zip(denoised, kappa, strict=True))

    def _equalising(
        self, logs: torch.Tensor, at: ParticleState, denoised: Mapping[int, torch.Tensor],
        null: torch.Tensor | None, plan: Plan,
    ) -> torch.Tensor:
        """Kappa of AND, [experts, N], for the very step that follows: to z + still + sum_i kappa_i moves_i."""
        kept = (at.sigma_next / at.sigma) ** 2
        gain = (1.0 - kept) * (1.0 + at.more)       # of the fused estimate
        still = (kept - 1.0) * at.z + at.sigma_next * (1.0 - kept) ** 0.5 * corrected.exact(at.noise)
        if at.before is not None:
            still = still - (1.0 - kept) * at.more * corrected.exact(at.before)
        origin: torch.Tensor | float = 0.0
        if null is not None:
            origin = corrected.exact(null)
            still = still + gain * origin
        moves = []
        for i, d in denoised.items():
            weight = plan.weights[i] * plan.coefficients.masks[i] if plan.guided else 1.0
            weight = corrected.exact(weight) if isinstance(weight, torch.Tensor) else weight
            moves.append(gain * weight * (corrected.exact(d) - origin))
        scores = [(corrected.exact(d) - at.z) / at.sigma ** 2 for d in denoised.values()]
        return corrected.and_weights(logs, scores, still, moves, at.sigma, at.sigma_next, self.data, self.cells)

    def follow(self, at: ParticleState, z_next: torch.Tensor, denoised: Mapping[int, torch.Tensor]) -> None:
        """Takes the log densities along a step to z_next [N, ...]."""
        if at.sigma == math.inf:
            return
        for i, d in denoised.items():
            self.log_densities[i] = self.log_densities[i] + corrected.density_growth(
                at.z, z_next, d, at.sigma, at.sigma_next, self.data, self.cells)
