"""Suite scenes: 12 objects and 10 scenes of 64 x 64 pixels. Everything here is drawn by this code.

Two data sets without a picture in common: "objects" on plain or random grounds, never in a scene; "scenes" with, now and then,
some thing without a name in front, never one of the objects. `draw` can also draw both together: what nobody is trained on.
"""
import dataclasses
import math

import numpy as np
import skia

from .drawing import SIZE, SUPER, curve, oval, pixels, polygon, shade, shrunk

OBJECTS = ("apple", "balloon", "car", "cat", "cup", "duck", "fish", "mushroom", "penguin", "robot", "rocket", "umbrella")
TIMED = ("beach", "city", "desert", "forest", "meadow", "mountains", "snow")        # scenes that know day and night
SCENES = (*TIMED, "room", "space", "underwater")
TIMES = ("day", "sunset", "night")
INK = (28, 26, 34)


class Pen:
    """A canvas in the picture's coordinates, origin at the top left; draws filled paths with a dark outline if asked."""

    def __init__(self):
        self.surface = skia.Surface(SIZE * SUPER, SIZE * SUPER)
        self.canvas = self.surface.getCanvas()
        self.canvas.scale(SUPER, SUPER)

    def fill(self, path, rgb, alpha=255, outline=0.0):
        if outline:
            self.line(path, INK, 2 * outline)
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=skia.Color(*rgb, alpha)))

    def line(self, path, rgb, width):
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=skia.Color(*rgb), Style=skia.Paint.kStroke_Style, StrokeWidth=width,
                                              StrokeCap=skia.Paint.kRound_Cap, StrokeJoin=skia.Paint.kRound_Join))

    def fade(self, top, bottom, y0=0.0, y1=float(SIZE)):
        """A vertical gradient over the whole width."""
        shader = skia.GradientShader.MakeLinear([skia.Point(0, y0), skia.Point(0, y1)], [skia.Color(*top), skia.Color(*bottom)])
        self.canvas.drawRect(skia.Rect.MakeLTRB(0, y0, SIZE, y1), skia.Paint(Shader=shader))

    def result(self):
        return shrunk(pixels(self.surface)).round().astype(np.uint8)


def box(x0, y0, x1, y1, r=0.0):
    return skia.Path().addRRect(skia.RRect.MakeRectXY(skia.Rect.MakeLTRB(x0, y0, x1, y1), r, r))


def open_curve(*points):
    return curve(*points, close=False)


# ------------------------------------------------------------------------------------------------------------- objects
# Each in a frame of its own: x and y from -20 to 20, y downwards. hue: one of a few colours, so that a class is not a colour.

RED, ORANGE, YELLOW, GREEN, BLUE, PURPLE, WHITE = (214, 48, 44), (240, 138, 36), (250, 208, 60), (60, 168, 76), (54, 110, 214), (146, 84, 190), (246, 244, 240)


def _apple(p, hue):
    c = (RED, GREEN, YELLOW)[hue]
    p.fill(curve((0, -8), (8, -13), (17, -7), (17, 6), (8, 17), (0, 15), (-8, 17), (-17, 6), (-17, -7), (-8, -13)), c, outline=1)
    p.fill(oval(-9, -3, 2.4, 4.5), shade(c, 1.9))
    p.line(open_curve((0, -9), (1, -14), (4, -18)), (94, 58, 30), 2.4)
    p.fill(curve((2, -14), (8, -20), (15, -19), (10, -13)), (74, 160, 60), outline=0.6)


def _balloon(p, hue):
    a, b = ((RED, YELLOW), (BLUE, WHITE), (PURPLE, ORANGE))[hue]
    for x in (-5, 5):
        p.line(polygon((x, 6), (x * 0.6, 14)), INK, 0.9)
    p.fill(curve((0, -20), (11, -17), (15, -7), (10, 3), (5, 9), (-5, 9), (-10, 3), (-15, -7), (-11, -17)), a, outline=1)
    p.fill(curve((0, -20), (5, -17), (6.5, -7), (4.5, 3), (2.5, 9), (-2.5, 9), (-4.5, 3), (-6.5, -7), (-5, -17)), b)
    p.fill(box(-5, 13, 5, 20, 1.5), (150, 100, 56), outline=0.9)


