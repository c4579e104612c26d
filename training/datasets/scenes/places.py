"""The 10 scenes. Each paints the whole picture from random numbers of its own (rng) at a time of the day."""
from __future__ import annotations

import math

import numpy as np

from ...support.drawing import Colour, box, curve, open_curve, oval, polygon, shade
from .landscape import hills, lit, ridge, sky
from .pen import Pen

TIMED = ("beach", "city", "desert", "forest", "meadow", "mountains", "snow")        # scenes that know day and night
SCENES = (*TIMED, "room", "space", "underwater")


def _beach(p: Pen, rng: np.random.Generator, time: str) -> None:
    horizon, shore = rng.uniform(24, 29), rng.uniform(39, 45)
    sky(p, rng, time, horizon)
    p.fade(lit((26, 120, 190), time), lit((84, 200, 214), time), horizon, shore + 3)
    wave = [(x, shore + 1.6 * math.sin(x / 7 + rng.uniform(0, 0.6))) for x in range(-4, 72, 4)]
    p.fill(polygon(*[(x, y - 1.2) for x, y in wave], (68, 65), (-4, 65)), lit((244, 250, 250), time))
    p.fill(polygon(*[(x, y + 0.8) for x, y in wave], (68, 65), (-4, 65)), lit((240, 212, 150), time))
    x, s = (rng.uniform(3, 10), 1) if rng.random() < 0.5 else (rng.uniform(54, 61), -1)
    p.line(open_curve((x, shore + 10), (x + s, shore - 8), (x + 4 * s, shore - 24)), lit((124, 84, 48), time), 2.4)
    for dx, dy in ((-9, 2), (-7, -4), (1, -6), (8, -2), (8, 5)):
        frond = curve(
            (x + 4 * s, shore - 24), (x + 4 * s + dx * 0.6, shore - 26 + dy * 0.4), (x + 4 * s + dx, shore - 23 + dy))
        p.fill(frond, lit((50, 140, 62), time))


def _city(p: Pen, rng: np.random.Generator, time: str) -> None:
    sky(p, rng, time, 50)
    for layer, (low, high, tone) in enumerate(((16, 30, (150, 156, 176)), (26, 42, (96, 102, 126)))):
        x = -2.0
        while x < 64:
            w, top = rng.uniform(7, 12), rng.uniform(low, high)
            p.fill(box(x, top, x + w, 56), lit(tone, time))
            _windows(p, rng, x, x + w, top, (200, 226, 244) if time == "day" else (255, 226, 120))
            x += w + (rng.uniform(0, 2) if layer else 0)
    p.fill(box(-1, 54, 65, 65), lit((84, 84, 92), time))
    for x in range(2, 64, 12):
        p.fill(box(x, 59, x + 6, 60.4), lit((236, 226, 160), time))


def _windows(p: Pen, rng: np.random.Generator, left: float, right: float, top: float, rgb: Colour) -> None:
    """The windows of a house; some are there, some are not."""
    for x in map(float, np.arange(left + 1.5, right - 1.5, 2.6)):
        for y in map(float, np.arange(top + 2, 52, 3.4)):
            if rng.random() < 0.55:
                p.fill(box(x, y, x + 1.4, y + 1.8), rgb)


def _desert(p: Pen, rng: np.random.Generator, time: str) -> None:
    horizon = rng.uniform(28, 33)
    sky(p, rng, time, horizon)
    for k, c in enumerate(((232, 178, 98), (220, 158, 78), (204, 138, 62))):
        y, phase = horizon + 8 * k, rng.uniform(0, 6.3)
        p.fill(hills(y, 3, 11, phase), lit(c, time))
    for _ in range(2):
        x, y = float(rng.choice([rng.uniform(3, 14), rng.uniform(50, 61)])), rng.uniform(36, 44)
        g = lit((70, 142, 74), time)
        p.line(polygon((x, y), (x, y - 12)), g, 3)
        p.line(open_curve((x, y - 4), (x + 4, y - 4.5), (x + 4.5, y - 9)), g, 2)
        p.line(open_curve((x, y - 3), (x - 4, y - 3.5), (x - 4.5, y - 7)), g, 2)


def _forest(p: Pen, rng: np.random.Generator, time: str) -> None:
    sky(p, rng, time, 34)
    p.fill(box(-1, 18, 65, 65), lit((44, 100, 62), time))
    p.ground(46, lit((84, 124, 56), time))
    for base, tone in ((44, (34, 92, 58)), (52, (26, 116, 62))):
        for x in map(float, np.arange(rng.uniform(-4, 2), 68, 9)):
            y, h = base + rng.uniform(-2, 4), rng.uniform(26, 36)
            c = lit(shade(tone, rng.uniform(0.85, 1.15)), time)
            p.fill(box(x - 1, y - 4, x + 1, y + 3), lit((96, 62, 36), time))
            for k in range(3):
                top = y - 3 - h * (k + 1) / 3
                p.fill(polygon((x, top - 2), (x + 6.5 - 1.4 * k, top + h / 3), (x - 6.5 + 1.4 * k, top + h / 3)), c)


def _meadow(p: Pen, rng: np.random.Generator, time: str) -> None:
    horizon = rng.uniform(30, 35)
    sky(p, rng, time, horizon)
    phase = rng.uniform(0, 6.3)
    p.fill(hills(horizon, 3, 14, phase), lit((150, 206, 86), time))
    p.fill(hills(horizon + 9, 3, 12, -phase), lit((112, 184, 66), time))
    for _ in range(22):
        x, y = rng.uniform(0, 64), rng.uniform(horizon + 8, 63)
        c = ((252, 250, 250), (250, 220, 70), (236, 96, 130))[rng.integers(3)]
        p.fill(oval(x, y, 1.3, 1.3), lit(c, time))


