"""The latent spaces of a mixture: which expert works in which, how large, and the bridges between them."""
from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ...mixture import Expert
from ..models import check_spaces, is_pixel, latent_format, same_space, vae_of
from .codecs import Codec, codec_of, resized

Size = tuple[int, int]                          # height, width


@dataclasses.dataclass(frozen=True)
class Group:
    """Experts that work on one latent. The first group is the lead's.

    members: their indices in the mixture. fixed: the size in cells if they draw no other. scale: else the share of the
    picture's size at which they work.
    """
    members: tuple[int, ...]
    model: Any
    codec: Codec
    fixed: Size | None
    scale: float

    def block(self, picture: Size, name: str) -> Size:
        """(height, width) in cells of a foreign group's latent. Raises ValueError where the sizes do not fit."""
        height, width = picture
        cell = self.codec.cell
        if self.fixed is not None:
            if self.fixed[0] * width != self.fixed[1] * height:
                rows, columns = self.fixed[0] * cell, self.fixed[1] * cell
                raise ValueError(f"Expert '{name}' draws {columns} x {rows} pixels only, and the picture has "
                                 f"{width} x {height}; give the picture the same proportions.")
            return self.fixed
        down, across = height * self.scale / cell, width * self.scale / cell
        if not down.is_integer() or not across.is_integer():
            raise ValueError(f"At scale {self.scale:g} expert '{name}' would work on {width * self.scale:g} x "
                             f"{height * self.scale:g} pixels, which must be multiples of {cell}; change the size of "
                             "the picture, or the scale.")
        return int(down), int(across)


def groups_of(experts: Sequence[Expert], mixed: bool = False) -> list[Group]:
    """The groups of experts, the lead's first. mixed: see check_spaces.

    Raises ValueError where experts differ in their spaces and a VAE is missing, or is not that of its expert.
    """
    lead = experts[0]
    if lead.scale != 1.0:
        raise ValueError(f"Expert '{lead.name}' leads and has the picture's own size; set its scale to 1, and give the "
                         "scale to the others.")
    members: list[list[int]] = []
    for i, expert in enumerate(experts):
        for group in members:
            if _together(experts[group[0]], expert, mixed and group[0] == 0):
                group.append(i)
                break
        else:
            members.append([i])
    if len(members) == 1:
        return [Group(tuple(members[0]), lead.model, None, None, 1.0)]          # type: ignore[arg-type] # no bridge
    return [_group(experts, group) for group in members]


def _together(a: Expert, b: Expert, mixed: bool) -> bool:
    """Whether two experts work on one latent."""
    ours, theirs = latent_format(a.model), latent_format(b.model)
    if mixed and b.scale == 1.0 and b.vae is None and ours.latent_channels == theirs.latent_channels:
        return True
    sizes = {_fixed(a), _fixed(b)} - {None}
    return same_space(ours, theirs) and len(sizes) < 2 and (a.scale == b.scale or _fixed(a) == _fixed(b) is not None)


def _fixed(expert: Expert) -> Size | None:
    size = getattr(expert.model.model, "fixed_size", None)
    return size and (size[0], size[1])


def _group(experts: Sequence[Expert], members: Sequence[int]) -> Group:
    first = experts[members[0]]
    space = latent_format(first.model)
    kin = [e for e in experts if same_space(space, latent_format(e.model))]
    with_vae = next((e for e in kin if e.vae is not None), None)
    if space.latent_dimensions != 2:
        kind = "videos" if space.latent_dimensions == 3 else "sound"
        raise ValueError(f"Expert '{first.name}' works in {type(space).__name__}, latents for {kind}, and bridges "
                         "between latent spaces are for pictures; unite it with experts of its own space.")
    if with_vae is None and not is_pixel(first.model):
        if all(e.vae is None for e in experts):
            check_spaces(experts)               # which says it at length
        raise ValueError(f"Expert '{first.name}' works in the latent space {type(space).__name__} and another size or "
                         f"space than others; for the bridge between them connect {vae_of(space)} to vae of its "
                         "Condition Expert.")
    codec = codec_of(first.model, with_vae and with_vae.vae, (with_vae or first).name)
    fixed = next((size for size in (_fixed(experts[i]) for i in members) if size), None)
    return Group(tuple(members), first.model, codec, fixed, first.scale)


