"""Random mixtures from a seed: everything that the nodes let a user mix, where the answer is defined and stable."""
from __future__ import annotations

import dataclasses
import math
import random

import torch

from support.eq10.drawn import EVERY, Automatic, Drawn, Member, Mixer, Options
from support.eq10.networks import FRAMES, NESTED, PICTURE, PIXELS, VIDEO, Network, Space
from support.eq10.regions import with_views, written
from support.eq10.sensible import sensible

KINDS = PICTURE, PICTURE, PICTURE, VIDEO, NESTED, PIXELS
WEIGHTS = (-1.5, -0.5, 0.0, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
LARGEST = 5.0           # sum of the sizes of the weights: float32 knows the sum of the coefficients to 1e-6
BANDS = ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 1.0, 2.0), (1.0, 0.0, 1.0), (2.0, 0.5, 0.25), EVERY)
SIZES = (8, 8), (16, 8), (8, 16), (24, 16)         # of the lead's latent, in cells of 8 pixels
STEPS = 4


def draw(seed: int) -> Drawn:
    luck = random.Random(seed)
    while True:
        drawn = candidate(luck, seed)
        if sensible(drawn):
            return drawn


def draw_regions(seed: int) -> Drawn:
    """The same with regions."""
    luck = random.Random(seed)
    while True:
        drawn = candidate(luck, seed)
        frames = drawn.size(0)[0] if len(drawn.size(0)) == 3 else 0
        text = written(luck, drawn.names, frames)
        if len(drawn.shapes) == 1:      # not for nested latents
            text = with_views(luck, text, drawn.names)
        drawn = dataclasses.replace(drawn, regions=text)
        if sensible(drawn):
            return drawn


def candidate(luck: random.Random, seed: int) -> Drawn:
    kind = luck.choice(KINDS)
    batch = 2 if luck.random() < 0.4 else 1
    members = members_of(luck, kind)
    shapes = shapes_of(luck, kind, batch)
    for member in members:
        decorate(luck, member, kind, batch)
    if luck.random() < (0.06 if len(members) > 1 else 0.3):
        even_masks(luck, members, shapes[0][-2:], members[0].network.space.cell)
    if luck.random() < 0.25:
        for member in members:
            member.function = luck.choice(("", "same", "bent", "rescaled", "before"))
            member.sees_null = luck.random() < 0.3
    if luck.random() < 0.25 and kind != NESTED:
        for member in members:
            member.bands = luck.choice(BANDS)
    percents = sorted(luck.sample([round(0.05 * k, 2) for k in range(2, 19)], STEPS))
    mixer = mixer_of(luck, members)
    automatic = automatic_of(luck, len(members))
    clip = kind == PIXELS and luck.random() < 0.5
    return Drawn(mixer, shapes, tuple(percents), options_of(luck, mixer), automatic, clip=clip, seed=seed)


def members_of(luck: random.Random, kind: str) -> list[Member]:
    """The experts in one latent space or, of pictures and pixels, often in two or three."""
    count = luck.choice((1, 2, 2, 3, 3, 4, 5, 6))
    places = [(Space(0, kind), 1.0)]
    if count > 1 and kind in (PICTURE, PIXELS) and luck.random() < 0.6:
        others = [(Space(1), 1.0), (Space(1), 0.5), (Space(2, lossy=True), 1.0), (Space(2, lossy=True), 2.0)]
        others += [(Space(0, kind), 0.5), (Space(0, PIXELS), 0.5), (Space(0, PIXELS), 1.0)]
        places += luck.sample(others, luck.choice((1, 1, 2)))
    networks = [Network(space, luck.choice(FRAMES), luck.randrange(20)) for space, _ in places for _ in range(2)]
    members = []
    for i, weight in enumerate(weights_of(luck, count)):
        space, scale = places[i] if i < len(places) else luck.choice(places)
        network = luck.choice([network for network in networks if network.space == space])
        members.append(Member(network, luck.randrange(6), 100 + luck.randrange(3), weight, scale=scale))
    return members[:1] + luck.sample(members[1:], len(members) - 1)


def shapes_of(luck: random.Random, kind: str, batch: int) -> list[tuple[int, ...]]:
    """Of the lead's latent; of a nested one, of a video and its sound."""
    size = luck.choice(SIZES)
    if kind == PIXELS:
        return [(batch, 3, 4 * size[0], 4 * size[1])]
    if kind == PICTURE:
        return [(batch, 4, *size)]
    video = (batch, 4, 3, *size)
    return [video] if kind == VIDEO else [video, (batch, 4, 10)]


def weights_of(luck: random.Random, count: int) -> list[float]:
    """Any, or such that their sum is exactly 1 or 0."""
    weights = [luck.choice(WEIGHTS) for _ in range(count)]
    if luck.random() < 0.35:
        weights = [0.25 * luck.randint(-4, 12) for _ in range(count)]
        weights[-1] = luck.choice((1.0, 1.0, 0.0)) - sum(weights[:-1])
    size = sum(map(abs, weights))
    return weights if size <= LARGEST else [w / 2.0 ** math.ceil(math.log2(size / LARGEST)) for w in weights]


