"""What a face is painted on: its picture, and the regions that its parts cover."""
from __future__ import annotations

from typing import Any

import numpy as np
import skia

from ...support.drawing import SIZE, Colour, new_surface, picture, pixels, shrink

REGIONS = ("background", "hair", "skin", "clothes")
STEP = 40                   # between the red values that stand for two regions


class Canvas:
    """Draws every shape twice: its colour, and (aliased) the number of the region it covers."""

    def __init__(self, size: int = SIZE) -> None:
        self.colours, self.labels = new_surface(size), new_surface(size)

    def both(self, method: str, *args: Any) -> None:
        """Calls a method of skia.Canvas on both surfaces."""
        for surface in (self.colours, self.labels):
            getattr(surface.getCanvas(), method)(*args)

    def enter_head(self, x: float, y: float, tilt: float) -> None:
        """Goes over to coordinates whose origin is the centre of the head, until `leave_head`."""
        self.both("save")
        self.both("translate", x, y)
        self.both("rotate", tilt)

    def leave_head(self) -> None:
        self.both("restore")

    def fill(
        self, path: skia.Path, rgb: Colour, region: str | None = None, stroke: float = 0.0, alpha: int = 255,
    ) -> None:
        """A filled path, or with `stroke` a line of that width; without a region it covers none."""
        self._paint(self.colours, path, skia.Paint(AntiAlias=True, Color=skia.Color(*rgb, alpha)), stroke)
        if region:
            number = skia.Color(STEP * REGIONS.index(region), 0, 0)
            self._paint(self.labels, path, skia.Paint(AntiAlias=False, Color=number), stroke)

    @staticmethod
    def _paint(surface: skia.Surface, path: skia.Path, paint: skia.Paint, stroke: float) -> None:
        if stroke:
            paint.setStyle(skia.Paint.kStroke_Style)
            paint.setStrokeWidth(stroke)
            paint.setStrokeCap(skia.Paint.kRound_Cap)
        surface.getCanvas().drawPath(path, paint)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture [size, size, 3] uint8 and the region that covers most of each pixel [size, size] uint8."""
        numbers = pixels(self.labels)[:, :, :1] // STEP
        cover = shrink(numbers == np.arange(len(REGIONS)))
        return picture(self.colours), cover.argmax(2).astype(np.uint8)
