"""What objects and scenes are drawn with."""
from __future__ import annotations

import numpy as np
import skia

from ...support import drawing
from ...support.drawing import SIZE, Colour

INK = (28, 26, 34)


class Pen:
    """A canvas of size x size pixels in coordinates from 0 to SIZE, origin at the top left."""

    def __init__(self, size: int = SIZE) -> None:
        self.surface = drawing.new_surface(size)
        self.canvas = self.surface.getCanvas()

    def fill(self, path: skia.Path, rgb: Colour, alpha: int = 255, outline: float = 0.0) -> None:
        """A filled path. outline: the width of the dark line around it that stays visible."""
        if outline:
            self.line(path, INK, 2 * outline)
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=skia.Color(*rgb, alpha)))

    def line(self, path: skia.Path, rgb: Colour, width: float) -> None:
        """A line along a path, with round ends."""
        paint = skia.Paint(
            AntiAlias=True, Color=skia.Color(*rgb), Style=skia.Paint.kStroke_Style, StrokeWidth=width,
            StrokeCap=skia.Paint.kRound_Cap, StrokeJoin=skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def fade(self, top: Colour, bottom: Colour, y0: float = 0.0, y1: float = float(SIZE)) -> None:
        """A vertical gradient over the whole width."""
        ends = [skia.Point(0, y0), skia.Point(0, y1)]
        shader = skia.GradientShader.MakeLinear(ends, [skia.Color(*top), skia.Color(*bottom)])
        self.canvas.drawRect(skia.Rect.MakeLTRB(0, y0, SIZE, y1), skia.Paint(Shader=shader))

    def ground(self, y: float, rgb: Colour) -> None:
        """One colour over the whole width, from y down."""
        self.canvas.drawRect(skia.Rect.MakeLTRB(0, y, SIZE, SIZE), skia.Paint(Color=skia.Color(*rgb)))

    def result(self) -> np.ndarray:
        """The picture, [size, size, 3] uint8."""
        return drawing.picture(self.surface)
