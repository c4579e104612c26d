"""Regions by hand: where each expert draws. mcdm/region_text.py reads them.

    r_i     the shapes of expert i at four samples a cell along each side, under a Gaussian that is cut off at three
            deviations, the feather, with borders continued; then the mean over each cell
    c_i     "share": r_i / max(1, sum_j r_j);   "top one wins": min(r_i, 1 - the sum of all c that were drawn later)
    m_i     c_i, and the rest 1 - sum_j c_j for one expert, or equal parts of it for all

so that the masks sum to 1 in each cell. With crop, an expert is asked about rectangles alone, as in MultiDiffusion
(Bar-Tal et al. 2023, arXiv:2302.08113). With centred its view is the whole picture, moved: V^-1 D_i(V z) instead of
D_i(z). V moves the middle of its shapes to the middle of the canvas; what leaves at one side comes in at the other.
"""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from .fusion import Coefficient
from .shapes import ERASE, Shape

FINE = 4                    # samples of a cell along each side
EVERYBODY = 0               # instead of a slot
ALL = "all"                 # the same in words
SHARE = "share"
TOP = "top one wins"
OVERLAPS = (SHARE, TOP)
ROUNDING = 1e-6             # of a border, in cells
PARTS = 2.0 ** 40           # of 1, in which r and the rest are counted: what sums leave by rounding is nothing

Area = tuple[int, ...]      # as the host has it: height, width, y, x in cells
View = tuple[int, int]      # cells by which a picture is moved: down, to the right
STILL: View = (0, 0)


@dataclasses.dataclass(frozen=True)
class Layer:
    """Shapes of the expert in a slot, one after the other. line: where they are written, 1 the first."""
    slot: int
    shapes: tuple[Shape, ...]
    line: int


@dataclasses.dataclass(frozen=True)
class Regions:
    """layers: from the bottom to the top. rest: the slot of who fills what nobody claims, or EVERYBODY.

    feather: of borders, a part of the picture's smaller side. overlap: one of OVERLAPS. Raises ValueError for settings
    that make no sense.
    """
    layers: tuple[Layer, ...]
    rest: int = EVERYBODY
    feather: float = 0.0
    overlap: str = SHARE

    def __post_init__(self) -> None:
        if not 0.0 <= self.feather <= 1.0:
            raise ValueError("The feather of regions must be a part of the picture's smaller side, from 0 to 1, not "
                             f"{self.feather}.")
        if self.overlap not in OVERLAPS:
            raise ValueError(f"The overlap of regions is one of {', '.join(OVERLAPS)}, not '{self.overlap}'.")

    @property
    def slots(self) -> set[int]:
        """Who has shapes, or the rest."""
        return {layer.slot for layer in self.layers} | ({self.rest} - {EVERYBODY})

    @property
    def cropped(self) -> set[int]:
        """Who is asked about rectangles alone."""
        return {layer.slot for layer in self.layers for shape in layer.shapes if shape.crop}

    @property
    def centred(self) -> set[int]:
        """Who sees the picture moved."""
        return {layer.slot for layer in self.layers for shape in layer.shapes if shape.centred}


