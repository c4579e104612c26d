"""What families make of a mixture, against the host's own sampler and against eq. 10 by hand."""
from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .family import Conditioning, Family, Shape

WEIGHTS, RELIABILITIES = (2.0, 3.0), (0.25, 0.75)
LEVEL = 1.25            # the noise level of what is asked, in the frame z = x0 + sigma n


@dataclass
class Built:
    """A family's MODEL, and its conditions for latents of any shape, all drawn from a seed."""
    family: Family
    seed: int
    model: Any

    def conditions(self, shape: Shape) -> tuple[Conditioning, Conditioning]:
        """A condition and a null for latents of this shape."""
        return self.family.condition(self.seed, shape), self.family.condition(100 + self.seed, shape)

    @property
    def flow(self) -> bool:
        """Whether it takes x = (1 - t) x0 + s t n."""
        import comfy.model_sampling
        return isinstance(self.model.get_model_object("model_sampling"), comfy.model_sampling.CONST)

    @property
    def scale(self) -> float:
        """The s of a flow: 1 but in HiDream-O1."""
        return getattr(self.model.get_model_object("model_sampling"), "noise_scale", 1.0)


def built(family: Family, seed: int) -> Built:
    """A family of the running host with random weights."""
    return Built(family, seed, family.model(seed))


def shared(a: Family, b: Family) -> Shape:
    """The shape of a latent for two families of one space: the larger picture, the fewer frames."""
    if a.shape == b.shape:
        return a.shape
    channels, *frames, height, width = a.shape
    _, *others, other_height, other_width = b.shape
    return (channels, *map(min, frames, others), max(height, other_height), max(width, other_width))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max|a - b| / max|b|; infinite where anything is not finite."""
    distance = float((a.double() - b.double()).abs().max() / b.double().abs().max())
    return distance if distance == distance else float("inf")


# ------------------------------------------------------------------------------------------------------- one expert

def alone(comfy: Any, one: Built) -> float:
    """How far one expert of weight 3 is from the host's KSampler at cfg 3, after two steps: relative."""
    shape = one.family.shape
    run = {"seed": 1, "steps": 2, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0,
           "latent_image": {"samples": one.family.latent(shape)}}
    positive, negative = one.conditions(shape)
    stock = comfy.call("KSampler", model=one.model, cfg=3.0, positive=positive, negative=negative, **run)[0]
    ours = comfy.call("MCDMSampler", mixture=mixture(comfy, [one], shape, (3.0,), ""), **run)[0]
    return relative(packed(ours["samples"]), packed(stock["samples"]))


def packed(latent: Any) -> torch.Tensor:
    """A latent as the samplers see it: a nested one as [B, 1, n]."""
    if not latent.is_nested:
        return latent
    from comfy.utils import pack_latents
    return pack_latents(latent.unbind())[0]


# ------------------------------------------------------------------------------------------------------ two experts

def mixture(comfy: Any, experts: Sequence[Built], shape: Shape, weights: Sequence[float] = WEIGHTS,
            reliabilities: str = "1 3") -> Any:
    """The mixture of experts for latents of this shape, by the pack's own nodes."""
    slots = {}
    for number, (one, weight) in enumerate(zip(experts, weights, strict=True), start=1):
        condition, null = one.conditions(shape)
        slots[f"expert_{number}"] = comfy.call(
            "ConditionExpert", model=one.model, condition=condition, null_condition=null, weight=weight,
            name=f"{number}: {one.family.name}")[0]
    return comfy.call("ReliabilityMixer", **slots, reliabilities=reliabilities)[0]


def asked(guider: Any, x: torch.Tensor, level: float, noise: torch.Tensor | None = None,
          latent: Any = None, mask: torch.Tensor | None = None) -> torch.Tensor:
    """What a guider of the host answers at one point, through the whole of the host's sampling.

    latent: None is an empty one in the shape of x. mask: a noise mask; where it is 0, the host keeps the latent, and
    shows it with this noise.
    """
    import comfy.samplers
    answers = []

    def probe(model: Any, noise: torch.Tensor, sigmas: torch.Tensor, extra_args: dict[str, Any], callback: Any = None,
              disable: Any = None) -> torch.Tensor:
        answers.append(model(x, sigmas[0] * x.new_ones(len(x)), **extra_args))
        return x
    latent = torch.zeros_like(x) if latent is None else latent
    noise = latent * 0.0 if noise is None else noise
    guider.sample(noise, latent, comfy.samplers.KSAMPLER(probe), torch.tensor([level, 0.0]), denoise_mask=mask,
                  disable_pbar=True, seed=0)
    return answers[0]


def framed(one: Built, z: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The point z = x0 + LEVEL n in the frame of one expert: x and its noise level (section 7.2)."""
    return (z / (1 + LEVEL / one.scale), LEVEL / (one.scale + LEVEL)) if one.flow else (z, LEVEL)


def estimates(one: Built, shape: Shape, **kept: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """D of the condition and of the null by the host's own guider, in the expert's own frame, in float64.

    kept: noise, latent and mask of `asked`.
    """
    import comfy.model_patcher
    import comfy.samplers
    seen: dict[str, torch.Tensor] = {}

    def note(args: dict[str, Any]) -> torch.Tensor:
        seen.update(condition=args["cond_denoised"].double(), null=args["uncond_denoised"].double())
        return args["denoised"]
    guider = comfy.samplers.CFGGuider(one.model.clone())
    guider.model_options = comfy.model_patcher.set_model_options_post_cfg_function(
        guider.model_options, note, disable_cfg1_optimization=True)
    guider.set_conds(*one.conditions(shape))
    guider.set_cfg(2.0)
    asked(guider, *framed(one, point(one.family, shape)), **({"latent": one.family.latent(shape)} | kept))
    return seen["condition"], seen["null"]


def point(family: Family, shape: Shape) -> torch.Tensor:
    """The noisy latent [1, *shape] that all are asked about, packed if nested, in the frame z = x0 + sigma n."""
    size = packed(family.latent(shape)).shape
    return 2.0 * torch.randn(size, generator=torch.Generator().manual_seed(3))


def eq10(first: tuple[torch.Tensor, torch.Tensor], second: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """sum w_i D_i - (sum w_i - 1) sum a_j D_j(null), of two experts' estimates."""
    null = RELIABILITIES[0] * first[1] + RELIABILITIES[1] * second[1]
    return WEIGHTS[0] * first[0] + WEIGHTS[1] * second[0] - (sum(WEIGHTS) - 1) * null


def pairs(comfy: Any, experts: Sequence[Built]) -> Iterator[tuple[str, str, float]]:
    """Every two of these experts, by name, and how far their mixture is from eq. 10 by hand: relative."""
    known: dict[tuple[int, Shape], tuple[torch.Tensor, torch.Tensor]] = {}
    for (first, lead), (second, other) in itertools.combinations(enumerate(experts), 2):
        shape = shared(lead.family, other.family)
        for number, one in ((first, lead), (second, other)):
            if (number, shape) not in known:
                known[number, shape] = estimates(one, shape)
        guider = comfy.call("MCDMGuider", mixture=mixture(comfy, [lead, other], shape))[0]
        answer = asked(guider, *framed(lead, point(lead.family, shape)), latent=lead.family.latent(shape))
        yield lead.family.name, other.family.name, relative(answer, eq10(known[first, shape], known[second, shape]))
