"""The hair of drawn faces, in the head's coordinates: origin at its centre, w and h half its width and height."""
from __future__ import annotations

import math

import skia

from ...support.drawing import Colour, curve, oval
from .canvas import Canvas
from .portrait import Face

LIFT = {"buzz": 0.02, "short": 0.14, "spiky": 0.1, "curly": 0.2}        # how far the hair stands off above, in h
SIDE = {"buzz": -0.45, "short": -0.2, "spiky": -0.3}                    # how far it comes down at the sides, in h


def back_hair(canvas: Canvas, face: Face, colour: Colour) -> None:
    """Hair behind the head."""
    w = face.width
    h = face.height
    volume = face.volume
    length = face.length
    if face.hairstyle in ("long", "wavy"):
        low, wide = h * (0.9 + 0.75 * length), w * (1.12 + 0.28 * (volume - 0.8))
        shape = _long(h, low, wide) if face.hairstyle == "long" else _wavy(h, low, wide)
        canvas.fill(shape, colour, "hair")
    elif face.hairstyle == "bob":
        low, wide = h * (0.3 + 0.35 * length), w * (1.25 + 0.35 * (volume - 0.8))
        canvas.fill(_bob(h, low, wide), colour, "hair")
    elif face.hairstyle == "curly":
        r = 5.2 * volume
        for k in range(11):
            a = math.pi * (1.12 - 1.24 * k / 10)
            canvas.fill(oval(w * 1.1 * math.cos(a), -h * 0.25 - h * 0.78 * math.sin(a), r, r), colour, "hair")
    elif face.hairstyle == "bun":
        canvas.fill(oval(face.part * 3, -h * 1.18 - 2.5 * volume, 5.5 * volume, 5 * volume), colour, "hair")
    elif face.hairstyle == "pigtails":
        for s in (-1, 1):
            tail = oval(s * w * 1.45, h * (0.1 + 0.3 * length), 4.2 * volume, h * (0.42 + 0.25 * length))
            canvas.fill(tail, colour, "hair")
    elif face.hairstyle == "ponytail":
        canvas.fill(_ponytail(face), colour, "hair")


def _long(h: float, low: float, wide: float) -> skia.Path:
    return curve(
        (0, -h * 1.12), (wide * 0.85, -h * 0.85), (wide * 1.05, 0), (wide * 1.1, low),
        (0, low + 1), (-wide * 1.1, low), (-wide * 1.05, 0), (-wide * 0.85, -h * 0.85))


def _wavy(h: float, low: float, wide: float) -> skia.Path:
    right = [(wide * (1.2 + 0.2 * math.sin(3.4 * k)), -h * 0.7 + (low + h * 0.7) * k / 6) for k in range(7)]
    left = [(-x, y) for x, y in reversed(right)]
    return curve((0, -h * 1.14), *right, (0, low + 1), *left)


def _bob(h: float, low: float, wide: float) -> skia.Path:
    return curve(
        (0, -h * 1.14), (wide * 0.8, -h * 0.9), (wide * 1.08, -h * 0.1), (wide * 1.12, low), (wide * 0.6, low + 1.5),
        (-wide * 0.6, low + 1.5), (-wide * 1.12, low), (-wide * 1.08, -h * 0.1), (-wide * 0.8, -h * 0.9))


def _ponytail(face: Face) -> skia.Path:
    w, h = face.width, face.height
    s = 1 if face.part > 0 else -1
    return curve(
        (s * w * 0.5, -h * 0.95), (s * w * 1.3, -h * 0.95), (s * w * (1.55 + 0.2 * face.volume), -h * 0.1),
        (s * w * 1.45, h * (0.5 + 0.4 * face.length)), (s * w * 1.15, h * 0.1), (s * w * 0.95, -h * 0.4))


def front_hair(canvas: Canvas, face: Face, colour: Colour) -> None:
    """Hair over the forehead. Its lower edge parts at face.part and comes down by face.fringe."""
    if face.hairstyle == "bald":
        return
    if face.hairstyle == "mohawk":
        canvas.fill(_mohawk(face), colour, "hair")
        return
    canvas.fill(_cap(face), colour, "hair")
    if face.hairstyle == "spiky":
        canvas.fill(_spikes(face), colour, "hair")


def _mohawk(face: Face) -> skia.Path:
    w, h = face.width, face.height
    top = h * (1.2 + 0.3 * face.volume)
    return curve(
        (-w * 0.3, -h * 0.62), (-w * 0.34, -h), (-w * 0.2, -top), (w * 0.2, -top), (w * 0.34, -h), (w * 0.3, -h * 0.62))


def _cap(face: Face) -> skia.Path:
    w, h = face.width, face.height
    lift = LIFT.get(face.hairstyle, 0.12) * face.volume
    side = SIDE.get(face.hairstyle, 0.0)
    edge = -h * 0.66 if face.hairstyle == "buzz" else -h * (0.62 - 0.3 * face.fringe)
    part = w * 0.6 * face.part
    return curve(
        (-w * 1.04, h * side), (-w * (1.0 + lift * 0.6), -h * 0.55), (-w * 0.6, -h * (0.93 + lift)),
        (0, -h * (1.02 + lift)),
        (w * 0.6, -h * (0.93 + lift)), (w * (1.0 + lift * 0.6), -h * 0.55), (w * 1.04, h * side), (w * 0.86, -h * 0.36),
        (part + (w * 0.8 - part) * 0.5, edge), (part, edge - h * 0.12), (part - (w * 0.8 + part) * 0.5, edge),
        (-w * 0.86, -h * 0.36))


def _spikes(face: Face) -> skia.Path:
    w, h = face.width, face.height
    path, n = skia.Path(), 6
    for k in range(n):
        x0, x1 = w * (-0.95 + 1.9 * k / n), w * (-0.95 + 1.9 * (k + 1) / n)
        y0, y1 = (-h * math.sqrt(max(0.05, 1 - (x / (w * 1.05)) ** 2)) for x in (x0, x1))       # on the head's outline
        tip = (x0 + x1) * 0.56, min(y0, y1) - 5 * face.volume
        path.addPoly([skia.Point(x0, y0 + 3), skia.Point(*tip), skia.Point(x1, y1 + 3)], True)
    return path
