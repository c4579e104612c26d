"""A MODEL on a network of its own; in the host, clones of one checkpoint share one, whatever was patched or moved last.
"""
from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.patcher_extension
from comfy_api.torch_helpers import torch_compile

COMPILED = comfy.patcher_extension.WrappersMP.APPLY_MODEL, torch_compile.COMPILE_KEY


def own_copy(patcher: Any) -> Any:
    """The same MODEL on a network of its own, made from the unpatched weights.

    Parts of the network that its patches hold become those of the copy.
    """
    for loaded in list(comfy.model_management.current_loaded_models):
        if loaded.model is not None and loaded.model.is_clone(patcher):
            loaded.model_unload()
            comfy.model_management.current_loaded_models.remove(loaded)
    if _can_be_loaded_again(patcher):
        fresh_one = patcher.clone(force_deepcopy=True)
        fresh_one.parent = None
        return fresh_one
    copied = patcher.clone()
    config = patcher.model.model_config
    copies = {id(config): config}       # deepcopy's memo; the settings are shared, for they cannot be copied
    fresh: dict[str, Any] = {"parent": None, "backup": {}, "backup_buffers": {}, "object_patches_backup": {},
                             "hook_backup": {}, "pinned": set()}
    attributes = {"model": patcher.model, "object_patches": patcher.object_patches} | fresh
    for key, value in attributes.items():
        setattr(copied, key, copy.deepcopy(value, copies))
    compiled = []
    for wrapper in patcher.get_wrappers(*COMPILED):
        modules = inspect.getclosurevars(wrapper).nonlocals["compiled_module_dict"]
        compiled.append(torch_compile.apply_torch_compile_factory(copy.deepcopy(modules, copies)))
    put_compiled(copied, compiled)
    return copied


def _can_be_loaded_again(patcher: Any) -> bool:
    """Whether the host can load a fresh network for a patcher, and its patches hold no part of the old one."""
    holds_parts = patcher.object_patches or patcher.injections or patcher.get_wrappers(*COMPILED)
    return getattr(patcher, "cached_patcher_init", None) is not None and not holds_parts


def put_compiled(patcher: Any, wrappers: Sequence[Callable]) -> None:
    """Puts the wrappers of the host's torch.compile nodes in the place of a patcher's own."""
    patcher.remove_wrappers_with_key(*COMPILED)
    for wrapper in wrappers:
        patcher.add_wrapper_with_key(*COMPILED, wrapper)
