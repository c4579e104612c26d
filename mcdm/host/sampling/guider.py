"""The bridge into comfy.samplers: a GUIDER whose denoised estimate is the fusion of several experts."""
from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import comfy.patcher_extension
import comfy.samplers
import torch

from ...account import Account
from ...mixture import Mixture
from ...observation import Observation, picture_of
from ..experts.asking import Evaluator, check_finite
from ..experts.conds import Conds, Shapes, Start, check_parts, host_conds
from ..experts.hooks import Variances, apply_sampler_hooks, keep_variances, split_hooks
from ..experts.lanes import Clock
from ..experts.loading import KEY, Loader
from ..experts.patchers import own_patchers
from ..experts.run import ExpertRun, LeadRun, log_failing_expert, wants_null
from ..experts.threads import threads_that_pay
from ..models import check_latent, check_spaces, is_pixel, noise_levels_of
from .automatic_masks import AutomaticDivision
from .fuse import Combiner
from .plan import Planner, Schedule, check_nulls

logger = logging.getLogger("mcdm")


class Sampling(NamedTuple):
    """The state of one sampling: made when it begins, dropped when it ends."""
    lead: LeadRun
    runs: list[ExpertRun]       # of all experts, the lead's first
    planner: Planner
    evaluator: Evaluator
    loader: Loader
    combine: Combiner


