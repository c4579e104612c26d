"""The page of a report: the verdict, lines over sigma, and maps of where conditions disagree."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ..analysis import Figures, Pair
from ..report_data import DisagreementMap, ReportData, first_frame
from ..verdict import contradictions, sentence
from .charts import COLOURS, EXPERTS, FINE, MARGIN, PANEL_HEIGHT, WIDTH, Page, Panel, draw_panel, heat, round_ticks
from .lettering import PALE, font, labels, wrap
from .sheets import picture

ALARM, CALM = (178, 34, 52), (0, 128, 96)       # the bar beside the verdict

# Pixels of the finished page.
HEAD = 24                   # above the bar
BAR = 6                     # the width of the bar
TEXT = 54                   # where text begins from the left
TEXT_WIDTH = WIDTH - 90
VERDICT_LINE, SMALL_LINE = 25, 20                   # the heights of lines
APART = 20                  # above the title of a panel, and below the last panel
MAP = 170                   # the width of a map, where there is room
MAP_GAP = 4                 # between the maps of a group
GROUP_GAP = 0.3             # between groups of maps, in widths of a map
MAPS_HEAD = 30              # from the last panel to the heading of the maps
MAP_TITLES = 59             # ... to their titles
MAPS_TOP = 82               # ... to the maps themselves
MAPS_FOOT = 28              # below the maps


def report_page(report: ReportData) -> Image.Image:
    """The page of a report."""
    names = labels(report.names)
    panels = _panels(report, names)
    groups = [_MapGroup(_title(shown), _pictures(shown)) for shown in report.maps]
    layout = _layout(sentence(report.figures, names), report.in_words(names), len(panels), groups)
    page = Page(layout.height)
    colour = ALARM if contradictions(report.figures) else CALM
    page.box(MARGIN, HEAD, MARGIN + BAR, layout.verdict_bottom - 4, colour)
    page.text(TEXT, HEAD - 2, layout.verdict, 19)
    page.text(TEXT, layout.verdict_bottom + 5, layout.small, 14, PALE)
    for number, panel in enumerate(panels):
        draw_panel(page, layout.panel_top(number), panel)
    if groups:
        masked = any(shown.masks for shown in report.maps)
        _draw_maps(page, layout, groups, masked)
    return page.image.reduce(FINE)


# ------------------------------------------------------------------------------------------------ the layout

@dataclasses.dataclass(frozen=True)
class Layout:
    """Where everything is on the page, in pixels.

    verdict, small: the two texts, in lines. panels: how many. map_width, map_height: of a map, 0 if there is none.
    """
    verdict: str
    small: str
    panels: int
    map_width: float
    map_height: float

    @property
    def verdict_bottom(self) -> int:
        return HEAD + VERDICT_LINE * _lines(self.verdict)

    def panel_top(self, number: int) -> int:
        """The top of the title of a panel, or of what follows the last one."""
        return self.verdict_bottom + 9 + SMALL_LINE * _lines(self.small) + APART + number * PANEL_HEIGHT

    @property
    def panels_bottom(self) -> int:
        return self.panel_top(self.panels) - APART

    @property
    def height(self) -> float:
        """Of the page."""
        below = self.map_height + MAPS_TOP + MAPS_FOOT if self.map_height else APART
        return self.panels_bottom + below


def _layout(verdict: str, small: str, panels: int, groups: Sequence[_MapGroup]) -> Layout:
    verdict = wrap(verdict, TEXT_WIDTH * FINE, font(19 * FINE))
    small = wrap(small, TEXT_WIDTH * FINE, font(14 * FINE))
    if not groups:
        return Layout(verdict, small, panels, 0.0, 0.0)
    width = _map_width(groups)
    first = groups[0].pictures[0]
    return Layout(verdict, small, panels, width, width * first.height / first.width)


def _map_width(groups: Sequence[_MapGroup]) -> float:
    """So that all maps fit side by side."""
    count = sum(len(group.pictures) + GROUP_GAP for group in groups)
    return min(MAP, (WIDTH - 60) // max(1, count) - 6)


def _lines(text: str) -> int:
    return text.count("\n") + 1


# ------------------------------------------------------------------------------------------------ panels

def _panels(report: ReportData, names: Sequence[str]) -> list[Panel]:
    """What is drawn over sigma. names: of the experts, in letters that Pillow's font has."""
    panels = [_pulls(report, names), _agreement(report.figures, names)]
    course = report.account._replace(names=names).course() if report.account else None
    if course:
        of_experts = len(course.lines) == len(names)
        colours = _colours(report) if of_experts else COLOURS
        sigmas, ticks = _finite(course.sigmas), round_ticks(course.lines)
        panels.append(Panel(course.title, sigmas, course.lines, ticks, colours=colours))
    return panels


