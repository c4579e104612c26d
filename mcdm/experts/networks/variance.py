"""Networks that predict a variance beside their mean (Nichol and Dhariwal 2021, arXiv:2102.09672)."""
from __future__ import annotations

from typing import Any

from torch import Tensor

LEARNED_VARIANCE = "mcdm_learned_variance"  # key of transformer_options: a list that collects variances


def mean_and_variance(out: Tensor, channels: int, transformer_options: dict[str, Any]) -> Tensor:
    """The mean [B, channels, H, W] of a network's output [B, channels or more, H, W].

    The other channels, a learned variance, are appended to the list under LEARNED_VARIANCE, if there is one, as
    (cond_or_uncond, variance).
    """
    kept = transformer_options.get(LEARNED_VARIANCE)
    if kept is not None and out.shape[1] > channels:
        kept.append((transformer_options.get("cond_or_uncond"), out[:, channels:]))
    return out[:, :channels]
