"""One evaluation of a mixture, as reports and previews are shown it."""
from __future__ import annotations

from typing import NamedTuple

import torch

from .fusion import Coefficient


class Observation(NamedTuple):
    """All estimates are denoised ones, [B, ...], in the lead's latent space; experts go by index.

    sigma: the noise level in the frame z = x0 + sigma n. denoised: D_i of the experts whose condition counts.
    contributions: (w_i m_i, D_i as it is fused): an expert's own CFG hooks have acted on it.
    null: D_0, None where it is not needed. nulls: D of the experts' nulls that were evaluated.
    """
    sigma: float
    denoised: dict[int, torch.Tensor]
    contributions: dict[int, tuple[Coefficient, torch.Tensor]]
    null: torch.Tensor | None
    fused: torch.Tensor
    nulls: dict[int, torch.Tensor] = {}
