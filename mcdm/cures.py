"""Cures of strong guidance, for the whole mixture.

APG (Sadat et al. 2024, arXiv:2410.02416) and CFG-Zero* (Fan et al. 2025, arXiv:2503.18886) are defined for one
condition D_1, its null D_0 and a scale w. A mixture is brought to that form in each cell of the latent, with
W = sum_i w_i m_i and M = min(1, sum_i m_i), which says how far any expert acts there:

    s = W / M                       the scale; w for one expert, whatever its mask
    D = D_0 + sum_i (w_i m_i / s) (D_i - D_0)       all conditions as one, D_1 for one expert

so that eq. 18 is D_0 + s (D - D_0), and D is D_0 where no expert acts. Weights that cancel each other (see
`fusion.CANCELLED`) count with the sum of their sizes in W. The formulas are then those of ComfyUI's own nodes, to the
last bit for one expert:

    APG             D + s G     G: D - D_0 with momentum, not longer than a threshold, its part along M D times eta
    CFG-Zero*       D_0 + s (D - D_0) + (s - 1) M (1 - alpha) D_0
                    alpha = <x - D, x - D_0> / |x - D_0|^2
"""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from . import fusion
from .fusion import Coefficient


@dataclasses.dataclass(frozen=True)
class Apg:
    """Adaptive projected guidance, with the numbers of the host's node of that name.

    eta: how much is kept of the guidance along the estimate, 1 = all. norm_threshold: the greatest length of a
    picture's guidance D - D_0, 0 = no limit. momentum: of a running sum of the guidance over the steps, 0 = none.
    Raises ValueError for numbers that are not finite and for a negative threshold.
    """
    eta: float = 1.0
    norm_threshold: float = 5.0
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, dataclasses.astuple(self))):
            raise ValueError(f"The numbers of APG must be finite, not {dataclasses.astuple(self)}.")
        if self.norm_threshold < 0:
            raise ValueError(f"The norm threshold of APG must be at least 0, not {self.norm_threshold}; 0 turns it "
                             "off.")


class United(NamedTuple):
    """The conditions of a mixture as one, [B, ...]: D_0, D, s and M as above."""
    null: torch.Tensor
    condition: torch.Tensor
    scale: Coefficient
    acting: Coefficient


def unite(
    null: torch.Tensor, denoised: Sequence[torch.Tensor], weights: Sequence[Coefficient],
    masks: Sequence[Coefficient],
) -> United:
    """D_0 and the D_i [B, ...], with w_i m_i and m_i, as one condition."""
    total = sum(weights)
    sizes = sum(w.abs() if isinstance(w, torch.Tensor) else abs(w) for w in weights)
    acting: Coefficient = 1.0       # a mask that is a number is 1: the others do not count
    if isinstance(total, torch.Tensor):
        sizes = torch.as_tensor(sizes)
        whole = sum(masks)
        acting = whole.clamp(max=1.0) if isinstance(whole, torch.Tensor) else 1.0
        total = torch.where(total.abs() > fusion.CANCELLED * sizes, total, sizes)
        somebody = sizes > fusion.TOLERANCE
        scale: Coefficient = torch.where(somebody, total / torch.where(somebody, acting, 1.0), 1.0)
    else:
        scale = total if abs(total) > fusion.CANCELLED * sizes else sizes or 1.0
    shares = [w / scale for w in weights]
    whole_null = fusion.vanishes(1.0 - sum(shares))
    return United(null, fusion.fuse(None if whole_null else null, denoised, shares), scale, acting)


class Cures:
    """The cures of one sampling: APG remembers the guidance of its earlier steps."""

    def __init__(self, apg: Apg | None, cfg_zero: bool) -> None:
        self.apg, self.cfg_zero = apg, cfg_zero
        self._average: torch.Tensor | None = None
        self._level = math.inf

    def __call__(self, x: torch.Tensor, level: float, fused: torch.Tensor, united: United) -> torch.Tensor:
        """The cured estimate [B, ...]. x: the noisy image in the sampler's frame, at its level. fused: eq. 18."""
        if self.apg is not None:
            fused, united = self._projected(self.apg, level, united)
        return zero_star(x, fused, united) if self.cfg_zero else fused

    def _projected(self, apg: Apg, level: float, united: United) -> tuple[torch.Tensor, United]:
        """APG: the fused estimate, and the conditions that lead to it by eq. 18."""
        null, condition, scale, acting = united
        asked = guidance = condition - null
        if level > self._level:         # the sampler has gone back up
            self._average = None
        self._level = level
        if apg.momentum != 0:
            if self._average is not None and self._average.shape == guidance.shape:
                guidance = apg.momentum * self._average + guidance
            self._average = guidance
        along = condition
        if isinstance(acting, torch.Tensor):        # no effect where no expert acts
            guidance, along = guidance * (acting > 0), condition * acting
        if apg.norm_threshold > 0:
            norm = guidance.norm(p=2, dim=_cells(guidance), keepdim=True)
            guidance = guidance * torch.minimum(torch.ones_like(norm), apg.norm_threshold / norm)
        parallel, orthogonal = project(guidance, along)
        condition = (null + (orthogonal + apg.eta * parallel)) + asked / scale
        return null + (condition - null) * scale, united._replace(condition=condition)


def _cells(field: torch.Tensor) -> list[int]:
    """The dimensions over which the host's node measures a field; if a field lacks them, all but the batch."""
    return [-1, -2, -3] if field.ndim >= 4 else list(range(1, field.ndim))


def project(field: torch.Tensor, along: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The parts of a field [B, ...] along another and orthogonal to it, picture by picture."""
    cells: Any = _cells(along)      # F.normalize takes several dimensions, which its types do not say in all versions
    direction = F.normalize(along, dim=cells)
    parallel = (field * direction).sum(dim=_cells(field), keepdim=True) * direction
    return parallel, field - parallel


def zero_star(x: torch.Tensor, fused: torch.Tensor, united: United) -> torch.Tensor:
    """CFG-Zero*: D_0 scaled such that its velocity is the projection of the conditions' velocity."""
    null, condition, scale, acting = united
    of_condition, of_null = (x - condition).flatten(1), (x - null).flatten(1)
    dot = torch.sum(of_condition * of_null, dim=1, keepdim=True)
    alpha = dot / (torch.sum(of_null ** 2, dim=1, keepdim=True) + 1e-8)
    alpha = alpha.reshape(-1, *[1] * (x.ndim - 1))
    if isinstance(acting, torch.Tensor):
        null = null * acting
    return fused + null * (alpha - 1.0) + scale * null * (1.0 - alpha)