def _car(p, hue):
    c = (RED, BLUE, YELLOW)[hue]
    p.fill(curve((-9, -2), (-6, -10), (0, -11.5), (7, -10), (12, -1), (0, 0)), c, outline=1)
    p.fill(box(-20, -3, 20, 9, 4), c, outline=1)
    p.fill(polygon((-6.5, -2.5), (-4.5, -8.5), (0.5, -9.2), (0.5, -2.5)), (206, 232, 246))
    p.fill(polygon((2.5, -2.5), (2.5, -9.2), (6, -8.4), (9.5, -2.5)), (206, 232, 246))
    for x in (-11, 11):
        p.fill(oval(x, 9, 5.6, 5.6), INK)
        p.fill(oval(x, 9, 2.6, 2.6), (200, 200, 206))
    p.fill(oval(18.4, 2, 1.6, 1.8), (255, 240, 170))


def _cat(p, hue):
    c = ((244, 156, 62), (134, 134, 146), (52, 48, 58))[hue]
    inner = (250, 176, 180)
    for s in (-1, 1):
        p.fill(polygon((s * 3, -10), (s * 14, -19), (s * 16, -3)), c, outline=1)
        p.fill(polygon((s * 7, -10), (s * 12.5, -15.5), (s * 13.5, -7)), inner)
    p.fill(oval(0, 2, 17, 14.5), c, outline=1)
    for s in (-1, 1):
        p.fill(oval(s * 7, -1, 3.6, 4.2), (232, 240, 120))
        p.fill(oval(s * 7, -1, 1.4, 3.6), INK)
        for y in (5, 9):
            p.line(polygon((s * 7, 0.5 * y + 3.5), (s * 19, y)), (250, 250, 250) if hue == 2 else INK, 0.9)
    p.fill(oval(0, 7.5, 6, 4.6), WHITE)
    p.fill(polygon((-2.2, 4.6), (2.2, 4.6), (0, 7.2)), (226, 96, 110))


def _cup(p, hue):
    c = (WHITE, BLUE, GREEN)[hue]
    p.line(open_curve((10, -4), (19, -5), (18, 7), (9, 9)), INK, 5)
    p.line(open_curve((10, -4), (19, -5), (18, 7), (9, 9)), c, 3)
    p.fill(curve((-15, -8), (13, -8), (11, 12), (5, 17), (-7, 17), (-13, 12)), c, outline=1)
    p.fill(oval(-1, -8, 14, 4), (92, 56, 36), outline=1)
    for x in (-6, 3):
        p.line(open_curve((x, -13), (x + 2, -15), (x - 1, -17), (x + 1, -20)), (236, 236, 240), 1.6)
    p.fill(box(-12, 0, 10, 4), shade(c, 0.75))


def _duck(p, hue):
    c = (YELLOW, WHITE, (120, 92, 66))[hue]
    p.fill(polygon((14, -9), (22, -6), (14, -4)), ORANGE, outline=0.9)
    p.fill(curve((-20, 0), (-12, 3), (2, 0), (14, 2), (15, 11), (6, 17), (-8, 17), (-17, 10)), c, outline=1)
    p.fill(oval(8, -8, 8.6, 8.6), c, outline=1)
    p.fill(oval(8, 1, 6.5, 5), c)
    p.fill(curve((-10, 6), (0, 5), (6, 9), (-2, 13)), shade(c, 0.8))
    p.fill(oval(10.5, -10, 1.7, 2.1), INK)


def _fish(p, hue):
    a, b = ((ORANGE, WHITE), (BLUE, YELLOW), (RED, (252, 190, 190)))[hue]
    p.fill(polygon((10, 0), (20, -11), (20, 11)), a, outline=1)
    p.fill(curve((-2, -9), (5, -17), (9, -7)), a, outline=1)
    p.fill(oval(-3, 0, 16.5, 11), a, outline=1)
    for x in (-4, 6):
        y = 10 - abs(x) * 0.4
        p.fill(curve((x - 2, -y), (x + 2, 0.5 - y), (x + 3, 0), (x + 2, y - 0.5), (x - 2, y), (x - 0.5, 0)), b)
    p.fill(oval(-12, -2.5, 2.8, 2.8), (255, 255, 255))
    p.fill(oval(-12.6, -2.5, 1.4, 1.6), INK)


