"""Dataset scenes: 12 objects and 10 scenes, 64 x 64 pixels unless asked otherwise, all by this code.

Two datasets without a picture in common: "objects" on plain or random grounds, never in a scene; "scenes", now and then
with some nameless thing in front, never one of the objects. `draw` can draw both together, too.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ...support.drawing import pick
from .grounds import plain_ground, thing
from .landscape import TIMES
from .objects import DRAW_OBJECT, OBJECTS
from .pen import Pen
from .places import DRAW_SCENE, SCENES, TIMED
from .vocabulary import SYNONYMS, VOCABULARY

__all__ = [
    "OBJECTS", "SCENES", "SYNONYMS", "TIMED", "TIMES", "VOCABULARY", "Picture", "bag", "draw", "drawings", "pick",
    "random_picture", "words",
]


@dataclasses.dataclass(frozen=True)
class Picture:
    """One drawing: an object of OBJECTS, "thing" or None, in a scene of SCENES or on a plain ground (None).

    time: one of TIMES, for the scenes of TIMED. seed: of all random numbers of the drawing. place: the object's middle
    (x, y) in pixels of 64 and its scale; None as the experts see it: near the middle, scales near 1.
    """
    item: str | None
    scene: str | None
    time: str = "day"
    seed: int = 0
    place: tuple[float, float, float] | None = None


def random_picture(rng: np.random.Generator, kind: str) -> Picture:
    """A random picture of one dataset, or of both at once ("together")."""
    items: dict[str, Sequence[str | None]] = {"objects": OBJECTS, "together": OBJECTS, "scenes": ("thing", None)}
    return Picture(                             # drawn from rng in this order
        item=pick(rng, items[kind]),
        scene=None if kind == "objects" else pick(rng, SCENES),
        time=pick(rng, TIMES),
        seed=int(rng.integers(1 << 31)),
    )


def draw(picture: Picture, size: int = 64) -> np.ndarray:
    """[size, size, 3] uint8."""
    rng, pen = np.random.default_rng(picture.seed), Pen(size)
    if picture.scene:
        DRAW_SCENE[picture.scene](pen, rng, picture.time)
    else:
        plain_ground(pen, rng)
    if picture.item == "thing":
        thing(pen, rng)
    elif picture.item:
        x, y = 32 + rng.uniform(-5, 5), 36 + rng.uniform(-4, 4)
        angle = rng.uniform(-10, 10)
        scale = rng.uniform(0.85, 1.1)
        if picture.place:
            x, y, scale = picture.place
        pen.canvas.translate(x, y)
        pen.canvas.rotate(angle)
        mirror = 1 if rng.random() < 0.5 else -1
        pen.canvas.scale(scale * mirror, scale)
        DRAW_OBJECT[picture.item](pen, int(rng.integers(3)))
    return pen.result()


def words(picture: Picture) -> tuple[str, ...]:
    """The labels of one scene, each an entry of VOCABULARY."""
    assert picture.scene, "an object on a plain ground has a class, but no words"
    timed = (picture.time,) if picture.scene in TIMED else ()
    return (picture.scene, *timed, "thing" if picture.item else "empty")


def bag(picture: Picture) -> np.ndarray:
    """Which entries of VOCABULARY, or without a scene of OBJECTS, hold for the picture, uint8."""
    if picture.scene is None:
        return np.isin(OBJECTS, [picture.item or ""]).astype(np.uint8)
    return np.isin(VOCABULARY, words(picture)).astype(np.uint8)


def drawings(kind: str, count: int, seed: int, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures [N, size, size, 3] of one dataset and their bags [N, OBJECTS or VOCABULARY], uint8."""
    rng = np.random.default_rng([seed, ("objects", "scenes", "together").index(kind)])
    pictures = [random_picture(rng, kind) for _ in range(count)]
    return np.stack([draw(picture, size) for picture in pictures]), np.stack([bag(picture) for picture in pictures])
