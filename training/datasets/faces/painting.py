"""The painting of a face: ground, shoulders, head, features and hair."""
from __future__ import annotations

import numpy as np
import skia

from ...support.drawing import SIZE, Colour, box, colour, curve, oval, polygon, shade
from .canvas import Canvas
from .hair import back_hair, front_hair
from .portrait import BACKGROUNDS, HAIR_COLORS, SHIRTS, SKINS, Face

INK = (22, 22, 28)
LIP = (176, 52, 62)
WHITE = (255, 255, 255)


def draw(face: Face, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """The picture [size, size, 3] uint8 and the number of each pixel's region [size, size] uint8 in REGIONS."""
    plain = HAIR_COLORS[face.hair], SKINS[face.skin], BACKGROUNDS[face.background], SHIRTS[face.shirt]
    hair, skin, ground, shirt = (_tinted(rgb, tint) for rgb, tint in zip(plain, face.tint, strict=True))
    canvas = Canvas(size)
    _background(canvas, face, ground)
    canvas.enter_head(face.x, face.y, face.tilt)
    back_hair(canvas, face, hair)
    canvas.leave_head()
    _shoulders(canvas, face, skin, shirt)
    canvas.enter_head(face.x, face.y, face.tilt)
    _head(canvas, face, skin)
    _features(canvas, face, hair, skin)
    front_hair(canvas, face, hair)
    canvas.leave_head()
    return canvas.result()


def _tinted(rgb: Colour, tint: Colour) -> Colour:
    return colour(value + offset for value, offset in zip(rgb, tint, strict=True))


def _background(canvas: Canvas, face: Face, ground: Colour) -> None:
    """The ground, which tells the styles apart."""
    whole = skia.Path().addRect(skia.Rect.MakeWH(SIZE, SIZE))
    canvas.fill(whole, ground, "background")
    if face.style == "studio":
        ends = [skia.Point(0, 0), skia.Point(0, SIZE)]
        shader = skia.GradientShader.MakeLinear(ends, [skia.Color(255, 255, 255, 70), skia.Color(0, 0, 0, 50)])
        canvas.colours.getCanvas().drawPath(whole, skia.Paint(Shader=shader))
    elif face.style == "halo":
        canvas.fill(oval(32, 30, 27, 27), shade(ground, 1.35))


def _shoulders(canvas: Canvas, face: Face, skin: Colour, shirt: Colour) -> None:
    """Shirt and neck, in the picture's coordinates; the neckline tells the styles apart."""
    x = face.x
    w = face.width
    width = face.shoulders
    bottom = face.y + face.height
    shadow = shade(skin, 0.88)
    body = curve(
        (x - w * 0.5, bottom + 3), (x - width * 0.75, bottom + 6.5), (x - width, 68), (x, 75), (x + width, 68),
        (x + width * 0.75, bottom + 6.5), (x + w * 0.5, bottom + 3), (x, bottom + 4))
    canvas.fill(body, shirt, "clothes")
    neck = skia.Rect.MakeLTRB(x - w * 0.42, face.y + face.height * 0.6, x + w * 0.42, bottom + 7)
    canvas.fill(skia.Path().addRect(neck), shadow, "skin")
    if face.style == "studio":
        canvas.fill(oval(x, bottom + 4, w * 0.55, 4.5), shadow, "skin")
    elif face.style == "halo":
        canvas.fill(polygon((x - w * 0.5, bottom + 3), (x, bottom + 12), (x + w * 0.5, bottom + 3)), shadow, "skin")
    else:
        collar = shade(shirt, 1.5 if sum(shirt) < 420 else 0.8)
        for s in (-1, 1):
            wing = polygon((x, bottom + 9), (x + s * w * 0.75, bottom + 2.5), (x + s * w * 0.8, bottom + 8))
            canvas.fill(wing, collar, "clothes")


def _head(canvas: Canvas, face: Face, skin: Colour) -> None:
    """Ears and head, in the head's coordinates, as all that follows."""
    w, h = face.width, face.height
    for s in (-1, 1):
        canvas.fill(oval(s * w, h * 0.08, 2.3, 3.3), shade(skin, 0.88), "skin")
    outline = curve(
        (0, -h), (w * 0.72, -h * 0.78), (w, -h * 0.1), (w * 0.86, h * 0.52), (w * 0.42, h * 0.92),
        (0, h), (-w * 0.42, h * 0.92), (-w * 0.86, h * 0.52), (-w, -h * 0.1), (-w * 0.72, -h * 0.78))
    canvas.fill(outline, skin, "skin")


def _features(canvas: Canvas, face: Face, hair: Colour, skin: Colour) -> None:
    _eyes(canvas, face, shade(hair, 0.75))
    h = face.height
    nose = curve((0.3, h * 0.12), (1.6, h * 0.33), (-0.8, h * 0.36), close=False)
    canvas.fill(nose, shade(skin, 0.72), stroke=1.1)
    if face.beard:
        canvas.fill(_beard(face), shade(hair, 0.82))
    _mouth(canvas, face)
    if face.glasses != "none":
        _glasses(canvas, face)


def _eyes(canvas: Canvas, face: Face, brow: Colour) -> None:
    y = -face.height * 0.02
    for s in (-1, 1):
        x = s * face.width * 0.44
        if face.glasses != "sunglasses":
            canvas.fill(oval(x, y, 2.5, 1.9), WHITE)
            canvas.fill(oval(x, y, 1.35, 1.6), (30, 26, 34))
        canvas.fill(curve((x - 2.6, y - 4.1), (x, y - 4.9), (x + 2.6, y - 4.1), close=False), brow, stroke=1.3)


def _beard(face: Face) -> skia.Path:
    w, h = face.width, face.height
    return curve(
        (-w * 0.9, h * 0.22), (-w * 0.55, h * 0.42), (0, h * 0.4), (w * 0.55, h * 0.42), (w * 0.9, h * 0.22),
        (w * 0.74, h * 0.78), (0, h * 1.08), (-w * 0.74, h * 0.78))


def _mouth(canvas: Canvas, face: Face) -> None:
    w, y = face.width, face.height * 0.58
    if face.smile:
        canvas.fill(curve((-w * 0.42, y - 1.4), (0, y - 0.6), (w * 0.42, y - 1.4), (0, y + 3.4)), LIP)
        canvas.fill(curve((-w * 0.32, y - 0.9), (0, y - 0.3), (w * 0.32, y - 0.9), (0, y + 1.2)), WHITE)
    else:
        canvas.fill(curve((-w * 0.3, y), (0, y + 0.2), (w * 0.3, y), close=False), LIP, stroke=1.7)


def _glasses(canvas: Canvas, face: Face) -> None:
    w, y = face.width, -face.height * 0.02
    for s in (-1, 1):
        lens = box(s * w * 0.47 - 4.4, y - 3.4, s * w * 0.47 + 4.4, y + 3.6, 2.4)
        if face.glasses == "sunglasses":
            canvas.fill(lens, INK)
        canvas.fill(lens, INK, stroke=1.2)
        canvas.fill(curve((s * w * 0.82, y - 1), (s * w * 1.0, y - 1.6), close=False), INK, stroke=1.2)
    canvas.fill(curve((-1.2, y - 0.6), (0, y - 1), (1.2, y - 0.6), close=False), INK, stroke=1.2)
