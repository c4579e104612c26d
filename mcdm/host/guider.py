"""The bridge into comfy.samplers: a GUIDER whose denoised estimate is the fusion of several experts."""
import contextlib
import copy
import logging
import math
from typing import NamedTuple

import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import torch

from .. import fusion
from ..noise_levels import translate
from .models import check_spaces, is_pixel, noise_levels
from .patchers import own_patchers, same
from .run import Voice, blame

KEY = "mcdm"
CFG_HOOKS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")


class _Plan(NamedTuple):
    """What is evaluated while one set of experts is active."""
    guided: bool            # whether the noise level lies in the guidance interval
    weights: tuple          # the w_i as they are at this point of the schedule
    coefficients: fusion.Coefficients
    conditions: list        # indices of the experts whose condition counts
    nulls: list             # indices of those whose null counts; empty = D_0 is not needed


class Observation(NamedTuple):
    """One evaluation, as an observer is shown it. All estimates are denoised ones, [B, ...], in the lead's latent space; experts go by index."""
    sigma: float            # the noise level in the frame z = x0 + sigma n
    denoised: dict          # D_i of the experts whose condition counts
    pulls: dict             # (w_i m_i, D_i as it is fused): an expert's own CFG hooks have acted on it
    null: torch.Tensor | None       # D_0, None where it is not needed
    fused: torch.Tensor
    nulls: dict = {}        # D of the experts' nulls that were evaluated


class _Variances:
    """Takes the variance channels of the lead's network during one evaluation. No list: the host copies lists in its options."""

    def __init__(self):
        self.parts = []

    def append(self, part):
        self.parts.append(part)

    def row(self, number):
        """Of the conditions and nulls that were evaluated, the variance of one, [B, ...]; None if the network predicts none."""
        for rows, variance in self.parts:
            if number in rows:
                return variance.chunk(len(rows))[rows.index(number)]
        return None


