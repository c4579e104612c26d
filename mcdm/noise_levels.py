"""Section 7.2: networks are combined at one noisy image and one signal-to-noise ratio, whatever they predict.

Every noisy image is x = alpha x0 + beta n. Two frames occur:

    variance exploding     alpha = 1,     beta = sigma     (EPS, V, EDM, X0, COSMOS)
    rectified flow         alpha = 1 - t, beta = s t       (CONST)

Both are the same image up to a factor, and sigma = beta / alpha = s t / (1 - t). A flow's noise has the scale s = 1
but in a few networks (HiDream-O1: 8).
"""
from __future__ import annotations

import dataclasses
import math

import torch


@dataclasses.dataclass(frozen=True)
class NoiseLevels:
    """The frame of a network and the levels it was trained on. A flow covers every level and uses no sigma_*.

    scale: of a flow's noise.
    """
    flow: bool
    sigma_min: float = 0.0
    sigma_max: float = math.inf
    sigma_data: float = 1.0
    scale: float = 1.0

    def place(self, level: float) -> tuple[float, float]:
        """The alpha and beta of a level."""
        return (1.0 - level, self.scale * level) if self.flow else (1.0, level)

    def at_rest(self, x: torch.Tensor, level: float) -> torch.Tensor:
        """The denoised estimate that leaves an image x at a level unchanged in the flow's frame: velocity zero."""
        return x if self.flow else x / (1.0 + level)

    def sigma(self, level: float) -> float:
        """A level of this frame in the frame z = x0 + sigma n: a flow's t = 1 is infinite there."""
        if not self.flow:
            return level
        return self.scale * level / (1.0 - level) if level < 1.0 else math.inf

    def level(self, sigma: float) -> float:
        """A level of the frame z = x0 + sigma n in this one."""
        return sigma / (self.scale + sigma) if self.flow else sigma


def translate(level: float, lead: NoiseLevels, expert: NoiseLevels) -> tuple[float, float]:
    """Where `expert` is asked when the sampler, in the frame of `lead`, is at `level` (sigma, or t of a flow).

    Returns (gain, level): the expert's input is gain times the sampler's image, at its own level. Above its own
    sigma_max it is asked there, its input scaled so that the network sees unit variance; below sigma_min it is asked
    there with the input as it is. Finite for a flow at t = 1, where sigma is infinite.
    """
    alpha, beta = lead.place(level)
    if expert.flow:
        if lead.flow and lead.scale == expert.scale:
            return 1.0, level
        total = expert.scale * alpha + beta
        return expert.scale / total, beta / total
    top, data = expert.sigma_max, expert.sigma_data
    if beta > alpha * top * (1 + 1e-6):         # a schedule's rounding is not above the range
        return math.hypot(top, data) / math.hypot(beta, data * alpha), top
    return 1.0 / alpha, max(beta / alpha, expert.sigma_min)
