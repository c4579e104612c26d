"""Shares: reliabilities in a form that people can predict.

With W = sum_i w_i, eq. 10 holds expert i's condition w_i times and its null (1 - W) a_i times. So its own world (its
look, background and style) has this share in the fused estimate:

    s_i = w_i - (W - 1) a_i          sum_i s_i = 1
    a_i = (w_i - s_i) / (W - 1)      the reliability that gives a share

Under masks w_i is w_i m_i, and s_i is s_i m_i / sum_j s_j m_j where that is positive, else s_i: in each cell of the
latent, as eq. 10 has it. A share on the far side of its weight would need a_i < 0: it counts as 0, and the others are
renormalised. Where W = 1 no null counts and a share is its weight, whatever was asked for.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import torch

from .fusion import TOLERANCE, Coefficient, vanishes

MEANINGS = RELIABILITIES, SHARES = "reliabilities", "shares"    # what the numbers of a mixture are

ROUNDING = 1e-9         # a reliability this small is zero: the expert may have no null
NOTICED = 1e-3          # a share that is missed by less is met


@overload
def shares_of(weights: Sequence[float], reliabilities: Sequence[float]) -> tuple[float, ...]: ...
@overload
def shares_of(weights: Sequence[Coefficient], reliabilities: Sequence[Coefficient]) -> tuple[Coefficient, ...]: ...


def shares_of(weights: Sequence[Coefficient], reliabilities: Sequence[Coefficient]) -> tuple[Coefficient, ...]:
    """s_i = w_i - (W - 1) a_i. weights: w_i m_i; both as numbers or per cell [.., 1, H, W]."""
    excess = sum(weights) - 1.0
    return tuple(w - excess * a for w, a in zip(weights, reliabilities, strict=True))


@overload
def reliabilities_of(weights: Sequence[float], shares: Sequence[float]) -> tuple[float, ...]: ...
@overload
def reliabilities_of(weights: Sequence[Coefficient], shares: Sequence[Coefficient]) -> tuple[Coefficient, ...]: ...


def reliabilities_of(weights: Sequence[Coefficient], shares: Sequence[Coefficient]) -> tuple[Coefficient, ...]:
    """a_i = (w_i - s_i) / (W - 1), none below 0, with the sum 1; s_i itself where W = 1, since no null counts there.

    weights: w_i m_i; shares: with the sum 1. Numbers, in Python's float64, or per cell [.., 1, H, W].
    """
    excess = sum(weights) - 1.0
    if isinstance(excess, torch.Tensor):
        return _per_cell(weights, shares, excess)
    if vanishes(excess):
        return tuple(shares)
    wanted = [(w - s) / excess for w, s in zip(weights, shares, strict=True)]
    positive = [a if a > ROUNDING else 0.0 for a in wanted]
    total = math.fsum(positive)
    return tuple(a / total for a in positive)


def _per_cell(
    weights: Sequence[Coefficient], shares: Sequence[Coefficient], excess: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """The same where coefficients are tensors. excess: W - 1, [.., 1, H, W]."""
    guided = excess.abs() > TOLERANCE
    divisor = torch.where(guided, excess, 1.0)
    positive = [((w - s) / divisor).clamp(min=0.0) for w, s in zip(weights, shares, strict=True)]
    total = torch.stack(torch.broadcast_tensors(*positive)).sum(0)
    divisor = torch.where(guided, total, 1.0)
    return tuple(torch.where(guided, a / divisor, s) for a, s in zip(positive, shares, strict=True))


def complaint(
    names: Sequence[str], weights: Sequence[Coefficient], asked: Sequence[Coefficient], met: Sequence[Coefficient],
) -> str:
    """A sentence about shares that are not met, "" if all are met; names: of the experts."""
    missed = [_missed(a, m) for a, m in zip(asked, met, strict=True)]
    if not any(missed):
        return ""
    if vanishes(sum(weights) - 1.0):
        return ("the weights sum to 1, so no null counts and shares mean nothing: the share of each expert is its "
                "weight; change a weight.")
    reason = "a share on the far side of its weight would need a negative reliability, which counts as 0"
    if any(isinstance(share, torch.Tensor) for share in met):
        return f"the shares are not met in {max(missed):.0%} of the picture: {reason}."
    told = [f"'{name}' has {m:.3g} instead of {a:.3g}" for name, a, m in zip(names, asked, met, strict=True)]
    return f"the shares are not met: {reason}. {', '.join(told)}."


def _missed(asked: Coefficient, met: Coefficient) -> float:
    """The part of the picture in which a share is not what was asked for."""
    distance = met - asked
    if isinstance(distance, torch.Tensor):
        return float((distance.abs() > NOTICED).float().mean())
    return float(abs(distance) > NOTICED)
