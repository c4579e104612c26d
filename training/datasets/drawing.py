"""What both suites draw with: smooth paths, shades, and 64 x 64 pixels from a canvas four times as large."""
import numpy as np
import skia

SIZE, SUPER = 64, 4


def shade(rgb, factor):
    """Darker below 1, lighter above."""
    return tuple(int(max(0, min(255, c * factor if factor <= 1 else 255 - (255 - c) / factor))) for c in rgb)


def oval(cx, cy, rx, ry):
    return skia.Path().addOval(skia.Rect.MakeLTRB(cx - rx, cy - ry, cx + rx, cy + ry))


def polygon(*points):
    return skia.Path().addPoly([skia.Point(*p) for p in points], True)


def curve(*points, close=True):
    """A smooth path through points (Catmull-Rom as cubic Beziers)."""
    path, n = skia.Path(), len(points)
    at = (lambda i: points[i % n]) if close else (lambda i: points[max(0, min(n - 1, i))])
    path.moveTo(*points[0])
    for i in range(n if close else n - 1):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = at(i - 1), at(i), at(i + 1), at(i + 2)
        path.cubicTo(x1 + (x2 - x0) / 6, y1 + (y2 - y0) / 6, x2 - (x3 - x1) / 6, y2 - (y3 - y1) / 6, x2, y2)
    return path


def pixels(surface):
    """What a canvas holds, [256, 256, 3] uint8."""
    return surface.toarray(colorType=skia.kRGB_888x_ColorType)[:, :, :3]


def shrunk(array):
    """[256, 256, C] averaged over the SUPER x SUPER pixels of each: [64, 64, C] float32."""
    return array.astype(np.float32).reshape(SIZE, SUPER, SIZE, SUPER, -1).mean((1, 3))
