"""Masks in the cells of a latent, automatic ones, and the masks of frequency bands, in float64.

Of pictures and videos a mask is [1 or B, 1, (T,) H, W]; of nested latents, packed as they are, [1 or B, 1, n].
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from support.eq10 import numbers, regions
from support.eq10.drawn import Automatic, Drawn

BORDERS, OCTAVES = (1 / 16, 1 / 6), 0.5         # of bands, in waves per cell of the lead's latent


def of_user(drawn: Drawn, i: int, s: int) -> Tensor:
    """The mask of expert i in the cells of group s."""
    mask = drawn.members[i].mask
    if mask is None:
        return torch.ones((), dtype=torch.float64)
    pixels = mask.double().clamp(0.0, 1.0)
    size = drawn.size(s)
    batch = drawn.shapes[0][0]
    if len(size) == 3:
        cells = F.interpolate(pixels[None, None], size=size, mode="area")
    else:
        cells = F.interpolate(pixels[:, None], size=size, mode="area")
        if len(cells) > 1:
            cells = cells.repeat(math.ceil(batch / len(cells)), 1, 1, 1)[:batch]
    return with_sound(drawn, cells)


def packed(parts: Sequence[Tensor]) -> Tensor:
    """Picture and sound, [B, C, ...] each, as [B, 1, n]."""
    rows = max(len(part) for part in parts)
    return torch.cat([part.expand(rows, *part.shape[1:]).flatten(1)[:, None] for part in parts], dim=-1)


def unpacked(field: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    parts = field.split([math.prod(shape[1:]) for shape in shapes], dim=-1)
    return [part.reshape(len(part), *shape[1:]) for part, shape in zip(parts, shapes, strict=True)]


def resized(mask: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(mask, size=tuple(size), mode="area")


def in_regions(drawn: Drawn, own: Sequence[Tensor], active: Sequence[bool], s: int) -> list[Tensor]:
    """The masks of all experts in the cells of group s within their regions. active: whose window is open."""
    found = list(own)
    if drawn.regions is None:
        return found
    taking_part = {}
    for i, (slot, name) in enumerate(drawn.names.items()):
        weights = numbers.at(drawn, 0.0)[0][i], numbers.at(drawn, 1.0)[0][i]
        drawn_by = {line.rpartition(":")[0] for line in drawn.regions.regions.splitlines()} | {drawn.regions.rest}
        if active[i] and (any(weights) or {name, str(slot)} & drawn_by):
            taking_part[slot] = i
    pictures = {slot: of_picture(drawn, own[i]) for slot, i in taking_part.items()}
    divided = regions.masks(drawn.regions, drawn.names, pictures, drawn.size(s))
    for slot, i in taking_part.items():
        found[i] = with_sound(drawn, divided[slot])
    return found


def of_picture(drawn: Drawn, mask: Tensor) -> Tensor:
    """Of a mask of packed latents, the part of the video, [B, 1, T, H, W]."""
    return unpacked(mask, drawn.shapes)[0][:, :1] if len(drawn.shapes) > 1 and mask.ndim else mask


def with_sound(drawn: Drawn, mask: Tensor) -> Tensor:
    """A mask of the video for packed latents: elsewhere its expert acts everywhere."""
    others = [torch.ones(1, *shape[1:], dtype=torch.float64) for shape in drawn.shapes[1:]]
    return packed([mask.expand(-1, *drawn.shapes[0][1:]), *others]) if others else mask


def automatic(settings: Automatic, drawn: Drawn, asked: Mapping[int, Tensor], allowed: Mapping[int, Tensor],
              ) -> dict[int, Tensor]:
    """m_i in the lead's cells. asked: D_i - N_i of those that take part, in their own cells. allowed: users' masks."""
    if len(drawn.shapes) == 1:
        claims = {i: blurred(resized(field.norm(dim=1, keepdim=True), drawn.size(0)), settings.blur)
                  for i, field in asked.items()}
        return divided(settings, drawn, claims, allowed)
    parts, length = [], sum(math.prod(shape[1:]) for shape in drawn.shapes)
    for p, shape in enumerate(drawn.shapes):
        claims = {}
        for i, field in asked.items():
            sizes = unpacked(field, drawn.shapes)[p].norm(dim=1, keepdim=True)
            claims[i] = sizes.mean(tuple(range(1, sizes.ndim)), keepdim=True) if p else blurred(sizes, settings.blur)
        within = {i: unpacked(torch.zeros(1, 1, length) + allowed[i], drawn.shapes)[p] for i in asked}
        found = divided(settings, drawn, claims, within)
        parts.append({i: mask.expand(-1, *shape[1:]) for i, mask in found.items()})
    whole = {}
    for i in asked:
        whole[i] = packed([part[i] for part in parts])
    return whole


def divided(settings: Automatic, drawn: Drawn, claims: Mapping[int, Tensor], allowed: Mapping[int, Tensor],
            ) -> dict[int, Tensor]:
    """softmax_i k_i claim_i / (T a_i), within what is allowed; a_i: the mean over experts and cells of i's group."""
    members, means = drawn.members, {}
    for s in range(len(drawn.groups)):
        own = [i for i in claims if drawn.group_of(members[i]) == s]
        if own:
            sizes = torch.stack([claims[i].flatten(1).mean(1) for i in own]).mean(0)
            means |= {i: sizes.reshape(-1, *[1] * (claims[i].ndim - 1)) for i in own}
    strengths = settings.strengths or [1.0] * len(members)
    exponents = [strengths[i] * claim / (settings.temperature * means[i]) for i, claim in claims.items()]
    shares = torch.softmax(torch.stack(exponents), 0)
    within = [share * allowed[i] for share, i in zip(shares, claims, strict=True)]
    total = sum(within)
    return {i: torch.where(total > 0, m / torch.where(total > 0, total, 1.0), 0.0)
            for i, m in zip(claims, within, strict=True)}


def blurred(field: Tensor, deviation: float) -> Tensor:
    """A Gaussian of some cells over height and width, cut off at three deviations; borders are continued."""
    radius = math.ceil(3 * deviation)
    if not radius:
        return field
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-places ** 2 / (2 * deviation ** 2))
    kernel = kernel / kernel.sum()
    for axis in (-1, -2):
        length = field.shape[axis]
        moved = [field.index_select(axis, (torch.arange(length) + int(k)).clamp(0, length - 1)) for k in places]
        field = sum(weight * each for weight, each in zip(kernel, moved, strict=True))
    return field


def of_bands(size: Sequence[int], lead: Sequence[int]) -> list[Tensor]:
    """M_b of the three bands on the frequencies of fft2, [H, W], for a latent of a size beside the lead's.

    A border is the square of a cosine over half an octave.
    """
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64) * n / ours
                     for n, ours in zip(size[-2:], lead[-2:], strict=True))
    octave = torch.hypot(rows[:, None], columns[None]).log2()
    below = [torch.cos(((octave - math.log2(border)) / OCTAVES + 0.5).clamp(0.0, 1.0) * math.pi / 2) ** 2
             for border in BORDERS]
    return [below[0], below[1] - below[0], 1.0 - below[1]]
