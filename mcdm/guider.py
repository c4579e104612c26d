"""The bridge into comfy.samplers: a GUIDER whose denoised estimate is the fusion of several experts.

A `_Voice` is one expert during one run: a patcher, conditions and options of its own, so that nothing of one expert (patches,
hooks, ControlNets, CFG functions) acts on another. The lead's voice is the guider itself, as the host's samplers know it.
"""
import logging
import math
from typing import NamedTuple

import comfy.hooks
import comfy.latent_formats
import comfy.model_patcher
import comfy.model_sampling
import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import torch

from . import fusion
from .noise_levels import NoiseLevels, translate

KEY = "mcdm"
CFG_HOOKS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")
RUN_WRAPPERS = ("outer_sample", "sampler_sample", "predict_noise")


def check_spaces(experts):
    """Raises ValueError unless all experts live in one latent space: the same latent format, not merely as many channels."""
    lead, *others = ((e.name, type(e.model.get_model_object("latent_format")).__name__) for e in experts)
    for name, space in others:
        if space != lead[1]:
            raise ValueError(f"Expert '{name}' works in the latent space {space}, expert '{lead[0]}' in {lead[1]}: they cannot be united. "
                             "Use experts of one latent space.")


def is_pixel(patcher):
    return isinstance(patcher.get_model_object("latent_format"), comfy.latent_formats.ChromaRadiance)


def noise_levels(patcher):
    """The frame and the trained range of a MODEL. Raises ValueError where it predicts no noise level at all."""
    sampling = patcher.get_model_object("model_sampling")
    if isinstance(sampling, comfy.model_sampling.IMG_TO_IMG):
        raise ValueError("An image-to-image network without noise levels cannot be an expert.")
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


class _Voice:
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

    def open(self):
        """Own copies of conditions and options, hooks registered on the own patcher: the host's CFGGuider.sample, for one more expert."""
        self.conds = {k: [c.copy() for c in rows] for k, rows in self.original.items()}
        _own_controls(self.conds)
        comfy.samplers.preprocess_conds_hooks(self.conds)
        self.options = comfy.model_patcher.create_model_options_clone(self.patcher.model_options)
        self.options.pop("multigpu_clones", None)
        self.hook_mode = self.patcher.hook_mode
        if comfy.samplers.get_total_hook_groups_in_conds(self.conds) <= 1:
            self.patcher.hook_mode = comfy.hooks.EnumHookMode.MinVram
        comfy.sampler_helpers.prepare_model_patcher(self.patcher, self.conds, self.options)
        comfy.samplers.filter_registered_hooks_on_conds(self.conds, self.options)
        for kind in RUN_WRAPPERS:
            if comfy.patcher_extension.get_all_wrappers(kind, self.options, is_model_options=True):
                logging.warning(f"MCDM: a wrapper around the whole run ({kind}) on expert '{self.expert.name}' has no effect; only the first expert's act.")

    def begin(self, noise, latent_image, device, denoise_mask, seed, sigmas):
        """Once the models are loaded: conditions and options as this expert's network wants them."""
        comfy.samplers.cast_to_load_options(self.options, device=device, dtype=self.patcher.model_dtype())
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


class _Plan(NamedTuple):
    """What is evaluated while one set of experts is active."""
    coefficients: fusion.Coefficients
    conditions: list        # indices of the experts whose condition counts
    nulls: list             # indices of those whose null counts; empty = D_0 is not needed


