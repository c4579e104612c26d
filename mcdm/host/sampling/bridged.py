"""A guider for experts of several latent spaces: each group of experts denoises a latent of its own (mcdm/bridges.py).

The sampler steps all these latents as one, [B, 1, n]; the host sees nothing but the lead's.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import comfy.samplers
import torch

from ... import bands, fusion
from ...fusion import Coefficient
from ...mixture import Mixture
from ...observation import Observation
from ..experts.asking import Estimates, Evaluator, check_finite
from ..experts.conds import Start
from ..experts.hooks import apply_sampler_hooks
from ..experts.loading import Loader
from ..experts.run import ExpertRun, LeadRun, Place, wants_null
from ..spaces.groups import Spaces, groups_of
from .fuse import Combiner
from .guider import MixtureGuider, Sampling
from .plan import Plan
from .plan_groups import BridgedPlan, BridgedPlanner
from .union import Across, Union, Weighted


def guider_of(mixture: Mixture, clip_denoised: bool = False) -> MixtureGuider:
    """The guider of a mixture, of one latent space or several."""
    several = len(groups_of(mixture.experts, mixture.mixed_spaces)) > 1
    what = "Frequency bands" if bands.of([e.bands for e in mixture.experts]) else ""
    what = "Automatic masks" if mixture.automatic is not None else what
    if several and what:
        raise ValueError(f"{what} need experts that share a latent space, and these do not; leave them out.")
    return (BridgedGuider if several else MixtureGuider)(mixture, clip_denoised)


class ForeignRun(ExpertRun):
    """An expert whose latent is not the lead's: it begins with noise, latent and mask of its own block."""
    own: Start

    def begin(self, start: Start) -> None:
        super().begin(self.own)


