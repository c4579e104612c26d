"""The numbers of a drawn mixture over the schedule, as web/docs/ReliabilityMixer.md and MixtureOptions.md have them."""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from support.eq10.drawn import Drawn, Mixer


def normalised(numbers: Sequence[float]) -> list[float]:
    return [number / math.fsum(numbers) for number in numbers]


def flat(mixer: Mixer) -> list[float]:
    """The reliabilities or shares of all experts, with the sum 1. Where all are zero, every expert counts once."""
    own = sum(slot is not None for slot in mixer.slots)
    inner = mixer.inner.members if mixer.inner else []
    numbers = list(mixer.numbers)
    if not any(numbers):
        numbers = [1.0] * own + [float(len(inner))] * bool(inner)
    if mixer.inner:
        numbers[-1:] = [numbers[-1] * number for number in meant(mixer.inner, mixer.meaning)]
    return normalised(numbers)


def meant(inner: Mixer, meaning: str) -> list[float]:
    """The numbers of a mixture in a mixture: what they mean there, with the weights there."""
    numbers, weights = flat(inner), [m.weight for m in inner.members]
    if meaning == inner.meaning:
        return numbers
    excess = math.fsum(weights) - 1.0
    pairs = list(zip(weights, numbers, strict=True))
    if meaning == "shares":
        return normalised([max(w - excess * a, 0.0) for w, a in pairs])
    return normalised([max((w - s) / excess, 0.0) for w, s in pairs])


def at(drawn: Drawn, percent: float) -> tuple[list[float], list[float]]:
    """(weights, reliabilities or shares) at a point of the schedule."""
    options = drawn.options
    way = percent if options.curve == "linear" else 0.5 - 0.5 * math.cos(math.pi * percent)
    numbers, numbers_end = flat(drawn.mixer), options.numbers_end and normalised(options.numbers_end)
    return (between([m.weight for m in drawn.members], options.weights_end, way), between(numbers, numbers_end, way))


def between(start: Sequence[float], end: Sequence[float], way: float) -> list[float]:
    return [a + way * (b - a) for a, b in zip(start, end or start, strict=True)]


# --------------------------------------------------------------------------------------------------------- in each cell

def renormalised(given: Sequence[float], acting: Sequence[Tensor], otherwise: Sequence[Tensor]) -> list[Tensor]:
    """n_j m_j / sum_k n_k m_k where that sum is positive."""
    total = sum(n * m for n, m in zip(given, acting, strict=True))
    somebody = total > 0
    divisor = torch.where(somebody, total, 1.0)
    return [torch.where(somebody, n * m / divisor, other)
            for n, m, other in zip(given, acting, otherwise, strict=True)]


def from_shares(weights: Sequence[Tensor], shares: Sequence[Tensor]) -> list[Tensor]:
    """a_j = (w_j - s_j) / (W - 1), none below 0; where W = 1 no null counts."""
    excess = sum(weights) - 1.0
    guided = excess.abs() > 1e-7
    divisor = torch.where(guided, excess, 1.0)
    wanted = [((w - s) / divisor).clamp(min=0.0) for w, s in zip(weights, shares, strict=True)]
    total = torch.where(guided, sum(wanted), 1.0)
    return [torch.where(guided, a / total, s) for a, s in zip(wanted, shares, strict=True)]
