"""Masks of regions in float64, written from docs/method.md and the help page of Expert Regions; and random texts."""
from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor

SHARE, TOP = "share", "top one wins"
CENTRED = "centred"
SAMPLES = 4


@dataclasses.dataclass(frozen=True)
class Written:
    """The inputs of Expert Regions."""
    regions: str
    rest: str = "all"
    feather: float = 0.0
    overlap: str = SHARE


# ---------------------------------------------------------------------------------------------------------- random ones

def written(luck: random.Random, names: dict[int, str], frames: int = 0) -> Written:
    """names: {slot: name}. frames: of a video, from which some shapes choose."""
    lines = []
    for _ in range(luck.choice((1, 2, 2, 3, 4))):
        slot = luck.choice(list(names))
        shapes = [shape(luck, luck.choice(("box", "ellipse", "brush")), frames)]
        for _ in range(luck.choice((0, 0, 1, 2))):
            shapes.append(shape(luck, luck.choice(("box", "ellipse", "brush", "erase")), frames))
        lines.append(f"{luck.choice((slot, names[slot]))}: {'; '.join(shapes)}")
    rest = luck.choice(("all", "all", *names.values()))
    return Written("\n".join(lines), rest, luck.choice((0.0, 0.0, 0.05, 0.2)), luck.choice((SHARE, TOP)))


def with_views(luck: random.Random, text: Written, names: dict[int, str]) -> Written:
    """Some experts who do not have the rest see the picture moved."""
    chosen = [slot for slot, name in names.items() if name != text.rest and luck.random() < 0.4]
    lines = []
    for line in text.regions.splitlines():
        slot = _slots(names)[line.rpartition(":")[0]]
        first, semicolon, others = line.partition(";")
        lines.append(f"{first} {CENTRED}{semicolon}{others}" if slot in chosen else line)
    return dataclasses.replace(text, regions="\n".join(lines))


def shape(luck: random.Random, kind: str, frames: int) -> str:
    if kind == "box":
        (left, right), (top, bottom) = (sorted((luck.random(), luck.random())) for _ in range(2))
        numbers = f"{left:.4f} {top:.4f} {right + 0.0001:.4f} {bottom + 0.0001:.4f}"
    elif kind == "ellipse":
        numbers = f"{luck.random():.4f} {luck.random():.4f} {luck.uniform(0.05, 0.6):.4f} {luck.uniform(0.05, 0.6):.4f}"
    else:
        points = [f"{luck.random():.4f},{luck.random():.4f}" for _ in range(luck.choice((1, 2, 3)))]
        numbers = f"{luck.uniform(0.05, 0.4):.4f} {' '.join(points)}"
    first = luck.randrange(frames) if frames and luck.random() < 0.5 else None
    return f"{kind} {numbers}" + ("" if first is None else f" @{first}-{luck.randrange(first, frames)}")


# ---------------------------------------------------------------------------------------------------------------- masks

def masks(written: Written, names: dict[int, str], own: dict[int, Tensor], size: Sequence[int], stride: int = 1,
          ) -> dict[int, Tensor]:
    """m of those who are present, {slot: [B, 1, (T,) H, W]}. names: of all. own: their masks, of the present."""
    nothing = torch.zeros(*size, dtype=torch.float64)
    claimed = dict.fromkeys(own, nothing)
    by_name = _slots(names)
    lines = []
    for line in written.regions.splitlines():
        who, _, shapes = line.rpartition(":")
        lines.append((by_name[who], shapes.split(";")))
    if written.overlap == SHARE:
        merged: dict[int, list[list[str]]] = {}
        for slot, shapes in lines:
            merged.setdefault(slot, []).append(shapes)
        groups = list(merged.items())
    else:
        groups = [(slot, [shapes]) for slot, shapes in lines]
    present = [(slot, field(own_groups, size, written.feather, stride)) for slot, own_groups in groups if slot in own]
    if written.overlap == SHARE:
        total = sum((r for _, r in present), nothing)
        for slot, r in present:
            claimed[slot] = torch.where(total > 1.0, r / total, r)
    else:
        taken = nothing
        for slot, r in present[::-1]:
            part = torch.where(r > 1.0 - taken, 1.0 - taken, r)
            claimed[slot] = claimed[slot] + part
            taken = taken + part
    left = counted(1.0 - sum(claimed.values(), nothing))
    takers = [slot for slot in own if slot not in moved(written, names)]
    if by_name.get(written.rest) in own:
        takers = [by_name[written.rest]]
    for slot in takers:
        claimed[slot] = claimed[slot] + left / len(takers)
    limited = {slot: own[slot].double() * claimed[slot][None, None] for slot in own}
    total = sum(limited.values())
    return {slot: torch.where(total > 0, part / torch.where(total > 0, total, 1.0), 0.0)
            for slot, part in limited.items()}


def _slots(names: dict[int, str]) -> dict[str, int]:
    return {name: slot for slot, name in names.items()} | {str(slot): slot for slot in names}


def moved(written: Written, names: dict[int, str]) -> set[int]:
    """Who sees the picture moved."""
    return {_slots(names)[line.rpartition(":")[0]] for line in written.regions.splitlines() if CENTRED in line}


