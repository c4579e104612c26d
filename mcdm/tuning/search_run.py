"""A search by a score: generations of candidates, the promising ones drawn in full."""
from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import comfy.utils
import torch

from ..grids.decoding import Decode
from ..host.sampling.guider import MixtureGuider
from ..host.sampling.ksampler import STOPS, sample_mixture
from ..host.sampling.watch import Watch
from ..mixture import Mixture
from ..observation import Observation
from ..search_state import Candidate, Search, numbers_of
from .scores import Drawn, Score
from .verdict import Paired, paired

logger = logging.getLogger("mcdm")

BAD = -math.inf                         # the score of a candidate that cannot be scored
CHECKS = 3                              # other seeds on which the best has to beat the middle of the search


class Runs:
    """Draws mixtures, and counts what it costs. settings: the sampler's inputs, as `sample_mixture` takes them."""

    def __init__(self, settings: Mapping[str, Any], decode: Decode, clip_denoised: bool) -> None:
        self.settings = dict(settings)
        self.forwards = 0               # predictions of a picture by a network
        self._decode, self._clip = decode, clip_denoised
        self._bar: Any = None
        self._steps = 0
        self._shared: dict[int, dict[Any, Any]] = {}

    def foresee(self, steps: int) -> None:
        """Begins a progress bar of about so many steps; by it the host also asks whether somebody wants to stop."""
        self._bar, self._steps = comfy.utils.ProgressBar(steps), 0

    def draw(self, mixture: Mixture, seed: int, steps: int) -> Drawn:
        """One run. Candidates of one noise share the answers at the first step."""
        shared = self._shared.setdefault(seed, {})
        watch = Watch(self._count, shared=shared)
        run = self.settings | {"seed": seed, "steps": steps}
        latent, _ = sample_mixture(MixtureGuider(mixture, self._clip, watch), **run, callback=self._after_step)
        return Drawn(latent, self._decode(latent["samples"]))

    def _after_step(self, step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> None:
        self._steps += 1
        if self._bar is not None:
            self._bar.update_absolute(min(self._steps, self._bar.total))

    def _count(self, seen: Observation) -> None:
        self.forwards += (len(seen.denoised) + len(seen.nulls)) * len(seen.fused)


@dataclasses.dataclass
class Trial:
    """A candidate that was drawn in full, or for a look only. score: BAD if it cannot be scored."""
    generation: int
    number: int
    score: float
    full: bool


class Tuning:
    """A search that a score leads. early: steps of the first look; as many as the whole run has: no first look.

    told: is called after every generation. trials: of this search from its very beginning.
    """

    def __init__(self, search: Search, runs: Runs, score: Score, early: int, told: Callable[[Tuning], object]) -> None:
        self.search, self.runs = search, runs
        self.score, self.told = score, told
        self.seed = int(runs.settings["seed"])
        self.steps = int(runs.settings["steps"])
        self.early = early
        self.trials: list[Trial] = []
        self.bad: list[str] = []        # what was wrong with which candidate
        self.best: Drawn | None = None
        self._chosen: Candidate | None = None       # in place of the best
        self.finalists: dict[str, list[float]] = {}
        for number, generation in enumerate(search.told, start=1):
            for place, value in enumerate(generation.scores, start=1):
                if value is not None and (number == 1 or place > 1):
                    self.trials.append(Trial(number, place, value, True))
        self.spent = sum(search.settings.count - (number > 1) for number in range(1, search.generation))
        self._best_score = BAD

    def run(self, trials: int) -> None:
        """Searches in whole generations, at most so many candidates with the start, but at least one generation."""
        first = self.search.best
        assert first.mixture is not None
        drawn = self.runs.draw(first.mixture, self.seed, self.steps)        # an error here is the user's to see
        value = self.score(drawn)
        self._best_score = value if math.isfinite(value) else BAD
        if self._best_score == BAD:
            self.bad.append(f"the start: its score is {value}")
        self.best = drawn
        if self.search.generation == 1:
            self.trials.append(Trial(1, 1, self._best_score, True))
            self.spent += 1
        self.told(self)
        new = self.search.settings.count - 1
        while self.spent + new <= max(trials, 1 + new):
            self._generation()
            self.told(self)

    def choose(self) -> None:
        """Lets the best and the middle of the search score on other noise; the better of the two is what was found.

        The best of many is lucky in part, and the middle is not.
        """
        middle = self.search.middle()
        best = self.search.best.mixture
        if self.constant or self.unscored or best is None or middle.mixture is None:
            return
        if numbers_of(middle.mixture) == numbers_of(best):
            return
        value, drawn = self._scored(middle, self.seed, self.steps, "the middle of the search")
        self.finalists = {"best": [], "middle": []}
        for seed in self._other_seeds(CHECKS, -1) if drawn else ():
            for name, candidate in (("best", self.search.best), ("middle", middle)):
                self.finalists[name].append(self._scored(candidate, seed, self.steps, f"the {name} of the search")[0])
        if drawn and sum(self.finalists["middle"]) > sum(self.finalists["best"]):
            self._chosen = middle
            self.best = drawn
            self._best_score = value

    def _generation(self) -> None:
        candidates = self.search.candidates
        asked = list(range(2, len(candidates) + 1))
        self.spent += len(asked)
        looks = {number: self._candidate(number, self.early) for number in asked}
        promising = sorted((n for n in asked if looks[n] > BAD), key=lambda n: (-looks[n], n))
        scores = {1: self._best_score}
        if self.early < self.steps:
            promising, rest = promising[:max(1, len(asked) // 2)], promising[max(1, len(asked) // 2):]
            scores |= {number: self._candidate(number, self.steps) for number in sorted(promising)}
        else:
            rest = []
            scores |= looks
        told = sorted((n for n in scores if scores[n] > BAD), key=lambda n: (-scores[n], n))
        values = [scores.get(n, BAD) for n in range(1, len(candidates) + 1)]
        self.search.tell((*told, *rest), tuple(v if v > BAD else None for v in values))

    def _candidate(self, number: int, steps: int) -> float:
        """The score of a candidate of this generation; the best one's pictures are kept."""
        generation = self.search.generation
        what = f"candidate {number} of generation {generation}"
        value, drawn = self._scored(self.search.candidates[number - 1], self.seed, steps, what)
        full = steps == self.steps
        if full or value == BAD:
            self.trials.append(Trial(generation, number, value, full))
        if full and value > self._best_score:
            self._best_score = value
            self.best = drawn
        return value

    def _scored(self, candidate: Candidate, seed: int, steps: int, what: str) -> tuple[float, Drawn | None]:
        """A score and what was drawn; (BAD, None), with the reason in `bad`, where there is none."""
        reason = candidate.refused
        if candidate.mixture is not None:
            try:
                drawn = self.runs.draw(candidate.mixture, seed, steps)
                value = self.score(drawn)
                if math.isfinite(value):
                    return value, drawn
                reason = f"its score is {value}"
            except STOPS:
                raise
            except Exception as error:      # whatever a score of others does, the search goes on
                reason = f"{type(error).__name__}: {error}"
        self.bad.append(f"{what}: {reason}")
        logger.warning(f"MCDM: {self.bad[-1]}; it counts as bad, and the search goes on.")
        return BAD, None

    def _other_seeds(self, count: int, direction: int = 1) -> list[int]:
        return [(self.seed + direction * i) % 2 ** 64 for i in range(1, count + 1)]

    @property
    def best_score(self) -> float:
        """Of what was drawn in full."""
        return self._best_score

    @property
    def found(self) -> Candidate:
        """The best by now, or what `choose` chose."""
        return self._chosen or self.search.best

    @property
    def unscored(self) -> bool:
        """Whether nothing has a score, the start neither."""
        return self._best_score == BAD

    @property
    def constant(self) -> bool:
        """Whether all scores are the same, so that none can tell."""
        values = [trial.score for trial in self.trials if trial.full and trial.score > BAD]
        return len(values) > 1 and max(values) - min(values) <= 1e-9 * max(1.0, abs(values[0]))

    def on_fresh_seeds(self, count: int) -> Paired | None:
        """The start and what was found on seeds that neither the search nor the choice has seen."""
        found = self.found.mixture
        if found is self.search.start or found is None or self.constant:
            return None
        seeds = self._other_seeds(count)
        before = [self.score(self.runs.draw(self.search.start, seed, self.steps)) for seed in seeds]
        after = [self.score(self.runs.draw(found, seed, self.steps)) for seed in seeds]
        return paired(before, after)
