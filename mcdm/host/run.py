"""One expert during one sampling, with conditions, options and ControlNets of its own.

So nothing of one expert (patches, hooks, ControlNets, CFG functions) acts on another. A run is made when sampling
begins and dropped when it ends.
"""
from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import comfy.hooks
import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import torch

from .. import fusion
from ..mixture import Expert
from ..noise_levels import NoiseLevels, translate
from .models import noise_levels_of

logger = logging.getLogger("mcdm")

AROUND_THE_RUN = ("outer_sample", "sampler_sample", "predict_noise")        # wrappers that only the lead's may be
CFG_HOOKS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")
Place = tuple[torch.Tensor, torch.Tensor]       # the image [B, ...] and the level [B] at which an expert is asked
Conds = dict[str, list[dict[str, Any]]]         # the host's conditions: {"positive": [...], "negative": [...]}


def host_conds(expert: Expert) -> Conds:
    """The condition and the null of an expert in the form in which the host's samplers carry them."""
    conds = {"positive": comfy.sampler_helpers.convert_cond(expert.condition)}
    if expert.null is not None:
        conds["negative"] = comfy.sampler_helpers.convert_cond(expert.null)
    return conds


def wants_null(options: dict[str, Any]) -> bool:
    """Whether options ask for the unconditional estimate even where its coefficient is zero, as CFG++ samplers do."""
    return bool(options.get("disable_cfg1_optimization", False))


@contextlib.contextmanager
def log_failing_expert(*experts: Expert) -> Iterator[None]:
    """Logs which expert failed and re-raises unchanged: the host knows some exceptions by their class."""
    try:
        yield
    except comfy.model_management.InterruptProcessingException:
        raise
    except Exception as error:
        names = " and ".join(repr(e.name) for e in experts)
        logger.error(f"MCDM: {type(error).__name__} in expert {names}.")
        raise


class ExpertRun:
    """An expert other than the lead. Beside the lead, the host knows nothing of it, so it does the host's work itself.

    patcher: its ModelPatcher. levels, lead_levels: the frames of its network and of the sampler. conds, options: what
    its network is asked with. mask: in latent cells, 1.0 everywhere without one. finite: on the device, 1 while all its
    answers were finite.
    """

    def __init__(self, expert: Expert, patcher: Any, lead_levels: NoiseLevels) -> None:
        self.expert, self.patcher = expert, patcher
        self.levels, self.lead_levels = noise_levels_of(patcher), lead_levels
        self.conds: Conds = {}
        self.options: dict[str, Any] = {}
        self.mask: fusion.Coefficient = 1.0
        self.finite = torch.ones(())
        self.stateless = is_stateless(expert, patcher)
        self._hook_mode = patcher.hook_mode

    @property
    def model(self) -> Any:
        """The host's BaseModel around the network."""
        return self.patcher.model

    @property
    def has_cfg_hooks(self) -> bool:
        """Whether functions hung into its MODEL take part in its guidance."""
        return any(self.options.get(kind) for kind in CFG_HOOKS)

    @property
    def wants_null(self) -> bool:
        """Whether its options ask for D_0 even where the coefficient of D_0 is zero."""
        return wants_null(self.options)

    # -- its life ------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Copies of conditions and options, and hooks on its own patcher: the host's CFGGuider.sample."""
        self.conds = host_conds(self.expert)
        _copy_controls(self.conds)
        comfy.samplers.preprocess_conds_hooks(self.conds)
        _copy_hooks(self.conds)
        self.options = comfy.model_patcher.create_model_options_clone(self.patcher.model_options)
        self.options.pop("multigpu_clones", None)
        if comfy.samplers.get_total_hook_groups_in_conds(self.conds) <= 1:
            self.patcher.hook_mode = comfy.hooks.EnumHookMode.MinVram
        comfy.sampler_helpers.prepare_model_patcher(self.patcher, self.conds, self.options)
        comfy.samplers.filter_registered_hooks_on_conds(self.conds, self.options)
        self._warn_of_what_has_no_effect()

    def additional_models(self) -> list[Any]:
        """Models that the host has to load for this expert beside its network."""
        hooked = comfy.sampler_helpers.get_additional_models_from_model_options(self.options)
        return hooked + self.patcher.model_patches_models() + self.patcher.get_nested_additional_models()

    def begin(
        self, noise: torch.Tensor, latent_image: torch.Tensor | None, device: torch.device,
        denoise_mask: torch.Tensor | None, seed: int | None, sigmas: torch.Tensor,
    ) -> None:
        """Once the models are loaded: conditions and options as its network wants them: the host's outer_sample."""
        dtype = self.patcher.model_dtype()
        comfy.samplers.cast_to_load_options(self.options, device=device, dtype=dtype)
        self.patcher.model_patches_to(device)       # the host does so for one patcher of each network that it loads
        self.patcher.model_patches_to(dtype)
        self.patcher.pre_run()
        if latent_image is not None and torch.count_nonzero(latent_image) > 0:
            latent_image = self.model.process_latent_in(latent_image)
        self.conds = comfy.samplers.process_conds(
            self.model, noise, self.conds, device, latent_image, denoise_mask, seed)
        own_sigmas = [self._own_level(s) if s > 0 else 0.0 for s in sigmas.tolist()]
        transformer_options = self.options.setdefault("transformer_options", {})
        transformer_options["sample_sigmas"] = torch.tensor(own_sigmas, device=device)

    def close(self) -> None:
        """Gives everything back, however far the run came."""
        comfy.samplers.cast_to_load_options(self.options, device=self.patcher.offload_device)
        self.patcher.cleanup()
        comfy.sampler_helpers.cleanup_models(self.conds, [])
        self.patcher.hook_mode = self._hook_mode
        self.patcher.restore_hook_patches()

    # -- one evaluation ------------------------------------------------------------------------------------------------

    def place(self, x: torch.Tensor, timestep: torch.Tensor, level: float) -> Place:
        """The sampler's image [B, ...] and noise level [B] in the frame in which this expert is asked."""
        gain, own_level = translate(level, self.lead_levels, self.levels)
        own_x = x if gain == 1.0 else x * gain
        own_timestep = timestep if own_level == level else torch.full_like(timestep, own_level)
        return own_x, own_timestep

    def take_over(self) -> None:
        """Makes its patcher the one that the network answers for, with no weight hooks of another left in place."""
        other = self.model.current_patcher
        if other is self.patcher:
            return
        if other is not None and other.current_hooks is not None:
            other.patch_hooks(None)
        self.model.current_patcher = self.patcher

    def watch(self, denoised: torch.Tensor) -> torch.Tensor:
        """Notes on the device whether an answer holds NaN or infinite values, and returns it."""
        self.finite = torch.minimum(self.finite, torch.isfinite(denoised).all().to(self.finite))
        return denoised

    # -- within --------------------------------------------------------------------------------------------------------

    def _own_level(self, level: float) -> float:
        return translate(level, self.lead_levels, self.levels)[1]

    def _warn_of_what_has_no_effect(self) -> None:
        found = [kind for kind in AROUND_THE_RUN
                 if comfy.patcher_extension.get_all_wrappers(kind, self.options, is_model_options=True)]
        if "denoise_mask_function" in self.options:
            found.append("denoise_mask_function")
        for kind in found:
            logger.warning(f"MCDM: what acts around the whole run ({kind}) has no effect on expert "
                           f"'{self.expert.name}'; only the first expert's does.")


