"""The drawing of faces and scenes: smooth paths, shades, and pictures from a canvas four times as large."""
from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import skia

SIZE, SUPER = 64, 4

Colour = tuple[int, ...]    # red, green, blue, 0 to 255
Point = tuple[float, float]
T = TypeVar("T")


def shade(rgb: Colour, factor: float) -> Colour:
    """Darker below 1, lighter above."""
    if factor <= 1:
        return colour(c * factor for c in rgb)
    return colour(255 - (255 - c) / factor for c in rgb)


def colour(values: Iterable[float]) -> Colour:
    """Values brought into the range of a colour, and rounded down."""
    return tuple(int(max(0, min(255, value))) for value in values)


def oval(cx: float, cy: float, rx: float, ry: float) -> skia.Path:
    """An ellipse of these radii."""
    return skia.Path().addOval(skia.Rect.MakeLTRB(cx - rx, cy - ry, cx + rx, cy + ry))


def box(x0: float, y0: float, x1: float, y1: float, r: float = 0.0) -> skia.Path:
    """A rectangle from corner to corner, its corners rounded by the radius r."""
    return skia.Path().addRRect(skia.RRect.MakeRectXY(skia.Rect.MakeLTRB(x0, y0, x1, y1), r, r))


def polygon(*points: Point) -> skia.Path:
    """A closed path of straight lines."""
    return skia.Path().addPoly([skia.Point(*point) for point in points], True)


def curve(*points: Point, close: bool = True) -> skia.Path:
    """A smooth path through points (Catmull-Rom as cubic Beziers)."""
    path, n = skia.Path(), len(points)

    def at(i: int) -> Point:
        return points[i % n] if close else points[max(0, min(n - 1, i))]

    path.moveTo(*points[0])
    for i in range(n if close else n - 1):
        (x0, y0) = at(i - 1)
        (x1, y1) = at(i)
        (x2, y2) = at(i + 1)
        (x3, y3) = at(i + 2)
        path.cubicTo(x1 + (x2 - x0) / 6, y1 + (y2 - y0) / 6, x2 - (x3 - x1) / 6, y2 - (y3 - y1) / 6, x2, y2)
    return path


def open_curve(*points: Point) -> skia.Path:
    """A smooth path whose ends do not meet."""
    return curve(*points, close=False)


def new_surface(size: int = SIZE) -> skia.Surface:
    """A surface for a picture of size x size pixels, to draw on in coordinates from 0 to SIZE from the top left."""
    surface = skia.Surface(size * SUPER, size * SUPER)
    surface.getCanvas().scale(size * SUPER / SIZE, size * SUPER / SIZE)
    return surface


def pixels(surface: skia.Surface) -> np.ndarray:
    """The content of a surface, [SUPER * size, SUPER * size, 3] uint8."""
    return surface.toarray(colorType=skia.kRGB_888x_ColorType)[:, :, :3]


def shrink(array: np.ndarray) -> np.ndarray:
    """[SUPER * size, SUPER * size, C] averaged over the SUPER x SUPER pixels of each: [size, size, C] float32."""
    size = len(array) // SUPER
    return array.astype(np.float32).reshape(size, SUPER, size, SUPER, -1).mean((1, 3))


def picture(surface: skia.Surface) -> np.ndarray:
    """The content of a surface as a picture, [size, size, 3] uint8."""
    return shrink(pixels(surface)).round().astype(np.uint8)


def pick(rng: np.random.Generator, options: Iterable[T]) -> T:
    """One of the options at random."""
    listed = list(options)
    return listed[rng.integers(len(listed))]
