"""APG, CFG-Zero* and rescale on a fused estimate, in float64: docs/method.md, and the host's nodes that it names."""
from __future__ import annotations

import math

import torch
from torch import Tensor


def over(field: Tensor) -> tuple[int, ...]:
    """The dimensions of a picture's norm: the last three, as the host's node has them; of packed latents all."""
    return (-3, -2, -1) if field.ndim >= 4 else tuple(range(1, field.ndim))


class Cures:
    """APG remembers its guidance. apg: eta, threshold, momentum."""

    def __init__(self, apg: tuple[float, float, float] | None, cfg_zero: bool) -> None:
        self.apg, self.cfg_zero = apg, cfg_zero
        self.average: Tensor | None = None
        self.level = math.inf

    def __call__(self, x: Tensor, level: float, fused: Tensor, null: Tensor, total: Tensor, acting: Tensor) -> Tensor:
        """x, level: in the lead's frame. null: D_0. total: W = sum w_i m_i. acting: sum m_i."""
        acting = acting.clamp(max=1.0)
        somebody = acting > 0
        scale = torch.where(somebody, total / torch.where(somebody, acting, 1.0), 1.0)
        condition = null + (fused - null) / scale
        if self.apg is not None:
            condition = null + (condition - null) / scale + self.guidance(level, condition, null, acting)
            fused = null + scale * (condition - null)
        if self.cfg_zero:
            of_null = x - null
            dot = ((x - condition) * of_null).flatten(1).sum(1) / of_null.square().flatten(1).sum(1)
            alpha = dot.reshape(-1, *[1] * (x.ndim - 1))
            fused = fused + (scale - 1.0) * acting * (1.0 - alpha) * null
        return fused

    def guidance(self, level: float, condition: Tensor, null: Tensor, acting: Tensor) -> Tensor:
        """G of APG."""
        assert self.apg is not None
        eta, threshold, momentum = self.apg
        guidance = condition - null
        if level > self.level:
            self.average = None
        self.level = level
        if momentum:
            if self.average is not None:
                guidance = momentum * self.average + guidance
            self.average = guidance
        guidance, along = guidance * (acting > 0), condition * acting
        if threshold:
            norm = guidance.square().sum(over(guidance), keepdim=True).sqrt()
            guidance = guidance * (threshold / norm).clamp(max=1.0)
        along = along / along.square().sum(over(along), keepdim=True).sqrt()
        parallel = (guidance * along).sum(over(along), keepdim=True) * along
        return guidance + (eta - 1.0) * parallel


def rescaled(fused: Tensor, reference: Tensor, phi: float) -> Tensor:
    """The fused estimate with the deviation of the reference, in part (Lin et al. 2023)."""
    ratio = reference.flatten(1).std(1) / fused.flatten(1).std(1)
    return fused * (phi * ratio.reshape(-1, *[1] * (fused.ndim - 1)) + 1.0 - phi)