class MCDMGuider(comfy.samplers.CFGGuider):
    """Eq. 10 as a GUIDER. mixture: a Mixture of one latent space; the first expert leads: the sampler runs in its frame.

    clip_denoised: clamp the fused estimate to [-1, 1] (pixel experts only). Raises ValueError for experts that do not fit together.
    learned_variance: after an evaluation, the variance channels of the lead's condition row, as the authors take them; or None.
    observer: called with an Observation of every evaluation, before the sampler's own hooks; None costs nothing.
    all_nulls: evaluate D_0 and the null of every expert whose condition counts, needed or not, for an observer that compares with them.
    shared: a dictionary for runs of one noise whose mixtures differ in numbers only: what the experts answer at the start is evaluated once. Or None.
    """

    def __init__(self, mixture, clip_denoised=False):
        check_spaces(mixture.experts, mixture.mixed_spaces)
        patchers = own_patchers(mixture.experts)
        super().__init__(patchers[0])
        self.cfg = mixture.experts[0].weight
        self.mixture, self.clip_denoised = mixture, clip_denoised
        if clip_denoised and not is_pixel(self.model_patcher):
            raise ValueError(f"clip_denoised is for experts in pixel space; '{mixture.experts[0].name}' works on latents. Turn it off.")
        self.voices = [Voice(e, p, noise_levels(p)) for e, p in zip(mixture.experts, patchers, strict=True)]
        self.lead = self.voices[0]
        self.original_conds = self.lead.original
        self.learned_variance = None
        self.observer = None
        self.all_nulls = False
        self.shared: dict | None = None
        schedule = copy.deepcopy(self.model_patcher.get_model_object("model_sampling")).cpu()       # asked in every step, without a wait for a device
        self.percent_to_sigma = schedule.percent_to_sigma
        self.windows = [(math.inf if e.start <= 0 else float(self.percent_to_sigma(e.start)), -math.inf if e.end >= 1 else float(self.percent_to_sigma(e.end)))
                        for e in mixture.experts]           # (start, end]: the ends of the schedule leave no step out
        self._check_nulls()

    # -- one run ------------------------------------------------------------------------------------------------------

    def sample(self, noise, latent_image, *args, **kwargs):
        """Denoises `latent_image` + `noise` as the host's guiders do; both [B, C, H, W] or [B, C, T, H, W]."""
        self._check_latent(latent_image)
        self._reset()
        with contextlib.ExitStack() as afterwards:
            afterwards.callback(self._reset)
            for voice in self.voices[1:]:
                afterwards.callback(voice.close)
                with blame(voice.expert):
                    voice.open()
            samples = super().sample(noise, latent_image, *args, **kwargs)
            if self._finite:
                self._check_finite(torch.stack(self._finite).tolist())
            return samples

    def _reset(self):
        comfy.sampler_helpers.cleanup_models(self.lead.conds, [])       # the host leaves its ControlNets as they are when a run breaks
        self.lead.conds, self.lead.options = {}, {}
        self._plans: dict = {}
        self._first = True      # evaluation of the run
        self._calls: list = []
        self._twins: list = []
        self._finite: list[torch.Tensor] = []       # per expert, on the device: 1 while all its answers were finite
        self._masks: list[torch.Tensor | float] = []

    def outer_sample(self, *args, **kwargs):
        self.lead.conds, self.lead.options = self.conds, self.model_options
        comfy.patcher_extension.add_wrapper_with_key("prepare_sampling", KEY, self._prepare_sampling, self.model_options, is_model_options=True)
        return super().outer_sample(*args, **kwargs)

    def _prepare_sampling(self, executor, patcher, noise_shape, conds, *args, **kwargs):
        """One load of all networks and ControlNets, with working memory for the hungriest expert, not for the sum."""
        carriers = list({id(v.model): v.patcher for v in reversed(self.voices)}.values())
        hungry = max(carriers, key=lambda p: max(comfy.sampler_helpers.estimate_memory(v.patcher, noise_shape, v.conds)[0]
                                                 for v in self.voices if v.model is p.model))
        others = [p for p in carriers if p is not hungry]
        for voice in self.voices[1:]:
            others += comfy.sampler_helpers.get_additional_models_from_model_options(voice.options)
            others += voice.patcher.model_patches_models() + voice.patcher.get_nested_additional_models()
        everything = {f"{k}{i}": rows for i, v in enumerate(self.voices) for k, rows in v.conds.items()}
        hungry.set_additional_models(KEY, others)
        try:
            _, _, models = executor(hungry, noise_shape, everything, *args, **kwargs)
        finally:
            hungry.remove_additional_models(KEY)
        return patcher.model, conds, [m for m in models if m is not patcher]

    def inner_sample(self, noise, latent_image, device, *args, **kwargs):
        names = ("sampler", "sigmas", "denoise_mask", "callback", "disable_pbar", "seed")
        given = dict(zip(names, args, strict=False)) | kwargs
        for voice in self.voices[1:]:
            sigmas = [translate(s, self.lead.levels, voice.levels)[1] if s > 0 else 0.0 for s in given["sigmas"].tolist()]
            with blame(voice.expert):
                voice.begin(noise, latent_image, device, given["denoise_mask"], given["seed"], torch.tensor(sigmas, device=device))
        self._masks = [1.0 if v.expert.mask is None else fusion.latent_mask(v.expert.mask, noise.shape, device) for v in self.voices]
        self._finite = [torch.ones((), device=device) for _ in self.voices]
        self._log(given["sigmas"].tolist(), self.model_options)
        return super().inner_sample(noise, latent_image, device, *args, **kwargs)

    # -- one evaluation -----------------------------------------------------------------------------------------------

    def predict_noise(self, x, timestep, model_options={}, seed=None):  # noqa: B006
        """The fused denoised estimate at x, in the lead's frame: eq. 18."""
        self.lead.conds = self.conds
        level, *finite = torch.stack([timestep.flatten()[0].float(), *self._finite]).tolist()      # the only wait for the device
        self._check_finite(finite)
        plan = self._plan(level, model_options)
        own, outer = self._split_hooks(model_options)
        variances = _Variances()
        own = {**own, "transformer_options": {**own.get("transformer_options", {}), "mcdm_learned_variance": variances}}
        placed = {v: self._place(v, x, timestep, level) for v in self.voices}
        denoised, nulls = self._evaluate(plan, placed, own)
        self.learned_variance = variances.row(0) if 0 in denoised else None
        null = fusion.null_blend([nulls[i] for i in plan.nulls], [plan.coefficients.reliabilities[i] for i in plan.nulls]) if plan.nulls else None
        terms: list[torch.Tensor] = []
        weights: list[torch.Tensor | float] = []
        for i in plan.conditions:
            voice, options = self.voices[i], own if i == 0 else self.voices[i].options
            if plan.guided and any(options.get(k) for k in CFG_HOOKS):
                with blame(voice.expert):
                    terms.append(self._hooked(voice, options, plan.weights[i], denoised[i], null, *placed[voice]))
                weights.append(plan.coefficients.scales[i])
            else:
                terms.append(denoised[i])
                weights.append(plan.coefficients.weights[i])
        fused = fusion.fuse(null, terms, weights)
        if self.mixture.options.rescale and terms:
            fused = fusion.rescale(fused, [denoised[i] for i in plan.conditions], self.mixture.options.rescale)
        if self.clip_denoised:
            fused = fused.clamp(-1.0, 1.0)
        if self.observer is not None:
            pulls = dict(zip(plan.conditions, zip(weights, terms, strict=True), strict=True))
            self.observer(Observation(self._sigma(level), denoised, pulls, null, fused, nulls))
        for hook in outer:
            fused = hook({"denoised": fused, "cond": self.conds["positive"], "uncond": self.conds.get("negative"), "cond_scale": self.cfg,
                          "model": self.inner_model, "uncond_denoised": torch.zeros_like(fused) if null is None else null,
                          "cond_denoised": next(iter(denoised.values())) if len(denoised) == 1 else fused, "sigma": timestep,
                          "model_options": model_options, "input": x})
        return fused

    def _plan(self, level, model_options):
        """Which predictions count at this noise level: none is evaluated whose coefficient is zero everywhere."""
        mixture, experts = self.mixture, self.mixture.experts
        forced = self.all_nulls or bool(model_options.get("disable_cfg1_optimization", False))
        sigma = self._sigma(level)
        low, high = mixture.options.interval
        guided = (low < sigma or low == 0) and sigma <= high
        active = tuple(start >= level > end for start, end in self.windows)
        key = active, forced, guided, level if mixture.scheduled else None
        if key not in self._plans:
            weights, reliabilities = mixture.at(self._percent(level) if mixture.scheduled else 0.0)
            c = fusion.coefficients(weights, reliabilities, [m if on else 0.0 for m, on in zip(self._masks, active, strict=True)])
            if not guided:
                c = fusion.without_guidance(c)
            conditions = [i for i, w in enumerate(c.weights) if not fusion.vanishes(w)]
            options = [self.model_options if i == 0 else self.voices[i].options for i in range(len(experts))]
            hooked = guided and any(any(options[i].get(k) for k in CFG_HOOKS) and not math.isclose(weights[i], 1.0) for i in conditions)
            asked = forced or any(options[i].get("disable_cfg1_optimization", False) for i in conditions)
            needed = hooked or asked or not conditions or not fusion.vanishes(c.null)
            extra = [i for i in conditions if self.all_nulls and experts[i].null is not None]
            nulls = [i for i, a in enumerate(c.reliabilities) if needed and (i in extra or not fusion.vanishes(a))]
            for i in nulls:
                _require_null(experts[i])
            self._plans[key] = _Plan(guided, weights, c, conditions, nulls)
        return self._plans[key]

    def _sigma(self, level):
        """The lead's noise level in the frame z = x0 + sigma n: a flow's t = 1 is infinite there."""
        return level if not self.lead.levels.flow else level / (1.0 - level) if level < 1.0 else math.inf

    def _percent(self, level):
        """Where in the lead's schedule a noise level lies, from 0 (all noise) to 1: percent_to_sigma backwards."""
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2.0
            low, high = (middle, high) if float(self.percent_to_sigma(middle)) > level else (low, middle)
        return high

    def _place(self, voice, x, timestep, level):
        """The image and the noise level as this expert is asked: (x, sigma [B]) in its own frame."""
        if voice is self.lead:
            return x, timestep
        gain, own_level = translate(level, self.lead.levels, voice.levels)
        return (x if gain == 1.0 else x * gain), (timestep if own_level == level else torch.full_like(timestep, own_level))

    def _group(self):
        """Which experts one call of the host serves: those of one MODEL; and of equal nulls of one MODEL, the first."""
        options = [self.model_options, *(v.options for v in self.voices[1:])]
        rows = [[c for conds in v.conds.values() for c in conds] for v in self.voices]
        # what hooks add to the options is one expert's; ControlNets are shown the host's numbers of the conditions instead of our labels
        models = [(id(v.expert.model), i if "sampler_calc_cond_batch_function" in o or any("hooks" in c for c in r) else None)
                  for i, (v, o, r) in enumerate(zip(self.voices, options, rows, strict=True))]
        calls: dict = {}
        for i, r in enumerate(rows):
            calls.setdefault((models[i], i if any("control" in c for c in r) else None), []).append(i)
        nulls = [[{k: v for k, v in c.items() if k != "uuid"} for c in v.conds.get("negative", [])] for v in self.voices]
        self._calls = list(calls.values())
        self._twins = [next(j for j in range(i + 1) if models[i] == models[j] and same(nulls[i], nulls[j])) for i in range(len(nulls))]

    def _evaluate(self, plan, placed, lead_options):
        """D of every condition and null that counts: {index: [B, ...]} twice. Equal nulls are asked once."""
        if not self._calls:
            self._group()
        asked: dict = {}
        for i in plan.nulls:
            asked.setdefault(self._twins[i], i)
        denoised: dict = {}
        answers: dict = {}
        for members in self._calls:
            first = self.voices[members[0]]
            conditions = [i for i in members if i in plan.conditions]
            nulls = [i for i in members if i in asked.values()]
            if not conditions and not nulls:
                continue
            x, sigma = placed[first]
            shared = self.shared if self._first and all(self.voices[i].plain for i in members) else None
            key = tuple(conditions), tuple(nulls)       # the same rows in one call: their last bits depend on their company
            asked_at, results = (shared or {}).get(key, (None, []))
            if asked_at is None or not same(asked_at, (x, sigma)):
                first.take_over()
                with blame(*(self.voices[i].expert for i in members)):
                    results = _host_batch(first.model, [self.voices[i].conds["positive"] for i in conditions],
                                          [self.voices[i].conds["negative"] for i in nulls], x, sigma, lead_options if members[0] == 0 else first.options)
                if shared is not None:
                    shared[key] = (x.clone(), sigma.clone()), results
            denoised |= {i: self._watch(i, d) for i, d in zip(conditions, results, strict=False)}
            answers |= {i: self._watch(i, d) for i, d in zip(nulls, results[len(conditions):], strict=True)}
        self._first = False
        return denoised, {i: answers[asked[self._twins[i]]] for i in plan.nulls}

    def _watch(self, i, denoised):
        """Notes on the device whether expert i has ever answered with NaN or infinity."""
        self._finite[i] = torch.minimum(self._finite[i], torch.isfinite(denoised).all().to(self._finite[i]))
        return denoised

    def _split_hooks(self, model_options):
        """The lead's own options, and the hooks that a sampler (CFG++) hung in for the fused result."""
        own = self.model_options.get("sampler_post_cfg_function", [])
        outer = [f for f in model_options.get("sampler_post_cfg_function", []) if f not in own]
        return ({**model_options, "sampler_post_cfg_function": own} if outer else model_options), outer

    def _hooked(self, voice, options, weight, denoised, null, x, sigma):
        """The host's own CFG hooks of one expert: what they return stands for D_0 + w_i (D_i - D_0)."""
        voice.take_over()
        positive, negative = voice.conds["positive"], None if null is None else voice.conds.get("negative")
        out = [denoised, torch.zeros_like(denoised) if null is None else null]
        for hook in options.get("sampler_pre_cfg_function", []):
            out = hook({"conds": [positive, negative], "conds_out": out, "cond_scale": weight, "timestep": sigma, "input": x, "sigma": sigma,
                        "model": voice.model, "model_options": options})
        return comfy.samplers.cfg_function(voice.model, out[0], out[1], weight, x, sigma, model_options=options, cond=positive, uncond=negative)

    # -- checks and words ---------------------------------------------------------------------------------------------

    def _check_nulls(self):
        """A null that is left out must never be needed: its expert has no reliability, or the weights sum to one for good."""
        experts = self.mixture.experts
        steady = not self.mixture.scheduled and all(e.mask is None and e.start <= 0 and e.end >= 1 for e in experts)
        if steady and fusion.vanishes(1.0 - sum(e.weight for e in experts)):
            return
        for expert, a in zip(experts, self.mixture.reliabilities, strict=True):
            if a > 0:
                _require_null(expert)

    def _check_latent(self, latent):
        lead = self.mixture.experts[0]
        if latent.is_nested:
            raise ValueError("Nested latents (picture and sound in one) cannot be fused; use an ordinary latent.")
        space = self.model_patcher.get_model_object("latent_format")
        if latent.shape[1] != space.latent_channels:
            raise ValueError(f"Expert '{lead.name}' works on latents of {space.latent_channels} channels ({type(space).__name__}), the latent has "
                             f"{latent.shape[1]}; use EmptyExpertLatent, or encode the picture with the VAE of this latent space.")
        for expert in self.mixture.experts:
            size = getattr(expert.model.model, "fixed_size", None)
            if size is not None and tuple(latent.shape[-2:]) != tuple(size):
                raise ValueError(f"Expert '{expert.name}' works at {size[1]} x {size[0]} only, the latent is {latent.shape[-1]} x {latent.shape[-2]}; "
                                 "use EmptyExpertLatent with that size.")
        if not torch.isfinite(latent).all():
            raise ValueError("The latent holds NaN or infinite values; nothing can be sampled from it.")

    def _check_finite(self, flags):
        for expert, finite in zip(self.mixture.experts, flags, strict=False):
            if not finite:
                raise ValueError(f"Expert '{expert.name}' answered with NaN or infinite values; try weight_dtype float32, a lower weight or another sampler.")

    def _log(self, sigmas, model_options):
        """The plan of the run in one line: who counts, how many predictions a step, and what is left out."""
        experts = self.mixture.experts
        parts = [f"'{e.name}' (w {e.weight:g}, a {a:.3g})" for e, a in zip(experts, self.mixture.reliabilities, strict=True)]
        phases: dict = {}
        for level in sigmas[:-1]:
            plan = self._plan(level, model_options)
            missing = [f"condition of '{e.name}'" for i, e in enumerate(experts) if i not in plan.conditions]
            missing += [f"null of '{e.name}'" for i, e in enumerate(experts) if i not in plan.nulls]
            phase = f"{len(plan.conditions) + len(plan.nulls)} predictions" + (f" without {', '.join(missing)}" if missing else "")
            phases[phase] = phases.get(phase, 0) + 1
        logging.info(f"MCDM: {' + '.join(parts)}; {'; '.join(f'{n} x {phase}' for phase, n in phases.items())}.")


