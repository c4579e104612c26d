"""A patcher for each expert, with its own copy of the network where its patches are not another's."""
import copy
import inspect
import logging
import weakref

import comfy.conds
import comfy.model_management
import comfy.patcher_extension
import comfy.weight_adapter
import torch
from comfy_api.torch_helpers import torch_compile

_copies: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_COMPILED = comfy.patcher_extension.WrappersMP.APPLY_MODEL, torch_compile.COMPILE_KEY
_NETWORK = "model", "object_patches", "backup", "backup_buffers", "object_patches_backup", "hook_backup", "pinned"


def same(a, b):
    """Whether two pieces of the host's dictionaries (conditions, patches) are equal: tensors by their numbers, foreign objects by identity."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, (comfy.conds.CONDRegular, comfy.weight_adapter.WeightAdapterBase)):
        return same(vars(a), vars(b))
    return isinstance(a, (bool, int, float, str, set)) and a == b


def own_patchers(experts):
    """A patcher for each expert. In the host, clones of one checkpoint share one set of weights, whatever was patched last:
    here those with the same patches share it, and every further set of patches gets a copy of the network (kept with its MODEL)."""
    homes: dict = {}
    patchers = []
    for expert in experts:
        model = expert.model
        sets = homes.setdefault(id(model.model), [])
        patches, compiled = _patches(model), model.get_wrappers(*_COMPILED)
        home = next((h for p, c, h in sets if same(p, patches) and (h.model is model.model or same(c, compiled))), None)
        if home is None:
            if sets and model not in _copies:
                _copies[model] = _copy(model, expert.name)
            home = _copies[model] if sets else model
            sets.append((patches, compiled, home))
        clone = model.clone()
        if home.model is not model.model:
            clone.parent = home
            for name in _NETWORK:
                if hasattr(home, name):
                    setattr(clone, name, getattr(home, name))
            _compile(clone, home.get_wrappers(*_COMPILED))
        patchers.append(clone)
    return patchers


def _patches(model):
    """What of a MODEL lies in the weights and modules of its network."""
    return [model.patches, model.weight_wrapper_patches, model.object_patches, model.injections, model.force_cast_weights]


def _copy(patcher, name):
    """The same MODEL on a network of its own, made from the unpatched weights. What its patches hold of the network, they hold of the copy."""
    for loaded in [m for m in comfy.model_management.current_loaded_models if m.model is not None and m.model.is_clone(patcher)]:
        loaded.model_unload()
        comfy.model_management.current_loaded_models.remove(loaded)
    logging.info(f"MCDM: expert '{name}' is another expert's checkpoint with patches of its own; it gets its own copy of the weights "
                 f"({patcher.model_size() / 2**20:.0f} MB).")
    copied = patcher.clone()
    config = patcher.model.model_config
    moved = {id(config): config}                # what became what; the settings are shared, and they do not let themselves be copied
    for key, value in (("model", patcher.model), ("object_patches", patcher.object_patches), ("parent", None), ("backup", {}), ("backup_buffers", {}),
                       ("object_patches_backup", {}), ("hook_backup", {}), ("pinned", set())):
        setattr(copied, key, copy.deepcopy(value, moved))
    compiled = [inspect.getclosurevars(w).nonlocals["compiled_module_dict"] for w in patcher.get_wrappers(*_COMPILED)]
    _compile(copied, [torch_compile.apply_torch_compile_factory(c) for c in copy.deepcopy(compiled, moved)])
    return copied


def _compile(patcher, wrappers):
    """Puts the wrappers of the host's torch.compile nodes in the place of a patcher's own."""
    patcher.remove_wrappers_with_key(*_COMPILED)
    for wrapper in wrappers:
        patcher.add_wrapper_with_key(*_COMPILED, wrapper)
