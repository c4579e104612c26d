"""What the machine with the sampler has to know of an expert that is elsewhere: all but its network."""
from __future__ import annotations

import dataclasses
import sys
from typing import Any

import torch

from ..host.experts.run import CFG_HOOKS, wants_null
from ..mixture import Expert
from .wire import find_class, name_class, pack, plain, unpack

APART = {"model", "condition", "null", "mask", "place", "vae"}      # fields of an Expert that are no plain data


def describe(expert: Expert) -> dict[str, Any]:
    """Plain data of an expert: numbers, mask, latent format, noise schedule, and what hangs in its guidance.

    Raises ValueError for an expert with a VAE, which would have to be where the sampler is.
    """
    model = expert.model
    if expert.vae is not None:
        raise ValueError(f"expert '{expert.name}' has a VAE, with which it works in another latent space than others; "
                         "let it run here, or disconnect the VAE")
    return {
        "settings": {f.name: getattr(expert, f.name) for f in dataclasses.fields(expert) if f.name not in APART},
        "mask": pack(expert.mask), "null": expert.null is not None,
        "class": _nearest_class(type(model.model)),
        "weights": sum(p.numel() for p in model.model.parameters()),
        "fixed_size": getattr(model.model, "fixed_size", None),
        "latent_format": _state(model.get_model_object("latent_format"), expert.name),
        "sampling": _state(model.get_model_object("model_sampling"), expert.name),
        "wants_null": wants_null(model.model_options),
        "hooked": any(model.model_options.get(kind) for kind in CFG_HOOKS),
    }


def _nearest_class(kind: type) -> tuple[str, str]:
    return next(named for named in map(name_class, kind.__mro__) if named)


def _state(thing: Any, name: str) -> dict[str, Any]:
    """A latent format or a noise schedule: its classes by name, and its numbers.

    A class that was made in a function is known by its bases. Raises ValueError where it has code of its own.
    """
    kind = type(thing)
    own: dict[str, Any] = {}
    named = name_class(kind)
    if named is None:
        own = {key: value for key, value in vars(kind).items() if not key.startswith("__")}
        if any(callable(value) for value in own.values()):
            raise ValueError(f"expert '{name}' has a noise schedule with code of its own ({kind.__name__}), which "
                             "cannot be told to another machine")
    bases = [named] if named else [_nearest_class(base) for base in kind.__bases__]
    values = {key: value for key, value in vars(thing).items() if not key.startswith("_") and plain(value)}
    buffers = {key: pack(value) for key, value in getattr(thing, "_buffers", {}).items()}
    fixed = {key: value for key, value in own.items() if plain(value)}
    return {"bases": bases, "values": values, "buffers": buffers, "fixed": fixed,
            "tensors": {key: pack(value) for key, value in own.items() if isinstance(value, torch.Tensor)}}


def rebuild(state: dict[str, Any]) -> Any:
    """The latent format or noise schedule that `describe` has told."""
    bases = [find_class(named) for named in state["bases"]]
    kind: Any = bases[0]
    if len(bases) > 1 or state["fixed"] or state["tensors"]:
        tensors = {key: unpack(value) for key, value in state["tensors"].items()}
        kind = type(bases[0].__name__, tuple(bases), {**state["fixed"], **tensors})
    thing = kind.__new__(kind)
    if isinstance(thing, torch.nn.Module):
        torch.nn.Module.__init__(thing)
        for key, value in state["buffers"].items():
            thing.register_buffer(key, unpack(value))
    for key, value in state["values"].items():
        setattr(thing, key, value)
    return thing


def stand_in_class(state: dict[str, Any], mixin: type) -> type:
    """A class of models that does with latents what the worker's does, and asks `mixin` for everything else."""
    return type("Elsewhere", (mixin, find_class(state["class"])), {"__module__": sys.modules[__name__].__name__})
