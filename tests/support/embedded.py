"""Mixtures of the embedded experts, and what the tests of Sweep and Compare draw with them."""
from __future__ import annotations

import torch

from support.mixtures import mix

RUN = {"seed": 3, "steps": 2, "sampler_name": "euler", "scheduler": "karras"}


def faces(comfy, text_weight=2.0, reliabilities="", names=("hair", "words")):
    hair, text = (comfy.call("LoadExpert", expert=f"builtin/faces_{name}.safetensors")[0] for name in ("hair", "text"))
    mask = torch.zeros(1, 64, 64)
    mask[:, 8:24, 16:48] = 1.0
    experts = [comfy.call("ConditionExpert", model=hair, condition=comfy.call("MapCondition", model=hair, mask=mask)[0], weight=1.5, name=names[0])[0],
               comfy.call("ConditionExpert", model=text, condition=comfy.call("TextCondition", model=text, text="red hair, glasses")[0], weight=text_weight,
                          name=names[1])[0]]
    return mix(comfy, experts, reliabilities)


def scenes(comfy, text_weight=3.0, reliabilities=""):
    objects, places = (comfy.call("LoadExpert", expert=f"builtin/scenes_{name}.safetensors")[0] for name in ("class", "text"))
    experts = [comfy.call("ConditionExpert", model=objects, condition=comfy.call("ClassCondition", model=objects, label="penguin")[0], weight=3.0)[0],
               comfy.call("ConditionExpert", model=places, condition=comfy.call("TextCondition", model=places, text="a penguin on the beach")[0],
                          weight=text_weight, name="words")[0]]
    return mix(comfy, experts, reliabilities)


def empty(batch=1):
    return {"samples": torch.zeros(batch, 3, 64, 64)}
