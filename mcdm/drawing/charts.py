"""Lines over sigma and maps of heat, drawn with Pillow, which the host has."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw

from .lettering import INK, PALE, PAPER, font, wrap

Colour = tuple[int, int, int]
Point = tuple[float, float]
Lines = Sequence[tuple[str, Sequence[float]]]       # (name, a value per evaluation), nan if there is none

COLOURS = (  # Okabe and Ito's, mostly
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (150, 120, 0), (110, 60, 160),
    (90, 90, 90),
)
EXPERTS = (  # of the slots of a mixer, as the pad has them: COLORS of web/js/experts.js
    (0, 104, 255), (255, 116, 128), (0, 185, 185), (162, 139, 0), (162, 46, 174), (197, 23, 35), (0, 116, 93),
    (174, 139, 255),
)
HEAT = ((20, 20, 38), (92, 24, 92), (196, 52, 70), (248, 148, 62), (252, 244, 188))     # from nothing to all
GRID, BAND = (228, 229, 232), (250, 228, 228)

# Pixels of the finished page.
WIDTH = 1100
MARGIN = 34
PANEL_HEIGHT = 285              # with its title
TICK_NAMES = 84                 # from the left edge of the page to the axes
LINE_NAMES = 300                # from the axes to the right edge
UPPER, LOWER = 34, 226          # from the top of a panel to its axes' upper and lower end
APART = 20                      # between the names of two lines

FINE = 2                        # everything is drawn this many times larger


class Panel(NamedTuple):
    """Lines over log sigma, from the first noise level to the last.

    lines: a value for each noise level. ticks: round values, rising. band: two noise levels, between which the panel is
    marked. colours: of the lines.
    """
    title: str
    sigmas: Sequence[float]
    lines: Lines
    ticks: Sequence[float]
    band: tuple[float, float] | None = None
    colours: Sequence[Colour] = COLOURS


class Page:
    """Draws in pixels of the finished page."""

    def __init__(self, height: float) -> None:
        self.image = Image.new("RGB", (WIDTH * FINE, math.ceil(height) * FINE), PAPER)
        self.pen = ImageDraw.Draw(self.image)

    def text(self, x: float, y: float, words: str, size: float, colour: Colour = INK, anchor: str = "la") -> None:
        spacing = 0.35 * size * FINE
        self.pen.multiline_text((x * FINE, y * FINE), words, colour, font(size * FINE), anchor=anchor, spacing=spacing)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 1.0) -> None:
        self.pen.line([(x * FINE, y * FINE) for x, y in points], colour, round(width * FINE), joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        box = (x - radius) * FINE, (y - radius) * FINE, (x + radius) * FINE, (y + radius) * FINE
        self.pen.ellipse(box, colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.pen.rectangle((x0 * FINE, y0 * FINE, x1 * FINE, y1 * FINE), colour)

    def paste(self, picture: Image.Image, x: float, y: float, width: float, height: float) -> None:
        size = round(width * FINE), round(height * FINE)
        self.image.paste(picture.resize(size, Image.Resampling.NEAREST), (round(x * FINE), round(y * FINE)))


class _Axes:
    """From (sigma, value) to pixels: log sigma from the first noise level to the last, values from tick to tick."""

    def __init__(self, top: float, sigmas: Sequence[float], ticks: Sequence[float]) -> None:
        self.left, self.right = TICK_NAMES, WIDTH - LINE_NAMES
        self.upper, self.lower = top + UPPER, top + LOWER
        self.highest, self.lowest = max(sigmas), min(sigmas)
        self.first, self.last = math.log(self.highest), math.log(self.lowest)
        self.ticks = ticks

    def across(self, sigma: float) -> float:
        share = (self.first - math.log(sigma)) / (self.first - self.last) if self.first > self.last else 0.5
        return self.left + (self.right - self.left) * share

    def up(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.lower + (self.upper - self.lower) * (value - low) / (high - low)

    def point(self, sigma: float, value: float) -> Point | None:
        """Where a value lies, None for nan."""
        return None if math.isnan(value) else (self.across(sigma), self.up(value))

    def marks(self) -> list[float]:
        """The round noise levels to name below the axis: 1, 2, 5 times powers of ten, only 1 where there are many."""
        digits = (1,) if self.first - self.last > 5 else (1, 2, 5)
        powers = range(math.floor(self.last / math.log(10)), math.ceil(self.first / math.log(10)) + 1)
        low, high = math.exp(self.last) * 0.999, math.exp(self.first) * 1.001
        return [d * 10.0 ** p for p in powers for d in digits if low <= d * 10.0 ** p <= high]


def draw_panel(page: Page, top: float, panel: Panel) -> None:
    """A panel with its title, and the names of its lines beside their ends. top: of its title."""
    axes = _Axes(top, panel.sigmas, panel.ticks)
    page.text(MARGIN, top, panel.title, 16)
    if panel.band:
        _draw_band(page, axes, panel.band)
    _draw_axes(page, axes)
    names = []
    for i, (name, values) in enumerate(panel.lines):
        colour = panel.colours[i % len(panel.colours)]
        points = [axes.point(sigma, value) for sigma, value in zip(panel.sigmas, values, strict=True)]
        _draw_line(page, points, colour)
        end = next((point[1] for point in reversed(points) if point), axes.lower)
        names.append(_LineName(end, name, colour))
    _draw_names(page, axes, sorted(names, key=lambda name: name.height))


class _LineName(NamedTuple):
    """The name of a line. height: of the line's end."""
    height: float
    text: str
    colour: Colour


