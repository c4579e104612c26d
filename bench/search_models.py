"""Search against chance at equal cost, on smooth models of a score and of the judge: part of `dev.py bench tuning`."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot

from ..devtools.inprocess import InProcess

SMOOTH = 1.0            # how far the fitted models see, in the units of the space
EVERY = 5               # candidates between two points of a curve: a generation
WAYS = ("search", "chance")
VIEWS = "score of the best so far", "the judge's view of it"

Figures = dict[str, Any]
Function = Callable[[np.ndarray], float]


def fitted(points: np.ndarray, values: np.ndarray) -> Function:
    """A smooth function through noisy values: kernel ridge regression with a Gaussian kernel."""
    centre, scale = values.mean(), values.std() or 1.0
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1) / (2 * SMOOTH ** 2))
    heights = np.linalg.solve(kernel + 0.1 * np.eye(len(points)), (values - centre) / scale)

    def function(point: np.ndarray) -> float:
        near = np.exp(-((points - point) ** 2).sum(-1) / (2 * SMOOTH ** 2))
        return float(centre + scale * near @ heights)
    return function


def compared(comfy: InProcess, start: Any, mixtures: Sequence[Any], scores: np.ndarray, quality: np.ndarray,
             chances: Sequence[Sequence[Any]]) -> Figures:
    """Search from a mixture and chance, with as many candidates, once for each of `chances`: lists of random mixtures.

    scores, quality: of `mixtures`, to which the models are fitted. What counts at each candidate is the best so far
    by the score: its score, and the judge's view of it.
    """
    space = comfy.module("mcdm.search_space")

    def point_of(mixture: Any) -> np.ndarray:
        return np.array(space.SearchSpace(mixture).point())
    points = np.array([point_of(mixture) for mixture in mixtures])
    of_score, of_judge = fitted(points, scores), fitted(points, quality)

    def best_so_far(tried: Sequence[np.ndarray]) -> np.ndarray:
        """[candidates, 2]: score and judge."""
        values = np.array([of_score(point) for point in tried])
        leaders = [int(values[:count].argmax()) for count in range(1, len(values) + 1)]
        return np.array([(values[leader], of_judge(tried[leader])) for leader in leaders])
    searched, by_chance = [], []
    for seed, chance in enumerate(chances):
        tried = _searched(comfy, start, seed, len(chance), of_score, point_of)
        searched.append(best_so_far(tried))
        by_chance.append(best_so_far([point_of(mixture) for mixture in chance][:len(tried)]))
    curves = dict(zip(WAYS, (np.array(searched), np.array(by_chance)), strict=True))        # [seeds, candidates, 2]
    better = (curves["search"][:, -1] > curves["chance"][:, -1]).sum(0).tolist()
    return {
        **{f"{way}: score, judge": found[:, -1].mean(0).round(4).tolist() for way, found in curves.items()},
        "better score in": better[0], "better by the judge in": better[1],
        "curves": {way: found[:, ::EVERY].mean(0).round(4).T.tolist() for way, found in curves.items()},
    }


def _searched(comfy: InProcess, mixture: Any, seed: int, most: int, of_score: Function,
              point_of: Callable[[Any], np.ndarray]) -> list[np.ndarray]:
    """The points that the pack's own search tries, at most so many."""
    state = comfy.module("mcdm.search_state")
    search = state.Search(mixture, state.Settings(seed=seed))
    tried: list[np.ndarray] = []
    while True:
        candidates = [point_of(candidate.mixture) for candidate in search.candidates]
        new = candidates if not tried else candidates[1:]       # the best so far comes first again
        if len(tried) + len(new) > most:
            return tried
        tried += new
        values = [of_score(point) for point in candidates]
        search.tell(tuple(int(i) + 1 for i in np.argsort(values)[::-1]))


def plot(found: Mapping[str, Figures], path: Path) -> None:
    """The best so far, as means over the seeds, over the number of candidates: by the score, and by the judge."""
    figure, axes = pyplot.subplots(len(VIEWS), len(found), figsize=(3 * len(found), 4.6), sharex=True, squeeze=False)
    for column, (title, figures) in zip(axes.T, found.items(), strict=True):
        for view, panel in enumerate(column):
            for way, style in zip(WAYS, ("-", "--"), strict=True):
                values = figures["curves"][way][view]
                panel.plot([1 + EVERY * i for i in range(len(values))], values, style, label=way)
            panel.grid(alpha=0.3)
        column[0].set_title(title.replace(", one for each", ""), fontsize=10)
        column[-1].set_xlabel("candidates")
    for panel, label in zip(axes[:, 0], VIEWS, strict=True):
        panel.set_ylabel(label)
    axes[0, 0].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
