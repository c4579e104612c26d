"""Mixtures of tiny Stable Diffusions, what the nodes make of them, and the same by hand in float64.

Expert i has conditioning(i) and, as its null, conditioning(100 + i). Images x are [B, 4, H, W]; a level is a sigma, or
the t of a flow; D is a denoised estimate.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from support.tensors import noise
from unite_and_conquer.devtools.inprocess import InProcess
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

KINDS = "eps", "v", "edm", "x0", "flow", "cosmos"
WEIGHTS, RELIABILITIES = (2.0, 3.0), (0.25, 0.75)           # of two experts, where a test has no numbers of its own


# -------------------------------------------------------------------------------------------------------- by the nodes

def expert(comfy: InProcess, model: Any, seed: int, weight: float = 1.0, **more: Any) -> Any:
    """An expert of one model with conditioning(seed)."""
    texts = {"condition": conditioning(seed), "null_condition": conditioning(100 + seed)}
    return comfy.call("ConditionExpert", model=model, weight=weight, **(texts | more))[0]


def mix(comfy: InProcess, experts: Sequence[Any], reliabilities: str = "", **more: Any) -> Any:
    """The mixture of experts, in the order of the slots. more: other inputs of ReliabilityMixer."""
    slots = {f"expert_{i + 1}": e for i, e in enumerate(experts)}
    return comfy.call("ReliabilityMixer", **slots, reliabilities=reliabilities, **more)[0]


def united(comfy: InProcess, models: Sequence[Any], conditions: Sequence[Any] | None = None,
           weights: Sequence[float] = WEIGHTS, reliabilities: str = "1 3", **more: Any) -> Any:
    """The mixture of several models, each with its condition. more: what every ConditionExpert is given besides."""
    conditions = conditions or [conditioning(i) for i in range(len(models))]
    experts = [expert(comfy, model, i, weight, condition=condition, **more)
               for i, (model, condition, weight) in enumerate(zip(models, conditions, weights, strict=True))]
    return mix(comfy, experts, reliabilities)


def with_options(comfy: InProcess, models: Sequence[Any], weights: Sequence[float] = WEIGHTS,
                 reliabilities: str = "1 3", **options: Any) -> Any:
    """The mixture of two models. options: inputs of MixtureOptions, which is left out without them."""
    mixture = united(comfy, models, weights=weights, reliabilities=reliabilities)
    return comfy.call("MixtureOptions", mixture=mixture, **options)[0] if options else mixture


def latent(batch: int = 1, size: int = 8, seed: int | None = None) -> dict[str, Any]:
    """A LATENT of SD 1.5: zeros, or noise of a seed."""
    shape = batch, 4, size, size
    return {"samples": torch.zeros(shape) if seed is None else noise(seed, *shape)}


def settings(seed: int = 1, steps: int = 3, sampler_name: str = "euler", scheduler: str = "normal",
             **more: Any) -> dict[str, Any]:
    """Inputs of MCDMSampler and of the host's KSampler."""
    return {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler} | more


def sampled(comfy: InProcess, mixture: Any, **inputs: Any) -> torch.Tensor:
    """The samples that MCDMSampler draws from a mixture."""
    return comfy.call("MCDMSampler", mixture=mixture, **inputs)[0]["samples"]


def stock_sampled(comfy: InProcess, model: Any, weight: float, **inputs: Any) -> torch.Tensor:
    """The samples that the host's KSampler draws from the model of expert 1."""
    texts = {"positive": conditioning(1), "negative": conditioning(101)}
    return comfy.call("KSampler", model=model, cfg=weight, **texts, **inputs)[0]["samples"]


class FixedNoise:
    """A NOISE of the host that is x whatever the latent is."""

    def __init__(self, x: torch.Tensor, seed: int = 0) -> None:
        self.x, self.seed = x, seed

    def generate_noise(self, latent: dict[str, Any]) -> torch.Tensor:
        return self.x


def custom_sampled(comfy: InProcess, mixture: Any, sampler: Any, sigmas: Sequence[float], x: torch.Tensor,
                   seed: int = 0) -> torch.Tensor:
    """The samples of the host's SamplerCustomAdvanced over an empty latent.

    sampler: a SAMPLER, or a name for KSamplerSelect. x: the noise, which the first sigma scales.
    """
    if isinstance(sampler, str):
        sampler, = comfy.call("KSamplerSelect", sampler_name=sampler)
    guider, = comfy.call("MCDMGuider", mixture=mixture)
    empty = {"samples": torch.zeros_like(x)}
    return comfy.call("SamplerCustomAdvanced", noise=FixedNoise(x, seed), guider=guider, sampler=sampler,
                      sigmas=torch.tensor(sigmas), latent_image=empty)[0]["samples"]


def run(guider: Any, sampler: Any, noise: torch.Tensor, sigmas: Sequence[float], **more: Any) -> torch.Tensor:
    """The samples that a guider draws from noise over an empty latent. sampler: one of the host's, a KSAMPLER."""
    empty = torch.zeros_like(noise)
    return guider.sample(noise, empty, sampler, torch.tensor(sigmas), disable_pbar=True, seed=0, **more)