class MixtureGuider(comfy.samplers.CFGGuider):
    """Eq. 10 as a GUIDER. The first expert of the mixture is the lead: the sampler runs in its frame.

    clip_denoised: clamp the fused estimate to [-1, 1] (pixel experts only).
    learned_variance: after an evaluation, the variance channels of the lead's condition row, as the authors take them.
    observer: called with an Observation of every evaluation, before the sampler's own hooks; None costs nothing.
    all_nulls: evaluate D_0 and the null of every expert whose condition counts, for an observer that compares them.
    shared, clock: see Evaluator. account: what a sampler of particles has done.
    Raises ValueError for experts that do not fit together.
    """

    def __init__(self, mixture: Mixture, clip_denoised: bool = False) -> None:
        lead = mixture.experts[0]
        self._check_spaces(mixture)
        self.patchers = own_patchers(mixture.experts)
        super().__init__(self.patchers[0])
        self.mixture, self.clip_denoised = mixture, clip_denoised
        if clip_denoised and not is_pixel(self.model_patcher):
            raise ValueError(f"clip_denoised is for experts in pixel space; '{lead.name}' works on latents. "
                             "Turn it off.")
        self.cfg = lead.weight
        self.original_conds = host_conds(lead)
        levels = [noise_levels_of(patcher) for patcher in self.patchers]
        self.schedule = Schedule(mixture.experts, self.model_patcher, levels[0])
        self.learned_variance: torch.Tensor | None = None
        self.observer: Callable[[Observation], None] | None = None
        self.all_nulls = False
        self.shared: dict[Any, Any] | None = None
        self.clock: Clock | None = None
        self.account: Account | None = None
        self.latent_shapes: Shapes | None = None        # of the parts of a packed latent: picture, sound
        check_nulls(mixture)

    def _check_spaces(self, mixture: Mixture) -> None:
        check_spaces(mixture.experts, mixture.mixed_spaces)
        self.together = mixture.experts         # those that work on the latent as it is given

    # -- one sampling --------------------------------------------------------------------------------------------------

    def sample(self, noise: torch.Tensor, latent_image: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Denoises `latent_image` + `noise` as the host's guiders do; both [B, C, H, W] or [B, C, T, H, W]."""
        check_latent(self.together, latent_image)
        with contextlib.ExitStack() as afterwards:
            afterwards.enter_context(threads_that_pay(self.patchers, latent_image))
            self.sampling = self._begin()
            afterwards.callback(delattr, self, "sampling")
            afterwards.callback(self.sampling.loader.close)
            for run in self.sampling.runs:
                afterwards.callback(run.close)
                with log_failing_expert(run.expert):
                    run.open()
            afterwards.callback(self.sampling.evaluator.close)
            samples = super().sample(noise, latent_image, *args, **kwargs)
            check_finite(self.mixture.experts, torch.stack([run.finite for run in self.sampling.runs]).tolist())
            return samples

    def _begin(self) -> Sampling:
        first, *rest = zip(self.mixture.experts, self.patchers, strict=True)
        lead = LeadRun(*first)
        runs = [lead, *(ExpertRun(*other, lead.levels) for other in rest)]
        planner = Planner(self.mixture, self.schedule, runs, self.all_nulls)
        if self.mixture.automatic is not None:
            division = AutomaticDivision(self.mixture.automatic, len(runs))
            planner.divide, planner.compares = division, lambda sigma: self.all_nulls or division.looks(sigma)
        evaluator = Evaluator(runs, self.shared, self.clock)
        combine = Combiner(self.mixture.options, runs, evaluator)
        return Sampling(lead, runs, planner, evaluator, Loader(planner.plan, runs, lead), combine)

    def outer_sample(
        self, noise: torch.Tensor, latent_image: torch.Tensor, sampler: Any, sigmas: torch.Tensor, *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        self.latent_shapes = kwargs.get("latent_shapes")
        self.sampling.lead.follow(self.conds, self.model_options)
        device = self.model_patcher.load_device
        for run in self.sampling.runs:
            run.fit_mask(noise.shape, device, self.latent_shapes)
            run.finite = torch.ones((), device=device)
        self.sampling.loader.foresee(sigmas.tolist(), wants_null(self.model_options))
        comfy.patcher_extension.add_wrapper_with_key(
            "prepare_sampling", KEY, self.sampling.loader.prepare_sampling, self.model_options, is_model_options=True)
        return super().outer_sample(noise, latent_image, sampler, sigmas, *args, **kwargs)

    def inner_sample(
        self, noise: torch.Tensor, latent_image: torch.Tensor, device: torch.device, sampler: Any, sigmas: torch.Tensor,
        denoise_mask: torch.Tensor | None, callback: Callable | None, disable_pbar: bool, seed: int | None,
        **kwargs: Any,
    ) -> torch.Tensor:
        self.sampling.loader.begin(Start(noise, latent_image, denoise_mask, seed, sigmas, self.latent_shapes))
        if self.sampling.lead.late:
            self.conds: Conds = {}      # which keeps the host from beginning it
        plans = self.sampling.planner.describe(sigmas.tolist(), wants_null(self.model_options))
        logger.info(f"MCDM: {self.mixture}; {plans}.")
        with self.sampling.evaluator.timed(len(sigmas) - 1):
            return super().inner_sample(
                noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **kwargs)

    # -- one evaluation ------------------------------------------------------------------------------------------------

    def predict_noise(
        self, x: torch.Tensor, timestep: torch.Tensor, model_options: dict[str, Any] = {},  # noqa: B006
        seed: int | None = None,
    ) -> torch.Tensor:
        """Eq. 18: the fused denoised estimate [B, ...] of x [B, ...] at the level [B], in the lead's frame."""
        _, runs, planner, evaluator, loader, combine = self.sampling
        numbers = torch.stack([timestep.flatten()[0].float(), *(run.finite for run in runs)])
        level, *finite = numbers.tolist()       # the only wait for the device
        check_finite(self.mixture.experts, finite)
        variances, sampler_hooks = self._follow(model_options)
        for run in runs:
            run.fit_mask(x.shape, x.device, self.latent_shapes)
        plan = planner.plan(level, wants_null(model_options))
        if loader.require(plan, level):
            evaluator.regroup()
        for i in {*plan.conditions, *plan.nulls}:
            check_parts(runs[i].expert, runs[i].conds, self.latent_shapes)
        places = [run.place(x, timestep, level) for run in runs]
        denoised, nulls = evaluator.evaluate(plan, places)
        if planner.divide is not None and denoised:
            plan = planner.divided(plan, planner.divide(self.schedule.levels.sigma(level), denoised, nulls, plan))
        self.learned_variance = variances.row(0) if 0 in denoised else None
        null = self.schedule.levels.at_rest(x, level) if plan.resting else plan.null_blend(nulls)
        contributions = combine.contributions(plan, places, denoised, null)
        fused = combine(plan, x, level, null, contributions, denoised)
        if self.clip_denoised and not plan.resting:
            fused = fused.clamp(-1.0, 1.0)
        if self.observer is not None:
            sigma, c = self.schedule.levels.sigma(level), plan.coefficients
            seen = Observation(sigma, denoised, contributions, null, fused, nulls, c)
            self.observer(picture_of(seen, self.latent_shapes))
        return apply_sampler_hooks(self, sampler_hooks, fused, denoised, null, x, timestep, model_options)

    def _follow(self, options: dict[str, Any]) -> tuple[Variances, list[Callable]]:
        """Gives the lead the host's conditions and options of an evaluation; returns the sampler's own hooks, too."""
        variances = Variances()
        own_options, sampler_hooks = split_hooks(self.model_options, options)
        self.sampling.lead.follow(self.conds, keep_variances(own_options, variances))
        return variances, sampler_hooks
