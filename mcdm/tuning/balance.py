"""How well a finished picture goes with each expert's condition: what *balance* scores.

The picture is given noise again, and each expert is asked with its condition and with its null. Where the condition is
in the picture, knowing it helps to see through the noise; so this part of the null's error is explained by it:

    e_i = 1 - sum m_i |x0 - D_i|^2 / sum m_i |x0 - N_i|^2

(the idea of diffusion networks as classifiers, Li et al. 2023, arXiv:2303.16203). Unlike what pulls inside a run, it is
measured on what came out.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import comfy.samplers
import comfy.utils
import torch

from ..host.models import noise_levels_of
from ..host.sampling.guider import MixtureGuider
from ..host.sampling.ksampler import Latent
from ..host.sampling.watch import Watch
from ..mixture import Mixture
from ..observation import Observation

LEVELS = (2.0, 1.0, 0.5)        # noise, in standard deviations of the picture
SEED = 2303                     # of that noise, the same for every picture


def explained(mixture: Mixture, latent: Latent) -> torch.Tensor:
    """e_i of every picture at every level, [levels, B, experts]; nan for an expert without a null.

    latent: finished pictures. Forwards: twice the experts for each level. Raises ValueError for experts of several
    latent spaces.
    """
    experts = tuple(dataclasses.replace(e, weight=1.0, start=0.0, end=1.0) for e in mixture.experts)
    asked = Mixture(experts, (1.0,) * len(experts), mixture.mixed_spaces)
    look = _Look(len(experts))
    guider = MixtureGuider(asked, watch=Watch(look, all_nulls=True))
    if len(guider.groups) > 1:
        raise ValueError("The score balance needs experts of one latent space; set balance to 0, or leave out the "
                         "experts of the others.")
    samples = latent["samples"]
    levels = noise_levels_of(guider.model_patcher)
    spread = float(samples.float().std()) or 1.0
    sigmas = torch.tensor([*(levels.level(share * spread) for share in LEVELS), 0.0])
    noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(SEED))
    guider.sample(noise, samples, comfy.samplers.KSAMPLER(look.at_each_level), sigmas, disable_pbar=True, seed=SEED)
    return torch.stack(look.found)


class _Look:
    """Asks at noisy versions of one picture, as a sampler, and compares the answers with it, as an observer."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.found: list[torch.Tensor] = []     # for each level, [B, experts]
        self._picture: torch.Tensor

    def at_each_level(self, model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Mapping[str, Any],
                      callback: Any = None, disable: Any = None) -> torch.Tensor:
        """A sampler function of the host that takes no steps."""
        self._picture = model.latent_image
        sampling = model.inner_model.inner_model.model_sampling
        for sigma in sigmas[:-1]:
            noisy = sampling.noise_scaling(sigma, model.noise, model.latent_image)
            model(noisy, sigma * x.new_ones(len(x)), **extra_args)
        return model.latent_image

    def __call__(self, seen: Observation) -> None:
        masks = seen.coefficients.masks if seen.coefficients else (1.0,) * self.count
        parts = []
        for i in range(self.count):
            if i in seen.denoised and i in seen.nulls:
                errors = [self._error(d[i], masks[i]) for d in (seen.denoised, seen.nulls)]
                parts.append(1.0 - errors[0] / errors[1].clamp(min=1e-12))
            else:
                parts.append(torch.full((len(self._picture),), torch.nan))
        self.found.append(torch.stack([part.float().cpu() for part in parts], dim=1))

    def _error(self, estimate: torch.Tensor, mask: Any) -> torch.Tensor:
        return ((self._picture - estimate).square() * mask).flatten(1).sum(1)
