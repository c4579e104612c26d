"""The regions of a mixture in one sampling, drawn in the cells of each group's latent: see mcdm/regions.py."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...fusion import Coefficient
from ...mixture import Mixture
from ...regions import Area, Canvas, Regions, View
from ..models import frames_of, latent_format


class Regional:
    """Who takes part, and where. Experts go by index.

    An expert whose weight is 0 and who has no region does not take part: it keeps its own mask, so that its null still
    counts. mixture: with `regions`.
    """

    def __init__(self, mixture: Mixture, regions: Regions) -> None:
        self.regions = regions
        self.slots = mixture.slots
        self._stride = frames_of(latent_format(mixture.experts[0].model))
        weights = zip(mixture.at(0.0)[0], mixture.at(1.0)[0], strict=True)
        self._parts = [any(own) or slot in regions.slots for own, slot in zip(weights, self.slots, strict=True)]
        self._canvases: list[Canvas] = []

    def draw(self, sizes: Sequence[Sequence[int]]) -> None:
        """sizes: (frames,) height, width of each group's latent."""
        self._canvases = [Canvas(self.regions, size, self._stride) for size in sizes]

    def masks(self, s: int, own: Mapping[int, Coefficient]) -> dict[int, Coefficient]:
        """The masks of those who take part, on the processor. own: of all who are active, in the cells of group s."""
        by_slot = {slot: own[i] for i, slot in enumerate(self.slots) if i in own and self._parts[i]}
        return {self.slots.index(slot): mask for slot, mask in self._canvases[s].within(by_slot).items()}

    def areas(self, s: int, i: int) -> list[Area]:
        """The rectangles that an expert of group s is asked about; none: the whole canvas."""
        return self._canvases[s].areas(self.slots[i])

    def view(self, s: int, i: int) -> View:
        """How the latent of group s is moved for an expert."""
        return self._canvases[s].view(self.slots[i])

    def reach(self, s: int) -> list[Coefficient]:
        """Where experts are asked, in the cells of group s: 1 there, 0 elsewhere."""
        return [self._canvases[s].reach(slot) for slot in self.slots]
