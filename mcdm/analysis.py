"""What the experts of a run did to each other: contributions, agreement, opposition (section 6 of the paper).

    contribution of i   P_i = w_i m_i (D_i - D_0)       what it adds to the fused estimate, eq. 18; the page says pull
    what i asks for     G_i = w_i m_i (D_i - N_i)       N_i its own null: with D_0, differences of style between
                                                        networks would count as disagreement

Two conditions are opposed where they persistently ask for opposite things while the content of the picture is decided:
with A_i the sum of G_i over the noise levels in DECIDES at which both act, as means over 8 x 8 parts of the picture,
their opposition is

    sum over parts of max(0, -<A_i, A_j>) / (|A_i| |A_j|)

from 0 (never opposed, or never in the same place) to 1 (opposite everywhere).
"""
from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from .fusion import Coefficient
from .observation import Observation

GRID = 8
DECIDES = (0.6, 6.0)        # noise levels at which content is decided, in standard deviations of the picture
COMPARABLE = 0.1            # a condition that asks for less than this share of the other is overruled: no contradiction


# ------------------------------------------------------------------------------------------------ measures of fields

def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The cosine of the angle between two fields [B, ...], mean over the batch; nan if one is zero."""
    a, b = a.flatten(1), b.flatten(1)
    return ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).nanmean()


def parts(field: torch.Tensor) -> torch.Tensor:
    """The means of a field [B, C, (T,) H, W] over the parts of the picture, [B, C T, 8, 8]."""
    return F.adaptive_avg_pool2d(field.reshape(len(field), -1, *field.shape[-2:]), GRID)


def opposition(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """How opposed two fields [B, C, H, W] of parts are, from 0 to 1; nan if one is zero."""
    return (-(a * b).sum(1)).clamp(min=0).sum() / (a.norm() * b.norm())


class Disagreement(NamedTuple):
    """Where fields cancel each other, [B, ...]; norms are over channels."""
    lost: torch.Tensor          # sum_i |G_i| - |sum_i G_i|
    strength: torch.Tensor      # sum_i |G_i|

    @property
    def cancelled(self) -> float:
        """How much of what the conditions ask for cancels, 0 to 1."""
        strength = self.strength.sum()
        return float(self.lost.sum() / strength) if float(strength) > 0 else 0.0


def disagreement(fields: Sequence[torch.Tensor]) -> Disagreement:
    """Where fields [B, C, ...] cancel each other."""
    strength = _sum(g.norm(dim=1) for g in fields)
    return Disagreement(strength - _sum(fields).norm(dim=1), strength)


def _sum(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return functools.reduce(torch.add, tensors)


# ------------------------------------------------------------------------------------------------ figures of a run

class Pair(NamedTuple):
    """Two experts, by index; lists go by evaluation, nan if one of the two does nothing."""
    first: int
    second: int
    cosine: list[float]                 # between their contributions
    condition_cosine: list[float]       # between what they ask for
    opposition_at: list[float]
    opposition: float                   # the one that decides; nan: not together, or not comparable


class Figures(NamedTuple):
    """A run in plain numbers."""
    sigmas: list[float]                     # of the evaluations
    contributions: list[list[float]]        # of each expert at each evaluation: root mean square
    pairs: list[Pair]
    decides: tuple[float, float]            # the noise levels (low, high) between which content is decided


class Recorder:
    """An observer of a run of `count` experts whose guider evaluates all nulls.

    It keeps numbers, the parts of the picture, and the fields of the last evaluation.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.pairs = list(itertools.combinations(range(count), 2))
        self.sigmas: list[float] = []
        self.asked: list[torch.Tensor] = []                 # G_i of the last evaluation
        self.fused: torch.Tensor                            # its fused estimate
        self.masks: list[Coefficient] = []                  # its masks m_i
        self._sizes: list[torch.Tensor] = []                # per evaluation, on the device: [experts]
        self._cosines: list[torch.Tensor] = []              # [2, pairs]: of contributions, of what is asked for
        self._parts: list[list[torch.Tensor]] = []          # of what each expert asks for

    def __call__(self, observation: Observation) -> None:
        """Records one Observation."""
        o, null = observation, observation.null
        assert null is not None, "the guider has to evaluate all nulls"
        self.fused = o.fused.float()
        self.masks = list(o.coefficients.masks) if o.coefficients else []
        added = {i: w * (d - null) for i, (w, d) in o.contributions.items()}
        asked = {i: w * (o.denoised[i] - o.nulls.get(i, null)) for i, (w, _) in o.contributions.items()}
        contributions, self.asked = self._fields(added), self._fields(asked)
        self.sigmas.append(o.sigma)
        self._sizes.append(torch.stack([p.square().mean().sqrt() for p in contributions]))
        self._cosines.append(torch.stack([self._pairwise(contributions), self._pairwise(self.asked)]))
        self._parts.append([parts(g) for g in self.asked])

    def _fields(self, acting: Mapping[int, torch.Tensor]) -> list[torch.Tensor]:
        """The field of every expert, zero for one that does not act."""
        nothing = torch.zeros_like(self.fused)
        return [acting[i].float() if i in acting else nothing for i in range(self.count)]

    def _pairwise(self, fields: Sequence[torch.Tensor]) -> torch.Tensor:
        """The cosine of every pair, [pairs]."""
        cosines = [cosine(fields[i], fields[j]) for i, j in self.pairs]
        return torch.stack(cosines) if cosines else torch.zeros(0)

    def figures(self) -> Figures:
        """The whole run as plain numbers."""
        scale = self.fused.std().item()
        low, high = (d * scale for d in DECIDES)
        deciding = [p for sigma, p in zip(self.sigmas, self._parts, strict=True) if low <= sigma <= high]
        of_contributions, of_conditions = _numbers(self._cosines)
        pairs = []
        for (i, j), cosines, condition_cosines in zip(self.pairs, of_contributions, of_conditions, strict=True):
            opposed = torch.stack([opposition(p[i], p[j]) for p in self._parts]).tolist()
            pairs.append(Pair(i, j, cosines, condition_cosines, opposed, _decisive(deciding, i, j)))
        return Figures(self.sigmas, _numbers(self._sizes), pairs, (low, high))


def _numbers(evaluations: Sequence[torch.Tensor]) -> Any:
    """A tensor [...] per evaluation as nested lists [..., evaluations] of Python's floats."""
    return torch.stack(list(evaluations), dim=-1).cpu().double().tolist()


def _decisive(deciding: Sequence[Sequence[torch.Tensor]], i: int, j: int) -> float:
    """The opposition of two experts over the noise levels at which both act.

    nan if there are none, or where one expert overrules the other.
    deciding: for each noise level at which content is decided, the parts of what every expert asks for.
    """
    together = [p for p in deciding if p[i].any() and p[j].any()]
    if not together:
        return math.nan
    first = torch.stack([p[i] for p in together]).sum(0)
    second = torch.stack([p[j] for p in together]).sum(0)
    ratio = (first.norm() / second.norm()).item()
    return opposition(first, second).item() if COMPARABLE <= ratio <= 1 / COMPARABLE else math.nan
