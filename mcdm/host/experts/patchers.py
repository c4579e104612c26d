"""A patcher for each expert, and copies of networks.

In the host, clones of one checkpoint share one set of weights, whatever was patched last. Here those with the same
patches share it, and every further set of patches gets a copy of the network, which is kept with its MODEL.
"""
from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import comfy.conds
import comfy.weight_adapter
import torch

from ...mixture import Expert
from .copies import COMPILED, own_copy, put_compiled
from .devices import lane_of, let_go
from .lanes import Lane

logger = logging.getLogger("mcdm")

# Attributes of a patcher that hold its network, or parts and states of it.
OF_THE_NETWORK = (
    "model", "object_patches", "backup", "backup_buffers", "object_patches_backup", "hook_backup", "pinned",
)

# {MODEL: the same MODEL on a network of its own}
_copies: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _Home(NamedTuple):
    """A network, the lane on which it runs, and the patches that it carries in this mixture."""
    lane: Lane
    patches: list[Any]
    compiled: list[Callable]
    patcher: Any


def own_patchers(experts: Sequence[Expert]) -> list[Any]:
    """A ModelPatcher for each expert, a clone of its MODEL; equal patches on one lane share a network."""
    let_go(experts)
    homes: dict[int, list[_Home]] = {}
    patchers = []
    for expert in experts:
        model = _without_swapping(expert)
        same_network = homes.setdefault(id(model.model), [])
        home = _find_home(model, lane_of(expert), same_network)
        if home is None:
            home = _make_home(model, expert, first=not same_network)
            same_network.append(home)
        patchers.append(_clone_onto(home.patcher, model))
    return patchers


def _without_swapping(expert: Expert) -> Any:
    """The MODEL of an expert; with hooks on weights, its delegate where the host swaps weights (dynamic VRAM).

    The host's own guiders do so in inner_set_conds, for its dynamic patchers know no hooks.
    """
    model = expert.model
    if not getattr(model, "is_dynamic", bool)():
        return model
    rows = [*expert.condition, *(expert.null or [])]
    return model.get_non_dynamic_delegate() if any(_has_hooks(options) for _, options in rows) else model


def _has_hooks(options: dict[str, Any]) -> bool:
    """Whether a condition, or a ControlNet of it, changes weights by hooks."""
    control = options.get("control")
    return "hooks" in options or (control is not None and len(control.get_extra_hooks()) > 0)


def _find_home(model: Any, lane: Lane, homes: Sequence[_Home]) -> _Home | None:
    patches, compiled = _patches(model), model.get_wrappers(*COMPILED)
    for home in homes:
        as_compiled = home.patcher.model is model.model or deep_equal(home.compiled, compiled)
        if home.lane == lane and deep_equal(home.patches, patches) and as_compiled:
            return home
    return None


def _make_home(model: Any, expert: Expert, first: bool) -> _Home:
    if not first and model not in _copies:
        logger.info(f"MCDM: expert '{expert.name}' is another expert's checkpoint, with patches or a place of its own; "
                    f"it gets its own copy of the weights ({model.model_size() / 2**20:.0f} MB).")
        _copies[model] = own_copy(model)
    patcher = model if first else _copies[model]
    return _Home(lane_of(expert), _patches(model), model.get_wrappers(*COMPILED), patcher)


def _clone_onto(home: Any, model: Any) -> Any:
    """A clone of a MODEL, on the network of another patcher where that is not its own."""
    clone = model.clone()
    if home.model is not model.model:
        clone.parent = home
        for name in OF_THE_NETWORK:
            if hasattr(home, name):
                setattr(clone, name, getattr(home, name))
        put_compiled(clone, home.get_wrappers(*COMPILED))
    return clone


def _patches(model: Any) -> list[Any]:
    """What of a MODEL lies in the weights and modules of its network."""
    return [model.patches, model.weight_wrapper_patches, model.object_patches, model.injections,
            model.force_cast_weights]


def deep_equal(a: Any, b: Any) -> bool:
    """Whether two pieces of the host's dictionaries (conditions, patches) are equal.

    Tensors by their numbers, foreign objects by identity.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        alike = a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
        return alike and torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(deep_equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(deep_equal(value, b[key]) for key, value in a.items())
    if isinstance(a, (comfy.conds.CONDRegular, comfy.weight_adapter.WeightAdapterBase)):
        return deep_equal(vars(a), vars(b))
    return isinstance(a, (bool, int, float, str, set)) and a == b