class Spaces:
    """The blocks of one sampling: one latent per group, packed as the host packs nested latents, [B, 1, n].

    shape: of the lead's latent [B, C, H, W].
    """

    def __init__(self, groups: Sequence[Group], experts: Sequence[Expert], shape: Sequence[int]) -> None:
        self.groups, lead = groups, groups[0].codec
        batch, channels, *size = shape
        self.picture = size[0] * lead.cell, size[1] * lead.cell
        self.sizes = [self.picture]             # of the pictures, in pixels
        self.shapes = [torch.Size((batch, channels, *size))]
        for group in groups[1:]:
            block = group.block(self.picture, experts[group.members[0]].name)
            self.sizes.append((block[0] * group.codec.cell, block[1] * group.codec.cell))
            self.shapes.append(torch.Size((batch, latent_format(group.model).latent_channels, *block)))
        self._decoded: tuple[torch.Tensor | None, torch.Tensor | None] = None, None

    def patchers(self) -> list[Any]:
        """The host's patchers of the VAEs, each once."""
        return list({id(g.codec.patcher): g.codec.patcher for g in self.groups if g.codec.patcher is not None}.values())

    def there(self, s: int, estimate: torch.Tensor) -> torch.Tensor:
        """B(1->s). Several groups share one look at the lead's estimate."""
        known, picture = self._decoded
        if known is not estimate or picture is None:
            picture = self.groups[0].codec.picture(estimate)
            self._decoded = estimate, picture
        return self.groups[s].codec.estimate(resized(picture, self.sizes[s]))

    def forget(self) -> None:
        """Lets go of what it keeps of estimates."""
        self._decoded = None, None

    def back(self, s: int, estimate: torch.Tensor) -> torch.Tensor:
        """B(s->1)."""
        return self.groups[0].codec.estimate(resized(self.groups[s].codec.picture(estimate), self.picture))

    def pack(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([block.reshape(len(block), 1, -1) for block in blocks], dim=-1)

    def unpack(self, packed: torch.Tensor) -> list[torch.Tensor]:
        sizes = [shape[1] * shape[2] * shape[3] for shape in self.shapes]
        parts = packed.split(sizes, dim=-1)
        return [part.reshape(len(part), *shape[1:]) for part, shape in zip(parts, self.shapes, strict=True)]

    def noise(self, own: torch.Tensor) -> list[torch.Tensor]:
        """The noise of all blocks: the lead's own, and others that its rows determine, whatever batch they are in.

        Raises ValueError where the lead has none: the other blocks could not be where its latent is.
        """
        rows = own.detach().cpu().float()
        if not rows.any():
            raise ValueError("Experts of several latent spaces need noise to start from, and this run adds none; begin "
                             "with a latent that is not noisy, and add noise.")
        blocks = [own]
        for s, shape in enumerate(self.shapes[1:], 1):
            drawn = [torch.randn(shape[1:], generator=_generator(row, s)) for row in rows]
            blocks.append(torch.stack(drawn).to(own))
        return blocks

    def latents(self, own: torch.Tensor) -> list[torch.Tensor]:
        """The clean latents of all blocks, scaled as the networks see them; an empty latent is empty everywhere."""
        if not torch.count_nonzero(own):
            return [own, *(own.new_zeros(len(own), *shape[1:]) for shape in self.shapes[1:])]
        return [own, *(self.there(s, own).to(own) for s in range(1, len(self.shapes)))]

    def masks(self, own: torch.Tensor) -> list[torch.Tensor]:
        """A denoise mask [B, C, H, W] for all blocks."""
        blocks = [own]
        for shape in self.shapes[1:]:
            mask = F.interpolate(own[:, :1].float(), size=shape[2:], mode="area")
            blocks.append(mask.expand(-1, shape[1], -1, -1).to(own))
        return blocks


def _generator(row: torch.Tensor, s: int) -> torch.Generator:
    digest = hashlib.sha256(row.contiguous().numpy().tobytes() + bytes([s])).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
