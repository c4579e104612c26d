"""Where a note of the page stands, and how far from a node."""
from __future__ import annotations

from collections.abc import Sequence

# [left, top, right, bottom] of an element, in the canvas's own units.
NOTE_BOX = """note => {
    const {ds, canvas} = app.canvas, at = canvas.getBoundingClientRect(), box = note.getBoundingClientRect();
    return [(box.left - at.left) / ds.scale - ds.offset[0], (box.top - at.top) / ds.scale - ds.offset[1],
        (box.right - at.left) / ds.scale - ds.offset[0], (box.bottom - at.top) / ds.scale - ds.offset[1]];
}"""


def gap(a: Sequence[float], b: Sequence[float]) -> float:
    """How much room is between two boxes, negative where they meet."""
    return max(max(a[i], b[i]) - min(a[i + 2], b[i + 2]) for i in (0, 1))


def side(a: Sequence[float], b: Sequence[float]) -> float:
    """How long the sides are along which two boxes stand beside each other."""
    return max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