def _mushroom(p, hue):
    c = (RED, (176, 112, 62), PURPLE)[hue]
    p.fill(curve((-6, 0), (6, 0), (7, 12), (8, 18), (0, 19), (-8, 18), (-7, 12)), (248, 236, 214), outline=1)
    p.fill(curve((0, -19), (12, -14), (19, -2), (12, 3), (0, 4), (-12, 3), (-19, -2), (-12, -14)), c, outline=1)
    for x, y, r in ((-10, -5, 3), (0, -12, 3.4), (9, -6, 3.2), (0, -2, 2.2)):
        p.fill(oval(x, y, r, r * 0.9), WHITE)


def _penguin(p, hue):
    c = ((40, 42, 56), (44, 74, 120), (84, 80, 88))[hue]
    for s in (-1, 1):
        p.fill(oval(s * 6, 18, 5, 2.4), ORANGE, outline=0.8)
        p.fill(curve((s * 10, -4), (s * 19, 6), (s * 17, 10), (s * 10, 8)), c, outline=0.8)
    p.fill(curve((0, -20), (8, -17), (10, -8), (14, 4), (11, 16), (0, 18), (-11, 16), (-14, 4), (-10, -8), (-8, -17)), c, outline=1)
    p.fill(curve((0, -7), (8, -1), (9, 8), (6, 15), (0, 16), (-6, 15), (-9, 8), (-8, -1)), WHITE)
    for s in (-1, 1):
        p.fill(oval(s * 4, -12, 2.6, 3), WHITE)
        p.fill(oval(s * 3.6, -12, 1.2, 1.6), INK)
    p.fill(polygon((-3.4, -9.5), (3.4, -9.5), (0, -5)), ORANGE)


def _robot(p, hue):
    c = ((168, 178, 190), (96, 176, 190), (226, 170, 70))[hue]
    p.line(polygon((0, -14), (0, -19)), INK, 1.6)
    p.fill(oval(0, -19, 2.2, 2.2), RED)
    for s in (-1, 1):
        p.fill(box(s * 14 - 3, 2, s * 14 + 3, 14, 2), shade(c, 0.8), outline=0.9)
        p.fill(box(s * 5.5 - 3.5, 14, s * 5.5 + 3.5, 20, 1), shade(c, 0.7), outline=0.9)
    p.fill(box(-11, 0, 11, 16, 2), c, outline=1)
    p.fill(box(-13, -15, 13, 0, 3), c, outline=1)
    for s in (-1, 1):
        p.fill(oval(s * 5.5, -9, 3.2, 3.2), (255, 244, 150))
        p.fill(oval(s * 5.5, -9, 1.4, 1.4), INK)
    p.fill(box(-6, -4.4, 6, -2.2), INK)
    p.fill(box(-6, 4, 6, 10, 1), shade(c, 0.6))


def _rocket(p, hue):
    c = (RED, BLUE, GREEN)[hue]
    p.fill(curve((-5, 12), (5, 12), (3.5, 17), (0, 21), (-3.5, 17)), (255, 176, 40))
    for s in (-1, 1):
        p.fill(polygon((s * 6, 2), (s * 14, 13), (s * 6, 11)), c, outline=1)
    p.fill(curve((0, -20), (6.5, -11), (8, 0), (6.5, 12), (-6.5, 12), (-8, 0), (-6.5, -11)), WHITE, outline=1)
    p.fill(curve((0, -20), (4.5, -14.5), (6.3, -10), (-6.3, -10), (-4.5, -14.5)), c)
    p.fill(oval(0, -3, 3.8, 3.8), (110, 190, 240), outline=0.9)


def _umbrella(p, hue):
    a, b = ((RED, WHITE), (BLUE, YELLOW), (PURPLE, (250, 176, 206)))[hue]
    p.line(open_curve((0, -4), (0, 8), (0, 15), (3.5, 18.5), (7, 15)), INK, 2.6)
    p.fill(curve((0, -17), (11, -14), (19, -1), (9.5, -3.5), (0, -1), (-9.5, -3.5), (-19, -1), (-11, -14)), a, outline=1)
    p.fill(curve((0, -17), (5, -13), (7, -3), (0, -1.2), (-7, -3), (-5, -13)), b)
    p.line(polygon((0, -17), (0, -20)), INK, 1.8)


_OBJECT = dict(zip(OBJECTS, (_apple, _balloon, _car, _cat, _cup, _duck, _fish, _mushroom, _penguin, _robot, _rocket, _umbrella), strict=True))


