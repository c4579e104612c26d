"""Automatic masks in a sampling: see mcdm/automatic.py."""
from __future__ import annotations

from collections.abc import Mapping

import torch

from ... import automatic
from ...automatic import Automatic
from .plan import Division, Plan


class AutomaticDivision:
    """Divides the work among the experts of one sampling by automatic masks, and holds these as the user wishes.

    strengths: k_i of each expert.
    """

    def __init__(self, settings: Automatic, count: int) -> None:
        self.settings = settings
        self.strengths = settings.strengths or (1.0,) * count
        self.masks: dict[int, torch.Tensor] = {}        # m_i of each expert, as found last

    def looks(self, sigma: float) -> bool:
        """Whether masks are found anew at this noise level, for which every expert's own null is needed."""
        return sigma > self.settings.hold or not self.masks

    def __call__(
        self, sigma: float, denoised: Mapping[int, torch.Tensor], nulls: dict[int, torch.Tensor], plan: Plan,
    ) -> Division:
        allowed = {i: plan.coefficients.masks[i] for i in denoised}
        shape = next(iter(denoised.values())).shape
        fits = all(i in self.masks and self.masks[i].shape[2:] == shape[2:] for i in denoised)
        if self.looks(sigma) or not fits:
            null = plan.null_blend(nulls)
            if null is None:        # held, and a window has opened since
                null = torch.stack([*denoised.values()]).mean(0)
            asked = [d - nulls.get(i, null) for i, d in denoised.items()]
            strengths = [self.strengths[i] for i in denoised]
            found = automatic.masks(self.settings, asked, strengths, list(allowed.values()))
            self.masks = dict(zip(denoised, found, strict=True))
        parts = {}
        for i, m in allowed.items():        # the planner multiplies by them again
            parts[i] = self.masks[i] / m.clamp(min=1e-12) if isinstance(m, torch.Tensor) else self.masks[i]
        return Division(parts)
