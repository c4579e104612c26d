"""Unite and Conquer (Nair et al., CVPR 2023) on denoised estimates D = z - sigma e.

Its coefficients sum to one, so the paper's formulas for the noise e hold for D as they are, in any frame:

    null blend   D_0 = sum_j a_j D_j(z, null)                    eq. 5, 8
    fused        D_c = sum_i w_i D_i - (sum_i w_i - 1) D_0       eq. 10
                     = D_0 + sum_i w_i (D_i - D_0)               eq. 18

A coefficient is a number, or a tensor [.., 1, H, W] that gives each cell of the latent its own.
"""
from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence

import torch
from torch.nn import functional as F

Coefficient = float | torch.Tensor

TOLERANCE = 1e-6        # a sum of soft masks that is 1 up to rounding needs no null
CANCELLED = 0.1         # weights whose sum is at most this share of their sizes cancel each other
SCALE = 2.0 ** 100      # keeps tiny reliabilities from being lost in float32; it cancels


def null_blend(denoised: Sequence[torch.Tensor], reliabilities: Sequence[Coefficient]) -> torch.Tensor:
    """Eq. 8: the unconditional estimate D_0 [B, ...] from each expert's null estimate."""
    return _sum(a * d for a, d in zip(reliabilities, denoised, strict=True))


def fuse(
    null: torch.Tensor | None, denoised: Sequence[torch.Tensor], weights: Sequence[Coefficient],
) -> torch.Tensor:
    """Eq. 18: D_0 + sum_i w_i (D_i - D_0), all estimates [B, ...].

    null None: the weights sum to one everywhere and D_0 cancels (eq. 10), so only the experts' weighted sum remains.
    """
    if null is None:
        return _sum(w * d for w, d in zip(weights, denoised, strict=True))
    return _sum([null, *((d - null) * w for w, d in zip(weights, denoised, strict=True))])


def _sum(terms: Iterable[torch.Tensor]) -> torch.Tensor:
    return functools.reduce(torch.add, terms)


@dataclasses.dataclass(frozen=True)
class Coefficients:
    """The coefficient of each prediction while one set of experts is active.

    masks: m_i, 0 outside the expert's window. weights: w_i m_i. reliabilities: a_j, renormalised under the masks.
    """
    masks: tuple[Coefficient, ...]
    weights: tuple[Coefficient, ...]
    reliabilities: tuple[Coefficient, ...]

    @property
    def null(self) -> Coefficient:
        """The coefficient of D_0 in eq. 10: 1 - sum_i w_i m_i."""
        return 1.0 - sum(self.weights)


def coefficients(
    weights: Sequence[float], reliabilities: Sequence[float], masks: Sequence[Coefficient],
    inactive: Sequence[Coefficient] | None = None,
) -> Coefficients:
    """w_i m_i, and a_i m_i / sum_j a_j m_j where that is positive, else a_i: where no expert is active, it is D_0.

    inactive: the reliabilities where no expert is active, if not the a_i.
    """
    masked_weights = tuple(w * m for w, m in zip(weights, masks, strict=True))
    otherwise = reliabilities if inactive is None else inactive
    return Coefficients(tuple(masks), masked_weights, renormalised(reliabilities, masks, otherwise))


def renormalised(
    numbers: Sequence[float], masks: Sequence[Coefficient], otherwise: Sequence[Coefficient],
) -> tuple[Coefficient, ...]:
    """a_i m_i / sum_j a_j m_j where that sum is positive, else what is given for there."""
    active = [a * SCALE * m for a, m in zip(numbers, masks, strict=True)]
    total = sum(active)
    found: list[Coefficient] = []
    for part, a in zip(active, otherwise, strict=True):
        if isinstance(total, torch.Tensor):
            somebody = total > 0
            found.append(torch.where(somebody, part / torch.where(somebody, total, 1.0), a))
        else:
            found.append(part / total if total > 0 else a)
    return tuple(found)


def without_guidance(c: Coefficients) -> Coefficients:
    """The weights divided by their sum, so that no null counts.

    They do not change, and D_0 counts, where no expert is active and where they cancel: a sum that is small compared
    with the weights would inflate them, and a negative one would reverse their signs.
    """
    total = sum(c.weights)
    least = CANCELLED * sum(w.abs() if isinstance(w, torch.Tensor) else abs(w) for w in c.weights)
    factor: Coefficient = 1.0
    if isinstance(total, torch.Tensor):
        divisible = (total > TOLERANCE) & (total > least)
        factor = torch.where(divisible, 1.0 / torch.where(divisible, total, 1.0), 1.0)
    elif total > TOLERANCE and total > least:
        factor = 1.0 / total
    return dataclasses.replace(c, weights=tuple(w * factor for w in c.weights))


def rescale(fused: torch.Tensor, conditions: Sequence[torch.Tensor], phi: float) -> torch.Tensor:
    """Lin et al. 2023 (arXiv:2305.08891), eq. 15 and 16, on estimates [B, ...].

    The fused estimate with the standard deviation of the conditions' mean estimate, blended with itself by phi.
    """
    def deviation(d: torch.Tensor) -> torch.Tensor:
        return d.flatten(1).std(1).view(-1, *[1] * (d.ndim - 1))
    mean = _sum(conditions) / len(conditions)
    return phi * (fused * (deviation(mean) / deviation(fused))) + (1.0 - phi) * fused


def vanishes(coefficient: Coefficient) -> bool:
    """Whether a coefficient is zero everywhere, up to rounding: its prediction need not be evaluated."""
    if isinstance(coefficient, torch.Tensor):
        return not bool((coefficient.abs() > TOLERANCE).any())
    return math.isclose(coefficient, 0.0, abs_tol=1e-9)


def latent_mask(
    mask: torch.Tensor, shape: Sequence[int], device: torch.device | str | None = None,
) -> torch.Tensor:
    """A mask in pixels, [B, H, W] or [H, W], as [1 or B, 1, h, w] for latents of `shape`; for video [1, 1, T, h, w].

    Clamped to [0, 1], averaged over the pixels of a latent cell. A batch of masks means rows of a batch of pictures,
    repeated as the host repeats a batch; for video it means frames.
    """
    mask = mask.to(device=device, dtype=torch.float32).clamp(0, 1)
    mask = mask.reshape(-1, *mask.shape[-2:])
    if len(shape) == 5:
        return F.interpolate(mask[None, None], size=tuple(shape[2:]), mode="area")
    mask = F.interpolate(mask[:, None], size=tuple(shape[2:]), mode="area")
    if len(mask) == 1:
        return mask
    return mask.repeat(math.ceil(shape[0] / len(mask)), 1, 1, 1)[:shape[0]]