# -------------------------------------------------------------------------------------------------------------- scenes
# Each paints the whole picture from random numbers of its own (rng) at a time of the day.

_SKY = {"day": ((92, 170, 240), (196, 228, 250)), "sunset": ((118, 74, 150), (255, 158, 84)), "night": ((12, 16, 44), (40, 50, 98))}
_LIGHT = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.74, 0.66), "night": (0.36, 0.4, 0.6)}


def _lit(rgb, time):
    return tuple(int(c * f) for c, f in zip(rgb, _LIGHT[time], strict=True))


def _sky(p, rng, time, horizon):
    p.fade(*_SKY[time], 0, horizon + 6)
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


def _ground(p, y, rgb):
    p.canvas.drawRect(skia.Rect.MakeLTRB(0, y, SIZE, SIZE), skia.Paint(Color=skia.Color(*rgb)))


def _ridge(rng, base, height, step):
    """A broken line over the whole width, closed at the bottom."""
    points = [(x, base - rng.uniform(0, height)) for x in np.arange(-4, 72, step)]
    return polygon((-5, 65), *points, (69, 65))


def _beach(p, rng, time):
    horizon, shore = rng.uniform(24, 29), rng.uniform(39, 45)
    _sky(p, rng, time, horizon)
    p.fade(_lit((26, 120, 190), time), _lit((84, 200, 214), time), horizon, shore + 3)
    wave = [(x, shore + 1.6 * math.sin(x / 7 + rng.uniform(0, 0.6))) for x in range(-4, 72, 4)]
    p.fill(polygon(*[(x, y - 1.2) for x, y in wave], (68, 65), (-4, 65)), _lit((244, 250, 250), time))
    p.fill(polygon(*[(x, y + 0.8) for x, y in wave], (68, 65), (-4, 65)), _lit((240, 212, 150), time))
    x, s = (rng.uniform(3, 10), 1) if rng.random() < 0.5 else (rng.uniform(54, 61), -1)
    p.line(open_curve((x, shore + 10), (x + s, shore - 8), (x + 4 * s, shore - 24)), _lit((124, 84, 48), time), 2.4)
    for dx, dy in ((-9, 2), (-7, -4), (1, -6), (8, -2), (8, 5)):
        p.fill(curve((x + 4 * s, shore - 24), (x + 4 * s + dx * 0.6, shore - 26 + dy * 0.4), (x + 4 * s + dx, shore - 23 + dy)), _lit((50, 140, 62), time))


def _city(p, rng, time):
    _sky(p, rng, time, 50)
    for layer, (low, high, tone) in enumerate(((16, 30, (150, 156, 176)), (26, 42, (96, 102, 126)))):
        x = -2.0
        while x < 64:
            w, top = rng.uniform(7, 12), rng.uniform(low, high)
            p.fill(box(x, top, x + w, 56), _lit(tone, time))
            for wx in np.arange(x + 1.5, x + w - 1.5, 2.6):
                for wy in np.arange(top + 2, 52, 3.4):
                    if rng.random() < 0.55:
                        p.fill(box(wx, wy, wx + 1.4, wy + 1.8), _lit((200, 226, 244), time) if time == "day" else (255, 226, 120))
            x += w + (rng.uniform(0, 2) if layer else 0)
    p.fill(box(-1, 54, 65, 65), _lit((84, 84, 92), time))
    for x in range(2, 64, 12):
        p.fill(box(x, 59, x + 6, 60.4), _lit((236, 226, 160), time))


def _desert(p, rng, time):
    horizon = rng.uniform(28, 33)
    _sky(p, rng, time, horizon)
    for k, c in enumerate(((232, 178, 98), (220, 158, 78), (204, 138, 62))):
        y, phase = horizon + 8 * k, rng.uniform(0, 6.3)
        p.fill(polygon((-4, 65), *[(x, y + 3 * math.sin(x / 11 + phase)) for x in range(-4, 72, 3)], (68, 65)), _lit(c, time))
    for _ in range(2):
        x, y, g = rng.choice([rng.uniform(3, 14), rng.uniform(50, 61)]), rng.uniform(36, 44), _lit((70, 142, 74), time)
        p.line(polygon((x, y), (x, y - 12)), g, 3)
        p.line(open_curve((x, y - 4), (x + 4, y - 4.5), (x + 4.5, y - 9)), g, 2)
        p.line(open_curve((x, y - 3), (x - 4, y - 3.5), (x - 4.5, y - 7)), g, 2)


