"""Words on a picture: a font, names that it can write, and lines of a given width."""
from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import cast

from PIL import ImageFont

INK = (32, 33, 38)
PALE = (118, 121, 130)
PAPER = (252, 252, 250)


def font(size: float) -> ImageFont.FreeTypeFont:
    """Pillow's own font, never too small to read."""
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(max(11, round(size))))


def labels(names: Sequence[str]) -> list[str]:
    """The experts' names in letters of Pillow's own font, no two equal.

    Without accents, and with the expert's number where needed.
    """
    plain = [unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip() for name in names]
    return [_label(i, name, plain) for i, name in enumerate(plain, 1)]


def _label(number: int, name: str, names: Sequence[str]) -> str:
    if not name:
        return f"expert {number}"
    return f"{name} ({number})" if names.count(name) > 1 else name


def wrap(text: str, width: float, face: ImageFont.FreeTypeFont) -> str:
    """A text in lines of at most `width` pixels: broken at spaces, and cut where a single word is too long."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}"
        if lines[-1] and face.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer.strip()
    return "\n".join(_cut(line, width, face) for line in lines)


def _cut(line: str, width: float, face: ImageFont.FreeTypeFont) -> str:
    """As much of a line as fits, with three dots where some is left out."""
    if face.getlength(line) <= width:
        return line
    for length in range(len(line), 0, -1):
        if face.getlength(line[:length] + "...") <= width:
            return line[:length] + "..."
    return "..."


def extent(texts: Sequence[str], face: ImageFont.FreeTypeFont) -> float:
    """The width of the longest line, in pixels."""
    return max((face.getlength(line) for text in texts for line in text.split("\n")), default=0)


def line_count(texts: Sequence[str]) -> int:
    """How many lines the longest of these texts has."""
    return max(text.count("\n") + 1 for text in texts)
