"""One expert during one run: a patcher, conditions and options of its own, so that nothing of one expert (patches, hooks,
ControlNets, CFG functions) acts on another."""
import contextlib
import copy
import inspect
import logging
import weakref

import comfy.conds
import comfy.hooks
import comfy.latent_formats
import comfy.model_management
import comfy.model_patcher
import comfy.model_sampling
import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import comfy.weight_adapter
import torch
from comfy_api.torch_helpers import torch_compile

from .noise_levels import NoiseLevels

RUN_WRAPPERS = ("outer_sample", "sampler_sample", "predict_noise")


def check_spaces(experts, mixed=False):
    """Raises ValueError unless all experts live in one latent space: the same latent format, not merely as many channels.

    mixed: the user vouches for spaces of other names; only the number of channels is checked then, and the log says so.
    """
    def space(expert):
        return expert.model.get_model_object("latent_format")
    lead, *others = experts
    for expert in others:
        ours, theirs = space(lead), space(expert)
        if type(ours) is type(theirs):
            continue
        names = f"expert '{expert.name}' works in the latent space {type(theirs).__name__}, expert '{lead.name}' in {type(ours).__name__}"
        if not mixed or ours.latent_channels != theirs.latent_channels:
            raise ValueError(f"These cannot be united: {names}. Use experts of one latent space.")
        logging.warning(f"MCDM: {names}; they are united because allow_mixed_latents is on.")


def is_pixel(patcher):
    return isinstance(patcher.get_model_object("latent_format"), comfy.latent_formats.ChromaRadiance)


def noise_levels(patcher):
    """The frame and the trained range of a MODEL. Raises ValueError where it predicts no noise level at all."""
    sampling = patcher.get_model_object("model_sampling")
    if isinstance(sampling, comfy.model_sampling.IMG_TO_IMG):
        raise ValueError(f"{type(patcher.model).__name__} is an image-to-image network without noise levels and cannot be an expert; use another model.")
    return NoiseLevels(isinstance(sampling, comfy.model_sampling.CONST), float(sampling.sigma_min), float(sampling.sigma_max),
                       float(getattr(sampling, "sigma_data", 1.0)))


def _own_controls(conds):
    """ControlNets keep state: gives the conditions copies of their chains, one a chain, shared by condition and null."""
    copies = {}

    def copy_chain(control):
        if control is None:
            return None
        if control not in copies:
            copies[control] = control.copy()
            copies[control].set_previous_controlnet(copy_chain(control.previous_controlnet))
        return copies[control]
    for cond in (c for rows in conds.values() for c in rows if "control" in c):
        cond["control"] = copy_chain(cond["control"])


def _own_hooks(conds):
    """The keyframes of hooks keep state as well: gives the conditions groups of their own, hooks of one schedule still together."""
    groups: dict = {None: None}
    schedules: dict = {}
    for cond in (c for rows in conds.values() for c in rows if "hooks" in c):
        group = cond["hooks"]
        if group not in groups:
            groups[group] = group.clone()
            for hook in groups[group].hooks:
                schedules.setdefault(hook.hook_keyframe, hook.hook_keyframe.clone())
                hook.hook_keyframe = schedules[hook.hook_keyframe]
        cond["hooks"] = groups[group]


@contextlib.contextmanager
def blame(*experts):
    """Says in the log whose network broke. The exception stays as it is: the host knows some (interrupt, out of memory) by their class."""
    try:
        yield
    except comfy.model_management.InterruptProcessingException:
        raise
    except Exception as error:
        logging.error(f"MCDM: {type(error).__name__} in expert {' and '.join(repr(e.name) for e in experts)}.")
        raise


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


class Voice:
    """One expert during one run."""

    def __init__(self, expert, patcher, levels):
        self.expert, self.patcher, self.levels = expert, patcher, levels
        self.original = {"positive": comfy.sampler_helpers.convert_cond(expert.condition)}
        if expert.null is not None:
            self.original["negative"] = comfy.sampler_helpers.convert_cond(expert.null)
        self.conds: dict = {}
        self.options: dict = {}
        self.hook_mode = patcher.hook_mode

    @property
    def model(self):
        return self.patcher.model

    @property
    def plain(self):
        """Whether an answer depends on the image, the noise level and the condition alone: nothing that may keep a state is hung in."""
        p = self.patcher
        hung_in = p.model_options != {"transformer_options": {}} or any(p.wrappers.values()) or p.injections or p.object_patches.keys() - {"model_sampling"}
        return not hung_in and not any({"control", "hooks"} & c.keys() for rows in self.original.values() for c in rows)

    def open(self):
        """Own copies of conditions and options, hooks registered on the own patcher: the host's CFGGuider.sample, for one more expert."""
        self.conds = {k: [c.copy() for c in rows] for k, rows in self.original.items()}
        _own_controls(self.conds)
        comfy.samplers.preprocess_conds_hooks(self.conds)
        _own_hooks(self.conds)
        self.options = comfy.model_patcher.create_model_options_clone(self.patcher.model_options)
        self.options.pop("multigpu_clones", None)
        self.hook_mode = self.patcher.hook_mode
        if comfy.samplers.get_total_hook_groups_in_conds(self.conds) <= 1:
            self.patcher.hook_mode = comfy.hooks.EnumHookMode.MinVram
        comfy.sampler_helpers.prepare_model_patcher(self.patcher, self.conds, self.options)
        comfy.samplers.filter_registered_hooks_on_conds(self.conds, self.options)
        around = [k for k in RUN_WRAPPERS if comfy.patcher_extension.get_all_wrappers(k, self.options, is_model_options=True)]
        for kind in around + ["denoise_mask_function"] * ("denoise_mask_function" in self.options):
            logging.warning(f"MCDM: what acts around the whole run ({kind}) has no effect on expert '{self.expert.name}'; only the first expert's does.")

    def begin(self, noise, latent_image, device, denoise_mask, seed, sigmas):
        """Once the models are loaded: conditions and options as this expert's network wants them."""
        comfy.samplers.cast_to_load_options(self.options, device=device, dtype=self.patcher.model_dtype())
        self.patcher.model_patches_to(device)           # the host does so for the one patcher of a network that it loads
        self.patcher.model_patches_to(self.patcher.model_dtype())
        self.patcher.pre_run()
        if latent_image is not None and torch.count_nonzero(latent_image) > 0:
            latent_image = self.model.process_latent_in(latent_image)
        self.conds = comfy.samplers.process_conds(self.model, noise, self.conds, device, latent_image, denoise_mask, seed)
        self.options.setdefault("transformer_options", {})["sample_sigmas"] = sigmas

    def close(self):
        comfy.samplers.cast_to_load_options(self.options, device=self.patcher.offload_device)
        self.patcher.cleanup()
        comfy.sampler_helpers.cleanup_models(self.conds, [])
        self.patcher.hook_mode = self.hook_mode
        self.patcher.restore_hook_patches()
        self.conds, self.options = {}, {}

    def take_over(self):
        """Makes this voice's patcher the one that its network answers for, with no weight hooks of another left in place."""
        other = self.model.current_patcher
        if other is not self.patcher:
            if other is not None and other.current_hooks is not None:
                other.patch_hooks(None)
            self.model.current_patcher = self.patcher


_copies: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_COMPILED = comfy.patcher_extension.WrappersMP.APPLY_MODEL, torch_compile.COMPILE_KEY
_NETWORK = "model", "object_patches", "backup", "backup_buffers", "object_patches_backup", "hook_backup", "pinned"


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