def decorate(luck: random.Random, member: Member, kind: str, batch: int) -> None:
    """A mask and a window."""
    if luck.random() < 0.35:
        member.mask = mask_of(luck, luck.choice((1, batch, 3 if kind in (VIDEO, NESTED) else batch)))
    if luck.random() < 0.25:
        start, end = sorted(luck.sample(range(11), 2))
        member.start, member.end = round(0.1 * start, 1), round(0.1 * end, 1)


def even_masks(luck: random.Random, members: list[Member], size: tuple[int, ...], cell: int) -> None:
    """Weights of the sum 2 at half strength everywhere, or in every second row of the lead's cells.

    So their sum is 1 in all cells, or in cells twice as large.
    """
    last = 2.0 - sum(m.weight for m in members[:-1])
    mask = torch.full((1, size[0] * cell, size[1] * cell), 0.5)
    if luck.random() < 0.7:
        mask.unflatten(1, (-1, 2, cell)).copy_(torch.tensor([1.0, 0.0]).reshape(2, 1, 1))
    for member in members if abs(last) < LARGEST else []:
        member.mask = mask
        member.weight = last if member is members[-1] else member.weight


def mask_of(luck: random.Random, rows: int) -> torch.Tensor:
    """[rows, H, W] in pixels: a rectangle, hard or half strong, or soft hills."""
    height, width = luck.choice(((64, 64), (128, 96), (50, 70)))
    masks = []
    for _ in range(rows):
        if luck.random() < 0.5:
            mask = torch.zeros(height, width)
            top, left = luck.randrange(height // 2), luck.randrange(width // 2)
            mask[top:top + luck.randint(height // 3, height), left:left + luck.randint(width // 3, width)] = 1.0
            masks.append(mask * luck.choice((1.0, 1.0, 0.5)))
        else:
            hills = torch.tensor([luck.uniform(-0.5, 1.5) for _ in range(16)]).reshape(1, 1, 4, 4)
            masks.append(torch.nn.functional.interpolate(hills, size=(height, width), mode="bicubic")[0, 0])
    return torch.stack(masks)


def mixer_of(luck: random.Random, members: list[Member]) -> Mixer:
    """One mixer or a chain of two, some slots without an expert."""
    meaning = luck.choice(("reliabilities", "reliabilities", "shares"))
    inner, by_slot = None, False
    if len(members) > 1 and luck.random() < 0.35:
        cut = luck.randrange(len(members))
        inner, members = mixer_of(luck, members[cut:]), members[:cut]
    slots: list[Member | None] = [*members]
    if luck.random() < 0.3 and members:
        for _ in range(luck.choice((1, 2))):
            slots.insert(luck.randrange(len(slots)), None)
        by_slot = luck.random() < 0.6
    numbers = tuple(luck.choice((0.0, 0.5, 1.0, 1.0, 2.0, 3.0)) for _ in range(len(members) + bool(inner)))
    if luck.random() < 0.3 or not (any(numbers) or by_slot):
        numbers = ()
    return Mixer(slots[:8], numbers, meaning, inner, by_slot)


def options_of(luck: random.Random, mixer: Mixer) -> Options:
    count = len(mixer.members)
    told: dict[str, object] = {}
    if luck.random() < 0.2:
        told["weights_end"] = tuple(weights_of(luck, count))
    if luck.random() < 0.2:
        told["numbers_end"] = tuple(luck.choice((0.0, 1.0, 2.0)) for _ in range(count - 1)) + (1.0,)
    if luck.random() < 0.15:
        told["low"], told["high"] = luck.choice(((0.6, float("inf")), (0.0, 3.1), (0.6, 3.1)))
    if luck.random() < 0.25:
        told["apg"] = luck.choice((0.0, 0.25, 1.0)), luck.choice((0.0, 2.0, 30.0)), luck.choice((0.0, -0.5, 0.3))
    return Options(curve=luck.choice(("linear", "cosine")), rescale=luck.choice((0.0, 0.0, 0.0, 0.4, 1.0)),
                   cfg_zero=luck.random() < 0.3, zero_init=luck.choice((0.0,) * 8 + (0.2,)),
                   **told)                                                          # type: ignore[arg-type]


def automatic_of(luck: random.Random, count: int) -> Automatic | None:
    if luck.random() > 0.35:
        return None
    strengths = () if luck.random() < 0.3 else tuple(luck.choice((0.5, 1.0, 1.7)) for _ in range(count))
    return Automatic(luck.choice((0.25, 0.5, 1.5)), luck.choice((0.0, 0.7, 2.0)), strengths,
                     luck.choice((0.0, 0.0, 1.2)))