def _forest(p, rng, time):
    _sky(p, rng, time, 34)
    p.fill(box(-1, 18, 65, 65), _lit((44, 100, 62), time))
    _ground(p, 46, _lit((84, 124, 56), time))
    for base, tone in ((44, (34, 92, 58)), (52, (26, 116, 62))):
        for x in np.arange(rng.uniform(-4, 2), 68, 9):
            y, h = base + rng.uniform(-2, 4), rng.uniform(26, 36)
            c = _lit(shade(tone, rng.uniform(0.85, 1.15)), time)
            p.fill(box(x - 1, y - 4, x + 1, y + 3), _lit((96, 62, 36), time))
            for k in range(3):
                top = y - 3 - h * (k + 1) / 3
                p.fill(polygon((x, top - 2), (x + 6.5 - 1.4 * k, top + h / 3), (x - 6.5 + 1.4 * k, top + h / 3)), c)


def _meadow(p, rng, time):
    horizon = rng.uniform(30, 35)
    _sky(p, rng, time, horizon)
    phase = rng.uniform(0, 6.3)
    p.fill(polygon((-4, 65), *[(x, horizon + 3 * math.sin(x / 14 + phase)) for x in range(-4, 72, 3)], (68, 65)), _lit((150, 206, 86), time))
    p.fill(polygon((-4, 65), *[(x, horizon + 9 + 3 * math.sin(x / 12 - phase)) for x in range(-4, 72, 3)], (68, 65)), _lit((112, 184, 66), time))
    for _ in range(22):
        x, y = rng.uniform(0, 64), rng.uniform(horizon + 8, 63)
        p.fill(oval(x, y, 1.3, 1.3), _lit(((252, 250, 250), (250, 220, 70), (236, 96, 130))[rng.integers(3)], time))


def _mountains(p, rng, time):
    _sky(p, rng, time, 44)
    for k in range(3):
        x, top, w = 10 + 22 * k + rng.uniform(-6, 6), rng.uniform(9, 20), rng.uniform(20, 27)
        p.fill(polygon((x - w, 54), (x, top), (x + w, 54)), _lit(shade((112, 116, 140), rng.uniform(0.85, 1.1)), time))
        s = (54 - top) * 0.32
        cap = [(x - w * 0.32, top + s), (x - w * 0.14, top + s * 0.75), (x, top + s * 1.15), (x + w * 0.15, top + s * 0.75), (x + w * 0.32, top + s)]
        p.fill(polygon((x, top), *reversed(cap)), _lit((248, 250, 255), time))
    p.fill(_ridge(rng, 52, 3, 8), _lit((66, 108, 80), time))


def _snow(p, rng, time):
    horizon = rng.uniform(28, 34)
    _sky(p, rng, time, horizon)
    if time == "day":
        p.fade((176, 196, 216), (222, 230, 240), 0, horizon + 6)
    phase = rng.uniform(0, 6.3)
    p.fill(polygon((-4, 65), *[(x, horizon + 2.5 * math.sin(x / 12 + phase)) for x in range(-4, 72, 3)], (68, 65)), _lit((226, 236, 248), time))
    p.fill(polygon((-4, 65), *[(x, horizon + 12 + 3 * math.sin(x / 15 - phase)) for x in range(-4, 72, 3)], (68, 65)), _lit((246, 250, 255), time))
    for x in (rng.uniform(4, 14), rng.uniform(50, 60)):
        y = horizon + rng.uniform(4, 9)
        for k in range(3):
            top = y - 5 - 5.5 * k
            p.fill(polygon((x, top - 4), (x + 6 - k, top + 4), (x - 6 + k, top + 4)), _lit((70, 116, 110), time))
            p.fill(polygon((x, top - 4), (x + 3 - 0.5 * k, top), (x - 3 + 0.5 * k, top)), _lit((250, 252, 255), time))
    for _ in range(46):
        p.fill(oval(rng.uniform(0, 64), rng.uniform(0, 64), 0.9, 0.9), (255, 255, 255))