class MCDMGuider(comfy.samplers.CFGGuider):
    """Eq. 10 as a GUIDER. mixture: a Mixture of one latent space; the first expert leads: the sampler runs in its frame.

    clip_denoised: clamp the fused estimate to [-1, 1] (pixel experts only). Raises ValueError for experts that do not fit together.
    """

    def __init__(self, mixture, clip_denoised=False):
        check_spaces(mixture.experts)
        patchers = [e.model.clone() for e in mixture.experts]
        super().__init__(patchers[0])
        self.cfg = mixture.experts[0].weight
        self.mixture, self.clip_denoised = mixture, clip_denoised
        if clip_denoised and not is_pixel(self.model_patcher):
            raise ValueError(f"clip_denoised is for experts in pixel space; '{mixture.experts[0].name}' works on latents. Turn it off.")
        _check_weights(mixture.experts)
        self.voices = [_Voice(e, p, noise_levels(p)) for e, p in zip(mixture.experts, patchers, strict=True)]
        self.lead = self.voices[0]
        self.original_conds = self.lead.original
        self._check_nulls()

    # -- one run ------------------------------------------------------------------------------------------------------

    def sample(self, noise, latent_image, *args, **kwargs):
        """Denoises `latent_image` + `noise` as the host's guiders do; both [B, C, H, W] or [B, C, T, H, W]."""
        self._check_latent(latent_image)
        self._plans, self._finite, self._masks = {}, [], []
        opened = []
        try:
            for voice in self.voices[1:]:
                opened.append(voice)
                voice.open()
            samples = super().sample(noise, latent_image, *args, **kwargs)
            if self._finite:
                self._check_finite(torch.stack(self._finite).tolist())
            return samples
        finally:
            for voice in opened:
                voice.close()
            self._plans, self._finite, self._masks = {}, [], []

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
        placed = {v: self._place(v, x, timestep, level) for v in self.voices}
        denoised, nulls = self._evaluate(plan, placed, own)
        null = fusion.null_blend([nulls[i] for i in plan.nulls], [plan.coefficients.reliabilities[i] for i in plan.nulls]) if plan.nulls else None
        terms, weights = [], []
        for i in plan.conditions:
            voice, options = self.voices[i], own if i == 0 else self.voices[i].options
            if any(options.get(k) for k in CFG_HOOKS):
                terms.append(self._hooked(voice, options, denoised[i], null, *placed[voice]))
                weights.append(plan.coefficients.scales[i])
            else:
                terms.append(denoised[i])
                weights.append(plan.coefficients.weights[i])
        fused = fusion.fuse(null, terms, weights) if terms else null
        if self.clip_denoised:
            fused = fused.clamp(-1.0, 1.0)
        for hook in outer:
            fused = hook({"denoised": fused, "cond": self.conds["positive"], "uncond": self.conds.get("negative"), "cond_scale": self.cfg,
                          "model": self.inner_model, "uncond_denoised": torch.zeros_like(fused) if null is None else null, "cond_denoised": fused,
                          "sigma": timestep, "model_options": model_options, "input": x})
        return fused

    def _plan(self, level, model_options):
        """Which predictions count at this noise level: none is evaluated whose coefficient is zero everywhere."""
        forced = bool(model_options.get("disable_cfg1_optimization", False))
        active = tuple(self._active(v.expert, level) for v in self.voices)
        if (active, forced) not in self._plans:
            experts = self.mixture.experts
            c = fusion.coefficients([e.weight for e in experts], self.mixture.reliabilities,
                                    [m if on else 0.0 for m, on in zip(self._masks, active, strict=True)])
            conditions = [i for i, w in enumerate(c.weights) if not fusion.vanishes(w)]
            hooked = any(any((self.model_options if i == 0 else self.voices[i].options).get(k) for k in CFG_HOOKS)
                         and not math.isclose(experts[i].weight, 1.0) for i in conditions)
            asked = forced or any(self.voices[i].options.get("disable_cfg1_optimization", False) for i in conditions if i)
            needed = hooked or asked or not conditions or not fusion.vanishes(c.null)
            nulls = [i for i, a in enumerate(c.reliabilities) if needed and not fusion.vanishes(a)]
            for i in nulls:
                _require_null(experts[i])
            self._plans[active, forced] = _Plan(c, conditions, nulls)
        return self._plans[active, forced]

    def _active(self, expert, level):
        """percent_to_sigma(start) >= sigma > percent_to_sigma(end), by the lead's schedule; 0 and 1 leave no step out."""
        percent_to_sigma = self.model_patcher.get_model_object("model_sampling").percent_to_sigma
        return (expert.start <= 0 or level <= float(percent_to_sigma(expert.start))) and (expert.end >= 1 or level > float(percent_to_sigma(expert.end)))

    def _place(self, voice, x, timestep, level):
        """The image and the noise level as this expert is asked: (x, sigma [B]) in its own frame."""
        if voice is self.lead:
            return x, timestep
        gain, own_level = translate(level, self.lead.levels, voice.levels)
        return (x if gain == 1.0 else x * gain), (timestep if own_level == level else torch.full_like(timestep, own_level))

    def _evaluate(self, plan, placed, lead_options):
        """D of every condition and null that counts: {index: [B, ...]} twice. One call of the host for each MODEL."""
        groups: dict = {}
        for i, voice in enumerate(self.voices):
            options = lead_options if i == 0 else voice.options
            alone = "sampler_calc_cond_batch_function" in options or any("hooks" in c for rows in voice.conds.values() for c in rows)
            groups.setdefault((id(voice.expert.model), i if alone else None), []).append(i)
        denoised, nulls = {}, {}
        for members in groups.values():
            first = self.voices[members[0]]
            conditions = [i for i in members if i in plan.conditions]
            null_rows: dict = {}                # experts of one MODEL with the same plain null share one evaluation
            for i in members:
                if i in plan.nulls:
                    null_rows.setdefault(self._null_key(i), []).append(i)
            rows = [self.voices[i].conds["positive"] for i in conditions], [self.voices[same[0]].conds["negative"] for same in null_rows.values()]
            if not any(rows):
                continue
            first.take_over()
            options = lead_options if members[0] == 0 else first.options
            results = _host_batch(first.model, *rows, *placed[first], options)
            for i, d in zip(conditions, results, strict=False):
                denoised[i] = self._watch(i, d)
            for same, d in zip(null_rows.values(), results[len(conditions):], strict=True):
                nulls.update({i: self._watch(i, d) for i in same})
        return denoised, nulls

    def _null_key(self, i):
        voice = self.voices[i]
        plain = not any(k in c for rows in voice.conds.values() for c in rows for k in ("area", "control", "gligen", "default"))
        return id(voice.expert.null) if plain else (id(voice.expert.null), i)

    def _watch(self, i, denoised):
        """Notes on the device whether expert i has ever answered with NaN or infinity."""
        self._finite[i] = torch.minimum(self._finite[i], torch.isfinite(denoised).all().to(self._finite[i]))
        return denoised

    def _split_hooks(self, model_options):
        """The lead's own options, and the hooks that a sampler (CFG++) hung in for the fused result."""
        own = self.model_options.get("sampler_post_cfg_function", [])
        outer = [f for f in model_options.get("sampler_post_cfg_function", []) if f not in own]
        return ({**model_options, "sampler_post_cfg_function": own} if outer else model_options), outer

    def _hooked(self, voice, options, denoised, null, x, sigma):
        """The host's own CFG hooks of one expert: what they return stands for D_0 + w_i (D_i - D_0)."""
        weight, positive, negative = voice.expert.weight, voice.conds["positive"], voice.conds.get("negative")
        out = [denoised, torch.zeros_like(denoised) if null is None else null]
        for hook in options.get("sampler_pre_cfg_function", []):
            out = hook({"conds": [positive, negative], "conds_out": out, "cond_scale": weight, "timestep": sigma, "input": x, "sigma": sigma,
                        "model": voice.model, "model_options": options})
        return comfy.samplers.cfg_function(voice.model, out[0], out[1], weight, x, sigma, model_options=options, cond=positive, uncond=negative)

    # -- checks and words ---------------------------------------------------------------------------------------------

    def _check_nulls(self):
        """A null that is left out must never be needed: its expert has no reliability, or the weights sum to one for good."""
        experts = self.mixture.experts
        steady = all(e.mask is None and e.start <= 0 and e.end >= 1 for e in experts)
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
            phase = f"{len(plan.conditions) + len(plan.nulls)} predictions{f' without {chr(44).join(missing)}' if missing else ''}"
            phases[phase] = phases.get(phase, 0) + 1
        logging.info(f"MCDM: {' + '.join(parts)}; {'; '.join(f'{n} steps of {phase}' for phase, n in phases.items())}.")


