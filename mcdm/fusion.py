"""Unite and Conquer (Nair et al., CVPR 2023) on denoised estimates D = z - sigma e.

Its coefficients sum to one, so the paper's formulas for the noise e hold for D as they are, in any frame:

    null blend   D_0 = sum_j a_j D_j(z, null)                    eq. 5, 8
    fused        D_c = sum_i w_i D_i - (sum_i w_i - 1) D_0       eq. 10
                     = D_0 + sum_i w_i (D_i - D_0)               eq. 18
"""
import dataclasses
import functools
import math

import torch
from torch.nn import functional as F

TOLERANCE = 1e-6        # a sum of soft masks that is 1 up to rounding needs no null


def null_blend(denoised, reliabilities) -> torch.Tensor:
    """Eq. 8: the unconditional estimate D_0 from each expert's null estimate. Reliabilities are numbers or [.., 1, H, W]."""
    return _sum(a * d for a, d in zip(reliabilities, denoised, strict=True))


def fuse(null, denoised, weights) -> torch.Tensor:
    """Eq. 18: D_0 + sum_i w_i (D_i - D_0). Weights are numbers or [.., 1, H, W].

    null None: the weights sum to one everywhere and D_0 cancels (eq. 10), so the experts' weighted sum is all.
    """
    if null is None:
        return _sum(w * d for w, d in zip(weights, denoised, strict=True))
    return _sum([null, *((d - null) * w for w, d in zip(weights, denoised, strict=True))])


def _sum(terms) -> torch.Tensor:
    return functools.reduce(torch.add, terms)


@dataclasses.dataclass(frozen=True)
class Coefficients:
    """What each prediction counts for while one set of experts is active. Entries are numbers or tensors [.., 1, H, W].

    scales: the masks m_i, 0 outside the window. weights: w_i m_i. reliabilities: a_j, renormalised under the masks.
    """
    scales: tuple
    weights: tuple
    reliabilities: tuple

    @property
    def null(self):
        """The coefficient of D_0 in eq. 10: 1 - sum_i w_i m_i."""
        return 1.0 - sum(self.weights)


def coefficients(weights, reliabilities, masks):
    """w_i m_i, and a_i m_i / sum_j a_j m_j where that is positive, else a_i: where nobody is active the null blend speaks."""
    active = [a * 2.0 ** 100 * m for a, m in zip(reliabilities, masks, strict=True)]      # the factor cancels: tiny reliabilities are not lost in float32
    total = sum(active)
    if isinstance(total, torch.Tensor):
        somebody = total > 0
        shares = [torch.where(somebody, r / torch.where(somebody, total, 1.0), a) for r, a in zip(active, reliabilities, strict=True)]
    else:
        shares = [r / total if total > 0 else a for r, a in zip(active, reliabilities, strict=True)]
    return Coefficients(tuple(masks), tuple(w * m for w, m in zip(weights, masks, strict=True)), tuple(shares))


def without_guidance(c):
    """The weights divided by their sum, so that no null counts; where nobody is active they stay and the null blend speaks."""
    total, factor = sum(c.weights), 1.0
    if isinstance(total, torch.Tensor):
        somebody = total.abs() > TOLERANCE
        factor = torch.where(somebody, 1.0 / torch.where(somebody, total, 1.0), 1.0)  # type: ignore[assignment]
    elif abs(total) > TOLERANCE:
        factor = 1.0 / total
    return dataclasses.replace(c, weights=tuple(w * factor for w in c.weights))


def rescale(fused, conditions, phi):
    """Lin et al. 2023, eq. 15 and 16: the fused estimate [B, ...] with the standard deviation of the mean condition estimate, blended by phi."""
    def deviation(d):
        return d.flatten(1).std(1).view(-1, *[1] * (d.ndim - 1))
    mean = sum(conditions) / len(conditions)
    return phi * (fused * (deviation(mean) / deviation(fused))) + (1.0 - phi) * fused


def vanishes(coefficient):
    """Whether a coefficient (number or tensor) is zero everywhere, up to rounding: its prediction need not be evaluated."""
    if isinstance(coefficient, torch.Tensor):
        return not bool((coefficient.abs() > TOLERANCE).any())
    return math.isclose(coefficient, 0.0, abs_tol=1e-9)


def latent_mask(mask, shape, device=None):
    """A mask in pixels, [B, H, W] or [H, W], as [1 or B, 1, h, w] for latents of `shape`; for video [1, 1, T, h, w].

    Clamped to [0, 1], averaged over the pixels of a latent cell. A batch of masks means rows of a batch of pictures, repeated
    as the host repeats a batch; for video it means frames.
    """
    mask = mask.to(device=device, dtype=torch.float32).clamp(0, 1)
    mask = mask.reshape(-1, *mask.shape[-2:])
    if len(shape) == 5:
        return F.interpolate(mask[None, None], size=tuple(shape[2:]), mode="area")
    mask = F.interpolate(mask[:, None], size=tuple(shape[2:]), mode="area")
    if len(mask) == 1:
        return mask
    return mask.repeat(math.ceil(shape[0] / len(mask)), 1, 1, 1)[:shape[0]]