def _pulls(report: ReportData, names: Sequence[str]) -> Panel:
    title = "pull: how far each condition moves the estimate (root mean square)"
    lines = list(zip(names, report.figures.contributions, strict=True))
    return Panel(title, _finite(report.figures.sigmas), lines, round_ticks(lines), colours=_colours(report))


def _agreement(figures: Figures, names: Sequence[str]) -> Panel:
    title = "agreement: the cosine between what two conditions ask for (-1: the opposite)"
    pairs = _most_opposed(figures.pairs)
    shown = pairs[:len(COLOURS)]
    if len(shown) < len(pairs):
        title += f", the {len(shown)} most opposed pairs"
    lines = [(f"{names[pair.first]} / {names[pair.second]}", pair.condition_cosine) for pair in shown]
    found = contradictions(figures)
    band = (found[0].sigma, figures.decides[0]) if found else None
    return Panel(title, _finite(figures.sigmas), lines, [-1.0, -0.5, 0.0, 0.5, 1.0], band)


def _colours(report: ReportData) -> list[tuple[int, int, int]]:
    """Those of the experts' slots on the pad."""
    return [EXPERTS[(expert.slot - 1) % len(EXPERTS)] for expert in report.experts]


def _most_opposed(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs in falling order of their opposition, those without one last."""
    return sorted(pairs, key=lambda p: -1.0 if math.isnan(p.opposition) else p.opposition, reverse=True)


def _finite(sigmas: Sequence[float]) -> list[float]:
    """The noise levels, with three times the highest finite one for infinity, where a flow begins."""
    highest = max((sigma for sigma in sigmas if sigma < math.inf), default=1.0)
    return [min(sigma, 3.0 * highest) for sigma in sigmas]


# ------------------------------------------------------------------------------------------------ maps

class _MapGroup(NamedTuple):
    """The pictures of one step, all of one size."""
    title: str
    pictures: list[Image.Image]


def _title(shown: DisagreementMap) -> str:
    return f"step {shown.step}, sigma {shown.sigma:.3g}: {shown.disagreement.cancelled:.0%} cancels"


def _pictures(shown: DisagreementMap) -> list[Image.Image]:
    """The estimate, if there is one, and beside it the disagreement, bright where everything cancels; then the
    masks."""
    strength = first_frame(shown.disagreement.strength)
    found = [] if shown.estimate is None else [picture(shown.estimate[0])]
    found.append(heat(first_frame(shown.disagreement.lost), float(strength.max())))
    return found + [heat(first_frame(mask), 1.0) for mask in shown.masks]


def _draw_maps(page: Page, layout: Layout, groups: Sequence[_MapGroup], masked: bool) -> None:
    """Groups of maps from left to right, a title above each group. masked: whether there are masks among them."""
    title = "disagreement: where conditions cancel each other (bright), beside the picture at that step"
    if masked:
        title += "; then where each expert acts"
    top = layout.panels_bottom
    width, height = layout.map_width, layout.map_height
    page.text(MARGIN, top + MAPS_HEAD, title, 16)
    x: float = MARGIN
    for group in groups:
        page.text(x, top + MAP_TITLES, group.title, 14, PALE)
        for number, shown in enumerate(group.pictures):
            page.paste(shown, x + number * (width + MAP_GAP), top + MAPS_TOP, width, height)
        x += len(group.pictures) * (width + MAP_GAP) + GROUP_GAP * width