def _require_null(expert):
    if expert.null is None:
        raise ValueError(f"Expert '{expert.name}' has no null condition, and this mixture needs it: connect the conditioning of an empty prompt "
                         "to null_condition, or set its reliability to 0.")


def _check_weights(experts):
    """Refuses MODELs that share one network but not its weights: the host would silently give both the same."""
    def weights(patcher):
        return (patcher.patches_uuid if patcher.patches or patcher.weight_wrapper_patches else None,
                {k: id(v) for k, v in patcher.object_patches.items()}, list(patcher.injections))
    seen: dict = {}
    for expert in experts:
        other = seen.setdefault(id(expert.model.model), expert)
        if weights(other.model) != weights(expert.model):
            raise ValueError(f"Experts '{other.name}' and '{expert.name}' are one checkpoint with different patches (LoRA, sampling override), which share "
                             "their weights in the host; load the checkpoint twice, from two files, to unite them.")


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

    def relabel(apply_model, args):
        marks = [labels[i] for i in args["cond_or_uncond"]]
        args["c"]["transformer_options"]["cond_or_uncond"] = args["cond_or_uncond"] = marks
        return inner(apply_model, args) if inner else apply_model(args["input"], args["timestep"], **args["c"])
    return comfy.samplers.calc_cond_batch(model, conditions + nulls, x, sigma, {**options, "model_function_wrapper": relabel})