def _mountains(p: Pen, rng: np.random.Generator, time: str) -> None:
    sky(p, rng, time, 44)
    for k in range(3):
        x = 10 + 22 * k + rng.uniform(-6, 6)
        top = rng.uniform(9, 20)
        w = rng.uniform(20, 27)
        rock = shade((112, 116, 140), rng.uniform(0.85, 1.1))
        p.fill(polygon((x - w, 54), (x, top), (x + w, 54)), lit(rock, time))
        s = (54 - top) * 0.32
        cap = polygon(
            (x, top), (x + w * 0.32, top + s), (x + w * 0.15, top + s * 0.75), (x, top + s * 1.15),
            (x - w * 0.14, top + s * 0.75), (x - w * 0.32, top + s))
        p.fill(cap, lit((248, 250, 255), time))
    p.fill(ridge(rng, 52, 3, 8), lit((66, 108, 80), time))


def _snow(p: Pen, rng: np.random.Generator, time: str) -> None:
    horizon = rng.uniform(28, 34)
    sky(p, rng, time, horizon)
    if time == "day":
        p.fade((176, 196, 216), (222, 230, 240), 0, horizon + 6)
    phase = rng.uniform(0, 6.3)
    p.fill(hills(horizon, 2.5, 12, phase), lit((226, 236, 248), time))
    p.fill(hills(horizon + 12, 3, 15, -phase), lit((246, 250, 255), time))
    for x in (rng.uniform(4, 14), rng.uniform(50, 60)):
        y = horizon + rng.uniform(4, 9)
        for k in range(3):
            top = y - 5 - 5.5 * k
            p.fill(polygon((x, top - 4), (x + 6 - k, top + 4), (x - 6 + k, top + 4)), lit((70, 116, 110), time))
            p.fill(polygon((x, top - 4), (x + 3 - 0.5 * k, top), (x - 3 + 0.5 * k, top)), lit((250, 252, 255), time))
    for _ in range(46):
        p.fill(oval(rng.uniform(0, 64), rng.uniform(0, 64), 0.9, 0.9), (255, 255, 255))


def _room(p: Pen, rng: np.random.Generator, time: str) -> None:
    wall = ((222, 196, 166), (176, 200, 196), (206, 178, 196))[rng.integers(3)]
    p.ground(0, wall)
    for left in range(4, 64, 8):
        p.fill(box(left, 0, left + 1.2, 44), shade(wall, 0.93))
    p.ground(44, (160, 104, 62))
    for y in (49, 55, 61):
        p.line(polygon((0, y), (64, y)), (132, 82, 48), 0.8)
    p.fill(box(-1, 42.4, 65, 45), (246, 240, 230))
    x = float(rng.choice([5.0, 41.0])) + rng.uniform(-2, 2)
    p.fill(box(x, 6, x + 18, 26), (250, 248, 244))
    p.fill(box(x + 1.6, 7.6, x + 16.4, 24.4), (150, 208, 244))
    p.line(polygon((x + 9, 7), (x + 9, 25)), (250, 248, 244), 1.4)
    p.line(polygon((x + 1, 16), (x + 17, 16)), (250, 248, 244), 1.4)
    f = 54 - x
    p.fill(box(f - 6, 9, f + 6, 20), (104, 70, 44))
    painting = ((240, 190, 90), (150, 190, 130), (230, 130, 120))[rng.integers(3)]
    p.fill(box(f - 4.6, 10.4, f + 4.6, 18.6), painting)


def _space(p: Pen, rng: np.random.Generator, time: str) -> None:
    p.fade((14, 8, 34), (40, 18, 70))
    for _ in range(40):
        r = rng.uniform(0.4, 0.9)
        p.fill(oval(rng.uniform(0, 64), rng.uniform(0, 64), r, r), (255, 255, 255))
    x = rng.uniform(6, 58)
    y = float(rng.choice([rng.uniform(6, 14), rng.uniform(50, 58)]))
    r = rng.uniform(6, 9)
    c = ((216, 120, 84), (120, 170, 220), (206, 176, 110))[rng.integers(3)]
    p.fill(oval(x, y, r, r), c)
    p.fill(oval(x - r * 0.3, y - r * 0.3, r * 0.45, r * 0.35), shade(c, 1.25))
    p.line(oval(x, y, r * 1.7, r * 0.4), shade(c, 1.5), 1.2)
    p.fill(oval(64 - x, 64 - y, 3, 3), (170, 160, 190))


def _underwater(p: Pen, rng: np.random.Generator, time: str) -> None:
    p.fade((66, 190, 220), (8, 62, 122))
    for _ in range(3):
        x = rng.uniform(0, 64)
        p.fill(polygon((x - 2, 0), (x + 3, 0), (x + 12, 64), (x, 64)), (220, 250, 255), alpha=34)
    p.fill(ridge(rng, 58, 4, 9), (200, 182, 128))
    for _ in range(5):
        x, h = float(rng.choice([rng.uniform(1, 16), rng.uniform(48, 63)])), rng.uniform(14, 28)
        c = ((30, 132, 84), (60, 160, 70), (214, 90, 110))[rng.integers(3)]
        stem = [(x + 1.8 * math.sin(k * 1.7), 60 - h * k / 5) for k in range(6)]
        p.line(open_curve(*stem), c, 2)
    for _ in range(7):
        x = rng.uniform(2, 62)
        y = rng.uniform(3, 50)
        r = rng.uniform(0.9, 2)
        p.line(oval(x, y, r, r), (222, 248, 255), 0.7)


DRAW_SCENE = {
    "beach": _beach, "city": _city, "desert": _desert, "forest": _forest, "meadow": _meadow, "mountains": _mountains,
    "snow": _snow, "room": _room, "space": _space, "underwater": _underwater,
}
