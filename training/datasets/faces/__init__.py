"""Dataset faces: drawn portraits with exact maps and words, 64 x 64 pixels unless asked otherwise, all by this code.

`draw(face, size)` gives the picture and its label map, `random_face(rng, style)` a random face. Three styles make three
datasets without a picture in common: "studio" (soft gradient, round neck), "halo" (pale disc, V-neck), "poster" (flat,
collar).
"""
from __future__ import annotations

import numpy as np

from .canvas import REGIONS
from .painting import draw
from .portrait import BACKGROUNDS, GLASSES, HAIR_COLORS, HAIRSTYLES, SHIRTS, SKINS, STYLES, Face, random_face
from .vocabulary import SYNONYMS, VOCABULARY, bag, words

__all__ = [
    "BACKGROUNDS", "GLASSES", "HAIRSTYLES", "HAIR_COLORS", "REGIONS", "SHIRTS", "SKINS", "STYLES", "SYNONYMS",
    "VOCABULARY", "Face", "bag", "draw", "drawings", "random_face", "words",
]


def drawings(style: str, count: int, seed: int, size: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random faces of one style: pictures [N, size, size, 3], regions [N, size, size], bags [N, V], all uint8."""
    rng = np.random.default_rng([seed, STYLES.index(style)])
    faces = [random_face(rng, style) for _ in range(count)]
    drawn = [draw(face, size) for face in faces]
    pictures = np.stack([picture for picture, _ in drawn])
    regions = np.stack([region for _, region in drawn])
    return pictures, regions, np.stack([bag(face) for face in faces])
