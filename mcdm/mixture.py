"""What a user wires: experts and how they are mixed. Plain data, checked when it is made."""
import dataclasses
import math
from typing import Any

import torch

TOLERANCE = 1e-9        # of a sum of reliabilities


@dataclasses.dataclass(frozen=True)
class Expert:
    """A diffusion network with its condition x_i, its null and its weight w_i.

    model: the host's ModelPatcher. condition, null: the host's CONDITIONING; null None where it is never needed.
    mask: [B, H, W] or [H, W] in pixels, None = everywhere. start, end: the part of the schedule in which it is active, in [0, 1].
    Raises ValueError for a weight that is not finite, a window that is empty, a mask that is not finite.
    """
    model: Any
    condition: list
    null: list | None = None
    weight: float = 1.0
    mask: torch.Tensor | None = None
    start: float = 0.0
    end: float = 1.0
    name: str = "expert"

    def __post_init__(self):
        if not math.isfinite(self.weight):
            raise ValueError(f"Expert '{self.name}': the weight must be a finite number, not {self.weight}.")
        if not 0.0 <= self.start < self.end <= 1.0:
            raise ValueError(f"Expert '{self.name}': its window must have 0 <= start < end <= 1, not {self.start} to {self.end}; swap or change the two.")
        if self.mask is not None and not torch.isfinite(self.mask).all():
            raise ValueError(f"Expert '{self.name}': its mask holds values that are not finite; connect another mask.")


