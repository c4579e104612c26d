"""The latent spaces of a mixture: which expert works in which, at what size, and whose VAE leads there."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ...mixture import Expert
from ..models import check_spaces, is_pixel, latent_format, same_space, vae_of
from ..protocols import Model
from .codecs import Codec, codec_of

Size = tuple[int, int]                          # height, width


@dataclasses.dataclass(frozen=True)
class Group:
    """Experts that work on one latent. The first group is the lead's.

    members: their indices in the mixture. fixed: the size in cells if they draw no other. scale: otherwise, the
    fraction of the picture's size at which they work.
    """
    members: tuple[int, ...]
    model: Model
    codec: Codec
    fixed: Size | None
    scale: float

    def block(self, picture: Size, name: str) -> Size:
        """(height, width) in cells of a foreign group's latent. Raises ValueError if the sizes do not fit."""
        height, width = picture
        cell = self.codec.cell
        if self.fixed is not None:
            if self.fixed[0] * width != self.fixed[1] * height:
                rows, columns = self.fixed[0] * cell, self.fixed[1] * cell
                raise ValueError(f"Expert '{name}' draws only {columns} x {rows} pixels, and the picture has {width} x "
                                 f"{height}; give the picture the same proportions.")
            return self.fixed
        down, across = height * self.scale / cell, width * self.scale / cell
        if not down.is_integer() or not across.is_integer():
            raise ValueError(f"At scale {self.scale:g} expert '{name}' would work on {width * self.scale:g} x "
                             f"{height * self.scale:g} pixels, which must be multiples of {cell}; change the size of "
                             "the picture, or the scale.")
        return int(down), int(across)


def groups_of(experts: Sequence[Expert], mixed: bool = False) -> list[Group]:
    """The groups of experts, the lead's first. mixed: see check_spaces.

    Raises ValueError if experts differ in their spaces and a VAE is missing, or is not that of its expert.
    """
    lead = experts[0]
    if lead.scale != 1.0:
        raise ValueError(f"Expert '{lead.name}' leads and has the picture's own size; set its scale to 1, and scale "
                         "the others instead.")
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
        raise ValueError(f"Expert '{first.name}' works in {type(space).__name__}, latents for video or sound, and "
                         "bridges between latent spaces are for pictures; unite it with experts of its own space.")
    if with_vae is None and not is_pixel(first.model):
        if all(e.vae is None for e in experts):
            check_spaces(experts)               # which explains it at length
        raise ValueError(f"Expert '{first.name}' works in the latent space {type(space).__name__} and others differ "
                         f"from it in size or space; to bridge them, connect {vae_of(space)} to vae of its Condition "
                         "Expert.")
    codec = codec_of(first.model, with_vae.vae if with_vae else None, (with_vae or first).name)
    sizes = [_fixed(experts[i]) for i in members]
    fixed = next(filter(None, sizes), None)
    return Group(tuple(members), first.model, codec, fixed, first.scale)
