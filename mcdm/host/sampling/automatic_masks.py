"""Automatic masks during a sampling: see mcdm/automatic.py."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ... import automatic
from ...automatic import Automatic
from ...fusion import Coefficient
from ..experts.asking import Answers
from ..spaces.layout import OneSpace
from .plan import Division, Plan

Origin = Callable[[int], torch.Tensor | None]


class AutomaticMasks:
    """Divides the work among the experts of one sampling by automatic masks, and holds them as the user wishes.

    masks: m_i of each expert in the lead's cells, as found last.
    """

    def __init__(self, settings: Automatic, layout: OneSpace) -> None:
        self.settings, self.layout = settings, layout
        self.masks: dict[int, torch.Tensor] = {}
        self._strengths = settings.strengths or (1.0,) * len(layout.spaces)     # k_i of each expert
        self._size: torch.Size | None = None        # of the image that the masks fit

    def compares(self, sigma: float) -> bool:
        """Whether masks are computed anew at this noise level, which needs every expert's own null."""
        return sigma > self.settings.hold or not self.masks

    def divide(self, sigma: float, plan: Plan, answers: Answers, null_of: Origin) -> Division:
        asked = list(answers.denoised)
        fits = self._size == self.layout.size and self.masks.keys() >= answers.denoised.keys()
        if self.compares(sigma) or not fits:
            found = self._found(answers, null_of, [plan.coefficients.masks[i] for i in asked])
            self.masks, self._size = dict(zip(asked, found, strict=True)), self.layout.size
        of_groups: list[dict[int, Coefficient]] = [{} for _ in plan.grids]
        for i in asked:
            for own, mask in zip(of_groups, self.layout.masks_of_all(self.masks[i]), strict=True):
                own[i] = mask
        return Division(of_groups)

    def _found(self, answers: Answers, null_of: Origin, allowed: Sequence[Coefficient]) -> list[torch.Tensor]:
        """m_i of each expert that was asked: of the picture's cells, and one number for each other part."""
        pictures, others = [], []
        for i, d in answers.denoised.items():
            picture, *rest = self.layout.divided(d - self._origin(i, answers, null_of))
            size = self.layout.in_the_leads_cells(self.layout.spaces[i], automatic.saliency(picture))
            pictures.append(automatic.blurred(size, self.settings.blur))
            others.append([automatic.saliency(part) for part in rest])
        of_parts = [self._masks(answers, pictures, [self.layout.of_picture(m) for m in allowed])]
        for sizes in zip(*others, strict=True):         # of each other part, such as sound
            means = [size.mean(dim=tuple(range(1, size.ndim)), keepdim=True) for size in sizes]
            of_parts.append(self._masks(answers, means, [1.0] * len(means)))
        return [self.layout.joined(masks) for masks in zip(*of_parts, strict=True)]

    def _masks(
        self, answers: Answers, sizes: Sequence[torch.Tensor], allowed: Sequence[Coefficient],
    ) -> list[torch.Tensor]:
        spaces = [self.layout.spaces[i] for i in answers.denoised]
        strengths = [self._strengths[i] for i in answers.denoised]
        return automatic.masks(self.settings.temperature, sizes, spaces, strengths, allowed)

    def _origin(self, i: int, answers: Answers, null_of: Origin) -> torch.Tensor:
        """N_i; D_0 for an expert without a null; if masks are held and a window has opened since, the mean estimate."""
        null = answers.nulls.get(i)
        if null is None:
            null = null_of(i)
        if null is not None:
            return null
        spaces = self.layout.spaces
        return torch.stack([d for k, d in answers.denoised.items() if spaces[k] == spaces[i]]).mean(0)
