"""The noise a network was trained on, as a class for the host's model_sampling.

    discrete    t = 0 ... T-1, 0 = least noise; sigma_t = sqrt((1 - acp_t) / acp_t), acp_t = prod_{s<=t} (1 - beta_s)
    flow        t in (0, 1], x = (1 - t) x0 + t n, the network predicts n - x0
    clean       any sigma, z = x0 + sigma n, the network predicts x0

The references take fractional t: between two steps log sigma is linear in t.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import comfy.model_sampling
import torch
from comfy.ldm.modules.diffusionmodules.util import make_beta_schedule
from torch import Tensor

from .config import Config

PREDICTIONS: dict[str, type] = {
    "eps": comfy.model_sampling.EPS,
    "epsilon": comfy.model_sampling.EPS,
    "v_prediction": comfy.model_sampling.V_PREDICTION,
    "x0": comfy.model_sampling.X0,
    "sample": comfy.model_sampling.X0,
}
MOST_STEPS = 100_000


class Schedule(NamedTuple):
    """A noise schedule: its name in the host's make_beta_schedule, and in the host's sampling overrides."""
    betas: str
    override: str


# The host's own "cosine" is the same schedule, but its last bits are not those of the references.
SCHEDULES = {
    "linear": Schedule("sqrt_linear", "sqrt_linear"),
    "cosine": Schedule("squaredcos_cap_v2", "cosine"),
    "squaredcos_cap_v2": Schedule("squaredcos_cap_v2", "cosine"),
    "scaled_linear": Schedule("linear", "linear"),
}


class DiscreteSampling(comfy.model_sampling.ModelSamplingDiscrete):
    """betas: [T] float64, given by the subclass that `sampling` makes."""
    betas: Tensor
    settings: dict[str, Any] = {}  # the schedule in the host's words, from which its sampling overrides build theirs
    time_scale = 1.0  # the network's t is this many times the step

    def __init__(self, model_config: Any = None, zsnr: bool | None = None) -> None:
        torch.nn.Module.__init__(self)
        if zsnr is None:
            zsnr = self.settings.get("zsnr", False)
        self._register_schedule(given_betas=self.betas, zsnr=zsnr)
        self.sigma_data = 1.0

    def timestep(self, sigma: Tensor) -> Tensor:
        """Fractional t of sigma (any shape), clamped to the schedule."""
        log_sigma = sigma.log().to(self.log_sigmas.device)
        high = torch.searchsorted(self.log_sigmas, log_sigma).clamp(1, len(self.log_sigmas) - 1)
        low = high - 1
        fraction = (log_sigma - self.log_sigmas[low]) / (self.log_sigmas[high] - self.log_sigmas[low])
        return (low + fraction.clamp(0, 1)).to(sigma.device)

    def percent_to_sigma(self, percent: float) -> float:
        """As the host's, for any number of steps."""
        if percent <= 0.0:
            return 999999999.9
        if percent >= 1.0:
            return 0.0
        return self.sigma(torch.tensor((1.0 - percent) * (len(self.sigmas) - 1))).item()


class FlowSampling(comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST):
    """A rectified flow; the network's t is the host's."""
    settings = {"shift": 1.0, "multiplier": 1.0}
    time_scale = 1.0


class X0Sampling(comfy.model_sampling.ModelSamplingContinuousEDM, comfy.model_sampling.X0):
    """The network's output is the clean picture; its input is scaled to unit variance by sigma_data."""


def sampling(prediction: str, schedule: str | Sequence[float] = "linear", steps: int = 1000,
             beta_start: float | None = None, beta_end: float | None = None, rescale_timesteps: bool = False,
             zsnr: bool = False) -> type:
    """The class of a network's model_sampling.

    prediction: a key of PREDICTIONS or "velocity" (a flow, which has no schedule). schedule: a key of SCHEDULES, or
    betas in (0, 1). beta_start, beta_end: of the linear and the scaled linear one; None = 1e-4 and 0.02 times
    1000 / steps, as guided-diffusion scales them, and 0.00085 and 0.012. rescale_timesteps: the network counts
    t * 1000 / steps. zsnr: no signal is left at the last step. Raises ValueError for an impossible schedule.
    """
    if prediction == "velocity":
        return FlowSampling
    if not 2 <= steps <= MOST_STEPS:
        raise ValueError(f"a noise schedule of {steps} steps is impossible; "
                         f"diffusion_steps must be from 2 to {MOST_STEPS}")
    betas, settings = _betas(schedule, steps, beta_start, beta_end)
    if betas.ndim != 1 or not bool(((betas > 0) & (betas < 1)).all()):
        raise ValueError("its noise schedule is impossible: every beta must lie between 0 and 1")
    settings |= {"timesteps": len(betas), "zsnr": zsnr}
    scale = 1000.0 / len(betas) if rescale_timesteps else 1.0
    attributes = {"betas": betas, "settings": settings, "time_scale": scale}
    return type("Sampling", (DiscreteSampling, PREDICTIONS[prediction]), attributes)


def _betas(schedule: str | Sequence[float], steps: int, start: float | None,
           end: float | None) -> tuple[Tensor, dict[str, Any]]:
    """(betas [steps] float64, the host's settings for its sampling overrides)."""
    if not isinstance(schedule, str):  # the host refuses to override those
        return torch.as_tensor(schedule, dtype=torch.float64), {"beta_schedule": "betas of its own"}
    known = SCHEDULES[schedule]
    if known.override == "cosine":
        return torch.as_tensor(make_beta_schedule(known.betas, steps)), {"beta_schedule": known.override}
    usual_start, usual_end = (0.1 / steps, 20.0 / steps) if schedule == "linear" else (0.00085, 0.012)
    start, end = start or usual_start, end or usual_end
    betas = torch.as_tensor(make_beta_schedule(known.betas, steps, start, end))
    return betas, {"beta_schedule": known.override, "linear_start": start, "linear_end": end}


def from_config(config: Config) -> type:
    """The class that a Config describes, in guided-diffusion's words or in those of a diffusers scheduler.

    Raises ValueError for a missing or impossible setting.
    """
    if "beta_schedule" in config and "noise_schedule" not in config:
        return of_diffusers(config)
    return of_guided_diffusion(config)


def of_guided_diffusion(config: Config) -> type:
    """The same in guided-diffusion's words (noise_schedule, diffusion_steps, prediction).

    Whether time is rescaled is asked for only where it matters.
    """
    steps = config.need("diffusion_steps", int)
    prediction = config.need("prediction", tuple(PREDICTIONS))
    schedule = config.need("noise_schedule", tuple(SCHEDULES))
    rescale = config.get("rescale_timesteps", False) if steps == 1000 else config.need("rescale_timesteps", bool)
    return sampling(prediction, schedule, steps, rescale_timesteps=rescale)


def of_diffusers(config: Config) -> type:
    """The same in the words of a diffusers scheduler (beta_schedule, num_train_timesteps, prediction_type)."""
    prediction = config.need("prediction_type", tuple(PREDICTIONS))
    schedule: str | list[float] = config.get("trained_betas", [])
    if not schedule:
        schedule = config.need("beta_schedule", tuple(SCHEDULES))
    return sampling(
        prediction, schedule,
        steps=config.need("num_train_timesteps", int),
        beta_start=config.need("beta_start", float),
        beta_end=config.need("beta_end", float),
        zsnr=config.get("rescale_betas_zero_snr", False),
    )
