"""The picture of a report: the verdict, lines over sigma, and maps of where conditions disagree."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image

from ..account import Course
from ..analysis import Disagreement, Figures, Pair
from ..verdict import contradictions, sentence
from .charts import COLOURS, EXPERTS, FINE, MARGIN, PANEL, WIDTH, Colour, Lines, Page, draw_panel, heat, round_ticks
from .lettering import PALE, font, wrap

ALARM, CALM = (178, 34, 52), (0, 128, 96)

# Pixels of the finished page.
VERDICT = 25        # the height of a line of the verdict
SMALL = 20          # the height of a line below it
MAP = 170           # the width of a map, where there is room


class Map(NamedTuple):
    """Where conditions disagree at one step."""
    step: int
    sigma: float
    disagreement: Disagreement          # of the first picture, [1, (T,) H, W]
    estimate: Image.Image | None        # that picture as it is estimated then
    masks: Sequence[torch.Tensor] = ()  # automatic masks of the experts, [1, 1, (T,) H, W]


def report_page(
    figures: Figures, names: Sequence[str], slots: Sequence[int], maps: Sequence[Map], mixture: str,
    course: Course | None = None,
) -> Image.Image:
    """The page of a report.

    names: of the experts, in letters that Pillow's font has. slots: where they are wired, for the pad's colours.
    mixture: what it is, in words, with such names. course: of the particles, where there are some.
    """
    found = contradictions(figures)
    agreement = [(f"{names[p.first]} / {names[p.second]}", p.condition_cosine) for p in _most_opposed(figures.pairs)]
    return _compose(
        verdict=sentence(figures, names),
        mixture=mixture,
        alarm=bool(found),
        sigmas=figures.sigmas,
        contributions=list(zip(names, figures.contributions, strict=True)),
        colours=[EXPERTS[(slot - 1) % len(EXPERTS)] for slot in slots],
        agreement=agreement,
        band=(found[0].sigma, figures.decides[0]) if found else None,
        maps=[(_title(m), _pictures(m)) for m in maps],
        masked=any(m.masks for m in maps),
        course=course,
    )


def first_frame(field: torch.Tensor) -> torch.Tensor:
    """[1, (T,) H, W] as [H, W]: of a video the first frame."""
    return field.reshape(-1, *field.shape[-2:])[0].float().cpu()


def _most_opposed(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs in falling order of their opposition, those without one last."""
    return sorted(pairs, key=lambda p: -1.0 if math.isnan(p.opposition) else p.opposition, reverse=True)


def _title(m: Map) -> str:
    return f"step {m.step}, sigma {m.sigma:.3g}: {m.disagreement.cancelled:.0%} cancels"


def _pictures(m: Map) -> list[Image.Image]:
    """The estimate, where there is one, and beside it the disagreement, bright where all cancels; then the masks."""
    strength = first_frame(m.disagreement.strength)
    found = [heat(first_frame(m.disagreement.lost), float(strength.max()))]
    found += [heat(first_frame(mask), 1.0) for mask in m.masks]
    return found if m.estimate is None else [m.estimate, *found]


def _compose(
    verdict: str,
    mixture: str,
    alarm: bool,
    sigmas: Sequence[float],
    contributions: Lines,
    colours: Sequence[Colour],
    agreement: Lines,
    band: tuple[float, float] | None,
    maps: Sequence[tuple[str, Sequence[Image.Image]]],
    masked: bool,
    course: Course | None,
) -> Image.Image:
    """The page from what it shows.

    verdict: a sentence; alarm: whether it is a bad one. mixture: small print below it.
    sigmas: of the evaluations, falling. colours: of the contributions. band: (sigma, sigma) to mark, or None.
    maps: titles and pictures, all of one size. course: for a panel of its own.
    """
    panels = 3 if course else 2
    sigmas = _finite(sigmas)
    words = wrap(verdict, (WIDTH - 90) * FINE, font(19 * FINE))
    below = 58 + VERDICT * words.count("\n")
    small = wrap(mixture, (WIDTH - 90) * FINE, font(14 * FINE))
    top = below + SMALL * (small.count("\n") + 1)
    map_width, map_height = _map_size([pictures for _, pictures in maps])
    page = Page(top + panels * PANEL + (map_height + 110 if maps else 20))
    page.box(MARGIN, 24, 40, 24 + VERDICT * (words.count("\n") + 1) - 4, ALARM if alarm else CALM)
    page.text(54, 22, words, 19)
    page.text(54, below - 4, small, 14, PALE)

    title = "pull: how far each condition moves the estimate (root mean square)"
    draw_panel(page, top + 20, title, sigmas, contributions, round_ticks(contributions), None, colours)

    title = "agreement: the cosine between what two conditions ask for (-1: the opposite)"
    shown = agreement[:len(COLOURS)]
    if len(shown) < len(agreement):
        title += f", the {len(shown)} most opposed pairs"
    draw_panel(page, top + 20 + PANEL, title, sigmas, shown, [-1.0, -0.5, 0.0, 0.5, 1.0], band)

    if course:
        own = colours if len(course.lines) == len(colours) else COLOURS
        ticks = round_ticks(course.lines)
        draw_panel(page, top + 20 + 2 * PANEL, course.title, _finite(course.sigmas), course.lines, ticks, None, own)

    if maps:
        _draw_maps(page, top + panels * PANEL + 30, maps, map_width, map_height, masked)
    return page.image.reduce(FINE)


def _finite(sigmas: Sequence[float]) -> list[float]:
    """The noise levels, with three times the highest finite one for infinity, where a flow begins."""
    highest = max((sigma for sigma in sigmas if sigma < math.inf), default=1.0)
    return [min(sigma, 3.0 * highest) for sigma in sigmas]


def _map_size(groups: Sequence[Sequence[Image.Image]]) -> tuple[float, float]:
    """(width, height) of a map, such that all fit beside each other."""
    if not groups:
        return 0, 0
    count = sum(len(pictures) + 0.3 for pictures in groups)
    width = min(MAP, (WIDTH - 60) // max(1, count) - 6)
    first = groups[0][0]
    return width, width * first.height / first.width


def _draw_maps(
    page: Page, y: float, maps: Sequence[tuple[str, Sequence[Image.Image]]], width: float, height: float,
    masked: bool,
) -> None:
    """Groups of maps from left to right, a title above each group."""
    x: float = MARGIN
    title = "disagreement: where conditions cancel each other (bright), beside the picture at that step"
    if masked:
        title += "; then where each expert acts"
    page.text(x, y, title, 16)
    for title, pictures in maps:
        page.text(x, y + 29, title, 14, PALE)
        for k, picture in enumerate(pictures):
            page.paste(picture, x + k * (width + 4), y + 52, width, height)
        x += len(pictures) * (width + 4) + 0.3 * width
