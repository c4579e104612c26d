"""The paper's figures 6, 7, 9 to 12, 25 and 26, as sheets; the functions are like those of experiments.py."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...training.judges import scenes as judge
from ...training.judges.portraits import held_out
from . import writing
from .experiments import Report, Results, face_conditions, ours
from .lab import Lab, Setting, SettingExpert
from .measures import named, rms
from .pairs import one_hot

RELIABILITIES = (0.0, 0.25, 0.5, 0.75, 1.0)             # of the second of two experts


def reliability_of_scenes(lab: Lab) -> Report:
    """Figures 6 and 7: from the class expert's idea of a picture to the text expert's, same noise in a row."""
    pairs = [
        ("cat", "forest day"), ("rocket", "beach sunset"), ("duck", "snow day"),
        ("car", "city night"), ("robot", "underwater"), ("mushroom", "space"),
    ]
    said = {"labels": lab.bags("scene", [f"a {item}, {place}" for item, place in pairs])}
    parts = [SettingExpert("class", one_hot([item for item, _ in pairs]), 2.0), SettingExpert("scene", said, 2.0)]
    keys = []
    for a in RELIABILITIES:
        setting = Setting(parts, reliabilities=f"{1 - a}, {a}", clip=True)
        keys.append(lab.plan(f"reliability, scenes: {a}", len(pairs), setting))

    def results() -> Results:
        pictures = {a: lab.pictures[key] for a, key in zip(RELIABILITIES, keys, strict=True)}
        writing.reliability_of_scenes(pairs, pictures, lab.out / "reliability_scenes.jpg")
        yield "reliability, scenes", distances(list(pictures.values()))

    return results


def reliability_of_faces(lab: Lab) -> Report:
    """Figures 9 to 12: from the skin expert's idea, given a map, to the text expert's, given words."""
    conditions = held_out(24).pick([4, 11, 6, 15])
    count = len(conditions.words)
    given = face_conditions(lab, conditions.regions, conditions.words)
    keys = []
    for a in RELIABILITIES:
        setting = Setting(ours(given, skin=1.5, text=2.0), reliabilities=f"{1 - a}, {a}")
        keys.append(lab.plan(f"reliability, faces: {a}", count, setting))

    def results() -> Results:
        pictures = {a: lab.pictures[key] for a, key in zip(RELIABILITIES, keys, strict=True)}
        writing.reliability_of_faces(conditions, pictures, lab.out / "reliability_faces.jpg")
        yield "reliability, faces", distances(list(pictures.values()))

    return results


def distances(pictures: Sequence[torch.Tensor]) -> dict[str, Any]:
    """How the pictures move with the reliability. pictures: [N, 3, 64, 64] per entry of RELIABILITIES."""
    return {
        "reliability": RELIABILITIES,
        "RMS distance to the last": [rms(a, b) for a, b in zip(pictures, pictures[1:], strict=False)],
        "RMS distance to the first": [rms(pictures[0], b) for b in pictures],
    }


def contradictions(lab: Lab) -> Report:
    """Figures 25 and 26: conditions that exclude each other; the method finds no compromise."""
    conditions = held_out(24).pick([1, 4, 7, 11], words=["bald"])
    given = face_conditions(lab, conditions.regions, conditions.words)
    faces_keys = []
    for w in (2.0, 5.0):
        setting = Setting(ours(given, hair=1.5, text=w))
        faces_keys.append(lab.plan(f"contradiction, faces: {w}", len(conditions.words), setting))

    places = [("beach day", "space"), ("forest day", "room"), ("snow day", "underwater"), ("city night", "meadow day")]
    first = SettingExpert("scene", {"labels": lab.bags("scene", [f"empty {place}" for place, _ in places])}, 2.0)
    second = SettingExpert("scene", {"labels": lab.bags("scene", [f"empty {place}" for _, place in places])}, 2.0)
    scenes_keys = []
    for name, parts in {"a": [first], "b": [second], "both": [first, second]}.items():
        scenes_keys.append(lab.plan(f"contradiction, scenes: {name}", len(places), Setting(parts, clip=True)))

    def results() -> Results:
        writing.figure_25(conditions, [lab.pictures[key] for key in faces_keys], lab.out / "figure_25.jpg")
        writing.figure_26(places, [lab.pictures[key] for key in scenes_keys], lab.out / "figure_26.jpg")
        seen = named(lab.scene_net, lab.pictures[scenes_keys[2]])[:, 1]
        names = [judge.SCENES[i] for i in seen.tolist()]
        yield "contradictions", {"what the judge sees where both are asked": names}

    return results
