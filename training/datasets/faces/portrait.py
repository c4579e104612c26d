"""The attributes of a drawn face, and random faces."""
from __future__ import annotations

import dataclasses

import numpy as np

from ...support.drawing import Colour, pick

HAIR_COLORS: dict[str, Colour] = {
    "black": (34, 30, 38), "brown": (112, 62, 24), "blond": (246, 206, 74), "red": (206, 66, 24), "blue": (40, 96, 224),
    "pink": (252, 120, 186), "white": (240, 240, 244), "green": (34, 160, 76),
}
SKINS: dict[str, Colour] = {"light": (255, 222, 196), "tan": (220, 160, 108), "dark": (136, 88, 66)}
BACKGROUNDS: dict[str, Colour] = {
    "blue": (108, 164, 226), "green": (140, 202, 134), "yellow": (250, 228, 138), "pink": (246, 182, 204),
    "gray": (164, 168, 174), "purple": (146, 118, 190),
}
SHIRTS: dict[str, Colour] = {
    "red": (196, 40, 52), "blue": (36, 62, 150), "green": (22, 110, 70), "yellow": (240, 190, 30),
    "white": (242, 242, 242), "black": (40, 40, 46),
}
HAIRSTYLES = (
    "bald", "buzz", "short", "spiky", "mohawk", "bob", "long", "wavy", "curly", "bun", "pigtails", "ponytail",
)
GLASSES = ("none", "glasses", "sunglasses")
STYLES = ("studio", "halo", "poster")


@dataclasses.dataclass(frozen=True)
class Face:
    """One portrait. Lengths in pixels of the 64 x 64 picture, angles in degrees."""
    style: str
    hairstyle: str
    hair: str
    skin: str
    background: str
    shirt: str
    glasses: str
    beard: bool
    smile: bool
    x: float            # centre of the head
    y: float
    width: float        # half the width of the head
    height: float       # half its height
    tilt: float
    volume: float       # how far the hair stands off, 0.8 to 1.25
    length: float       # 0 to 1 within what the hairstyle allows
    part: float         # where the fringe parts, -1 left to 1 right
    fringe: float       # how low the hair comes down the forehead, 0 to 1
    shoulders: float
    tint: tuple[tuple[int, ...], ...]       # small colour offsets of hair, skin, background, shirt


def random_face(rng: np.random.Generator, style: str) -> Face:
    """A random face of one style. All attributes are independent of one another."""
    return Face(                                # drawn from rng in this order
        style=style,
        hairstyle=pick(rng, HAIRSTYLES),
        hair=pick(rng, HAIR_COLORS),
        skin=pick(rng, SKINS),
        background=pick(rng, BACKGROUNDS),
        shirt=pick(rng, SHIRTS),
        glasses=pick(rng, GLASSES),
        beard=bool(rng.random() < 0.4),
        smile=bool(rng.random() < 0.5),
        x=32 + rng.uniform(-4, 4),
        y=30 + rng.uniform(-2.5, 3.5),
        width=rng.uniform(10.5, 13),
        height=rng.uniform(14, 16.5),
        tilt=rng.uniform(-7, 7),
        volume=rng.uniform(0.8, 1.25),
        length=rng.random(),
        part=rng.uniform(-1, 1),
        fringe=rng.random(),
        shoulders=rng.uniform(20, 25),
        tint=tuple(tuple(map(int, row)) for row in rng.integers(-7, 8, (4, 3))),
    )