def probed(guider: Any, x: torch.Tensor, level: float) -> torch.Tensor:
    """The answer of a guider at one image and one noise level, through the whole of the host's sampling."""
    import comfy.samplers as host
    answers = []

    def probe(model, noise, sigmas, extra_args=None, callback=None, disable=None):
        answers.append(model(x, sigmas[0] * x.new_ones(len(x)), **extra_args))
        return x
    run(guider, host.KSAMPLER(probe), torch.zeros_like(x), [level, 0.0])
    return answers[0]


def ask(comfy: InProcess, mixture: Any, x: torch.Tensor, level: float, **guider: Any) -> torch.Tensor:
    """The fused denoised estimate at one image and one noise level."""
    return probed(comfy.call("MCDMGuider", mixture=mixture, **guider)[0], x, level)


# ------------------------------------------------------------------------------------------------------------- by hand

def alone(model: Any, condition: Any, x: torch.Tensor, level: float) -> torch.Tensor:
    """D of one network asked by itself, in float64."""
    import comfy.model_management
    comfy.model_management.load_models_gpu([model])
    text = condition[0][0].expand(len(x), -1, -1)
    with torch.no_grad():
        return model.model.apply_model(x, torch.full((len(x),), level), c_crossattn=text).double()


def eq10(conditions: Sequence[torch.Tensor], nulls: Sequence[torch.Tensor], weights: Sequence[Any] = WEIGHTS,
         reliabilities: Sequence[Any] = RELIABILITIES) -> torch.Tensor:
    """sum w_i D_i - (sum w_i - 1) sum a_j D_j(null); w and a are numbers or, under masks, tensors."""
    null = sum(a * d for a, d in zip(reliabilities, nulls, strict=True))
    return sum(w * d for w, d in zip(weights, conditions, strict=True)) - (sum(weights) - 1) * null


def estimates(models: Sequence[Any], x: torch.Tensor, level: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """D of each expert's condition and of each one's null at one noise level, in float64."""
    conditions = [alone(model, conditioning(i), x, level) for i, model in enumerate(models)]
    nulls = [alone(model, conditioning(100 + i), x, level) for i, model in enumerate(models)]
    return conditions, nulls


def stock(model: Any, condition: Any, null: Any, x: torch.Tensor, level: float) -> tuple[torch.Tensor, torch.Tensor]:
    """D of a condition and of a null from the host's own guider, in float64."""
    import comfy.model_patcher
    import comfy.samplers as host
    seen: dict[str, Any] = {}

    def note(args):
        seen.update(args)
        return args["denoised"]
    guider = host.CFGGuider(model.clone())
    guider.model_options = comfy.model_patcher.set_model_options_post_cfg_function(
        guider.model_options, note, disable_cfg1_optimization=True)
    guider.set_conds(condition, null)
    guider.set_cfg(2.0)
    probed(guider, x, level)
    return seen["cond_denoised"].double(), seen["uncond_denoised"].double()


def stock_estimates(models: Sequence[Any], x: torch.Tensor, level: float, conditions: Sequence[Any] | None = None,
                    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """D of each expert's condition and of each one's null, from the host's own guider, in float64."""
    conditions = conditions or [conditioning(i) for i in range(len(models))]
    answers = [stock(model, condition, conditioning(100 + i), x, level)
               for i, (model, condition) in enumerate(zip(models, conditions, strict=True))]
    return [d for d, _ in answers], [null for _, null in answers]


# ------------------------------------------------------------------------------------------------------------ networks

def parameterised(seed: int, kind: str) -> Any:
    """A tiny network that is asked in another parameterisation, one of KINDS, with another range."""
    import comfy.model_sampling as ms
    bases = {
        "eps": (ms.ModelSamplingDiscrete, ms.EPS),
        "v": (ms.ModelSamplingDiscrete, ms.V_PREDICTION),
        "edm": (ms.ModelSamplingContinuousEDM, ms.EDM),
        "x0": (ms.ModelSamplingContinuousEDM, ms.X0),
        "flow": (ms.ModelSamplingDiscreteFlow, ms.CONST),
        "cosmos": (ms.ModelSamplingCosmosRFlow, ms.COSMOS_RFLOW),
    }
    model = tiny_unet(seed)
    sampling: Any = type("Sampling", bases[kind], {})(model.model.model_config)
    if kind in ("edm", "x0"):
        sampling.set_parameters(0.02, 40.0, 0.5)
    if kind == "flow":
        sampling.set_parameters(shift=3.0)
    if kind == "cosmos":
        sampling.set_parameters(0.002, 80.0, 1.0)
    model.add_object_patch("model_sampling", sampling)
    return model


def count_forwards(monkeypatch: Any, models: Sequence[Any]) -> list[int]:
    """A list that grows with every forward of the models: how many rows it had."""
    rows: list[int] = []
    for model in models:
        def counted(x, *args, _forward=model.model.diffusion_model.forward, **kwargs):
            rows.append(len(x))
            return _forward(x, *args, **kwargs)
        monkeypatch.setattr(model.model.diffusion_model, "forward", counted)
    return rows


class Decoder:
    """Stands for the VAE of a latent space: the first three channels."""

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        return samples[:, :3].movedim(1, -1).sigmoid()
