"""Pairs of an object that only the class expert knows and a scene that only the text expert knows.

For table 3 and what follows it. `asked` are (object, scene), `places` the words of each pair's scene.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...devtools.inprocess import InProcess
from ...training.datasets import scenes
from ...training.judges import scenes as judge
from .lab import Inputs, Lab, SettingExpert


def asked_scenes(rng: np.random.Generator, count: int) -> tuple[list[tuple[str, str]], list[str]]:
    """(object, scene) pairs, and for each the words of its scene: the name and a time of day.

    Every pair comes once before one comes again.
    """
    every = [(item, scene) for item in scenes.OBJECTS for scene in scenes.SCENES]
    asked: list[tuple[str, str]] = []
    while len(asked) < count:
        asked += [every[i] for i in rng.permutation(len(every))[:count - len(asked)]]
    places = []
    for _, scene in asked:
        time = scenes.pick(rng, scenes.TIMES) if scene in scenes.TIMED else ""
        places.append(f"{scene} {time}")
    return asked, places


def asked_of_experts(comfy: InProcess, asked: Sequence[tuple[str, str]], places: Sequence[str],
                     ) -> tuple[list[Any], list[list[Any]]]:
    """The class and the text expert as MODELs, and for each a CONDITIONING per pair: the objects, the places."""
    models = [comfy.call("LoadExpert", expert=f"builtin/scenes_{name}.safetensors")[0] for name in ("class", "text")]
    objects = [comfy.call("ClassCondition", model=models[0], label=item)[0] for item, _ in asked]
    words = [comfy.call("TextCondition", model=models[1], text=place)[0] for place in places]
    return models, [objects, words]


def scene_experts(lab: Lab, asked: list[tuple[str, str]], places: list[str], weight: float) -> list[SettingExpert]:
    """The class expert with the objects, the text expert with objects and places, each with this weight."""
    said = [f"a {item}, {place}" for (item, _), place in zip(asked, places, strict=True)]
    objects = one_hot([item for item, _ in asked])
    scenes = {"labels": lab.bags("scene", said)}
    return [SettingExpert("class", objects, weight), SettingExpert("scene", scenes, weight)]


def wanted(asked: Sequence[tuple[str, str]]) -> torch.Tensor:
    """[N, 2]: the objects and the scenes that were asked for, as the judge counts them."""
    return torch.tensor([[judge.OBJECTS.index(item), judge.SCENES.index(scene)] for item, scene in asked])


def one_hot(objects: Sequence[str]) -> Inputs:
    """Objects as the class expert is given them."""
    return {"labels": torch.eye(len(scenes.OBJECTS))[[scenes.OBJECTS.index(item) for item in objects]]}


def titles_of(asked: list[tuple[str, str]], places: list[str], count: int) -> list[str]:
    """What a sheet says of the first `count` pairs."""
    return [f"{item},\n{place}" for (item, _), place in zip(asked, places, strict=True)][:count]
