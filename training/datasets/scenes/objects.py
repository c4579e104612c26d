"""The 12 objects, each with a frame of its own: x and y from -20 to 20, y downwards.

hue: 0, 1 or 2, one of a few colours, so that a class is not a colour.
"""
from __future__ import annotations

from ...support.drawing import box, curve, open_curve, oval, polygon, shade
from .pen import INK, Pen

RED = (214, 48, 44)
ORANGE = (240, 138, 36)
YELLOW = (250, 208, 60)
GREEN = (60, 168, 76)
BLUE = (54, 110, 214)
PURPLE = (146, 84, 190)
WHITE = (246, 244, 240)


def _apple(p: Pen, hue: int) -> None:
    c = (RED, GREEN, YELLOW)[hue]
    flesh = curve(
        (0, -8), (8, -13), (17, -7), (17, 6), (8, 17), (0, 15), (-8, 17), (-17, 6), (-17, -7), (-8, -13))
    p.fill(flesh, c, outline=1)
    p.fill(oval(-9, -3, 2.4, 4.5), shade(c, 1.9))
    p.line(open_curve((0, -9), (1, -14), (4, -18)), (94, 58, 30), 2.4)
    p.fill(curve((2, -14), (8, -20), (15, -19), (10, -13)), (74, 160, 60), outline=0.6)


def _balloon(p: Pen, hue: int) -> None:
    a, b = ((RED, YELLOW), (BLUE, WHITE), (PURPLE, ORANGE))[hue]
    for x in (-5, 5):
        p.line(polygon((x, 6), (x * 0.6, 14)), INK, 0.9)
    envelope = curve(
        (0, -20), (11, -17), (15, -7), (10, 3), (5, 9), (-5, 9), (-10, 3), (-15, -7), (-11, -17))
    p.fill(envelope, a, outline=1)
    p.fill(curve((0, -20), (5, -17), (6.5, -7), (4.5, 3), (2.5, 9), (-2.5, 9), (-4.5, 3), (-6.5, -7), (-5, -17)), b)
    p.fill(box(-5, 13, 5, 20, 1.5), (150, 100, 56), outline=0.9)


def _car(p: Pen, hue: int) -> None:
    c = (RED, BLUE, YELLOW)[hue]
    p.fill(curve((-9, -2), (-6, -10), (0, -11.5), (7, -10), (12, -1), (0, 0)), c, outline=1)
    p.fill(box(-20, -3, 20, 9, 4), c, outline=1)
    p.fill(polygon((-6.5, -2.5), (-4.5, -8.5), (0.5, -9.2), (0.5, -2.5)), (206, 232, 246))
    p.fill(polygon((2.5, -2.5), (2.5, -9.2), (6, -8.4), (9.5, -2.5)), (206, 232, 246))
    for x in (-11, 11):
        p.fill(oval(x, 9, 5.6, 5.6), INK)
        p.fill(oval(x, 9, 2.6, 2.6), (200, 200, 206))
    p.fill(oval(18.4, 2, 1.6, 1.8), (255, 240, 170))


def _cat(p: Pen, hue: int) -> None:
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


def _cup(p: Pen, hue: int) -> None:
    c = (WHITE, BLUE, GREEN)[hue]
    p.line(open_curve((10, -4), (19, -5), (18, 7), (9, 9)), INK, 5)
    p.line(open_curve((10, -4), (19, -5), (18, 7), (9, 9)), c, 3)
    p.fill(curve((-15, -8), (13, -8), (11, 12), (5, 17), (-7, 17), (-13, 12)), c, outline=1)
    p.fill(oval(-1, -8, 14, 4), (92, 56, 36), outline=1)
    for x in (-6, 3):
        p.line(open_curve((x, -13), (x + 2, -15), (x - 1, -17), (x + 1, -20)), (236, 236, 240), 1.6)
    p.fill(box(-12, 0, 10, 4), shade(c, 0.75))


def _duck(p: Pen, hue: int) -> None:
    c = (YELLOW, WHITE, (120, 92, 66))[hue]
    p.fill(polygon((14, -9), (22, -6), (14, -4)), ORANGE, outline=0.9)
    p.fill(curve((-20, 0), (-12, 3), (2, 0), (14, 2), (15, 11), (6, 17), (-8, 17), (-17, 10)), c, outline=1)
    p.fill(oval(8, -8, 8.6, 8.6), c, outline=1)
    p.fill(oval(8, 1, 6.5, 5), c)
    p.fill(curve((-10, 6), (0, 5), (6, 9), (-2, 13)), shade(c, 0.8))
    p.fill(oval(10.5, -10, 1.7, 2.1), INK)


