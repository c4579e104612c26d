"""A search that goes on from run to run: its state is a line of JSON, from which everything is computed anew.

The first candidate of a generation is the best so far: at first the mixture as it is, then the first choice of the
generation before. The state holds the seed, the settings, the numbers at the beginning, and of each finished generation
which candidates were good, the best first. So whoever has the text has the search.
"""
from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from .evolution import Evolution
from .mixture import Mixture
from .search_space import VARY, SearchSpace

VERSION = 1
MOST = 64               # candidates of a generation

Order = tuple[int, ...]                 # numbers of candidates, from 1, the best first
Scores = tuple[float | None, ...]       # of the candidates of a generation; None: bad, or not looked at


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a search begins with; its state keeps it.

    seed: of the candidates. count: candidates of a generation. spread: their standard deviation at first, in the units
    of mcdm/search_space.py. vary, windows: see SearchSpace. Raises ValueError.
    """
    seed: int = 0
    count: int = 6
    spread: float = 0.5
    vary: str = VARY[0]
    windows: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.count <= MOST:
            raise ValueError(f"A generation has from 2 to {MOST} candidates, not {self.count}.")
        if not 0.0 < self.spread <= 5.0:
            raise ValueError(f"spread must be a number above 0, at most 5, not {self.spread}.")
        if self.vary not in VARY:
            raise ValueError(f"vary '{self.vary}' is not one of {', '.join(VARY)}.")


class Candidate(NamedTuple):
    """A place in the space, None for the mixture as it is, and its numbers."""
    point: tuple[float, ...]
    mixture: Mixture | None         # None: these numbers are refused
    refused: str = ""               # why


class Told(NamedTuple):
    """A finished generation: its good candidates, and the scores if a score has told."""
    order: Order
    scores: Scores = ()


class Search:
    """A search of a mixture's numbers, at its present generation."""

    def __init__(self, start: Mixture, settings: Settings) -> None:
        self.settings, self.start = settings, start
        self.space = SearchSpace(start, settings.vary, settings.windows)
        if not self.space.size:
            raise ValueError(f"With vary '{settings.vary}' this mixture has no number to search; vary its weights.")
        self.told: list[Told] = []
        middle = tuple(self.space.point())
        self._evolution = Evolution(middle, settings.spread, settings.count, settings.seed)
        self._best = Candidate(middle, start)
        self.candidates = self._next()

    @property
    def generation(self) -> int:
        """The number of the present generation, from 1."""
        return len(self.told) + 1

    @property
    def spread(self) -> float:
        """How far the new candidates lie from their middle: the root mean square over their numbers."""
        middle = self._evolution.middle()
        squares = [math.dist(candidate.point, middle) ** 2 for candidate in self.candidates[1:]]
        return math.sqrt(math.fsum(squares) / (len(squares) * len(middle)))

    @property
    def best(self) -> Candidate:
        """The best so far: the first candidate."""
        return self.candidates[0]

    def middle(self) -> Candidate:
        """Where the new candidates lie around: it owes less to luck than the best of them."""
        return self._at(self._evolution.middle())

    def tell(self, order: Order, scores: Scores = ()) -> None:
        """Ends a generation. order: its good candidates; none if all are bad: then others are drawn from the same
        place. Raises ValueError for numbers that are not theirs."""
        count = len(self.candidates)
        wrong = [number for number in order if not 1 <= number <= count]
        if wrong:
            raise ValueError(f"The generation has candidates 1 to {count}, not {wrong[0]}; mark others.")
        if len(set(order)) < len(order):
            raise ValueError(f"A candidate is marked twice in '{' '.join(map(str, order))}'; name each once.")
        refused = [number for number in order if self.candidates[number - 1].mixture is None]
        if refused:
            raise ValueError(f"Candidate {refused[0]} has no picture, because its numbers are refused; mark others.")
        points = [candidate.point for candidate in self.candidates]
        self._evolution.tell(points, [number - 1 for number in order])
        if order:
            self._best = self.candidates[order[0] - 1]
        self.told.append(Told(tuple(order), tuple(scores)))
        self.candidates = self._next()

    def _next(self) -> list[Candidate]:
        """The candidates of a generation, the best so far first."""
        found = [self._best]
        found += [self._at(point) for point in self._evolution.ask(self.settings.count - 1)]
        return found

    def _at(self, point: tuple[float, ...]) -> Candidate:
        try:
            return Candidate(point, self.space.mixture(self.space.numbers(point)))
        except ValueError as error:
            return Candidate(point, None, str(error))

    def text(self) -> str:
        """The state as a line of JSON."""
        told: list[Any] = []
        for generation in self.told:
            scores = {"scores": list(generation.scores)} if generation.scores else {}
            told.append({"good": list(generation.order)} | scores)
        state = {"version": VERSION, **dataclasses.asdict(self.settings), "start": numbers_of(self.start), "told": told}
        return json.dumps(state)


