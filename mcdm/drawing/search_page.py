"""The course of a search as a picture: every score, the best so far, and the best picture."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from .charts import COLOURS, FINE, GRID, MARGIN, WIDTH, Page, round_ticks
from .lettering import PALE, font, wrap
from .sheets import picture

Point = tuple[float, float]

HEIGHT = 420            # pixels of the finished page
CHART = 660             # width of the chart
UPPER, LOWER = 90, 360
SIDE = 300              # of the picture


def search_page(scores: Sequence[float], title: str, sentence: str, best: torch.Tensor | None) -> Image.Image:
    """scores: of the candidates in the order in which they were drawn, not finite for bad ones; the first is the start.

    best: the best picture [H, W, C] in [0, 1], None if there is none.
    """
    page = Page(HEIGHT)
    page.text(MARGIN, 18, title, 18)
    page.text(MARGIN, 44, wrap(sentence, (WIDTH - 2 * MARGIN) * FINE, font(14 * FINE)), 14, PALE)
    finite = [score for score in scores if abs(score) < float("inf")]
    if finite:
        _draw_scores(page, scores, finite)
    if best is not None:
        height, width = best.shape[:2]
        scale = SIDE / max(height, width)
        page.paste(picture(best), WIDTH - MARGIN - SIDE, UPPER, width * scale, height * scale)
    return page.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _draw_scores(page: Page, scores: Sequence[float], finite: Sequence[float]) -> None:
    """A dot for each score, a line for the best so far, a line for the start."""
    shift = min(finite)
    above = [score - shift for score in finite]
    ticks = [shift + tick for tick in round_ticks([("", above)])]
    left = MARGIN + 60
    right = CHART

    def at(number: int, score: float) -> Point:
        share = (score - ticks[0]) / (ticks[-1] - ticks[0])
        return left + (right - left) * number / max(1, len(scores) - 1), LOWER + (UPPER - LOWER) * share
    for tick in ticks:
        y = at(0, tick)[1]
        page.line([(left, y), (right, y)], GRID)
        page.text(left - 8, y, f"{tick:.3g}", 13, PALE, "rm")
    best = float("-inf")
    line: list[Point] = []
    for number, score in enumerate(scores):
        if abs(score) == float("inf"):
            page.dot(at(number, ticks[0])[0], LOWER + 8, 3, COLOURS[1])
            continue
        page.dot(*at(number, score), 2.5, COLOURS[4])
        best = max(best, score)
        line.append(at(number, best))
    page.line(line if len(line) > 1 else line * 2, COLOURS[0], 2)
    page.text(left, LOWER + 20, "candidates drawn in full, in order; the line is the best so far, red is a bad one", 13,
              PALE)
