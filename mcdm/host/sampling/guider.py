"""The bridge into comfy.samplers: a GUIDER whose denoised estimate is the fusion of several experts."""
from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import comfy.patcher_extension
import comfy.samplers
import torch

from ...mixture import Mixture
from ..experts.asking import check_finite
from ..experts.conds import cropped, host_conds
from ..experts.hooks import Variances, apply_sampler_hooks, keep_variances, split_hooks
from ..experts.loading import KEY
from ..experts.patchers import own_patchers
from ..experts.run import ExpertRun, LeadRun, log_failing_expert, wants_null
from ..models import check_latent, check_spaces, is_pixel, noise_levels_of
from ..protocols import Conds, Model, Options, Sampler
from ..schedule import Schedule
from ..spaces.groups import groups_of
from ..spaces.layout import OneSpace
from ..spaces.regional import Regional
from ..spaces.several import SeveralSpaces
from ..spaces.start import Shapes, Start
from ..threads import threads_that_pay
from .evaluation import Evaluation
from .reasons import check_nulls
from .watch import Watch

logger = logging.getLogger("mcdm")


class Sampling(NamedTuple):
    """The state of one sampling: made when it begins, dropped when it ends."""
    lead: LeadRun
    runs: list[ExpertRun]       # of all experts, the lead's first
    layout: OneSpace
    evaluation: Evaluation


