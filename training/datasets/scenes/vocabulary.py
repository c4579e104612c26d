"""The words for drawn scenes, and how else people say them."""
from __future__ import annotations

from .landscape import TIMES
from .objects import OBJECTS
from .places import SCENES

VOCABULARY = (*SCENES, *TIMES, "thing", "empty")
SAID = {
    "thing": "object objects something things " + " ".join(OBJECTS),     # to the text expert every object is some thing
    "empty": "nothing nobody deserted lonely",
    "beach": "sea seaside shore coast sand ocean palms palm",
    "city": "town street skyline downtown skyscrapers road",
    "desert": "dunes dune sahara cactus cacti",
    "forest": "woods wood trees jungle",
    "meadow": "grass field fields flowers lawn hills",
    "mountains": "mountain alps peaks",
    "snow": "snowy winter snowfall snowing ice arctic",
    "room": "indoors inside house kitchen",
    "space": "stars galaxy cosmos planet planets universe",
    "underwater": "undersea seabed reef aquarium",
    "day": "noon daylight sunny daytime",
    "sunset": "evening dusk dawn sunrise",
    "night": "midnight dark moonlight nighttime",
}
SYNONYMS = {said: word for word, others in SAID.items() for said in others.split()} | {"under water": "underwater"}