class LeadRun(ExpertRun):
    """The lead, which the host itself opens, loads and begins as its guider's model: only the answers are ours."""

    def __init__(self, expert: Expert, patcher: Any) -> None:
        super().__init__(expert, patcher, noise_levels_of(patcher))

    def open(self) -> None:
        pass

    def follow(self, conds: Conds, options: dict[str, Any]) -> None:
        """Takes the conditions and options that the host has made."""
        self.conds, self.options = conds, options

    def additional_models(self) -> list[Any]:
        return []

    def begin(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        comfy.sampler_helpers.cleanup_models(self.conds, [])    # the host leaves its ControlNets when a run breaks

    def place(self, x: torch.Tensor, timestep: torch.Tensor, level: float) -> Place:
        return x, timestep


def is_stateless(expert: Expert, patcher: Any) -> bool:
    """Whether answers depend on image, noise level and condition alone: nothing that may keep a state is hung in."""
    patched = patcher.model_options != {"transformer_options": {}} or any(patcher.wrappers.values())
    replaced = patcher.injections or patcher.object_patches.keys() - {"model_sampling"}
    rows = [*expert.condition, *(expert.null or [])]
    stateful = any({"control", "hooks"} & options.keys() for _, options in rows)
    return not (patched or replaced or stateful)


def _copy_controls(conds: Conds) -> None:
    """ControlNets keep state: gives conditions copies of their chains, one per chain, shared by condition and null."""
    copies: dict[Any, Any] = {None: None}

    def copy_chain(control: Any) -> Any:
        if control not in copies:
            copies[control] = control.copy()
            copies[control].set_previous_controlnet(copy_chain(control.previous_controlnet))
        return copies[control]

    for rows in conds.values():
        for cond in rows:
            if "control" in cond:
                cond["control"] = copy_chain(cond["control"])


def _copy_hooks(conds: Conds) -> None:
    """The keyframes of hooks keep state as well: gives conditions groups of their own; shared schedules stay shared."""
    groups: dict[Any, Any] = {None: None}
    schedules: dict[Any, Any] = {}

    def copy_group(group: Any) -> Any:
        if group not in groups:
            groups[group] = group.clone()
            for hook in groups[group].hooks:
                schedules.setdefault(hook.hook_keyframe, hook.hook_keyframe.clone())
                hook.hook_keyframe = schedules[hook.hook_keyframe]
        return groups[group]

    for rows in conds.values():
        for cond in rows:
            if "hooks" in cond:
                cond["hooks"] = copy_group(cond["hooks"])