class MixtureGuider(comfy.samplers.CFGGuider):
    """Eq. 10 as a GUIDER. The first expert of the mixture is the lead: the sampler runs in its frame.

    clip_denoised: clamp the fused estimate to [-1, 1] (pixel experts only). watch: who watches the run.
    groups: the experts of each latent space.
    learned_variance: after an evaluation, the variance channels of the lead's condition row, as the authors take them.
    Raises ValueError for experts that do not fit together.
    """

    def __init__(self, mixture: Mixture, clip_denoised: bool = False, watch: Watch | None = None) -> None:
        lead = mixture.experts[0]
        self.groups = groups_of(mixture.experts, mixture.mixed_spaces)
        if len(self.groups) == 1:
            check_spaces(mixture.experts, mixture.mixed_spaces)
        self.patchers = own_patchers(mixture.experts)
        super().__init__(self.patchers[0])
        self.mixture, self.clip_denoised = mixture, clip_denoised
        self.watch = watch or Watch()
        if clip_denoised and not is_pixel(self.model_patcher):
            raise ValueError(f"clip_denoised is for experts in pixel space; '{lead.name}' works on latents. "
                             "Turn it off.")
        self.cfg = lead.weight
        self.original_conds = host_conds(lead)
        levels = [noise_levels_of(patcher) for patcher in self.patchers]
        self.schedule = Schedule(mixture.experts, self.model_patcher, levels[0])
        self.learned_variance: torch.Tensor | None = None
        self.latent_shapes: Shapes | None = None        # of the parts of a nested latent: picture, sound
        check_nulls(mixture)

    def get_models(self) -> list[Model]:
        """What it samples with, the experts' own copies among it: so the host asks wires what a prompt uses."""
        return [*self.patchers, *self.mixture.get_models()]

    # -- one sampling --------------------------------------------------------------------------------------------------

    def sample(self, noise: torch.Tensor, latent_image: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        """Denoises `latent_image` + `noise` as the host's guiders do; both [B, C, H, W] or [B, C, T, H, W]."""
        check_latent([self.mixture.experts[i] for i in self.groups[0].members], latent_image, self.mixture.regions)
        with contextlib.ExitStack() as afterwards:
            afterwards.enter_context(threads_that_pay(self.patchers, latent_image))
            self.sampling = self._begin(latent_image.shape)
            afterwards.callback(delattr, self, "sampling")
            for run in self.sampling.runs:
                afterwards.callback(run.close)
                with log_failing_expert(run.expert):
                    run.open()
            afterwards.callback(self.sampling.evaluation.close)
            samples = super().sample(noise, latent_image, *args, **kwargs)
            self._check(torch.stack(self._flags()).tolist())
            return samples

    def _begin(self, shape: Sequence[int]) -> Sampling:
        experts = self.mixture.experts
        regional = None if self.mixture.regions is None else Regional(self.mixture, self.mixture.regions)
        layout = OneSpace(experts, regional)
        if len(self.groups) > 1:
            layout = SeveralSpaces(experts, self.groups, shape, regional)
        lead = LeadRun(experts[0], self.patchers[0])
        runs: list[ExpertRun] = [lead]
        for expert, patcher, space in zip(experts[1:], self.patchers[1:], layout.spaces[1:], strict=True):
            runs.append(ExpertRun(expert, patcher, lead.levels, space))
        evaluation = Evaluation(self.mixture, self.schedule, lead, runs, layout, self.watch, self.clip_denoised)
        return Sampling(lead, runs, layout, evaluation)

    def outer_sample(
        self, noise: torch.Tensor, latent_image: torch.Tensor, sampler: Sampler, sigmas: torch.Tensor, *args: object,
        **kwargs: Any,
    ) -> torch.Tensor:
        lead, runs, layout, evaluation = self.sampling
        shapes = self.latent_shapes = kwargs.get("latent_shapes")
        layout.parts = shapes if shapes is not None and len(shapes) > 1 else None
        device = self.model_patcher.load_device
        layout.fit(noise.shape, device)
        self.conds: Conds = cropped(self.conds, layout.areas(0))
        lead.follow(self.conds, self.model_options)
        for i, run in enumerate(runs):
            run.finite = torch.ones((), device=device)
            if run is not lead:
                run.conds = cropped(run.conds, layout.areas(i))
        evaluation.foresee(sigmas.tolist(), wants_null(self.model_options))
        comfy.patcher_extension.add_wrapper_with_key(
            "prepare_sampling", KEY, evaluation.loader.prepare_sampling, self.model_options, is_model_options=True)
        return super().outer_sample(noise, latent_image, sampler, sigmas, *args, **kwargs)

    def inner_sample(
        self, noise: torch.Tensor, latent_image: torch.Tensor, device: torch.device, sampler: Sampler,
        sigmas: torch.Tensor, denoise_mask: torch.Tensor | None, callback: Callable | None, disable_pbar: bool,
        seed: int | None, **kwargs: object,
    ) -> torch.Tensor:
        lead, _, layout, evaluation = self.sampling
        start = Start(noise, latent_image, denoise_mask, seed, sigmas, self.latent_shapes)
        starts, sampler = layout.begin(start, sampler, self.model_patcher.model)
        evaluation.loader.begin(starts)
        if lead.late:
            self.conds = {}     # which keeps the host from beginning it
        plans = evaluation.planner.describe(sigmas.tolist(), wants_null(self.model_options))
        logger.info(f"MCDM: {self.mixture}; {plans}.")
        with evaluation.asking.timed(len(sigmas) - 1):
            return super().inner_sample(
                noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **kwargs)

    # -- one evaluation ------------------------------------------------------------------------------------------------

    def predict_noise(
        self, x: torch.Tensor, timestep: torch.Tensor, model_options: Options = {},  # noqa: B006
        seed: int | None = None,
    ) -> torch.Tensor:
        """Eq. 18: the fused denoised estimate [B, ...] of x [B, ...] at the level [B], in the lead's frame."""
        level, *flags = torch.stack([timestep.flatten()[0].float(), *self._flags()]).tolist()   # the only wait
        self._check(flags)
        variances, sampler_hooks = self._follow(model_options)
        found = self.sampling.evaluation(x, timestep, level, wants_null(model_options), bool(sampler_hooks))
        learned = variances.row(0) if found.led else None
        lead, _, layout, _ = self.sampling
        self.learned_variance = None if learned is None else layout.leads_alone(lead.back(learned))
        return apply_sampler_hooks(
            self, sampler_hooks, found.fused, found.alone, found.null, lead.conds, x, timestep, model_options)

    def _flags(self) -> list[torch.Tensor]:
        """One flag per expert and VAE, on the device: 1 while everything it returned was finite."""
        _, runs, layout, _ = self.sampling
        return [run.finite for run in runs] + [codec.finite for codec in layout.codecs()]

    def _check(self, flags: Sequence[float]) -> None:
        """Raises ValueError that names the expert or VAE that returned NaN or infinite values."""
        experts = self.mixture.experts
        check_finite(experts, flags[:len(experts)])
        for codec, finite in zip(self.sampling.layout.codecs(), flags[len(experts):], strict=True):
            codec.check(finite)

    def _follow(self, options: Options) -> tuple[Variances, list[Callable]]:
        """Gives the lead the host's conditions and options for an evaluation; also returns the sampler's own hooks."""
        variances = Variances()
        own_options, sampler_hooks = split_hooks(self.model_options, options)
        self.sampling.lead.follow(self.conds, keep_variances(own_options, variances))
        return variances, sampler_hooks
