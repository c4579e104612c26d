"""What a user wires: experts and how they are mixed. Plain data, checked when it is made."""
import dataclasses
import math
from typing import Any

import torch


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
class Mixture:
    """Experts and their reliabilities a_j >= 0, normalised to sum 1. The first expert leads: the sampler runs in its frame."""
    experts: tuple[Expert, ...]
    reliabilities: tuple[float, ...]

    def __post_init__(self):
        if not self.experts:
            raise ValueError("A mixture needs at least one expert; connect a ConditionExpert.")
        if len(self.reliabilities) != len(self.experts):
            raise ValueError(f"{len(self.reliabilities)} reliabilities were given for {len(self.experts)} experts ({_names(self.experts)}); "
                             "give one for each, or leave the field empty for equal ones.")
        if not all(math.isfinite(a) and a >= 0 for a in self.reliabilities):
            raise ValueError(f"Reliabilities must be finite and not negative, not {list(self.reliabilities)}.")
        total = math.fsum(self.reliabilities)
        if not 0 < total < math.inf:
            raise ValueError("Reliabilities must not all be zero: somebody's null prediction has to count.")
        object.__setattr__(self, "reliabilities", tuple(a / total for a in self.reliabilities))


def _names(experts):
    return ", ".join(f"'{e.name}'" for e in experts)


def parse_reliabilities(text, count):
    """Non-negative numbers separated by commas and/or spaces, one an expert; "" means 1/count each. Raises ValueError."""
    if not text.strip():
        return (1.0 / count,) * count
    numbers = []
    for field in text.split(","):
        words = field.split()
        if not words:
            raise ValueError(f"Reliabilities '{text}': an empty place between or beside commas; give {count} numbers such as '{_example(count)}'.")
        numbers += [_number(word, text, count) for word in words]
    if len(numbers) != count:
        raise ValueError(f"Reliabilities '{text}': {len(numbers)} numbers for {count} experts; give one for each wired expert, in slot order, "
                         f"such as '{_example(count)}' (with a decimal point, not a decimal comma).")
    return tuple(numbers)


def _number(word, text, count):
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if "_" in word or not math.isfinite(number) or number < 0:
        raise ValueError(f"Reliabilities '{text}': '{word}' is not a non-negative number; give {count} numbers such as '{_example(count)}'.")
    return number


def _example(count):
    return ", ".join(["1"] * count)
