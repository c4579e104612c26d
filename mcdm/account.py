"""What the particles of a run did, for the page, the log and a report: see mcdm/corrected.py."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

TOLD = 16       # ancestors


class Record(NamedTuple):
    """What happened at a noise level: the effective size of each picture's particles, who was resampled, kappa."""
    sigma: float
    effective: list[float]
    resampled: list[bool]
    kappa: dict[int, float]         # SuperDiff: {expert: mean over all rows}

    def kappas(self, count: int) -> list[float | None]:
        """Kappa of each of `count` experts, None for one that has none."""
        return [self.kappa.get(i) for i in range(count)]


class Course(NamedTuple):
    """A panel of a report. lines: (name, a value per sigma), nan if there is none."""
    title: str
    sigmas: list[float]
    lines: list[tuple[str, list[float]]]


class Account(NamedTuple):
    """What a run did. size: particles per picture. names: of the experts. ancestors: the row each descends from."""
    method: str
    size: int
    names: Sequence[str]
    records: Sequence[Record]
    ancestors: Sequence[int] = ()

    def in_words(self) -> str:
        """For the log and the page."""
        words = [f"{self.method}, {self.size} particles per picture"]
        weighed = [r for r in self.records if r.effective]
        if weighed:
            least = min(min(r.effective) for r in weighed)
            times = sum(any(r.resampled) for r in weighed[:-1])
            words.append(f"effective size at least {least:.3g}, resampled at {times} of {len(weighed)} levels")
        divided = [r for r in self.records if r.kappa]
        for what, record in (("first", divided[:1]), ("last", divided[-1:])):
            words += [f"kappa at the {what} level: {self._kappa(r)}" for r in record]
        told = " ".join(map(str, self.ancestors[:TOLD]))
        return "; ".join([*words, f"ancestors of the rows: {told}{' ...' if len(self.ancestors) > TOLD else ''}"])

    def now(self) -> str:
        """The state of the run, for the page: "" before there is anything to show."""
        if not self.records:
            return ""
        sigma, effective, _, kappa = self.records[-1]
        if kappa:
            return f"sigma {sigma:.3g}; kappa: {self._kappa(self.records[-1])}"
        return f"sigma {sigma:.3g}; effective size {min(effective):.3g} of {self.size}"

    def _kappa(self, record: Record) -> str:
        return ", ".join(f"'{self.names[i]}' {k:.2g}" for i, k in record.kappa.items())

    def course(self) -> Course | None:
        """Kappa of each expert, or the effective size, as lines over sigma; None if there is neither."""
        records = [r for r in self.records if r.sigma > 0]
        sigmas = [r.sigma for r in records]
        if any(r.kappa for r in records):
            lines = []
            for i, name in enumerate(self.names):
                lines.append((name, [r.kappa.get(i, math.nan) for r in records]))
            return Course("kappa: how much each expert acts (mean over the particles)", sigmas, lines)
        if not records:
            return None
        title = f"effective size: how many of {self.size} particles count (for several pictures, the least)"
        return Course(title, sigmas, [("particles", [min(r.effective) for r in records])])

    def plain(self) -> dict[str, Any]:
        """Numbers, lists and words, for a JSON."""
        return {
            "method": self.method, "particles": self.size, "sigma": [r.sigma for r in self.records],
            "effective_size": [r.effective for r in self.records], "resampled": [r.resampled for r in self.records],
            "kappa": [r.kappas(len(self.names)) for r in self.records],
            "ancestors": list(self.ancestors),
        }