class Blocks(comfy.samplers.Sampler):
    """A sampler that steps the latents of all groups as one, where the host gives it that of the lead and wants it.

    noise, latents: of all groups; of latents, the lead's is the host's.
    """

    def __init__(self, sampler: Any, spaces: Spaces, noise: Sequence[torch.Tensor], latents: Sequence[torch.Tensor],
                 ) -> None:
        self.sampler, self.spaces, self.noise, self.latents = sampler, spaces, noise, latents

    def sample(self, model_wrap: Any, sigmas: torch.Tensor, extra_args: dict[str, Any], callback: Callable | None,
               noise: torch.Tensor, latent_image: torch.Tensor | None = None, denoise_mask: torch.Tensor | None = None,
               disable_pbar: bool = False) -> torch.Tensor:
        pack, unpack = self.spaces.pack, self.spaces.unpack
        own = torch.zeros_like(noise) if latent_image is None else latent_image
        mask = None if denoise_mask is None else pack(self.spaces.masks(denoise_mask))

        def show(step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> object:
            return callback(step, unpack(x0)[0], unpack(x)[0], total) if callback else None
        samples = self.sampler.sample(model_wrap, sigmas, extra_args, callback and show, pack(self.noise),
                                      pack([own, *self.latents[1:]]), mask, disable_pbar)
        return unpack(samples)[0]

    def max_denoise(self, model_wrap: Any, sigmas: torch.Tensor) -> bool:
        return self.sampler.max_denoise(model_wrap, sigmas)


class BridgedGuider(MixtureGuider):
    """Eq. 10 across latent spaces. Estimates, images and noise are lists of blocks, one for each group."""

    def _check_spaces(self, mixture: Mixture) -> None:
        self.groups = groups_of(mixture.experts, mixture.mixed_spaces)
        self.together = tuple(mixture.experts[i] for i in self.groups[0].members)

    def sample(self, noise: torch.Tensor, latent_image: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.spaces = Spaces(self.groups, self.mixture.experts, latent_image.shape)
        try:
            return super().sample(noise, latent_image, *args, **kwargs)
        finally:
            self.spaces.forget()

    def _begin(self) -> Sampling:
        lead, *others = zip(self.mixture.experts, self.patchers, strict=True)
        first = LeadRun(*lead)
        runs: list[ExpertRun] = [first]
        for i, other in enumerate(others, 1):
            kind = ExpertRun if i in self.groups[0].members else ForeignRun
            runs.append(kind(*other, first.levels))
        for s, group in enumerate(self.groups):
            for i in group.members:
                runs[i].space, runs[i].shape = s, self.spaces.shapes[s]
        planner: Any = BridgedPlanner(self.mixture, self.schedule, runs, self.spaces, self.all_nulls,
                                      self.model_patcher.load_device)
        evaluator = Evaluator(runs, self.shared, self.clock)
        loader = Loader(planner.plan, runs, first, self.spaces.patchers())
        return Sampling(first, runs, planner, evaluator, loader, Combiner(self.mixture.options, runs, evaluator))

    def inner_sample(
        self, noise: torch.Tensor, latent_image: torch.Tensor, device: torch.device, sampler: Any, sigmas: torch.Tensor,
        denoise_mask: torch.Tensor | None, callback: Callable | None, disable_pbar: bool, seed: int | None,
        **kwargs: Any,
    ) -> torch.Tensor:
        spaces, runs = self.spaces, self.sampling.runs
        for group in self.groups:
            group.codec.probe(device)
        blocks = spaces.noise(noise)
        model = self.model_patcher.model
        latents = spaces.latents(model.process_latent_in(latent_image) if latent_image.any() else latent_image)
        masks: Sequence[Any] = [None] * len(blocks) if denoise_mask is None else spaces.masks(denoise_mask)
        for run in runs[1:]:
            if isinstance(run, ForeignRun):
                block = blocks[run.space]
                latent = latents[run.space]
                latent = run.model.process_latent_out(latent) if latent.any() else latent
                run.own = Start(block, latent, masks[run.space], seed, sigmas, [block.shape])
        sampler = Blocks(sampler, spaces, blocks, latents)
        return super().inner_sample(
            noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **kwargs)

    def predict_noise(
        self, x: torch.Tensor, timestep: torch.Tensor, model_options: dict[str, Any] = {},  # noqa: B006
        seed: int | None = None,
    ) -> torch.Tensor:
        """The fused estimates of all blocks [B, 1, n] of x [B, 1, n] at the level [B], in the lead's frame."""
        _, runs, _, evaluator, loader, combine = self.sampling
        planner: Any = self.sampling.planner
        codecs: list[Any] = [group.codec for group in self.groups if group.codec.finite is not None]
        flags = [run.finite for run in [*runs, *codecs]]
        level, *finite = torch.stack([timestep.flatten()[0].float(), *flags]).tolist()
        check_finite(self.mixture.experts, finite)
        for codec, good in zip(codecs, finite[len(runs):], strict=True):
            codec.check(good)
        variances, sampler_hooks = self._follow(model_options)
        plan = planner.plan(level, wants_null(model_options))
        if plan.groups[0].resting:
            return self.schedule.levels.at_rest(x, level)
        if loader.require(plan, level):
            evaluator.regroup()
        blocks = self.spaces.unpack(x)
        places = [run.place(blocks[run.space], timestep, level) for run in runs]
        denoised, nulls = evaluator.evaluate(plan, places)
        learned = variances.row(0) if 0 in denoised else None
        self.learned_variance = None if learned is None else self.spaces.pack(
            [learned, *(torch.zeros_like(block) for block in blocks[1:])])
        terms = self._terms(plan, places, denoised, nulls)
        weights = [self._weights(own, plan.conditions) for own in plan.groups]
        united = Union(self.spaces, plan, denoised, nulls)
        fused = united.fuse(terms, weights)
        options = self.mixture.options
        watched = sampler_hooks or self.observer is not None or options.apg or options.cfg_zero
        null = united.fuse({}, [{}] * len(self.groups)) if watched and plan.nulls else None
        fused = combine.across(plan.groups[0], blocks[0], level, fused, null, weights[0], united.reference)
        if self.clip_denoised:
            fused = fused.clamp(-1.0, 1.0)
        if self.observer is not None:
            across: Any = functools.partial(Across, self.spaces, runs)
            moved: Any = Weighted(self.spaces, runs, terms, weights=weights[0])
            sigma = self.schedule.levels.sigma(level)
            self.observer(Observation(sigma, across(denoised), moved, null, fused, across(nulls)))
        out = self._targets(fused, level)
        blank = self._targets(null, level) if sampler_hooks and null is not None else None
        return apply_sampler_hooks(self, sampler_hooks, out, {}, blank, x, timestep, model_options)

    def _terms(self, plan: BridgedPlan, places: Sequence[Place], denoised: Estimates, nulls: Estimates) -> Estimates:
        """D_i of each condition that counts; where its expert has CFG functions, what these make of it."""
        terms: Estimates = {}
        for own in plan.groups:
            null = None
            if own.nulls and any(self.sampling.runs[i].has_cfg_hooks for i in own.conditions):
                reliabilities = [own.coefficients.reliabilities[j] for j in own.nulls]
                within = fusion.coefficients([0.0] * len(own.nulls), [1.0] * len(own.nulls), reliabilities)
                null = fusion.null_blend([nulls[j] for j in own.nulls], within.reliabilities)
            terms |= {i: d for i, (_, d) in self.sampling.combine.contributions(own, places, denoised, null).items()}
        return terms

    def _weights(self, own: Plan, conditions: Sequence[int]) -> dict[int, Coefficient]:
        """w_i m_i of all conditions that count, in the cells of one group; m_i where CFG functions answer for w_i."""
        hooked = [own.guided and run.has_cfg_hooks for run in self.sampling.runs]
        masks, weights = own.coefficients.masks, own.coefficients.weights
        return {i: masks[i] if hooked[i] else weights[i] for i in conditions}

    def _targets(self, fused: torch.Tensor, level: float) -> torch.Tensor:
        """What each block is stepped towards, packed: D, and B(1->s)(D) where group s is asked again."""
        planner: Any = self.sampling.planner
        blocks = [fused]
        for s, shape in enumerate(self.spaces.shapes[1:], 1):
            over = planner.is_over(s, level)
            blocks.append(fused.new_zeros(len(fused), *shape[1:]) if over else self.spaces.there(s, fused))
        return self.spaces.pack(blocks)
