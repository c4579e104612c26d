"""The contents of a report on a run, and the same as JSON."""
from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from .account import Account
from .analysis import Disagreement, Figures, Pair
from .bands import EVERY, Factors
from .verdict import contradictions, sentence


class ReportedExpert(NamedTuple):
    """An expert of a run.

    slot: where it is wired. reliability, share: at the start of the schedule. place: where it ran. seconds: of each
    step of the sampler.
    """
    name: str
    slot: int
    weight: float
    bands: Factors
    reliability: float
    share: float
    place: str
    seconds: float

    def in_words(self, name: str) -> str:
        """Its numbers for the page. name: what it is called there."""
        bands = "" if self.bands == EVERY else f" in bands {' '.join(f'{f:g}' for f in self.bands)}"
        return (f"{name}: weight {self.weight:g}{bands}, reliability {self.reliability:.3g}, share {self.share:.3g}, "
                f"{self.place}, {self.seconds:.2g} s per step")


class DisagreementMap(NamedTuple):
    """Where conditions disagree at one step."""
    step: int
    sigma: float
    disagreement: Disagreement          # of the first picture, [1, (T,) H, W]
    estimate: torch.Tensor | None       # that picture as it is estimated then, [1, H, W, 3] in [0, 1]
    masks: Sequence[torch.Tensor] = ()  # of the experts, automatic or by regions, [1, 1, (T,) H, W]

    def plain(self) -> dict[str, Any]:
        """Numbers and lists, for the JSON."""
        return {
            "step": self.step,
            "sigma": self.sigma,
            "cancelled": self.disagreement.cancelled,
            "disagreement": first_frame(self.disagreement.lost).tolist(),
            "masks": [first_frame(mask).tolist() for mask in self.masks],
        }


@dataclasses.dataclass(frozen=True)
class ReportData:
    """A report on a run.

    meaning: of the mixture's numbers. account: of the particles, if the sampler had any.
    """
    experts: Sequence[ReportedExpert]
    meaning: str
    figures: Figures
    maps: Sequence[DisagreementMap] = ()
    account: Account | None = None

    @property
    def names(self) -> list[str]:
        """What the experts are called."""
        return [expert.name for expert in self.experts]

    @property
    def verdict(self) -> str:
        """What the figures say, in a sentence or two."""
        return sentence(self.figures, self.names)

    def in_words(self, names: Sequence[str]) -> str:
        """Each expert's numbers, place and time, and what the particles did, for the page, which uses its own names."""
        told = [expert.in_words(name) for expert, name in zip(self.experts, names, strict=True)]
        if self.account:
            told.append(self.account._replace(names=names).in_words())
        return ";  ".join(told)

    def json(self) -> str:
        """The report in numbers, lists and words; null for every number that is not finite, since JSON has none."""
        return json.dumps(_finite(self._plain()), indent=1)

    def _plain(self) -> dict[str, Any]:
        plain = {
            "verdict": self.verdict,
            "sigma": self.figures.sigmas,
            "experts": [self._plain_expert(i) for i in range(len(self.experts))],
            "meaning": self.meaning,
            "pairs": self._plain_pairs(),
            "content_is_decided": self.figures.decides,
            "maps": [shown.plain() for shown in self.maps],
        }
        return plain | {"particles": self.account.plain()} if self.account else plain

    def _plain_expert(self, index: int) -> dict[str, Any]:
        expert = self.experts[index]
        return {
            "name": expert.name,
            "weight": expert.weight,
            "reliability": expert.reliability,
            "pull": self.figures.contributions[index],
            "share": expert.share,
            "place": expert.place,
            "seconds_a_step": expert.seconds,
        }

    def _plain_pairs(self) -> list[dict[str, Any]]:
        begins = {(c.first, c.second): c.sigma for c in contradictions(self.figures)}
        return [self._plain_pair(pair, begins.get((pair.first, pair.second))) for pair in self.figures.pairs]

    def _plain_pair(self, pair: Pair, begins: float | None) -> dict[str, Any]:
        """begins: the noise level at which the two begin to contradict each other, None if they do not."""
        return {
            "experts": [pair.first + 1, pair.second + 1],
            "names": [self.names[pair.first], self.names[pair.second]],
            "cosine": pair.cosine,
            "condition_cosine": pair.condition_cosine,
            "opposition_at": pair.opposition_at,
            "opposition": pair.opposition,
            "contradiction": begins is not None,
            "from_sigma": begins,
        }


def first_frame(field: torch.Tensor) -> torch.Tensor:
    """[1, (T,) H, W] as [H, W]: for a video, its first frame."""
    return field.reshape(-1, *field.shape[-2:])[0].float().cpu()


def _finite(value: Any) -> Any:
    """The same with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