def _fish(p: Pen, hue: int) -> None:
    a, b = ((ORANGE, WHITE), (BLUE, YELLOW), (RED, (252, 190, 190)))[hue]
    p.fill(polygon((10, 0), (20, -11), (20, 11)), a, outline=1)
    p.fill(curve((-2, -9), (5, -17), (9, -7)), a, outline=1)
    p.fill(oval(-3, 0, 16.5, 11), a, outline=1)
    for x in (-4, 6):
        y = 10 - abs(x) * 0.4
        p.fill(curve((x - 2, -y), (x + 2, 0.5 - y), (x + 3, 0), (x + 2, y - 0.5), (x - 2, y), (x - 0.5, 0)), b)
    p.fill(oval(-12, -2.5, 2.8, 2.8), (255, 255, 255))
    p.fill(oval(-12.6, -2.5, 1.4, 1.6), INK)


def _mushroom(p: Pen, hue: int) -> None:
    c = (RED, (176, 112, 62), PURPLE)[hue]
    p.fill(curve((-6, 0), (6, 0), (7, 12), (8, 18), (0, 19), (-8, 18), (-7, 12)), (248, 236, 214), outline=1)
    p.fill(curve((0, -19), (12, -14), (19, -2), (12, 3), (0, 4), (-12, 3), (-19, -2), (-12, -14)), c, outline=1)
    for x, y, r in ((-10, -5, 3), (0, -12, 3.4), (9, -6, 3.2), (0, -2, 2.2)):
        p.fill(oval(x, y, r, r * 0.9), WHITE)


def _penguin(p: Pen, hue: int) -> None:
    c = ((40, 42, 56), (44, 74, 120), (84, 80, 88))[hue]
    for s in (-1, 1):
        p.fill(oval(s * 6, 18, 5, 2.4), ORANGE, outline=0.8)
        p.fill(curve((s * 10, -4), (s * 19, 6), (s * 17, 10), (s * 10, 8)), c, outline=0.8)
    back = curve(
        (0, -20), (8, -17), (10, -8), (14, 4), (11, 16), (0, 18), (-11, 16), (-14, 4), (-10, -8), (-8, -17))
    p.fill(back, c, outline=1)
    p.fill(curve((0, -7), (8, -1), (9, 8), (6, 15), (0, 16), (-6, 15), (-9, 8), (-8, -1)), WHITE)
    for s in (-1, 1):
        p.fill(oval(s * 4, -12, 2.6, 3), WHITE)
        p.fill(oval(s * 3.6, -12, 1.2, 1.6), INK)
    p.fill(polygon((-3.4, -9.5), (3.4, -9.5), (0, -5)), ORANGE)


def _robot(p: Pen, hue: int) -> None:
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


def _rocket(p: Pen, hue: int) -> None:
    c = (RED, BLUE, GREEN)[hue]
    p.fill(curve((-5, 12), (5, 12), (3.5, 17), (0, 21), (-3.5, 17)), (255, 176, 40))
    for s in (-1, 1):
        p.fill(polygon((s * 6, 2), (s * 14, 13), (s * 6, 11)), c, outline=1)
    p.fill(curve((0, -20), (6.5, -11), (8, 0), (6.5, 12), (-6.5, 12), (-8, 0), (-6.5, -11)), WHITE, outline=1)
    p.fill(curve((0, -20), (4.5, -14.5), (6.3, -10), (-6.3, -10), (-4.5, -14.5)), c)
    p.fill(oval(0, -3, 3.8, 3.8), (110, 190, 240), outline=0.9)


def _umbrella(p: Pen, hue: int) -> None:
    a, b = ((RED, WHITE), (BLUE, YELLOW), (PURPLE, (250, 176, 206)))[hue]
    p.line(open_curve((0, -4), (0, 8), (0, 15), (3.5, 18.5), (7, 15)), INK, 2.6)
    canopy = curve((0, -17), (11, -14), (19, -1), (9.5, -3.5), (0, -1), (-9.5, -3.5), (-19, -1), (-11, -14))
    p.fill(canopy, a, outline=1)
    p.fill(curve((0, -17), (5, -13), (7, -3), (0, -1.2), (-7, -3), (-5, -13)), b)
    p.line(polygon((0, -17), (0, -20)), INK, 1.8)



DRAW_OBJECT = {
    "apple": _apple, "balloon": _balloon, "car": _car, "cat": _cat, "cup": _cup, "duck": _duck, "fish": _fish,
    "mushroom": _mushroom, "penguin": _penguin, "robot": _robot, "rocket": _rocket, "umbrella": _umbrella,
}
OBJECTS = tuple(DRAW_OBJECT)
