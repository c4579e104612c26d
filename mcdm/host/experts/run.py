"""One expert during one sampling, with its own conditions, options and ControlNets.

So nothing of one expert (patches, hooks, ControlNets, CFG functions) acts on another. A run is made when sampling
begins and dropped when it ends.
"""
from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import NamedTuple

import comfy.hooks
import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import torch

from ...mixture import Expert
from ...noise_levels import NoiseLevels, translate
from ...regions import STILL
from ..models import noise_levels_of
from ..protocols import BaseModel, Conds, Model, Options
from ..spaces.inpainting import Kept, latent_in
from ..spaces.start import Start
from .conds import copy_hooks, host_conds, is_stateless
from .devices import copy_controls

logger = logging.getLogger("mcdm")

AROUND_THE_RUN = ("outer_sample", "sampler_sample", "predict_noise")        # wrappers that only the lead's may be
CFG_HOOKS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")


class Query(NamedTuple):
    """What an expert is asked about: the image x [B, ...] at the level [B], in its network's frame."""
    x: torch.Tensor
    level: torch.Tensor


def wants_null(options: Options) -> bool:
    """Whether options ask for the unconditional estimate even where its coefficient is zero, as CFG++ samplers do."""
    return bool(options.get("disable_cfg1_optimization", False))


@contextlib.contextmanager
def log_failing_expert(*experts: Expert) -> Iterator[None]:
    """Logs which expert failed and re-raises unchanged, since the host recognises some exceptions by their class."""
    try:
        yield
    except comfy.model_management.InterruptProcessingException:
        raise
    except Exception as error:
        names = " and ".join(repr(e.name) for e in experts)
        logger.error(f"MCDM: {type(error).__name__} in expert {names}.")
        raise


