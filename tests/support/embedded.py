"""Mixtures of the embedded experts, and what the tests of Sweep and Compare draw with them."""
from __future__ import annotations

from typing import Any

import torch

from support.mixtures import mix, settings
from unite_and_conquer.devtools.inprocess import InProcess

RUN = settings(3, 2, scheduler="karras")


def expert(comfy: InProcess, name: str, kind: str, weight: float = 1.0, called: str = "", **inputs: Any) -> Any:
    """The embedded expert mcdm/builtin/NAME.safetensors; kind: the node of its condition, which takes the inputs."""
    model, = comfy.call("LoadExpert", expert=f"builtin/{name}.safetensors")
    condition, = comfy.call(kind, model=model, **inputs)
    return comfy.call("ConditionExpert", model=model, condition=condition, weight=weight, name=called)[0]


def faces(comfy: InProcess, text_weight: float = 2.0, reliabilities: str = "",
          names: tuple[str, str] = ("hair", "words")) -> Any:
    """A face of its hair's map and of a text. names: what the experts are called."""
    mask = torch.zeros(1, 64, 64)
    mask[:, 8:24, 16:48] = 1.0
    hair = expert(comfy, "faces_hair", "MapCondition", 1.5, names[0], mask=mask)
    words = expert(comfy, "faces_text", "TextCondition", text_weight, names[1], text="red hair, glasses")
    return mix(comfy, [hair, words], reliabilities)


def scenes(comfy: InProcess, text_weight: float = 3.0, reliabilities: str = "") -> Any:
    """A scene of a class and of a text."""
    penguin = expert(comfy, "scenes_class", "ClassCondition", 3.0, label="penguin")
    words = expert(comfy, "scenes_text", "TextCondition", text_weight, "words", text="a penguin on the beach")
    return mix(comfy, [penguin, words], reliabilities)


def empty(batch: int = 1) -> dict[str, torch.Tensor]:
    """A LATENT of the embedded experts: 3 x 64 x 64 zeros."""
    return {"samples": torch.zeros(batch, 3, 64, 64)}