def _draw_names(page: Page, axes: _Axes, names: Sequence[_LineName]) -> None:
    """The names of lines at the heights of their ends, which rise, or as near to them as is legible."""
    heights = _spread([name.height for name in names], axes.lower)
    for y, name in zip(heights, names, strict=True):
        first, *more = wrap(name.text, (LINE_NAMES - 60) * FINE, font(14 * FINE)).split("\n")
        page.text(axes.right + 14, y, first + ("..." if more else ""), 14, name.colour, "lm")


def _draw_band(page: Page, axes: _Axes, band: tuple[float, float]) -> None:
    """Marks the noise levels between two, as far as they lie on the panel."""
    ends = [axes.across(min(max(sigma, axes.lowest), axes.highest)) for sigma in band]
    page.box(min(ends) - 3, axes.upper, max(ends) + 3, axes.lower, BAND)


def _draw_axes(page: Page, axes: _Axes) -> None:
    """The ticks with their lines, and the noise levels."""
    for tick in axes.ticks:
        y = axes.up(tick)
        page.line([(axes.left, y), (axes.right, y)], GRID, 2 if tick == 0 else 1)
        page.text(axes.left - 10, y, f"{tick:g}", 13, PALE, "rm")
    for mark in axes.marks():
        x = axes.across(mark)
        page.line([(x, axes.lower), (x, axes.lower + 5)], PALE)
        page.text(x, axes.lower + 9, f"{mark:g}", 13, PALE, "ma")
    page.text(axes.right, axes.lower + 28, "sigma: from noise to picture", 13, PALE, "ra")


def _draw_line(page: Page, points: Sequence[Point | None], colour: Colour) -> None:
    """A dot for each point, joined where two follow each other."""
    for start, end in zip(points, points[1:], strict=False):
        if start and end:
            page.line([start, end], colour, 2)
    for point in points:
        if point:
            page.dot(*point, 2.5, colour)


def round_ticks(lines: Lines) -> list[float]:
    """Round numbers from 0, or the lowest value below it, to the highest value."""
    values = [0.0, *(value for _, values in lines for value in values if not math.isnan(value))]
    lowest, highest = min(values), max(values)
    step = _nice((highest - lowest) / 4 or 1.0)
    first, last = math.floor(lowest / step + 1e-9), max(1, math.ceil(highest / step - 1e-9))
    return [step * i for i in range(first, last + 1)]


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(m for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def _spread(heights: Sequence[float], lower: float) -> list[float]:
    """Rising heights, moved apart until a name at each is legible, none below `lower`."""
    places = list(heights)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + APART)
    return [min(y, lower - APART * (len(places) - 1 - k)) for k, y in enumerate(places)]


def heat(field: torch.Tensor, most: float) -> Image.Image:
    """A field [H, W] of numbers from 0 to `most` in the colours of HEAT."""
    level = (field / (most or 1.0)).clamp(0, 1).mul(255).round().byte().numpy()
    ramp = Image.new("RGB", (len(HEAT), 1))
    ramp.putdata(HEAT)
    table = ramp.resize((256, 1), Image.Resampling.BILINEAR).tobytes()
    picture = Image.fromarray(level).convert("P")
    picture.putpalette(table)
    return picture.convert("RGB")