def numbers_of(mixture: Mixture) -> dict[str, Any]:
    """A mixture's numbers, as JSON has them."""
    return {
        "weights": [e.weight for e in mixture.experts],
        mixture.meaning: list(mixture.numbers),
        "windows": [[e.start, e.end] for e in mixture.experts],
    }


def begun_or_resumed(start: Mixture, settings: Settings, text: str) -> Search:
    """A search that begins with these settings; with the text of a state, the one that it holds, which has its own.

    Raises ValueError, in one sentence, for a text that is no state, or one of another mixture.
    """
    if not text.strip():
        return Search(start, settings)
    state = _read(text)
    if not _near(state.start, numbers_of(start)):
        raise ValueError("The state began with other numbers than the mixture has now; empty the field state to begin "
                         "anew with these, or give the mixture its numbers back.")
    search = Search(start, state.settings)
    for generation in state.told:
        search.tell(generation.order, generation.scores)
    return search


class _State(NamedTuple):
    settings: Settings
    start: dict[str, Any]
    told: list[Told]


def _read(text: str) -> _State:
    """Raises ValueError in a sentence for anything but a state."""
    try:
        held = json.loads(text)
        version = held["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise _no_state(f"{error}") from error
    if version != VERSION:
        raise ValueError(f"The state has version {version}, and this pack reads version {VERSION}; empty the field to "
                         "begin anew, or use the version of the pack that wrote it.")
    try:
        names = [field.name for field in dataclasses.fields(Settings)]
        settings = Settings(**{name: _like(held[name], getattr(Settings, name)) for name in names})
        told = [_told(generation) for generation in held["told"]]
        return _State(settings, dict(held["start"]), told)
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_state(f"{error} is missing or garbled") from error


def _no_state(why: str) -> ValueError:
    sentence = (f"The field state holds no state of a search ({why}); empty it to begin anew, or paste the whole text "
                "of a state.")
    return ValueError(sentence)


def _told(held: Any) -> Told:
    order = tuple(_like(number, 0) for number in held["good"])
    scores = tuple(None if score is None else _like(score, 0.0) for score in held.get("scores", ()))
    return Told(order, scores)


def _like(value: Any, example: Any) -> Any:
    """A value of an example's kind. Raises TypeError for another."""
    kinds = (int, float) if isinstance(example, float) else type(example)
    if not isinstance(value, kinds) or (isinstance(value, bool) and not isinstance(example, bool)):
        raise TypeError(f"'{value}'")
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"'{value}'")
    return value


def _near(a: Any, b: Any) -> bool:
    """Whether numbers in lists and dictionaries are equal but for rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_near(a[key], b[key]) for key in a)
    if isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str) and not isinstance(b, str):
        return len(a) == len(b) and all(_near(x, y) for x, y in zip(a, b, strict=True))
    numbers = isinstance(a, (int, float)) and isinstance(b, (int, float))
    return numbers and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