class Canvas:
    """Regions in the cells of one latent.

    size: (frames,) height, width. stride: how many frames of the video are one of the latent, the first of which is one
    of the video's. Raises ValueError for shapes of some frames where there are none.
    """

    def __init__(self, regions: Regions, size: Sequence[int], stride: int = 1) -> None:
        *frames, self.height, self.width = size
        self.regions = regions
        self.frames = frames
        self.stride = stride
        for layer in regions.layers:
            if not frames and any(shape.frames for shape in layer.shapes):
                raise ValueError(f"regions, line {layer.line}: @ chooses frames of a video, and this latent is a "
                                 "picture; take it out.")
        self._radius = math.floor(regions.feather * FINE * min(self.height, self.width) + 0.5)
        self._down = _smoothing(self.height, self._radius)
        self._across = _smoothing(self.width, self._radius).T
        self._fields = list(self._drawn())              # (slot, r), from the bottom to the top

    def _drawn(self) -> Iterator[tuple[int, Tensor]]:
        layers = [(layer.slot, [layer]) for layer in self.regions.layers]
        if self.regions.overlap == SHARE:
            together: dict[int, list[Layer]] = {}
            for layer in self.regions.layers:
                together.setdefault(layer.slot, []).append(layer)
            layers = list(together.items())
        for slot, own in layers:
            yield slot, self._field(own)

    def _field(self, layers: Sequence[Layer]) -> Tensor:
        """r of layers as one, [(T,) H, W] in float64."""
        known: dict[tuple[bool, ...], Tensor] = {}

        def still(frame: int) -> Tensor:
            there = tuple(shape.at(frame) for layer in layers for shape in layer.shapes)
            if there not in known:
                inside = torch.stack([self._covered(layer, frame) for layer in layers]).any(0).double()
                known[there] = _exact(self._down @ inside @ self._across)
            return known[there]
        if not self.frames:
            return still(0)
        return torch.stack([torch.stack(list(map(still, self._seen(t)))).mean(0) for t in range(*self.frames)])

    def _covered(self, layer: Layer, frame: int) -> Tensor:
        height, width = FINE * self.height, FINE * self.width
        covered = torch.zeros(height, width, dtype=torch.bool)
        for shape in layer.shapes:
            if shape.at(frame):
                inside = shape.inside(height, width)
                covered = covered & ~inside if shape.kind == ERASE else covered | inside
        return covered

    def _seen(self, t: int) -> range:
        """The frames of the video in a frame of the latent."""
        return range(self.stride * (t - 1) + 1, self.stride * t + 1) if t else range(1)

    # -- masks ---------------------------------------------------------------------------------------------------------

    def claims(self, present: Collection[int]) -> dict[int, Tensor]:
        """c of those who are present and have shapes, {slot: [(T,) H, W]}."""
        fields = [(slot, r) for slot, r in self._fields if slot in present]
        if self.regions.overlap == SHARE:
            total = sum((r for _, r in fields), self._nothing())
            return {slot: r / total.clamp(min=1.0) for slot, r in fields}
        found: dict[int, Tensor] = {}
        left = self._nothing() + 1.0
        for slot, r in reversed(fields):
            part = torch.minimum(r, left)
            found[slot] = found.get(slot, 0.0) + part
            left = left - part
        return found

    def masks(self, present: Collection[int]) -> dict[int, Tensor]:
        """m of those who are present, {slot: [(T,) H, W]}. What is left for somebody absent is left for all.

        Who is asked about rectangles alone, or sees the picture moved, has no part of what is left for all.
        """
        found = {slot: self._nothing() for slot in present} | self.claims(present)
        left = _exact(1.0 - sum(found.values(), self._nothing()))
        takers = [slot for slot in present if slot not in self.regions.centred and not self.areas(slot)]
        if self.regions.rest in present:
            takers = [self.regions.rest]
        for slot in takers:
            found[slot] = found[slot] + left / len(takers)
        return found

    def within(self, own: Mapping[int, Coefficient]) -> dict[int, Coefficient]:
        """m of those who are present within masks of their own, {slot: mask}, divided anew: [1 or B, 1, (T,) H, W].

        A mask that is 0 or 1 everywhere is a number.
        """
        parts = {slot: m[None, None] * torch.as_tensor(own[slot]).cpu().double() for slot, m in self.masks(own).items()}
        total = sum(parts.values(), self._nothing())
        somebody = total > 0
        whole = torch.where(somebody, total, 1.0)
        return {slot: _plain(torch.where(somebody, part / whole, 0.0).float()) for slot, part in parts.items()}

    def _nothing(self) -> Tensor:
        return torch.zeros(*self.frames, self.height, self.width, dtype=torch.float64)

    # -- rectangles ----------------------------------------------------------------------------------------------------

    def areas(self, slot: int) -> list[Area]:
        """The rectangles that an expert is asked about, grown by the feather to whole cells; none: the whole canvas."""
        found = []
        for layer in self.regions.layers:
            rectangles = [shape.rectangle(self.height, self.width) for shape in layer.shapes if shape.crop]
            found += [self._area(*rectangle) for rectangle in rectangles if layer.slot == slot]
        return [] if (self.height, self.width, 0, 0) in found else list(dict.fromkeys(found))

    def _area(self, left: float, top: float, right: float, bottom: float) -> Area:
        x, across = self._cells(left, right, self.width)
        y, down = self._cells(top, bottom, self.height)
        return down, across, y, x

    def _cells(self, low: float, high: float, count: int) -> tuple[int, int]:
        """Where cells begin, and how many they are."""
        grown = self._radius / FINE
        first = min(max(math.floor(low * count - grown + ROUNDING), 0), count - 1)
        last = min(math.ceil(high * count + grown - ROUNDING), count)
        return first, max(last - first, 1)

    def view(self, slot: int) -> View:
        """How the picture is moved for an expert: the middle of the rectangle around its shapes to the canvas's."""
        if slot not in self.regions.centred:
            return STILL
        shapes = [shape for layer in self.regions.layers if layer.slot == slot for shape in layer.shapes]
        drawn = [shape.rectangle(self.height, self.width) for shape in shapes if shape.kind != ERASE]
        left, top, right, bottom = zip(*drawn, strict=True)
        return _to_the_middle(min(top), max(bottom), self.height), _to_the_middle(min(left), max(right), self.width)

    def reach(self, slot: int) -> Coefficient:
        """Where an expert is asked: 1 in the cells of its rectangles, [1, 1, (T,) H, W]; 1.0 everywhere."""
        areas = self.areas(slot)
        if not areas:
            return 1.0
        inside = self._nothing().float()
        for down, across, y, x in areas:
            inside[..., y:y + down, x:x + across] = 1.0
        return inside[None, None]


def _smoothing(cells: int, radius: int) -> Tensor:
    """The cells of a side from its samples, [cells, samples]: a Gaussian of 2 * radius + 1 samples, and the mean."""
    places = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (places.double() * (3.0 / max(radius, 1))) ** 2)
    samples = torch.arange(FINE * cells)
    sources = (samples[:, None] + places).clamp(0, FINE * cells - 1)
    smoothing = torch.zeros(FINE * cells, FINE * cells, dtype=torch.float64)
    smoothing.scatter_add_(1, sources, (weights / weights.sum()).expand(sources.shape))
    return smoothing.unflatten(0, (cells, FINE)).mean(1)


def _to_the_middle(low: float, high: float, cells: int) -> int:
    middle = (max(low, 0.0) + min(high, 1.0)) / 2.0
    return math.floor((0.5 - middle) * cells + 0.5)


def _exact(field: Tensor) -> Tensor:
    return (field * PARTS).round() / PARTS


def _plain(mask: Tensor) -> Coefficient:
    first = mask.flatten()[0].item()
    return first if first in (0.0, 1.0) and bool((mask == first).all()) else mask
