"""The paper's own sampler, eq. 9: ancestral steps of the fused prediction (DDPM), at eta = 0 deterministic (DDIM).

A step goes from x = alpha x0 + beta n to alpha', beta' (see noise_levels.py); r = (beta' / alpha') / (beta / alpha) is
the ratio of the two sigmas. It is computed from the denoised estimate D, which keeps its digits where sigma is 2e4.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.k_diffusion.sampling
import comfy.model_sampling
import torch

from .noise_levels import NoiseLevels

AlphaBeta = tuple[float, float]


def sample_ancestral(
    model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: dict[str, Any] | None = None,
    callback: Callable[[dict[str, Any]], None] | None = None, disable: bool | None = None,
    eta: float = 1.0, variance: str = "fixed_small", noise_sampler: Callable | None = None,
) -> torch.Tensor:
    """Eq. 9 as a sampler of the host. noise_sampler(sigma, sigma_next): a step's noise, seeded Gaussian by default."""
    extra_args = extra_args or {}
    guider = model.inner_model
    sampling = guider.inner_model.model_sampling
    frame = NoiseLevels(isinstance(sampling, comfy.model_sampling.CONST), scale=getattr(sampling, "noise_scale", 1.0))
    if noise_sampler is None:
        noise_sampler = comfy.k_diffusion.sampling.default_noise_sampler(x, seed=extra_args.get("seed"))
    levels = [frame.place(sigma) for sigma in sigmas.tolist()]
    if eta > 0:
        check_falling(levels, "MCDM Ancestral")
    rows = x.new_ones(x.shape[0])
    for i in comfy.k_diffusion.sampling.trange(len(levels) - 1, disable=disable):
        denoised = model(x, sigmas[i] * rows, **extra_args)
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
        here, there = levels[i], levels[i + 1]
        noisy = eta > 0 and there[1] > 0
        noise = noise_sampler(sigmas[i], sigmas[i + 1]) if noisy else None
        x = step(x, denoised, here, there, eta, variance, getattr(guider, "learned_variance", None), noise)
    return x


def check_falling(levels: list[AlphaBeta], sampler: str) -> None:
    """Raises ValueError if an ancestral step would go up: noise would then have to be added, not removed."""
    for (alpha, beta), (alpha_next, beta_next) in zip(levels, levels[1:], strict=False):
        if beta_next * alpha > beta * alpha_next:
            raise ValueError(f"{sampler} needs noise levels that fall from step to step, and these rise; use a "
                             "schedule that falls, or eta 0 with MCDM Ancestral.")


def step(
    x: torch.Tensor, denoised: torch.Tensor, here: AlphaBeta, there: AlphaBeta, eta: float = 1.0,
    variance: str = "fixed_small", learned: torch.Tensor | None = None, noise: torch.Tensor | None = None,
) -> torch.Tensor:
    """x' from x [B, ...] and D. noise: standard normal, needed where eta > 0 and beta' > 0.

    variance of the noise, before eta^2 (Ho et al. 2020; Nichol and Dhariwal 2021, eq. 15):
        fixed_small   beta'^2 (1 - r^2), the posterior's
        fixed_large   the forward process' own beta_t
        learned       between the two, in logarithms, by the network's variance channels `learned` in [-1, 1]
    Raises ValueError for "learned" without `learned`.
    """
    (alpha, beta), (alpha_next, beta_next) = here, there
    r = (beta_next * alpha) / (alpha_next * beta)
    keep = (1.0 - eta * eta * (1.0 - r * r)) ** 0.5
    x_next = (alpha_next - beta_next * alpha / beta * keep) * denoised + (beta_next / beta * keep) * x
    if eta == 0 or beta_next == 0:
        return x_next
    assert noise is not None
    small = beta_next ** 2 * (1.0 - r * r)
    large = small * _large_over_small(here, there)
    if variance == "learned":
        return x_next + eta * _learned_deviation(learned, x, small, large) * noise
    deviation = (large if variance == "fixed_large" else small) ** 0.5
    return x_next + eta * deviation * noise


def _learned_deviation(learned: torch.Tensor | None, x: torch.Tensor, small: float, large: float) -> torch.Tensor:
    """Nichol and Dhariwal 2021, eq. 15: the standard deviation [B, ...] between the two fixed ones."""
    if learned is None:
        raise ValueError("The first expert does not predict a variance; choose fixed_small or fixed_large.")
    share = (learned.to(x) + 1.0) / 2.0
    log_variance = share * torch.log(torch.tensor(large)) + (1.0 - share) * torch.log(torch.tensor(small))
    return torch.exp(0.5 * log_variance)


def _large_over_small(here: AlphaBeta, there: AlphaBeta) -> float:
    """beta_t over the posterior's variance: (1 - abar_t) / (1 - abar_t'), abar = alpha^2 / (alpha^2 + beta^2)."""
    (alpha, beta), (alpha_next, beta_next) = here, there
    return (beta / beta_next) ** 2 * (alpha_next ** 2 + beta_next ** 2) / (alpha ** 2 + beta ** 2)
