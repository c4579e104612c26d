"""Grounds without a scene, and things without a name."""
from __future__ import annotations

import math

import numpy as np

from ...support.drawing import Colour, box, curve, oval, polygon
from .pen import Pen


def plain_ground(p: Pen, rng: np.random.Generator) -> None:
    """A ground without any scene: one colour, a gradient, two of them, stripes, spots or patches."""
    kind, first = rng.integers(6), _colour(rng)
    p.fade(first, first if kind == 0 else _colour(rng))
    if kind == 2:
        _stripes(p, rng)
    elif kind == 3:
        _spots(p, rng)
    elif kind == 4:
        _patches(p, rng)
    elif kind == 5:
        p.fade(_colour(rng), _colour(rng), rng.uniform(12, 52))


def _colour(rng: np.random.Generator, brightest: int = 250) -> Colour:
    return tuple(map(int, rng.integers(20, brightest, 3)))


def _stripes(p: Pen, rng: np.random.Generator) -> None:
    angle = rng.uniform(0, 180)
    width = rng.uniform(4, 14)
    c = _colour(rng)
    p.canvas.save()
    p.canvas.rotate(angle, 32, 32)
    for x in map(float, np.arange(-40, 104, 2 * width)):
        p.fill(box(x, -40, x + width, 104), c)
    p.canvas.restore()


def _spots(p: Pen, rng: np.random.Generator) -> None:
    c = _colour(rng)
    for _ in range(rng.integers(5, 30)):
        r = rng.uniform(0.8, 6)
        p.fill(oval(rng.uniform(0, 64), rng.uniform(0, 64), r, r), c)


def _patches(p: Pen, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(2, 7)):
        corners = [(rng.uniform(-10, 74), rng.uniform(-10, 74)) for _ in range(4)]
        p.fill(curve(*corners), _colour(rng))


def thing(p: Pen, rng: np.random.Generator) -> None:
    """Something in front that is none of the objects: a few shapes on a heap."""
    cx, cy = 32 + rng.uniform(-6, 6), 36 + rng.uniform(-5, 5)
    for _ in range(rng.integers(1, 5)):
        x = cx + rng.uniform(-7, 7)
        y = cy + rng.uniform(-7, 7)
        r = rng.uniform(4, 13)
        c = _colour(rng, 255)
        kind = rng.integers(3)
        if kind == 0:
            path = oval(x, y, r, r * rng.uniform(0.5, 1))
        elif kind == 1:
            path = box(x - r, y - r * rng.uniform(0.4, 1), x + r, y + r * rng.uniform(0.4, 1), rng.uniform(0, 4))
        else:
            angles = np.sort(rng.uniform(0, 6.28, rng.integers(3, 7)))
            path = polygon(*[(x + r * math.cos(a), y + r * math.sin(a)) for a in angles])
        p.fill(path, c, outline=1 if rng.random() < 0.7 else 0)
