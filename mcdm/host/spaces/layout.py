"""The layout of a sampling's latents: one for each group of experts, and what the sampler steps.

One group is the simplest case: its latent is the sampler's, and nothing is packed, copied or bridged. Several are
packed into one, [B, 1, n], as the host packs nested latents.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch

from ... import fusion
from ...fusion import Coefficient
from ...mixture import Expert
from ...observation import Observation, picture_of
from ..protocols import BaseModel, Model, Sampler
from .codecs import Latents
from .start import Shapes, Start

Masks = tuple[Coefficient, ...]                 # of each expert, in the cells of one latent


def split(packed: torch.Tensor, shapes: Shapes) -> list[torch.Tensor]:
    """Latents that are packed as [B, 1, n], each in its shape [B, C, ...]; their batch is that of `packed`."""
    cells = [torch.Size(shape[1:]) for shape in shapes]
    parts = packed.split([cell.numel() for cell in cells], dim=-1)
    return [part.reshape(len(part), *cell) for part, cell in zip(parts, cells, strict=True)]


class OneSpace:
    """The latent of experts of one space, as the sampler has it.

    grids: the experts' masks in the cells of each group's latent, here of one. size: of the image that they fit.
    parts: the shapes of a nested latent's parts, None if it is not nested.
    left_at: for each group, a level at and below which nothing asks it.
    """

    def __init__(self, experts: Sequence[Expert]) -> None:
        self.experts, self.spaces = experts, [0] * len(experts)
        self.grids: list[Masks] = []
        self.size: torch.Size | None = None
        self.parts: Shapes | None = None
        self.left_at: list[float] = []

    def fit(self, size: torch.Size, device: torch.device) -> None:
        """Brings masks to the size [B, ...] of the image, which some samplers change on their way."""
        if self.size != size:
            self.size = size
            self.grids = [tuple(self._fitted(expert.mask, size, device) for expert in self.experts)]

    def _fitted(self, mask: torch.Tensor | None, size: torch.Size, device: torch.device) -> Coefficient:
        """In a nested latent a mask is for the first part, the picture; in other parts its expert acts everywhere."""
        if mask is None:
            return 1.0
        if self.parts is None:
            return fusion.latent_mask(mask, size, device)
        ones = [torch.ones(tuple(shape), device=device) for shape in self.parts]
        return self.joined([fusion.latent_mask(mask, ones[0].shape, device), *ones[1:]])

    def divided(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The parts of a nested latent [B, 1, n]; any other latent as its one part."""
        if self.parts is None:
            return [image]
        return split(image, self.parts)

    def joined(self, fields: Sequence[torch.Tensor]) -> torch.Tensor:
        """A number for each cell of each part, [B, 1, ...], for the latent as it is."""
        if self.parts is None:
            return fields[0]
        whole = [field.expand(tuple(shape)) for field, shape in zip(fields, self.parts, strict=True)]
        return torch.cat([field.reshape(len(field), 1, -1) for field in whole], dim=-1)

    def in_the_leads_cells(self, space: int, field: torch.Tensor) -> torch.Tensor:
        """A field of the picture [B, 1, ...] in the cells of a group's latent, in those of the lead's."""
        return field

    def masks_of_all(self, masks: torch.Tensor) -> list[torch.Tensor]:
        """A mask in the lead's cells, in the cells of each group's latent."""
        return [masks]

    def unpack(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The latents of all groups."""
        return [image]

    def targets(self, estimate: torch.Tensor, level: float) -> torch.Tensor:
        """What the sampler steps to: an estimate of the lead's space, for all groups."""
        return estimate

    def leads_alone(self, field: torch.Tensor) -> torch.Tensor:
        """A field of the lead's latent for the sampler's, 0 elsewhere."""
        return field

    def begin(self, start: Start, sampler: Sampler, model: BaseModel) -> tuple[list[Start], Sampler]:
        """What each group begins with, and the sampler that steps all. model: the lead's BaseModel."""
        return [start], sampler

    def shape_of(self, space: int, shape: Sequence[int]) -> Sequence[int]:
        """The shape of a group's latent, where that of the sampler's is `shape`."""
        return shape

    def codecs(self) -> list[Latents]:
        """The groups' codecs that ask a VAE."""
        return []

    def vaes(self) -> list[Model]:
        """The host's patchers of these VAEs, each once."""
        return list({id(codec.patcher): codec.patcher for codec in self.codecs()}.values())

    def forget(self) -> None:
        """Drops the estimates that it keeps."""

    def shown(self, seen: Observation) -> Observation:
        """An observation of the picture alone."""
        return seen if self.parts is None else picture_of(seen, self.parts)