def _require_null(expert):
    if expert.null is None:
        raise ValueError(f"Expert '{expert.name}' has no null condition, and this mixture needs it: connect the conditioning of an empty prompt "
                         "to null_condition, or set its reliability to 0.")


def _host_batch(model, conditions, nulls, x, sigma, options):
    """The host's calc_cond_batch on any number of conditions and nulls; patches see cond_or_uncond 0 for the ones and 1 for the others."""
    if len(conditions) <= 1 and len(nulls) <= 1:
        rows = [conditions[0] if conditions else None, nulls[0] if nulls else None]
        if "sampler_calc_cond_batch_function" in options:
            out = options["sampler_calc_cond_batch_function"]({"conds": rows, "input": x, "sigma": sigma, "model": model, "model_options": options})
        else:
            out = comfy.samplers.calc_cond_batch(model, rows, x, sigma, options)
        return [d for d, row in zip(out, rows, strict=False) if row is not None]
    labels = [0] * len(conditions) + [1] * len(nulls)
    inner = options.get("model_function_wrapper")
    variances = options["transformer_options"].get("mcdm_learned_variance")

    def relabel(apply_model, args):
        rows = args["cond_or_uncond"]
        args["c"]["transformer_options"]["cond_or_uncond"] = args["cond_or_uncond"] = [labels[i] for i in rows]
        out = inner(apply_model, args) if inner else apply_model(args["input"], args["timestep"], **args["c"])
        if variances is not None and variances.parts:
            variances.parts[-1] = rows, variances.parts[-1][1]
        return out
    return comfy.samplers.calc_cond_batch(model, conditions + nulls, x, sigma, {**options, "model_function_wrapper": relabel})
