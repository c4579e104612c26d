"""The layout of a sampling's latents: one for each group of experts, and what the sampler steps.

One group is the simplest case: its latent is the sampler's, and nothing is packed, copied or bridged. Several are
packed into one, [B, 1, n], as the host packs nested latents.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ... import fusion
from ...fusion import Coefficient
from ...mixture import Expert
from ...observation import Observation, picture_of
from ...regions import STILL, Area, View
from ..protocols import BaseModel, Model, Sampler
from .codecs import Latents
from .regional import Regional
from .start import Shapes, Start

Masks = tuple[Coefficient, ...]                 # of each expert, in the cells of one latent
Estimates = dict[int, torch.Tensor]             # {index of the expert: D [B, ...]}


def split(packed: torch.Tensor, shapes: Shapes) -> list[torch.Tensor]:
    """Latents that are packed as [B, 1, n], each in its shape [B, C, ...]; their batch is that of `packed`."""
    cells = [torch.Size(shape[1:]) for shape in shapes]
    parts = packed.split([cell.numel() for cell in cells], dim=-1)
    return [part.reshape(len(part), *cell) for part, cell in zip(parts, cells, strict=True)]


class OneSpace:
    """The latent of experts of one space, as the sampler has it.

    grids: the experts' masks in the cells of each group's latent, here of one. size: of the image that they fit.
    parts: the shapes of a nested latent's parts, None if it is not nested.
    left_at: for each group, a level at and below which nothing asks it. regional: the mixture's regions, if it has
    any.
    """

    def __init__(self, experts: Sequence[Expert], regional: Regional | None = None) -> None:
        self.experts, self.spaces = experts, [0] * len(experts)
        self.regional = regional
        self.grids: list[Masks] = []
        self.device = torch.device("cpu")
        self._within: dict[tuple[bool, ...], list[Masks]] = {}      # {who is active: the masks then}
        self._reach: list[list[Coefficient]] = []                   # of each group: where experts are asked, if not all
        self.size: torch.Size | None = None
        self.parts: Shapes | None = None
        self.left_at: list[float] = []

    def fit(self, size: torch.Size, device: torch.device) -> None:
        """Brings masks to the size [B, ...] of the image, which some samplers change on their way."""
        if self.size != size:
            self.size = size
            self.device = device
            self.grids = [tuple(self._fitted(expert.mask, size, device) for expert in self.experts)]
            self._draw([(self.parts[0] if self.parts else size)[2:]])

    def _draw(self, sizes: Sequence[Sequence[int]]) -> None:
        self._within = {}
        self._reach = []
        if self.regional is not None:
            self.regional.draw(sizes)
            if self.regional.regions.cropped:
                for s in range(len(sizes)):
                    self._reach.append([self._placed(each) for each in self.regional.reach(s)])

    def masks(self, active: tuple[bool, ...]) -> list[Masks]:
        """The experts' masks in the cells of each group while these are active, within the mixture's regions."""
        if active not in self._within:
            self._within[active] = [self._masks(s, own, active) for s, own in enumerate(self.grids)]
        return self._within[active]

    def _masks(self, s: int, own: Masks, active: tuple[bool, ...]) -> Masks:
        masks = [mask if on else 0.0 for mask, on in zip(own, active, strict=True)]
        if self.regional is not None:
            pictures = {i: self.of_picture(mask) for i, mask in enumerate(own) if active[i]}
            for i, mask in self.regional.masks(s, pictures).items():
                masks[i] = self._placed(mask)
        return tuple(masks)

    def _placed(self, mask: Coefficient) -> Coefficient:
        """A mask of the picture, on the lead's device; in other parts of a nested latent its expert acts everywhere."""
        if isinstance(mask, torch.Tensor):
            mask = mask.to(self.device)
        if self.parts is None:
            return mask
        ones = [torch.ones(tuple(shape), device=self.device) for shape in self.parts]
        return self.joined([ones[0][:, :1] * mask, *ones[1:]])

    def of_picture(self, mask: Coefficient) -> Coefficient:
        """A mask without the other parts of a nested latent."""
        return self.divided(mask)[0][:, :1] if isinstance(mask, torch.Tensor) else mask

    def inactive(self, s: int, numbers: Sequence[float]) -> Sequence[Coefficient]:
        """The reliabilities in the cells of a group where nobody acts: of those who are asked there."""
        if not self._reach:
            return numbers
        reach = self._reach[s]
        return fusion.renormalised(numbers, reach, fusion.renormalised([1.0] * len(numbers), reach, numbers))

    def completed(self, estimates: Mapping[int, torch.Tensor], others: Mapping[int, torch.Tensor]) -> Estimates:
        """Estimates of experts, {index: D}; where one was not asked, the mean of those `others` of its space that were.

        No coefficient counts there, but what looks at a whole estimate, such as rescale, finds a picture.
        """
        found = dict(estimates)
        for i in estimates if self._reach else ():
            space = self.spaces[i]
            reach = self._reach[space]
            inside = reach[i]
            whole = [d for k, d in others.items() if self.spaces[k] == space and not isinstance(reach[k], torch.Tensor)]
            if isinstance(inside, torch.Tensor) and whole:
                found[i] = torch.where(inside > 0, estimates[i], torch.stack(whole).mean(0))
        return found

    def areas(self, i: int) -> list[Area]:
        """The rectangles that an expert is asked about, in cells of its own latent; none: the whole canvas."""
        return [] if self.regional is None else self.regional.areas(self.spaces[i], i)

    def view(self, i: int) -> View:
        """How its own latent is moved for an expert, in cells."""
        return STILL if self.regional is None else self.regional.view(self.spaces[i], i)

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
