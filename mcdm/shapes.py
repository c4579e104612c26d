"""Shapes on a canvas that is 1 wide and 1 high, and which samples lie in them."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

BOX = "box"
ELLIPSE = "ellipse"
BRUSH = "brush"
ERASE = "erase"

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]       # left, top, right, bottom


@dataclasses.dataclass(frozen=True)
class Shape:
    """kind: box (left, top, right, bottom), ellipse (x, y, the radii across and down), brush or erase (the radius, then
    x, y of each point).

    numbers: from 0 to 1, parts of the width and of the height; the radius of a brush is a part of the smaller side.
    frames: the first and the last frame of a video, None = all. crop: its expert is asked about its rectangle alone.
    centred: its expert sees the picture moved, so that its shapes are in the middle.
    """
    kind: str
    numbers: tuple[float, ...]
    frames: tuple[int, int] | None = None
    crop: bool = False
    centred: bool = False

    def at(self, frame: int) -> bool:
        """Whether it is there in a frame of a video."""
        return self.frames is None or self.frames[0] <= frame <= self.frames[1]

    def inside(self, height: int, width: int) -> Tensor:
        """Which of height x width samples have their centre in it, [height, width] of bool."""
        y = ((torch.arange(height, dtype=torch.float64) + 0.5) / height)[:, None]
        x = ((torch.arange(width, dtype=torch.float64) + 0.5) / width)[None]
        if self.kind == BOX:
            left, top, right, bottom = self.numbers
            return (left <= x) & (x < right) & (top <= y) & (y < bottom)
        if self.kind == ELLIPSE:
            middle, level, across, down = self.numbers
            return ((x - middle) / across) ** 2 + ((y - level) / down) ** 2 <= 1.0
        side = min(height, width)
        points = self._points(width / side, height / side)
        return _distances(x * (width / side), y * (height / side), points) <= self.numbers[0] ** 2

    def rectangle(self, height: int, width: int) -> Rectangle:
        """The rectangle around it on a canvas of these proportions; it may reach beyond the canvas."""
        if self.kind == BOX:
            left, top, right, bottom = self.numbers
            return left, top, right, bottom
        if self.kind == ELLIPSE:
            middle, level, across, down = self.numbers
            return middle - across, level - down, middle + across, level + down
        side = min(height, width)
        across, down = (self.numbers[0] * side / length for length in (width, height))
        xs, ys = zip(*self._points(1.0, 1.0), strict=True)
        return min(xs) - across, min(ys) - down, max(xs) + across, max(ys) + down

    def _points(self, width: float, height: float) -> list[Point]:
        """Of a brush, on a canvas of this size."""
        _, *numbers = self.numbers
        return [(x * width, y * height) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def _distances(x: Tensor, y: Tensor, points: Sequence[Point]) -> Tensor:
    """The square of each sample's distance to the line through points, [height, width]."""
    nearest = torch.full((y.shape[0], x.shape[1]), math.inf, dtype=torch.float64)
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[-1]], strict=True):
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        along = (((x - ax) * dx + (y - ay) * dy) / length).clamp(0.0, 1.0) if length else 0.0
        nearest = torch.minimum(nearest, (x - (ax + along * dx)) ** 2 + (y - (ay + along * dy)) ** 2)
    return nearest
