"""Experts of several latent spaces: a latent for each group, the sampler's of all, and the bridges between them."""
from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import comfy.samplers
import torch
from torch.nn import functional as F

from ... import fusion
from ...mixture import Expert
from ..models import latent_format
from ..protocols import BaseModel, Guided, Options, Sampler
from .codecs import Latents, resized
from .groups import Group
from .inpainting import latent_in
from .layout import OneSpace, split
from .regional import Regional
from .start import Start


class SeveralSpaces(OneSpace):
    """The latents of one sampling, packed as the host packs nested ones, [B, 1, n].

    shape: of the lead's latent [B, C, H, W]. Raises ValueError if the sizes of the groups do not fit it.
    """

    def __init__(
        self, experts: Sequence[Expert], groups: Sequence[Group], shape: Sequence[int],
        regional: Regional | None = None,
    ) -> None:
        super().__init__(experts, regional)
        self.groups, lead = groups, groups[0].codec
        for s, group in enumerate(groups):
            for i in group.members:
                self.spaces[i] = s
        batch, channels, *size = shape
        self.picture = size[0] * lead.cell, size[1] * lead.cell
        self.sizes = [self.picture]             # of the pictures, in pixels
        self.shapes = [torch.Size((batch, channels, *size))]
        for group in groups[1:]:
            block = group.block(self.picture, experts[group.members[0]].name)
            self.sizes.append((block[0] * group.codec.cell, block[1] * group.codec.cell))
            self.shapes.append(torch.Size((batch, latent_format(group.model).latent_channels, *block)))
        self.left_at = [-math.inf] * len(groups)
        self._decoded: tuple[torch.Tensor | None, torch.Tensor | None] = None, None

    # -- masks ---------------------------------------------------------------------------------------------------------

    def fit(self, size: torch.Size, device: torch.device) -> None:
        if self.size is not None:
            return
        self.size = size
        self.device = device
        for shape in self.shapes:
            fitted = [1.0 if e.mask is None else fusion.latent_mask(e.mask, shape, device) for e in self.experts]
            self.grids.append(tuple(fitted))
        self._draw([shape[2:] for shape in self.shapes])

    def in_the_leads_cells(self, space: int, field: torch.Tensor) -> torch.Tensor:
        return field if space == 0 else F.interpolate(field, size=self.shapes[0][2:], mode="area")

    def masks_of_all(self, masks: torch.Tensor) -> list[torch.Tensor]:
        return [masks, *(F.interpolate(masks, size=shape[2:], mode="area") for shape in self.shapes[1:])]

    # -- bridges -------------------------------------------------------------------------------------------------------

    def codecs(self) -> list[Latents]:
        return [group.codec for group in self.groups if isinstance(group.codec, Latents)]

    def there(self, s: int, estimate: torch.Tensor) -> torch.Tensor:
        """B(1->s). Several groups share one decoding of the lead's estimate."""
        if s == 0:
            return estimate
        known, picture = self._decoded
        if known is not estimate or picture is None:
            picture = self.groups[0].codec.picture(estimate)
            self._decoded = estimate, picture
        return self.groups[s].codec.estimate(resized(picture, self.sizes[s]))

    def back(self, s: int, estimate: torch.Tensor) -> torch.Tensor:
        """B(s->1)."""
        if s == 0:
            return estimate
        return self.groups[0].codec.estimate(resized(self.groups[s].codec.picture(estimate), self.picture))

    def forget(self) -> None:
        self._decoded = None, None

    # -- the sampler's latent ------------------------------------------------------------------------------------------

    def pack(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([block.reshape(len(block), 1, -1) for block in blocks], dim=-1)

    def unpack(self, image: torch.Tensor) -> list[torch.Tensor]:
        return split(image, self.shapes)

    def targets(self, estimate: torch.Tensor, level: float) -> torch.Tensor:
        """An estimate D of the lead's space and B(1->s)(D), packed; nothing where group s is never asked again."""
        blocks = [estimate]
        for s, shape in enumerate(self.shapes[1:], 1):
            left = level <= self.left_at[s]
            blocks.append(estimate.new_zeros(len(estimate), *shape[1:]) if left else self.there(s, estimate))
        return self.pack(blocks)

    def leads_alone(self, field: torch.Tensor) -> torch.Tensor:
        return self.pack([field, *(field.new_zeros(len(field), *shape[1:]) for shape in self.shapes[1:])])

    def shape_of(self, space: int, shape: Sequence[int]) -> Sequence[int]:
        return self.shapes[space]

    # -- its beginning -------------------------------------------------------------------------------------------------

    def begin(self, start: Start, sampler: Sampler, model: BaseModel) -> tuple[list[Start], Sampler]:
        for group in self.groups:
            group.codec.probe(start.noise.device)
        assert start.latent_image is not None       # which the host always gives
        noise = self.noise(start.noise)
        latents = self.latents(latent_in(model, start.latent_image))
        starts = [start]
        for s, group in enumerate(self.groups[1:], 1):
            latent, mask = latents[s], start.denoise_mask
            if latent.any():
                latent = latent_format(group.model).process_out(latent)
            if mask is not None:
                mask = self.denoise_mask(s, mask)
            starts.append(Start(noise[s], latent, mask, start.seed, start.sigmas, [noise[s].shape]))
        return starts, PackedSampler(sampler, self, noise, latents)

    def noise(self, own: torch.Tensor) -> list[torch.Tensor]:
        """The noise of all latents: the lead's own, and others that its rows determine, whatever batch they are in.

        Raises ValueError if the lead has none: the other latents could not be where its latent is.
        """
        rows = own.detach().cpu().float()
        if not rows.any():
            raise ValueError("Experts of several latent spaces need noise to start from, and this run adds none; start "
                             "from a latent without noise, and add noise.")
        blocks = [own]
        for s, shape in enumerate(self.shapes[1:], 1):
            drawn = [torch.randn(shape[1:], generator=_generator(row, s)) for row in rows]
            blocks.append(torch.stack(drawn).to(own))
        return blocks

    def latents(self, own: torch.Tensor) -> list[torch.Tensor]:
        """The clean latents of all groups, scaled as the networks see them; an empty latent is empty everywhere."""
        if not torch.count_nonzero(own):
            return [own, *(own.new_zeros(len(own), *shape[1:]) for shape in self.shapes[1:])]
        return [own, *(self.there(s, own).to(own) for s in range(1, len(self.shapes)))]

    def denoise_mask(self, s: int, own: torch.Tensor) -> torch.Tensor:
        """The lead's denoise mask [B, C, H, W] for group s."""
        if s == 0:
            return own
        shape = self.shapes[s]
        mask = F.interpolate(own[:, :1].float(), size=shape[2:], mode="area")
        return mask.expand(-1, shape[1], -1, -1).to(own)


def _generator(row: torch.Tensor, s: int) -> torch.Generator:
    digest = hashlib.sha256(row.contiguous().numpy().tobytes() + bytes([s])).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


class PackedSampler(comfy.samplers.Sampler):
    """A sampler that steps the latents of all groups as one, while the host gives it the lead's and wants the lead's
    back.

    noise, latents: of all groups; of latents, the lead's is the host's.
    """

    def __init__(
        self, sampler: Sampler, spaces: SeveralSpaces, noise: Sequence[torch.Tensor], latents: Sequence[torch.Tensor],
    ) -> None:
        self.sampler = sampler
        self.spaces = spaces
        self.noise = noise
        self.latents = latents

    def sample(
        self, model_wrap: Guided, sigmas: torch.Tensor, extra_args: Options, callback: Callable | None,
        noise: torch.Tensor, latent_image: torch.Tensor | None = None, denoise_mask: torch.Tensor | None = None,
        disable_pbar: bool = False,
    ) -> torch.Tensor:
        pack, unpack = self.spaces.pack, self.spaces.unpack
        own = torch.zeros_like(noise) if latent_image is None else latent_image
        mask = None
        if denoise_mask is not None:
            mask = pack([self.spaces.denoise_mask(s, denoise_mask) for s in range(len(self.noise))])

        def show(step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> object:
            return callback(step, unpack(x0)[0], unpack(x)[0], total) if callback else None
        samples = self.sampler.sample(model_wrap, sigmas, extra_args, callback and show, pack(self.noise),
                                      pack([own, *self.latents[1:]]), mask, disable_pbar)
        return unpack(samples)[0]

    def max_denoise(self, model_wrap: Guided, sigmas: torch.Tensor) -> bool:
        return self.sampler.max_denoise(model_wrap, sigmas)
