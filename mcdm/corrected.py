"""Samplers that draw from the density that eq. 10 stands for, on particles: the rows of a batch.

Eq. 10 is s = sum_k c_k s_k on scores s_k = (D_k - z) / sigma^2, over all conditions and nulls, sum_k c_k = 1. It is the
score of pi ~ prod_k q_k^c_k, where q_k is the density of expert k at this noise level: of each level by itself, but no
noising leads from one of these to the next. With tau = sigma^2 and the heat equation dq/dtau = 1/2 laplace q,

    d log pi / dtau = 1/2 (div s + sum_k c_k |s_k|^2)

while the reverse SDE dz = s du + sqrt(du) n, u = -tau, takes pi along by d pi / du = -1/2 pi (div s + |s|^2). What is
missing is a weight, the Feynman-Kac corrector (the formula of Skreta et al. 2025, arXiv:2503.02819, derived anew):

    d log w = 1/2 (|s|^2 - sum_k c_k |s_k|^2) du = (|D|^2 - sum_k c_k |D_k|^2) |d sigma| / sigma^3

SuperDiff (Skreta et al. 2025, arXiv:2412.17762) follows the log densities themselves. By Ito's formula, whatever drift
moves the particle, the divergences cancel on that SDE's noise:

    d log q_k = <s_k, dz> - 1/2 |s_k|^2 du

Here a step takes q_k as a Gaussian of a variance V = sigma^2 + v whose score is s_k: the same for small steps, exact
for such a Gaussian in any step, and quiet, for all pictures have some such variance where sigma is high.

z and D: [N, ...], in the frame z = x0 + sigma n. Sums are float64 on the CPU, row by row: a row does not depend on the
others of its batch.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .fusion import Coefficient, fuse

AGREED = 1e-9       # of the largest curvature: where experts agree, no weights make them agree more


def exact(field: torch.Tensor) -> torch.Tensor:
    """The same in float64, which not every device has."""
    return field.cpu().double()


def total(field: torch.Tensor, cells: Coefficient) -> torch.Tensor:
    """The sum over the cells of each row, [N]. cells: 1 where the picture is sampled, 0 where a noise mask keeps it."""
    if isinstance(cells, torch.Tensor):
        field = field * exact(cells)
    return field.flatten(1).sum(1)


def counted(field: torch.Tensor, cells: Coefficient) -> torch.Tensor:
    """How many cells count, [N]."""
    return total(torch.ones_like(field), cells)


# ------------------------------------------------------------------------------------------------- Feynman-Kac weights

def log_weight_rate(
    parts: Sequence[tuple[Coefficient, torch.Tensor]], sigma: float, cells: Coefficient = 1.0,
) -> torch.Tensor:
    """(|D|^2 - sum_k c_k |D_k|^2) / sigma^2 of each row, [N]: how fast log w grows over -log sigma.

    parts: all (c_k, D_k) of eq. 10.
    """
    exactly = [(exact(c) if isinstance(c, torch.Tensor) else c, exact(d)) for c, d in parts]
    mean = fuse(None, *zip(*((d, c) for c, d in exactly), strict=True))
    squares = fuse(None, *zip(*((d * d, c) for c, d in exactly), strict=True))
    return total(mean * mean - squares, cells) / sigma ** 2


def log_weight_step(before: torch.Tensor, after: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    """What log w grows by over a step, [N]: the trapezoid over log sigma. To sigma 0, all that is left: rate / 2."""
    if sigma_next == 0:
        return before / 2
    if sigma == math.inf:       # where the rate is 0; below, what is asked for stays as it is
        return after / 2
    return (before + after) / 2 * math.log(sigma / sigma_next)


def effective_size(log_weights: torch.Tensor) -> float:
    """1 / sum w^2 of the normalised weights: how many equally weighted particles [K] these are worth."""
    return float(1.0 / torch.softmax(log_weights, 0).square().sum())


def systematic(log_weights: torch.Tensor, uniform: float, count: int | None = None) -> torch.Tensor:
    """Systematic resampling: the particles [count] that go on, each about count w_k times, in rising order.

    uniform: in [0, 1). count: as many as there are, if not given. Equal weights leave all as they are.
    """
    count = count or len(log_weights)
    if count == len(log_weights) and bool((log_weights == log_weights[0]).all()):
        return torch.arange(count)
    steps = torch.softmax(log_weights.double(), 0).cumsum(0)
    places = (torch.arange(count, dtype=torch.float64) + uniform) / count * steps[-1]
    return torch.searchsorted(steps, places, right=True).clamp(max=len(log_weights) - 1)


# ---------------------------------------------------------------------------------------------------- SuperDiff

def log_density(z: torch.Tensor, denoised: torch.Tensor, sigma: float, data: float, cells: Coefficient = 1.0,
                ) -> torch.Tensor:
    """log q [N] of a Gaussian of variance V = sigma^2 + data^2 with this estimate at z: where log densities begin."""
    variance = sigma ** 2 + data ** 2
    score = (exact(denoised) - exact(z)) / sigma ** 2
    return -variance / 2 * total(score ** 2, cells) - counted(score, cells) / 2 * math.log(2 * math.pi * variance)


def density_growth(
    z: torch.Tensor, z_next: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float, data: float,
    cells: Coefficient = 1.0,
) -> torch.Tensor:
    """log q_next(z_next) - log q(z), [N], from the estimate at z: that Gaussian of variance V, and V' after the step.

    -|z' - z - V s|^2 / 2V' + V |s|^2 / 2 + n/2 log(V / V')
    """
    v, v_next = sigma ** 2 + data ** 2, sigma_next ** 2 + data ** 2
    z = exact(z)
    score = (exact(denoised) - z) / sigma ** 2
    missed = exact(z_next) - z - v * score
    grown = (v / 2) * score ** 2 - missed ** 2 / (2 * v_next)
    return total(grown, cells) + counted(score, cells) / 2 * math.log(v / v_next)


def or_weights(log_densities: torch.Tensor) -> torch.Tensor:
    """OR: kappa [experts, N], how likely each expert is to have drawn a particle: softmax of the log densities."""
    return torch.softmax(log_densities, 0)


def and_weights(
    log_densities: torch.Tensor, scores: Sequence[torch.Tensor], still: torch.Tensor, moves: Sequence[torch.Tensor],
    sigma: float, sigma_next: float, data: float, cells: Coefficient = 1.0,
) -> torch.Tensor:
    """AND: kappa [experts, N], sum 1, with which all log densities [experts, N] are equal after the step.

    scores: s_i [N, ...] at z. The step goes from z to z + still + sum_i kappa_i moves_i. As V is the same for all, the
    differences of `density_growth` are linear in the step: a linear system of experts - 1 equations, for two experts
    the closed form. Of many solutions, where experts agree, the one nearest to equal kappas.
    """
    v, v_next = sigma ** 2 + data ** 2, sigma_next ** 2 + data ** 2
    first, count = exact(scores[0]), len(scores)
    moved = [exact(move) for move in moves]
    equally = exact(still) + fuse(None, moved, [1.0 / count] * count)
    missing, rows = [], []
    for i in range(1, count):
        score = exact(scores[i])
        slope = v / v_next * (score - first)
        bend = (v / 2 - v ** 2 / (2 * v_next)) * (score ** 2 - first ** 2)
        missing.append(log_densities[0] - log_densities[i] - total(bend + slope * equally, cells))
        rows.append(torch.stack([total(slope * (move - moved[0]), cells) for move in moved[1:]]))
    matrix = torch.stack(rows).movedim(2, 0)                            # [N, experts - 1, experts - 1]
    right = torch.stack(missing).T[..., None]                           # [N, experts - 1, 1]
    change = (torch.linalg.pinv(matrix, rtol=AGREED) @ right)[..., 0].T     # of kappa_1 ..., [experts - 1, N]
    return 1.0 / count + torch.cat([-change.sum(0, keepdim=True), change])


# ---------------------------------------------------------------------------------------------------- steps

def multistep_factor(sigma_before: float, sigma: float, sigma_next: float) -> float:
    """How much of the last change of an estimate is added to it, so that it is that of the middle of the next step.

    Linear in log sigma: the multistep of Lu et al. 2022 (arXiv:2211.01095), for the exact step of the SDE under a
    constant estimate.
    """
    if not sigma_next < sigma < sigma_before < math.inf or sigma_next == 0:
        return 0.0
    return 0.5 * math.log(sigma / sigma_next) / math.log(sigma_before / sigma)


def langevin(x: torch.Tensor, denoised: torch.Tensor, alpha: float, beta: float, size: float, noise: torch.Tensor,
             ) -> torch.Tensor:
    """A step of unadjusted Langevin dynamics at one noise level (Du et al. 2023, arXiv:2302.11552).

    z' = z + size (D - z) + sqrt(2 size) sigma n, in the frame x = alpha z, beta = alpha sigma. size: in variances.
    """
    return x + size * (alpha * denoised - x) + math.sqrt(2 * size) * beta * noise