def _room(p, rng, time):
    wall = ((222, 196, 166), (176, 200, 196), (206, 178, 196))[rng.integers(3)]
    _ground(p, 0, wall)
    for x in range(4, 64, 8):
        p.fill(box(x, 0, x + 1.2, 44), shade(wall, 0.93))
    _ground(p, 44, (160, 104, 62))
    for y in (49, 55, 61):
        p.line(polygon((0, y), (64, y)), (132, 82, 48), 0.8)
    p.fill(box(-1, 42.4, 65, 45), (246, 240, 230))
    x = rng.choice([5.0, 41.0]) + rng.uniform(-2, 2)
    p.fill(box(x, 6, x + 18, 26), (250, 248, 244))
    p.fill(box(x + 1.6, 7.6, x + 16.4, 24.4), (150, 208, 244))
    p.line(polygon((x + 9, 7), (x + 9, 25)), (250, 248, 244), 1.4)
    p.line(polygon((x + 1, 16), (x + 17, 16)), (250, 248, 244), 1.4)
    f = 54 - x
    p.fill(box(f - 6, 9, f + 6, 20), (104, 70, 44))
    p.fill(box(f - 4.6, 10.4, f + 4.6, 18.6), ((240, 190, 90), (150, 190, 130), (230, 130, 120))[rng.integers(3)])


def _space(p, rng, time):
    p.fade((14, 8, 34), (40, 18, 70))
    for _ in range(40):
        r = rng.uniform(0.4, 0.9)
        p.fill(oval(rng.uniform(0, 64), rng.uniform(0, 64), r, r), (255, 255, 255))
    x, y, r = rng.uniform(6, 58), rng.choice([rng.uniform(6, 14), rng.uniform(50, 58)]), rng.uniform(6, 9)
    c = ((216, 120, 84), (120, 170, 220), (206, 176, 110))[rng.integers(3)]
    p.fill(oval(x, y, r, r), c)
    p.fill(oval(x - r * 0.3, y - r * 0.3, r * 0.45, r * 0.35), shade(c, 1.25))
    p.line(oval(x, y, r * 1.7, r * 0.4), shade(c, 1.5), 1.2)
    p.fill(oval(64 - x, 64 - y, 3, 3), (170, 160, 190))


def _underwater(p, rng, time):
    p.fade((66, 190, 220), (8, 62, 122))
    for _ in range(3):
        x = rng.uniform(0, 64)
        p.fill(polygon((x - 2, 0), (x + 3, 0), (x + 12, 64), (x, 64)), (220, 250, 255), alpha=34)
    p.fill(_ridge(rng, 58, 4, 9), (200, 182, 128))
    for _ in range(5):
        x, h = rng.choice([rng.uniform(1, 16), rng.uniform(48, 63)]), rng.uniform(14, 28)
        c = ((30, 132, 84), (60, 160, 70), (214, 90, 110))[rng.integers(3)]
        p.line(open_curve(*[(x + 1.8 * math.sin(k * 1.7), 60 - h * k / 5) for k in range(6)]), c, 2)
    for _ in range(7):
        x, y, r = rng.uniform(2, 62), rng.uniform(3, 50), rng.uniform(0.9, 2)
        p.line(oval(x, y, r, r), (222, 248, 255), 0.7)


_SCENE = dict(zip(SCENES, (_beach, _city, _desert, _forest, _meadow, _mountains, _snow, _room, _space, _underwater), strict=True))


# -------------------------------------------------------------------------------------------- grounds and nameless things

def _plain(p, rng):
    """A ground without any scene: one colour, a gradient, two of them, stripes, spots or patches."""
    def colour():
        return tuple(rng.integers(20, 250, 3).tolist())
    kind, first = rng.integers(6), colour()
    p.fade(first, first if kind == 0 else colour())
    if kind == 2:
        angle, width, c = rng.uniform(0, 180), rng.uniform(4, 14), colour()
        p.canvas.save()
        p.canvas.rotate(angle, 32, 32)
        for x in np.arange(-40, 104, 2 * width):
            p.fill(box(x, -40, x + width, 104), c)
        p.canvas.restore()
    elif kind == 3:
        c = colour()
        for _ in range(rng.integers(5, 30)):
            r = rng.uniform(0.8, 6)
            p.fill(oval(rng.uniform(0, 64), rng.uniform(0, 64), r, r), c)
    elif kind == 4:
        for _ in range(rng.integers(2, 7)):
            p.fill(curve(*[(rng.uniform(-10, 74), rng.uniform(-10, 74)) for _ in range(4)]), colour())
    elif kind == 5:
        p.fade(colour(), colour(), rng.uniform(12, 52))


