"""What several scenes share: the light of a time of the day, the sky, hills and ridges."""
from __future__ import annotations

import math

import numpy as np
import skia

from ...support.drawing import Colour, colour, oval, polygon
from .pen import Pen

TIMES = ("day", "sunset", "night")
SKY: dict[str, tuple[Colour, Colour]] = {                       # above, below
    "day": ((92, 170, 240), (196, 228, 250)),
    "sunset": ((118, 74, 150), (255, 158, 84)),
    "night": ((12, 16, 44), (40, 50, 98)),
}
LIGHT = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.74, 0.66), "night": (0.36, 0.4, 0.6)}


def lit(rgb: Colour, time: str) -> Colour:
    """A colour in the light of a time of the day."""
    return colour(c * f for c, f in zip(rgb, LIGHT[time], strict=True))


def sky(p: Pen, rng: np.random.Generator, time: str, horizon: float) -> None:
    """A sky down to the horizon, with moon and stars, or the sun, and some clouds."""
    above, below = SKY[time]
    p.fade(above, below, 0, horizon + 6)
    x, y = rng.uniform(6, 58), rng.uniform(5, 13)
    if time == "night":
        for _ in range(14):
            p.fill(oval(rng.uniform(0, 64), rng.uniform(0, horizon), 0.5, 0.5), (255, 255, 240))
        p.fill(oval(x, y, 4, 4), (240, 240, 214))
    elif time == "sunset":
        p.fill(oval(x, horizon - 3, 6, 6), (255, 232, 130))
    else:
        p.fill(oval(x, y, 4.5, 4.5), (255, 240, 140))
        for _ in range(rng.integers(0, 3)):
            cx, cy = rng.uniform(4, 60), rng.uniform(5, horizon * 0.6)
            for dx, r in ((-4, 2.4), (0, 3.4), (4, 2.6)):
                p.fill(oval(cx + dx, cy, r + 1.2, r * 0.8), (252, 252, 255))


def hills(y: float, height: float, width: float, phase: float) -> skia.Path:
    """The ground below y + height sin(x / width + phase)."""
    crest = [(x, y + height * math.sin(x / width + phase)) for x in range(-4, 72, 3)]
    return polygon((-4, 65), *crest, (68, 65))


def ridge(rng: np.random.Generator, base: float, height: float, step: float) -> skia.Path:
    """The ground below a broken line over the whole width, at most `height` above `base`."""
    points = [(x, base - rng.uniform(0, height)) for x in map(float, np.arange(-4, 72, step))]
    return polygon((-5, 65), *points, (69, 65))
