"""One evaluation of a mixture, as reports and previews receive it."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from .fusion import Coefficient, Coefficients


class Observation(NamedTuple):
    """All estimates are denoised ones, [B, ...], in the lead's latent space; experts go by index.

    sigma: the noise level in the frame z = x0 + sigma n. denoised: D_i of the experts whose condition counts.
    contributions: (w_i m_i, D_i as it is fused): an expert's own CFG hooks have acted on it.
    null: D_0, None if it is not needed. nulls: D of the experts' evaluated nulls.
    coefficients: of all these in eq. 10, with masks and windows; None if no expert was asked.
    """
    sigma: float
    denoised: Mapping[int, torch.Tensor]
    contributions: Mapping[int, tuple[Coefficient, torch.Tensor]]
    null: torch.Tensor | None
    fused: torch.Tensor
    nulls: Mapping[int, torch.Tensor] = {}
    coefficients: Coefficients | None = None

    def parts(self) -> list[tuple[Coefficient, torch.Tensor]]:
        """All (c_k, D_k) of eq. 10, sum_k c_k = 1: conditions, then nulls."""
        if self.coefficients is None:
            return []
        c = self.coefficients
        found = [(c.weights[i], d) for i, d in self.denoised.items()]
        if self.null is not None:
            found += [(c.null * c.reliabilities[i], d) for i, d in self.nulls.items()]
        return found


def picture_of(seen: Observation, latent_shapes: Sequence[Sequence[int]] | None) -> Observation:
    """Of estimates packed as [B, 1, n], the first part, which is the picture; other observations as they are."""
    if latent_shapes is None or len(latent_shapes) < 2:
        return seen
    shape = tuple(latent_shapes[0])[1:]

    def first(packed: torch.Tensor) -> torch.Tensor:
        return packed[:, :, :math.prod(shape)].reshape(len(packed), *shape)

    def first_of(weight: Coefficient) -> Coefficient:
        """One for each cell, as all channels have the same."""
        return first(weight)[:, :1] if isinstance(weight, torch.Tensor) else weight

    contributions = {i: (first_of(weight), first(d)) for i, (weight, d) in seen.contributions.items()}
    c = seen.coefficients
    if c is not None:
        c = Coefficients(*(tuple(map(first_of, own)) for own in (c.masks, c.weights, c.reliabilities)))
    return Observation(
        sigma=seen.sigma,
        denoised={i: first(d) for i, d in seen.denoised.items()},
        contributions=contributions,
        null=None if seen.null is None else first(seen.null),
        fused=first(seen.fused),
        nulls={i: first(d) for i, d in seen.nulls.items()},
        coefficients=c,
    )