def view(written: Written, names: dict[int, str], slot: int, size: Sequence[int]) -> tuple[int, int]:
    """Cells down and to the right, by which the picture is moved for an expert."""
    if slot not in moved(written, names):
        return 0, 0
    sides = size[-2:]
    ends: list[list[float]] = [[], []]
    for line in written.regions.splitlines():
        who, _, shapes = line.rpartition(":")
        for words in shapes.split(";") if _slots(names)[who] == slot else ():
            kind, *told = words.split()
            numbers = [float(n) for word in told if word[0].isdigit() for n in word.split(",")]
            for axis in (0, 1):
                ends[axis] += reach(kind, numbers, axis, min(sides) / sides[axis])
    middles = [(max(0.0, min(own)) + min(1.0, max(own))) / 2.0 for own in ends]
    down, right = (math.floor((0.5 - middle) * side + 0.5) for middle, side in zip(middles, sides, strict=True))
    return down, right


def reach(kind: str, numbers: Sequence[float], axis: int, part: float) -> tuple[float, ...]:
    """From where to where a shape goes; axis: 0 down, 1 across. part: the smaller side, as a part of this one."""
    at = 1 - axis
    if kind == "box":
        return numbers[at], numbers[at + 2]
    if kind == "ellipse":
        return numbers[at] - numbers[at + 2], numbers[at] + numbers[at + 2]
    places = numbers[1 + at::2]
    return () if kind == "erase" else (min(places) - numbers[0] * part, max(places) + numbers[0] * part)


def field(groups: Sequence[Sequence[str]], size: Sequence[int], feather: float, stride: int) -> Tensor:
    """r, [(T,) H, W]: each group of shapes is drawn by itself."""
    *frames, height, width = size
    if not frames:
        return still(groups, height, width, feather, 0)
    found = []
    for t in range(frames[0]):
        seen = [f for f in range(stride * frames[0]) if math.ceil(f / stride) == t]
        found.append(sum(still(groups, height, width, feather, f) for f in seen) / len(seen))
    return torch.stack(found)


def still(groups: Sequence[Sequence[str]], height: int, width: int, feather: float, frame: int) -> Tensor:
    covered = torch.zeros(SAMPLES * height, SAMPLES * width, dtype=torch.float64)
    for shapes in groups:
        own = torch.zeros_like(covered)
        for words in shapes:
            kind, *numbers = (word for word in words.split() if word != CENTRED)
            if numbers[-1].startswith("@"):
                first, last = numbers.pop()[1:].split("-")
                if not int(first) <= frame <= int(last):
                    continue
            own = torch.where(sampled(kind, numbers, height, width), 0.0 if kind == "erase" else 1.0, own)
        covered = torch.maximum(covered, own)
    radius = math.floor(feather * SAMPLES * min(height, width) + 0.5)
    for axis in (0, 1):
        covered = softened(covered, axis, radius)
    return counted(covered.unflatten(0, (height, SAMPLES)).unflatten(2, (width, SAMPLES)).mean((1, 3)))


def counted(field: Tensor) -> Tensor:
    """In multiples of 2^-40."""
    return torch.floor(field * 2.0 ** 40 + 0.5) / 2.0 ** 40


def sampled(kind: str, numbers: Sequence[str], height: int, width: int) -> Tensor:
    """Which samples a shape covers; lengths are in samples."""
    rows, columns = SAMPLES * height, SAMPLES * width
    y = torch.arange(rows, dtype=torch.float64)[:, None] + 0.5
    x = torch.arange(columns, dtype=torch.float64)[None] + 0.5
    if kind == "box":
        left, top, right, bottom = map(float, numbers)
        return (x >= left * columns) & (x < right * columns) & (y >= top * rows) & (y < bottom * rows)
    if kind == "ellipse":
        middle, level, across, down = map(float, numbers)
        return torch.hypot((x / columns - middle) / across, (y / rows - level) / down) <= 1.0
    radius = float(numbers[0]) * min(rows, columns)
    points = [(float(a) * columns, float(b) * rows) for a, b in (pair.split(",") for pair in numbers[1:])]
    near = torch.zeros(rows, columns, dtype=torch.bool)
    for px, py in points:
        near |= torch.hypot(x - px, y - py) <= radius
    for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
        length = math.hypot(bx - ax, by - ay)
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length
        aside = ((x - ax) * (by - ay) - (y - ay) * (bx - ax)).abs() / length
        near |= (along >= 0) & (along <= length) & (aside <= radius)
    return near


def softened(field: Tensor, axis: int, radius: int) -> Tensor:
    """A Gaussian whose deviation is a third of the radius, at which it ends; borders are continued."""
    weights = [math.exp(-4.5 * (k / radius) ** 2) if radius else 1.0 for k in range(-radius, radius + 1)]
    places = torch.arange(field.shape[axis])
    found = torch.zeros_like(field)
    for k, weight in zip(range(-radius, radius + 1), weights, strict=True):
        found += weight / sum(weights) * field.index_select(axis, (places + k).clamp(0, field.shape[axis] - 1))
    return found
