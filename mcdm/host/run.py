"""One expert during one run: a patcher, conditions and options of its own, so that nothing of one expert (patches, hooks,
ControlNets, CFG functions) acts on another."""
import contextlib
import logging

import comfy.hooks
import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import torch

RUN_WRAPPERS = ("outer_sample", "sampler_sample", "predict_noise")


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