@dataclasses.dataclass(frozen=True)
class Options:
    """What is done on top of eq. 10; the defaults do nothing, exactly.

    weights_end, reliabilities_end: what the w_i and a_j become at the end of the schedule; curve: "linear" or "cosine" in percent.
    rescale: phi of Lin et al. 2023 (arXiv:2305.08891), 0 to 1. interval: the sigmas (low, high] of Kynkaanniemi et al. 2024
    (arXiv:2404.07724) in which guidance acts; outside it the weights are w_i / sum w, without a null.
    """
    weights_end: tuple[float, ...] = ()
    reliabilities_end: tuple[float, ...] = ()
    curve: str = "linear"
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, math.inf)

    def __post_init__(self):
        if not all(math.isfinite(w) for w in self.weights_end):
            raise ValueError(f"weights_end must be finite numbers, not {list(self.weights_end)}.")
        if not 0.0 <= self.rescale <= 1.0:
            raise ValueError(f"The rescale must lie from 0 to 1, not {self.rescale}.")
        if not 0.0 <= self.interval[0] < self.interval[1]:
            raise ValueError(f"The guidance interval must have 0 <= sigma_low < sigma_high, not {self.interval[0]} to {self.interval[1]}.")


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Experts and their reliabilities a_j >= 0, normalised to sum 1. The first expert leads: the sampler runs in its frame.

    mixed_spaces: the user vouches for latent spaces that differ by name.
    """
    experts: tuple[Expert, ...]
    reliabilities: tuple[float, ...]
    mixed_spaces: bool = False
    options: Options = Options()

    def __post_init__(self):
        if not self.experts:
            raise ValueError("A mixture needs at least one expert; connect a ConditionExpert.")
        object.__setattr__(self, "reliabilities", self._shares(self.reliabilities))
        if self.options.reliabilities_end:
            object.__setattr__(self, "options", dataclasses.replace(self.options, reliabilities_end=self._shares(self.options.reliabilities_end)))
        if self.options.weights_end and len(self.options.weights_end) != len(self.experts):
            raise ValueError(f"{len(self.options.weights_end)} end weights were given for {len(self.experts)} experts; give one for each.")
        outside = sum(e.weight for e in self.experts), sum(self.options.weights_end or (1.0,))
        if self.options.interval != (0.0, math.inf) and not all(outside):
            raise ValueError("Outside a guidance interval the weights are divided by their sum, which is zero here; change a weight.")

    def _shares(self, numbers):
        if len(numbers) != len(self.experts):
            names = ", ".join(f"'{e.name}'" for e in self.experts)
            raise ValueError(f"{len(numbers)} reliabilities were given for {len(self.experts)} experts ({names}); "
                             "give one for each, or leave the field empty for equal ones.")
        if not all(math.isfinite(a) and a >= 0 for a in numbers):
            raise ValueError(f"Reliabilities must be finite and not negative, not {list(numbers)}.")
        total = math.fsum(numbers)
        if not 0 < total < math.inf:
            raise ValueError("Reliabilities must not all be zero: somebody's null prediction has to count.")
        return tuple(a / total for a in numbers)

    @property
    def scheduled(self):
        """Whether weights or reliabilities change over the schedule."""
        return bool(self.options.weights_end or self.options.reliabilities_end)

    def varied(self, weights, reliabilities):
        """The mixture with other numbers for some experts, {index: w} and {index: a}, which then hold throughout the schedule.

        The other experts share what these reliabilities leave of 1 in proportion to their own, alike where their own are all zero.
        None where more than 1 is asked for. Raises ValueError where nobody is left to share.
        """
        left = 1.0 - math.fsum(reliabilities.values())
        if left < -TOLERANCE:
            return None
        others = [i for i in range(len(self.experts)) if i not in reliabilities]
        if left > TOLERANCE and not others:
            raise ValueError("Reliabilities must sum to 1, and no other expert is there to share the rest; add an expert, or vary the weight.")

        def shared(numbers):
            total = math.fsum(numbers[i] for i in others)
            rest = {i: max(left, 0.0) * (numbers[i] / total if total else 1.0 / len(others)) for i in others}
            return tuple((rest | reliabilities)[i] for i in range(len(numbers)))
        experts = tuple(dataclasses.replace(e, weight=weights.get(i, e.weight)) for i, e in enumerate(self.experts))
        o = self.options
        if reliabilities and o.reliabilities_end:
            o = dataclasses.replace(o, reliabilities_end=shared(o.reliabilities_end))
        if o.weights_end:
            o = dataclasses.replace(o, weights_end=tuple(weights.get(i, w) for i, w in enumerate(o.weights_end)))
        return dataclasses.replace(self, experts=experts, reliabilities=shared(self.reliabilities) if reliabilities else self.reliabilities, options=o)

    def alone(self, index):
        """One expert as if only it were wired, with its own null."""
        o = self.options
        return Mixture((self.experts[index],), (1.0,), self.mixed_spaces, dataclasses.replace(o, weights_end=o.weights_end[index:][:1], reliabilities_end=()))

    def at(self, percent):
        """(weights, reliabilities) at a point of the schedule, 0 = its start, 1 = its end."""
        share = percent if self.options.curve == "linear" else (1.0 - math.cos(math.pi * percent)) / 2.0

        def between(start, end):
            return tuple(a + (b - a) * share for a, b in zip(start, end or start, strict=True))
        return between([e.weight for e in self.experts], self.options.weights_end), between(self.reliabilities, self.options.reliabilities_end)


def parse_reliabilities(text, count):
    """Non-negative numbers separated by commas and/or spaces, one an expert; "" means 1/count each. Raises ValueError."""
    return parse_numbers(text, count, "Reliabilities", minimum=0.0) or (1.0 / count,) * count


def parse_numbers(text, count, what, minimum=-math.inf):
    """Finite numbers separated by commas and/or spaces, one an expert; "" means none, (). Raises ValueError."""
    example = ", ".join(["1"] * count)
    numbers: list[float] = []
    for field in text.split(",") if text.strip() else ():
        words = field.split()
        if not words:
            raise ValueError(f"{what} '{text}': an empty place between or beside commas; give {count} numbers such as '{example}'.")
        for word in words:
            try:
                number = float(word)
            except ValueError:
                number = math.nan
            if "_" in word or not math.isfinite(number) or number < minimum:
                kind = "a non-negative number" if minimum == 0 else "a number"
                raise ValueError(f"{what} '{text}': '{word}' is not {kind}; give {count} numbers such as '{example}'.")
            numbers.append(number)
    if numbers and len(numbers) != count:
        raise ValueError(f"{what} '{text}': {len(numbers)} numbers for {count} experts; give one for each wired expert, in slot order, "
                         f"such as '{example}' (with a decimal point, not a decimal comma).")
    return tuple(numbers)