def _thing(p, rng):
    """Something in front that is none of the objects: a few shapes on a heap."""
    cx, cy = 32 + rng.uniform(-6, 6), 36 + rng.uniform(-5, 5)
    for _ in range(rng.integers(1, 5)):
        x, y, r = cx + rng.uniform(-7, 7), cy + rng.uniform(-7, 7), rng.uniform(4, 13)
        c = tuple(rng.integers(20, 255, 3).tolist())
        kind = rng.integers(3)
        if kind == 0:
            path = oval(x, y, r, r * rng.uniform(0.5, 1))
        elif kind == 1:
            path = box(x - r, y - r * rng.uniform(0.4, 1), x + r, y + r * rng.uniform(0.4, 1), rng.uniform(0, 4))
        else:
            turn = np.sort(rng.uniform(0, 6.28, rng.integers(3, 7)))
            path = polygon(*[(x + r * math.cos(a), y + r * math.sin(a)) for a in turn])
        p.fill(path, c, outline=1 if rng.random() < 0.7 else 0)


# ------------------------------------------------------------------------------------------------------------- pictures

@dataclasses.dataclass(frozen=True)
class Picture:
    """What is drawn: an object of OBJECTS, "thing" or None, in a scene of SCENES (at a time of TIMES) or on a plain ground (None)."""
    item: str | None
    scene: str | None
    time: str = "day"
    seed: int = 0


def draw(picture):
    """[64, 64, 3] uint8."""
    rng, p = np.random.default_rng(picture.seed), Pen()
    if picture.scene:
        _SCENE[picture.scene](p, rng, picture.time)
    else:
        _plain(p, rng)
    if picture.item == "thing":
        _thing(p, rng)
    elif picture.item:
        p.canvas.translate(32 + rng.uniform(-5, 5), 36 + rng.uniform(-4, 4))
        p.canvas.rotate(rng.uniform(-10, 10))
        size = rng.uniform(0.85, 1.1)
        p.canvas.scale(size * (1 if rng.random() < 0.5 else -1), size)
        _OBJECT[picture.item](p, rng.integers(3))
    return p.result()


VOCABULARY = (*SCENES, *TIMES, "thing", "empty")
_SAID = {       # how else people say it; to the text expert every object is some thing
    "thing": "object objects something things" + " " + " ".join(OBJECTS),
    "empty": "nothing nobody deserted lonely",
    "beach": "sea seaside shore coast sand ocean palms palm",
    "city": "town street skyline downtown skyscrapers road",
    "desert": "dunes dune sahara cactus cacti",
    "forest": "woods wood trees jungle",
    "meadow": "grass field fields flowers lawn hills",
    "mountains": "mountain alps peaks",
    "snow": "snowy winter snowfall snowing ice arctic",
    "room": "indoors inside house kitchen",
    "space": "stars galaxy cosmos planet planets universe",
    "underwater": "undersea seabed reef aquarium",
    "day": "noon daylight sunny daytime",
    "sunset": "evening dusk dawn sunrise",
    "night": "midnight dark moonlight nighttime",
}
SYNONYMS = {said: word for word, others in _SAID.items() for said in others.split()} | {"under water": "underwater"}


def words(picture):
    """The labels of one scene, each an entry of VOCABULARY."""
    timed = (picture.time,) if picture.scene in TIMED else ()
    return (picture.scene, *timed, "thing" if picture.item else "empty")


def pick(rng, options):
    return options[rng.integers(len(options))]


def sample(rng, kind):
    """A random picture of one data set, or of both at once ("together")."""
    item = {"objects": OBJECTS, "together": OBJECTS, "scenes": ("thing", None)}[kind]
    return Picture(pick(rng, item), None if kind == "objects" else pick(rng, SCENES), pick(rng, TIMES), int(rng.integers(1 << 31)))


def data_set(kind, count, seed):
    """Pictures [N, 64, 64, 3] and labels [N, OBJECTS or VOCABULARY] of one data set, uint8."""
    rng = np.random.default_rng([seed, ("objects", "scenes", "together").index(kind)])
    drawn = [sample(rng, kind) for _ in range(count)]
    bags = [np.isin(OBJECTS, [d.item]) if kind == "objects" else np.isin(VOCABULARY, words(d)) for d in drawn]
    return np.stack([draw(d) for d in drawn]), np.stack(bags).astype(np.uint8)
