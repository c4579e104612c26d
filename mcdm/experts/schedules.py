"""The noise a network was trained on, as a class for the host's model_sampling.

    discrete    t = 0 ... T-1, 0 = least noise; sigma_t = sqrt((1 - acp_t) / acp_t), acp_t = prod_{s<=t} (1 - beta_s)
    flow        t in (0, 1], x = (1 - t) x0 + t n, the network predicts n - x0

The references take fractional t: between two steps log sigma is linear in t.
"""
import math

import comfy.model_sampling
import torch

PREDICTIONS = {"eps": comfy.model_sampling.EPS, "epsilon": comfy.model_sampling.EPS, "v_prediction": comfy.model_sampling.V_PREDICTION,
               "x0": comfy.model_sampling.X0, "sample": comfy.model_sampling.X0}
SCHEDULES = ("linear", "cosine", "squaredcos_cap_v2", "scaled_linear")


class DiscreteSampling(comfy.model_sampling.ModelSamplingDiscrete):
    """betas: [T] float64, given by the subclass that `sampling` makes."""
    betas: torch.Tensor
    settings: dict = {}         # the schedule in the host's words, from which its sampling overrides build theirs
    time_scale = 1.0            # the network's t is so many times the step

    def __init__(self, model_config=None, zsnr=None):
        torch.nn.Module.__init__(self)
        self._register_schedule(given_betas=self.betas, zsnr=self.settings.get("zsnr", False) if zsnr is None else zsnr)
        self.sigma_data = 1.0

    def timestep(self, sigma):
        """Fractional t of sigma (any shape), clamped to the schedule."""
        log_sigma = sigma.log().to(self.log_sigmas.device)
        high = torch.searchsorted(self.log_sigmas, log_sigma).clamp(1, len(self.log_sigmas) - 1)
        low = high - 1
        fraction = (log_sigma - self.log_sigmas[low]) / (self.log_sigmas[high] - self.log_sigmas[low])
        return (low + fraction.clamp(0, 1)).to(sigma.device)

    def percent_to_sigma(self, percent):
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


def sampling(prediction, schedule=None, steps=1000, beta_start=None, beta_end=None, rescale_timesteps=False, zsnr=False):
    """The class of a network's model_sampling.

    prediction: a key of PREDICTIONS or "velocity" (a flow, which has no schedule). schedule: one of SCHEDULES, or betas in (0, 1).
    beta_start, beta_end: for linear (1e-4 and 0.02 times 1000/steps, as guided-diffusion scales them) and scaled_linear (0.00085, 0.012).
    rescale_timesteps: the network counts t * 1000/steps. Raises ValueError for a schedule that cannot be.
    """
    if prediction == "velocity":
        return FlowSampling
    if not 2 <= steps <= 100_000:
        raise ValueError(f"a noise schedule of {steps} steps is impossible; diffusion_steps must be from 2 to 100000")
    if schedule == "linear":
        start, end = beta_start or 0.1 / steps, beta_end or 20.0 / steps
        betas, settings = torch.linspace(start, end, steps, dtype=torch.float64), {"beta_schedule": "sqrt_linear"}
    elif schedule == "scaled_linear":
        start, end = beta_start or 0.00085, beta_end or 0.012
        betas, settings = torch.linspace(start ** 0.5, end ** 0.5, steps, dtype=torch.float64) ** 2, {"beta_schedule": "linear"}
    elif schedule in ("cosine", "squaredcos_cap_v2"):
        start = end = None
        bar = [math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(steps + 1)]
        betas = torch.tensor([min(1 - bar[i + 1] / bar[i], 0.999) for i in range(steps)], dtype=torch.float64)
        settings = {"beta_schedule": "cosine"}
    else:
        start = end = None
        betas, settings = torch.as_tensor(schedule, dtype=torch.float64), {"beta_schedule": "betas of its own"}     # the host refuses to override those
    if betas.ndim != 1 or not bool(((betas > 0) & (betas < 1)).all()):
        raise ValueError("its noise schedule is impossible: every beta must lie between 0 and 1")
    settings |= {"timesteps": len(betas), "zsnr": zsnr} | ({} if start is None else {"linear_start": start, "linear_end": end})
    scale = 1000.0 / len(betas) if rescale_timesteps else 1.0
    return type("Sampling", (DiscreteSampling, PREDICTIONS[prediction]), {"betas": betas, "settings": settings, "time_scale": scale})


def from_config(config):
    """The class that a Config describes, in guided-diffusion's words (noise_schedule ...) or in those of a diffusers scheduler (beta_schedule ...).

    Raises ValueError for what is missing; whether time is rescaled is asked for only where it matters.
    """
    if "noise_schedule" in config or "beta_schedule" not in config:
        steps = config.need("diffusion_steps", int)
        rescale = config.get("rescale_timesteps", False) if steps == 1000 else config.need("rescale_timesteps", bool)
        return sampling(config.need("prediction", tuple(PREDICTIONS)), config.need("noise_schedule", SCHEDULES), steps, rescale_timesteps=rescale)
    return sampling(config.need("prediction_type", tuple(PREDICTIONS)), config.get("trained_betas", []) or config.need("beta_schedule", SCHEDULES),
                    config.need("num_train_timesteps", int), config.need("beta_start", float), config.need("beta_end", float),
                    zsnr=config.get("rescale_betas_zero_snr", False))