class ExpertRun:
    """An expert other than the lead. The host knows only the lead, so this run does the host's work itself.

    patcher: its ModelPatcher. levels, lead_levels: the frames of its network and of the sampler. conds, options: what
    its network is asked with. space: which of several latents is its own. finite: on the device, 1 while all its
    answers were finite. kept: what a noise mask keeps, if its network wants it in another form than the lead's.
    view: how the latent is moved for its network.
    """

    def __init__(self, expert: Expert, patcher: Model, lead_levels: NoiseLevels, space: int = 0) -> None:
        self.expert, self.patcher = expert, patcher
        self.levels, self.lead_levels = noise_levels_of(patcher), lead_levels
        self.conds: Conds = {}
        self.options: Options = {}
        self.finite = torch.ones(())
        self.space = space
        self.kept: Kept | None = None
        self.view = STILL
        self.stateless = is_stateless(expert, patcher)
        self._hook_mode = patcher.hook_mode

    @property
    def model(self) -> BaseModel:
        """The host's BaseModel around the network."""
        return self.patcher.model

    @property
    def device(self) -> torch.device:
        """Where its network runs: a device other than the lead's if the user has placed it there."""
        return self.patcher.load_device

    @property
    def has_cfg_hooks(self) -> bool:
        """Whether functions attached to its MODEL take part in its guidance."""
        return any(self.options.get(kind) for kind in CFG_HOOKS)

    @property
    def looks_at_null(self) -> bool:
        """Whether functions attached to its MODEL need the estimate of its own null (self-attention guidance)."""
        return self.has_cfg_hooks and self.wants_null

    @property
    def wants_null(self) -> bool:
        """Whether its options ask for D_0 even where the coefficient of D_0 is zero."""
        return wants_null(self.options)

    @property
    def takes_one_row(self) -> bool:
        """Whether something attached to its MODEL allows only one condition per call, such as a picture's style
        (USO)."""
        return "post_input" in self.options.get("transformer_options", {}).get("patches", {})

    # -- its life ------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Copies of conditions and options, and hooks on its own patcher: the host's CFGGuider.sample."""
        self.conds = host_conds(self.expert)
        copy_controls(self.conds)
        comfy.samplers.preprocess_conds_hooks(self.conds)
        copy_hooks(self.conds)
        self.options = comfy.model_patcher.create_model_options_clone(self.patcher.model_options)
        self.options.pop("multigpu_clones", None)
        if comfy.samplers.get_total_hook_groups_in_conds(self.conds) <= 1:
            self.patcher.hook_mode = comfy.hooks.EnumHookMode.MinVram
        comfy.sampler_helpers.prepare_model_patcher(self.patcher, self.conds, self.options)
        comfy.samplers.filter_registered_hooks_on_conds(self.conds, self.options)
        self._warn_of_what_has_no_effect()
        self.patcher.remove_additional_models("multigpu")

    def additional_models(self) -> list[Model]:
        """Models that the host has to load for this expert besides its network."""
        hooked = comfy.sampler_helpers.get_additional_models_from_model_options(self.options)
        return hooked + self.patcher.model_patches_models() + self.patcher.get_nested_additional_models()

    def begin(self, start: Start) -> None:
        """Once its network is loaded: conditions and options as the network wants them. The host's outer_sample."""
        device, dtype = self.device, self.patcher.model_dtype()
        comfy.samplers.cast_to_load_options(self.options, device=device, dtype=dtype)
        self.patcher.model_patches_to(device)       # the host does so for one patcher of each network that it loads
        self.patcher.model_patches_to(dtype)
        self.patcher.pre_run()
        if hasattr(self.model, "latent_shapes"):        # of newer hosts
            self.model.latent_shapes = start.latent_shapes
        self.encode(start)
        own_sigmas = [self._own_level(s) if s > 0 else 0.0 for s in start.sigmas.tolist()]
        transformer_options = self.options.setdefault("transformer_options", {})
        transformer_options["sample_sigmas"] = torch.tensor(own_sigmas, device=device)

    def encode(self, start: Start) -> None:
        """Conditions as the network wants them: the host's inner_sample."""
        device = self.device
        mask = None if start.denoise_mask is None else start.denoise_mask.to(device)
        latent = None if start.latent_image is None else latent_in(self.model, start.latent_image.to(device))
        self.conds = comfy.samplers.process_conds(
            self.model, start.noise.to(device), self.conds, device, latent, mask, start.seed,
            latent_shapes=start.latent_shapes)

    def close(self) -> None:
        """Releases everything, however far the run got."""
        comfy.samplers.cast_to_load_options(self.options, device=self.patcher.offload_device)
        self.patcher.cleanup()
        comfy.sampler_helpers.cleanup_models(self.conds, [])
        self.patcher.hook_mode = self._hook_mode
        self.patcher.restore_hook_patches()

    # -- one evaluation ------------------------------------------------------------------------------------------------

    def query(self, x: torch.Tensor, timestep: torch.Tensor, level: float) -> Query:
        """The sampler's image [B, ...] and noise level [B] in the frame in which this expert is asked."""
        gain, own_level = translate(level, self.lead_levels, self.levels)
        own_x = x if gain == 1.0 else x * gain
        own_timestep = timestep if own_level == level else torch.full_like(timestep, own_level)
        if self.kept is not None:
            own_x = self.kept.refilled(x, timestep, own_x, own_timestep, gain)
        return Query(own_x.to(self.device), own_timestep.to(self.device))

    def moved(self, x: torch.Tensor) -> torch.Tensor:
        """A latent as its network sees it."""
        return x if self.view == STILL else x.roll(self.view, (-2, -1))

    def back(self, seen: torch.Tensor) -> torch.Tensor:
        """What its network says, in the cells of the latent."""
        down, across = self.view
        return seen if self.view == STILL else seen.roll((-down, -across), (-2, -1))

    def take_over(self) -> None:
        """Makes its patcher the network's current one, with no weight hooks of another left in place."""
        other = self.model.current_patcher
        if other is self.patcher:
            return
        if other is not None and other.current_hooks is not None:
            other.patch_hooks(None)
        self.model.current_patcher = self.patcher

    def watch(self, denoised: torch.Tensor) -> torch.Tensor:
        """An answer on the lead's device, where it is noted whether it holds NaN or infinite values."""
        denoised = denoised.to(self.finite.device)
        self.finite = torch.minimum(self.finite, torch.isfinite(denoised).all().to(self.finite))
        return denoised

    # -- within --------------------------------------------------------------------------------------------------------

    def _own_level(self, level: float) -> float:
        return translate(level, self.lead_levels, self.levels)[1]

    def _warn_of_what_has_no_effect(self) -> None:
        found = [kind for kind in AROUND_THE_RUN
                 if comfy.patcher_extension.get_all_wrappers(kind, self.options, is_model_options=True)]
        if self.patcher.get_additional_models_with_key("multigpu"):
            found.append("MultiGPU CFG Split")
        if "denoise_mask_function" in self.options:
            found.append("denoise_mask_function")
        for kind in found:
            logger.warning(f"MCDM: a wrapper around the whole run ({kind}) has no effect on expert "
                           f"'{self.expert.name}'; only the first expert's does.")


class LeadRun(ExpertRun):
    """The lead, which the host itself opens and begins as its guider's model; only the asking is ours.

    late: its network is loaded later than others, so that its conditions wait for that.
    """

    def __init__(self, expert: Expert, patcher: Model) -> None:
        super().__init__(expert, patcher, noise_levels_of(patcher))
        self.late = False

    def open(self) -> None:
        pass

    def follow(self, conds: Conds, options: Options) -> None:
        """Takes the conditions and options that the host has made."""
        self.conds, self.options = self.conds if self.late else conds, options

    def additional_models(self) -> list[Model]:
        return []

    def begin(self, start: Start) -> None:
        if self.late:
            self.encode(start)

    def close(self) -> None:
        comfy.sampler_helpers.cleanup_models(self.conds, [])    # the host keeps its ControlNets if a run fails
        self.options = {}       # which hold the loader, which holds this

    def query(self, x: torch.Tensor, timestep: torch.Tensor, level: float) -> Query:
        return Query(x, timestep)
