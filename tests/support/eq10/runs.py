"""A run of a drawn mixture beside eq. 10 in float64: how far each evaluation and the whole are from it."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from support.eq10.drawn import Drawn, Member, Mixer, wired
from support.eq10.networks import Network, sigma_of
from support.eq10.reference import Reference, stepped
from support.tensors import noise, relative
from unite_and_conquer.devtools.inprocess import InProcess


@dataclasses.dataclass
class Deviations:
    """Relative errors: of each evaluation on the latents that it had, of the latents before each, and of the samples.

    sums: how far the sum of the observed coefficients is from 1 in any cell, for each evaluation that had some.
    unseen: how many evaluations asked somebody and showed no coefficients.
    """
    evaluations: list[float]
    latents: list[float]
    samples: float
    sums: list[float]
    unseen: int

    @property
    def worst(self) -> float:
        return max(*self.evaluations, *self.latents, self.samples)


def deviations(comfy: InProcess, drawn: Drawn) -> Deviations:
    steps, samples = sampled(comfy, drawn)
    levels = [(step.percent, step.level) for step in steps]
    passed = stepped(drawn, levels, first_latents(comfy, drawn, steps))
    reference = Reference(drawn)
    evaluations = []
    latents = []
    for step, by_hand in zip(steps, passed, strict=False):
        latents += [relative(z, by_hand[s]) for s, z in step.latents.items()]
        seen = [step.latents.get(s, z) for s, z in enumerate(by_hand)]
        fused = reference.answer(step.percent, step.level, seen)[0]
        if step.fused is not None:
            evaluations.append(relative(step.fused, fused))
    parts = [step.observed.parts() for step in steps if step.percent >= drawn.options.zero_init and step.observed]
    sums = [distance(each) for each in parts if each]
    return Deviations(evaluations, latents, relative(samples, passed[-1][0]), sums, len(parts) - len(sums))


def first_latents(comfy: InProcess, drawn: Drawn, steps: Sequence[Step]) -> list[Tensor]:
    """The latents of all groups before the first step.

    The seed determines them: those that nobody was asked about are seen where everybody is asked.
    """
    count = len(drawn.groups)
    found = steps[0].latents
    if len(found) < count:
        everybody: list[Any] = [Member(m.network, m.text, m.null, scale=m.scale) for m in drawn.members]
        plain = Drawn(Mixer(everybody), drawn.shapes, drawn.percents[:1], seed=drawn.seed)
        found = sampled(comfy, plain)[0][0].latents
    return [found[s] for s in range(count)]


def distance(parts: Sequence[tuple[Any, Tensor]]) -> float:
    """How far the coefficients of eq. 10 are from the sum 1 where they are farthest."""
    total = sum(torch.as_tensor(coefficient, dtype=torch.float64) for coefficient, _ in parts)
    return float((total - 1.0).abs().max())


# ------------------------------------------------------------------------------------------------------- in the host

@dataclasses.dataclass(eq=False)
class Step:
    """One evaluation. latents: of each group that was asked, in float64 in the frame z = x0 + sigma n.

    fused: the answer in the lead's space. observed: the Observation. Both None where nobody could see them.
    """
    percent: float
    level: float
    latents: dict[int, torch.Tensor]
    fused: torch.Tensor | None
    observed: Any = None


def sampled(comfy: InProcess, drawn: Drawn) -> tuple[list[Step], torch.Tensor]:
    """Euler's steps over the levels of a mixture, and the samples [B, ...], as the networks of the lead see them."""
    import comfy.samplers as host
    guider, = comfy.call("MCDMGuider", mixture=wired(comfy, drawn), clip_denoised=drawn.clip)
    schedule = drawn.lead.model.get_model_object("model_sampling")
    levels = torch.tensor([*(float(schedule.percent_to_sigma(p)) for p in drawn.percents), 0.0])
    steps: list[Step] = []
    observed: list[Any] = []
    guider.watch.observe = observed.append

    def euler(model, x, sigmas, extra_args=None, callback=None, disable=None):
        for percent, (level, following) in zip(drawn.percents, sigmas.unfold(0, 2, 1), strict=True):
            for member in drawn.members:
                member.network.seen.clear()
            observed.clear()
            answer = model(x, level * x.new_ones(len(x)), **extra_args)
            steps.append(step(drawn, percent, level.item(), x, answer, *observed))
            x = x + (x - answer) / level * (following - level)
        return x

    begun = nested([noise(drawn.seed + 7 * i, *shape) for i, shape in enumerate(drawn.shapes)])
    out = guider.sample(begun, begun * 0.0, host.KSAMPLER(euler), levels, disable_pbar=True, seed=0)
    return steps, packed(out) * drawn.lead.space.format.scale_factor


def step(drawn: Drawn, percent: float, level: float, x: torch.Tensor, answer: torch.Tensor, observed: Any = None,
         ) -> Step:
    """x, answer: what the sampler had and got; in several spaces these are of all groups, in whatever form."""
    if len(drawn.groups) == 1:
        return Step(percent, level, {0: exploding(drawn.lead, x, drawn, level)}, answer, observed)
    latents = {}
    moved = {id(member.network) for i, member in enumerate(drawn.members) if any(drawn.view(i))}
    for member in drawn.members:
        s = drawn.group_of(member)
        for images in member.network.seen if id(member.network) not in moved else ():
            if tuple(images.shape[2:]) == drawn.size(s):
                latents[s] = exploding(member.network, images[:drawn.shapes[0][0]], drawn, level)
    return Step(percent, level, latents, observed.fused if observed else None, observed)


def exploding(network: Network, x: torch.Tensor, drawn: Drawn, level: float) -> torch.Tensor:
    """An image in the frame of a network as z = x0 + sigma n, in float64. level: in the frame of the lead."""
    sigma = sigma_of(drawn.lead.frame, level)
    return x.double() * (1.0 + sigma) if network.frame == "flow" else x.double()


def nested(parts: Sequence[torch.Tensor]) -> Any:
    if len(parts) == 1:
        return parts[0]
    from comfy.nested_tensor import NestedTensor
    return NestedTensor(list(parts))


def packed(latent: Any) -> torch.Tensor:
    """A latent [B, ...], of several parts [B, 1, n]."""
    if not latent.is_nested:
        return latent
    return torch.cat([part.flatten(1)[:, None] for part in latent.unbind()], dim=-1)
