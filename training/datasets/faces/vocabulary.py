"""The words for drawn faces, as people say them."""
from __future__ import annotations

import numpy as np

from .portrait import BACKGROUNDS, HAIR_COLORS, HAIRSTYLES, SHIRTS, SKINS, Face

HAIRSTYLE_WORDS = {style: f"{style} hair" for style in HAIRSTYLES} | {
    "bald": "bald", "buzz": "buzz cut", "mohawk": "mohawk", "bob": "bob", "bun": "bun", "pigtails": "pigtails",
    "ponytail": "ponytail",
}
GLASSES_WORDS = {"none": "no glasses", "glasses": "glasses", "sunglasses": "sunglasses"}
VOCABULARY = (
    *(f"{colour} hair" for colour in HAIR_COLORS),
    *HAIRSTYLE_WORDS.values(),
    *(f"{skin} skin" for skin in SKINS),
    *(f"{background} background" for background in BACKGROUNDS),
    *(f"{shirt} shirt" for shirt in SHIRTS),
    *GLASSES_WORDS.values(),
    "beard", "no beard", "smiling", "serious",
)
SYNONYMS = {
    "blonde": "blond", "golden": "blond", "ginger": "red", "redhead": "red hair", "blondes": "blond",
    "brunette": "brown hair", "purple hair": "pink hair", "grey": "gray", "gray hair": "white hair", "silver": "white",
    "orange hair": "red hair", "dark hair": "black hair", "light hair": "blond hair",
    "haired": "hair", "hairs": "hair", "hairstyle": "hair", "straight hair": "long hair", "afro": "curly hair",
    "curls": "curly hair", "waves": "wavy hair", "shaved": "bald", "buzzcut": "buzz cut", "no hair": "bald",
    "ponytails": "pigtails", "braids": "pigtails", "chignon": "bun", "mohican": "mohawk",
    "skinned": "skin", "complexion": "skin", "pale": "light skin", "fair": "light", "white skin": "light skin",
    "brown skin": "tan skin", "tanned": "tan skin", "black skin": "dark skin", "medium skin": "tan skin",
    "backdrop": "background", "wall": "background", "violet": "purple",
    "sweater": "shirt", "tshirt": "shirt", "jumper": "shirt", "top": "shirt", "jacket": "shirt", "clothes": "shirt",
    "clothing": "shirt", "dress": "shirt",
    "spectacles": "glasses", "eyeglasses": "glasses", "shades": "sunglasses", "bearded": "beard", "goatee": "beard",
    "moustache": "beard", "mustache": "beard", "shaven": "no beard", "beardless": "no beard", "smile": "smiling",
    "smiles": "smiling", "happy": "smiling", "laughing": "smiling", "sad": "serious", "neutral": "serious",
    "no sunglasses": "no glasses", "no smiling": "serious",
}


def words(face: Face) -> tuple[str, ...]:
    """The labels of one face, each an entry of VOCABULARY."""
    return (
        f"{face.hair} hair",
        HAIRSTYLE_WORDS[face.hairstyle],
        f"{face.skin} skin",
        f"{face.background} background",
        f"{face.shirt} shirt",
        GLASSES_WORDS[face.glasses],
        "beard" if face.beard else "no beard",
        "smiling" if face.smile else "serious",
    )


def bag(face: Face) -> np.ndarray:
    """Which entries of VOCABULARY hold for the face, [len(VOCABULARY)] uint8."""
    return np.isin(VOCABULARY, words(face)).astype(np.uint8)
