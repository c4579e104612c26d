"""What a user wires: experts and how they are mixed. Plain data, checked when it is made."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .automatic import Automatic
from .bands import EVERY, Factors
from .fusion import CANCELLED
from .options import EVERYWHERE, Options
from .regions import Regions
from .shares import MEANINGS, RELIABILITIES, SHARES, reliabilities_of, shares_of

TOLERANCE = 1e-9        # of a sum of numbers
ROUNDING = 1e-6         # of a number on its way over the schedule
HERE = "here"           # the place of an expert that was not placed


class MissingNull(ValueError):
    """An expert has no null condition, and its mixture needs it."""


@dataclasses.dataclass(frozen=True)
class Expert:
    """A diffusion network with its condition x_i, its null and its weight w_i.

    model: the host's ModelPatcher. condition, null: the host's CONDITIONING; null None if it is never needed.
    mask: [B, H, W] or [H, W] in pixels, None = everywhere. start, end: when it is active, parts of the schedule.
    place: HERE, or the name of the device on which its model runs.
    vae: the host's VAE of its latent space, needed if that is not the lead's. scale: the size at which it works, as a
    fraction of the picture's.
    bands: factors of the weight over spatial frequencies, see mcdm/bands.py.
    Raises ValueError for a weight that is not finite, a window that is empty, a mask that is not finite, a scale that
    is not positive.
    """
    model: Any
    condition: list[Any]
    null: list[Any] | None = None
    weight: float = 1.0
    mask: torch.Tensor | None = None
    start: float = 0.0
    end: float = 1.0
    name: str = "expert"
    place: str = HERE
    vae: Any = None
    scale: float = 1.0
    bands: Factors = EVERY

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise ValueError(f"Expert '{self.name}': the weight must be a finite number, not {self.weight}.")
        if not 0.0 <= self.start < self.end <= 1.0:
            raise ValueError(f"Expert '{self.name}': its window must have 0 <= start < end <= 1, "
                             f"not {self.start} to {self.end}; swap or change the two.")
        if not 0.0 < self.scale < math.inf:
            raise ValueError(f"Expert '{self.name}': the scale must be a positive number, not {self.scale}.")
        if self.mask is not None and not torch.isfinite(self.mask).all():
            raise ValueError(f"Expert '{self.name}': its mask holds values that are not finite; connect another mask.")

    def __repr__(self) -> str:
        return f"'{self.name}' (w {self.weight:g})"

    def get_models(self) -> list[Any]:
        """Its networks, the host's patchers: so the host asks wires what a prompt uses."""
        vae = getattr(self.vae, "patcher", None)
        found = [self.model, *([] if vae is None else [vae])]
        for further in ("model_patches_models", "get_nested_additional_models"):
            found += getattr(self.model, further, list)()
        return found


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Experts and how they are mixed.

    The first expert leads: the sampler runs in its frame.
    numbers: one >= 0 for each expert, normalised to sum 1. meaning: what they are, one of MEANINGS: reliabilities a_j,
    or shares s_j, see mcdm/shares.py.
    mixed_spaces: the user vouches for latent spaces that differ by name.
    slots: where each expert is wired, rising, for numbers read by slot; () = 1, 2, ... chain: how many experts each
    mixer of a chain has of its own, the last mixer first; () = all are of one mixer.
    automatic: masks found while sampling, see mcdm/automatic.py; regions: where each expert draws, mcdm/regions.py.
    Raises ValueError if the numbers do not fit the experts.
    """
    experts: tuple[Expert, ...]
    numbers: tuple[float, ...]
    mixed_spaces: bool = False
    options: Options = Options()
    meaning: str = RELIABILITIES
    slots: tuple[int, ...] = ()
    automatic: Automatic | None = None
    regions: Regions | None = None
    chain: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.experts:
            raise ValueError("A mixture needs at least one expert; connect a ConditionExpert.")
        if not self.slots:
            object.__setattr__(self, "slots", tuple(range(1, len(self.experts) + 1)))
        if self.meaning not in MEANINGS:
            raise ValueError(f"The meaning of a mixture's numbers is one of {', '.join(MEANINGS)}, "
                             f"not '{self.meaning}'.")
        object.__setattr__(self, "numbers", self._normalised(self.numbers))
        if self.options.numbers_end:
            ends = self._normalised(self.options.numbers_end)
            object.__setattr__(self, "options", dataclasses.replace(self.options, numbers_end=ends))
        self._check_weights()

    def __repr__(self) -> str:
        parts = zip(self.experts, *self.balance(), strict=True)
        return " + ".join(f"'{e.name}' (w {e.weight:g}, a {a:.3g}, share {s:.3g})" for e, a, s in parts)

    def get_models(self) -> list[Any]:
        """The networks of all experts, as the host asks for them."""
        return [model for expert in self.experts for model in expert.get_models()]

    def _normalised(self, numbers: Sequence[float]) -> tuple[float, ...]:
        """Numbers of this mixture's meaning, divided by their sum."""
        what = self.meaning.capitalize()
        if len(numbers) != len(self.experts):
            names = ", ".join(f"'{e.name}'" for e in self.experts)
            raise ValueError(f"{len(numbers)} {self.meaning} were given for {len(self.experts)} experts ({names}); "
                             "give one for each, or leave the field empty for equal ones.")
        if not all(math.isfinite(a) and a >= 0 for a in numbers):
            raise ValueError(f"{what} must be finite and at least 0, not {list(numbers)}.")
        total = math.fsum(numbers)
        if not 0 < total < math.inf and self.meaning == SHARES:
            raise ValueError("Shares must not all be zero: at least one share must be above 0.")
        if not 0 < total < math.inf:
            raise ValueError("Reliabilities must not all be zero: at least one expert's null prediction must count.")
        return tuple(a / total for a in numbers)

    def _check_weights(self) -> None:
        ends = self.options.weights_end
        if ends and len(ends) != len(self.experts):
            raise ValueError(f"{len(ends)} end weights were given for {len(self.experts)} experts; give one for each.")
        if self.options.interval == EVERYWHERE:
            return
        for weights in ([e.weight for e in self.experts], ends):
            if any(weights) and sum(weights) <= CANCELLED * sum(map(abs, weights)):
                numbers = ", ".join(f"{w:g}" for w in weights)
                raise ValueError("Outside a guidance interval the weights are divided by their sum, and these cancel "
                                 f"each other: {numbers}. Change a weight, or the interval.")

    @property
    def divided(self) -> bool:
        """Whether masks that sum to 1 divide the picture among the experts."""
        return self.automatic is not None or self.regions is not None

    @property
    def scheduled(self) -> bool:
        """Whether weights or numbers change over the schedule."""
        return bool(self.options.weights_end or self.options.numbers_end)

    def at(self, percent: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(weights, numbers) at a point of the schedule, 0 = its start, 1 = its end."""
        weights = tuple(e.weight for e in self.experts)
        share = percent if self.options.curve == "linear" else (1.0 - math.cos(math.pi * percent)) / 2.0
        return (_between(weights, self.options.weights_end, share),
                _between(self.numbers, self.options.numbers_end, share))

    def balance(self, percent: float = 0.0) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(reliabilities, shares) at a point of the schedule, where every expert acts fully."""
        weights, numbers = self.at(percent)
        reliabilities = reliabilities_of(weights, numbers) if self.meaning == SHARES else numbers
        return reliabilities, shares_of(weights, reliabilities)

    def meaning_as(self, meaning: str) -> Mixture:
        """The same mixture with numbers of another meaning, at the start and the end of the schedule.

        A share below 0 becomes 0, and the others are renormalised.
        """
        if meaning == self.meaning:
            return self

        def numbers(percent: float) -> tuple[float, ...]:
            reliabilities, shares = self.balance(percent)
            return tuple(max(s, 0.0) for s in shares) if meaning == SHARES else reliabilities
        options = self.options
        if self.scheduled:
            options = dataclasses.replace(options, numbers_end=numbers(1.0))
        return dataclasses.replace(self, numbers=numbers(0.0), options=options, meaning=meaning)

    def alone(self, index: int) -> Mixture:
        """One expert as if only it were wired, with its own null."""
        end = self.options.weights_end[index:][:1]
        options = dataclasses.replace(self.options, weights_end=end, numbers_end=())
        return Mixture((self.experts[index],), (1.0,), self.mixed_spaces, options, slots=(self.slots[index],))

    def varied(
        self, weights: Mapping[int, float], numbers: Mapping[int, float], meaning: str = RELIABILITIES,
    ) -> Mixture | None:
        """The mixture with other numbers for some experts, {index: w} and {index: a or s}, throughout the schedule.

        meaning: of `numbers`. The other experts share what these leave of 1 in proportion to their own, equally if
        their own are all zero. None if the given numbers exceed 1. Raises ValueError if there is no other expert to
        share.
        """
        left = 1.0 - math.fsum(numbers.values())
        if left < -TOLERANCE:
            return None
        if left > TOLERANCE and len(numbers) == len(self.experts):
            raise ValueError(f"{meaning.capitalize()} must sum to 1, and there is no other expert to share the rest; "
                             "add an expert, or vary the weight.")
        mixture = self._weighted(weights)
        if not numbers:
            return mixture
        mixture = mixture.meaning_as(meaning)
        ends = _sharing(mixture.options.numbers_end, numbers)
        return dataclasses.replace(
            mixture,
            numbers=_sharing(mixture.numbers, numbers),
            options=dataclasses.replace(mixture.options, numbers_end=ends),
        )

    def _weighted(self, weights: Mapping[int, float]) -> Mixture:
        """The mixture with other weights, {index: w}, throughout the schedule."""
        experts = tuple(dataclasses.replace(e, weight=weights.get(i, e.weight)) for i, e in enumerate(self.experts))
        ends = tuple(weights.get(i, w) for i, w in enumerate(self.options.weights_end))
        return dataclasses.replace(self, experts=experts, options=dataclasses.replace(self.options, weights_end=ends))


def _between(start: Sequence[float], end: Sequence[float], share: float) -> tuple[float, ...]:
    """Numbers on their way from `start` (share 0) to `end` (share 1); without an end they do not change.

    A number that crosses zero there is zero: noise levels are float32, and what rounding leaves is not a weight.
    """
    found = []
    for a, b in zip(start, end or start, strict=True):
        number = a + (b - a) * share
        crosses = min(a, b) < 0 < max(a, b) and abs(number) <= ROUNDING * max(abs(a), abs(b))
        found.append(0.0 if crosses else number)
    return tuple(found)


def _sharing(numbers: Sequence[float], given: Mapping[int, float]) -> tuple[float, ...]:
    """The numbers with those given, {index: number}; the others share the rest of 1 in proportion to their own."""
    if not numbers or not given:
        return tuple(numbers)
    left = max(1.0 - math.fsum(given.values()), 0.0)
    others = [i for i in range(len(numbers)) if i not in given]
    total = math.fsum(numbers[i] for i in others)
    shared = dict(given)
    for i in others:
        shared[i] = left * (numbers[i] / total if total else 1.0 / len(others))
    return tuple(shared[i] for i in range(len(numbers)))
