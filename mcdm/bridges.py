"""Experts of several latent spaces: eq. 10 across bridges between them.

Experts of one latent space form a group s; group 1 is the lead's. A bridge takes a clean estimate, never a noisy
latent, to another space: B(1->s) and B(s->1), for example decode, resize, encode. Each group denoises its own latent,
with its own noise at the same sigma, and computes its part of eq. 10 there (its conditions and its nulls):

    U_s = sum_i w_i m_i D_i + (1 - W) sum_j a_j N_j         with the total coefficient g_s;  sum_s g_s = 1

With a reference R, an estimate in the lead's space of which the bridges may lose something, and P_s = B(1->s)(R):

    D   = U_1 + sum_s [ g_s R + B(s->1)(P_s + U_s - g_s P_s) - B(s->1)(P_s) ]
    D_s = B(1->s)(D)

What a bridge loses of R is lost in both terms, so it cancels: an expert changes only what its space can show. With
lossless bridges this is eq. 10. R must come from this evaluation: if it came from the last one, the part of D that no
bridge shows would grow by the factor g_s from step to step.

Denoising in several spaces that agree on clean estimates is case 2 of SyncTweedies (Kim et al., NeurIPS 2024,
arXiv:2403.14370), but there with one network, whose views are averaged, and without a reference.
"""
from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Way = Callable[[Tensor], Tensor]        # from estimates [N, ...] of one space to those of another, each on its own


@dataclasses.dataclass(frozen=True)
class ForeignPart:
    """What one foreign group adds: there, back = B(1->s), B(s->1).

    estimate: U_s [B, ...]. here, ours: g_s on the grid of its space, and on the lead's. weigh: what such a coefficient
    does to an estimate, if it does not multiply it: it may differ over frequencies.
    """
    there: Way
    back: Way
    estimate: Tensor
    here: Any
    ours: Any
    weigh: Callable[[Any, Tensor], Tensor] = operator.mul


def fuse(own: Tensor | None, reference: Tensor, parts: Sequence[ForeignPart]) -> Tensor:
    """D [B, ...] in the lead's space. own: U_1, None if no expert of the lead's space counts. reference: R."""
    fused = own
    for part in parts:
        seen = part.there(reference)
        moved = seen + (part.estimate - part.weigh(part.here, seen))
        after, before = part.back(torch.cat([moved, seen])).chunk(2)
        change = part.weigh(part.ours, reference) + (after - before)
        fused = change if fused is None else fused + change
    assert fused is not None
    return fused


def mean(estimates: Sequence[Tensor]) -> Tensor:
    """The reference R: the mean of the estimates [B, ...] of one space."""
    return estimates[0] if len(estimates) == 1 else torch.stack(list(estimates)).mean(0)
