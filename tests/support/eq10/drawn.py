"""A mixture as plain data, and what the nodes make of it."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch

from support.eq10.functions import with_function
from support.eq10.networks import Network, Space, conditioning
from support.eq10.regions import Written, view
from unite_and_conquer.devtools.inprocess import InProcess

EVERY = (1.0, 1.0, 1.0)


@dataclasses.dataclass(eq=False)
class Member:
    """An expert. text, null: the numbers of its condition and of its null. function: the name of a CFG function."""
    network: Network
    text: int
    null: int
    weight: float = 1.0
    mask: torch.Tensor | None = None
    start: float = 0.0
    end: float = 1.0
    scale: float = 1.0
    bands: tuple[float, float, float] = EVERY
    function: str = ""
    sees_null: bool = False


@dataclasses.dataclass(eq=False)
class Mixer:
    """A Reliability Mixer. slots: None where nothing arrives. numbers: one per part that arrives, () = not written.

    by_slot: numbers are written for empty slots, too.
    """
    slots: list[Member | None]
    numbers: tuple[float, ...] = ()
    meaning: str = "reliabilities"
    inner: Mixer | None = None
    by_slot: bool = False

    @property
    def members(self) -> list[Member]:
        return [m for m in self.slots if m is not None] + (self.inner.members if self.inner else [])

    @property
    def whole(self) -> Mixer:
        """All slots of a chain as those of one mixer: the slots of a mixture count on from the last one in use."""
        if self.inner is None:
            return self
        inner = self.inner.whole
        return Mixer([*self.slots, *inner.slots], by_slot=self.by_slot or inner.by_slot)

    def written(self, numbers: Sequence[float]) -> str:
        """Numbers of the parts that arrive as a user writes them, with others for empty slots if they are by slot."""
        left = list(numbers)
        words = []
        for slot in self.slots if left and self.by_slot else []:
            words.append(7.0 if slot is None else left.pop(0))
        return ", ".join(map(repr, [*words, *left]))


@dataclasses.dataclass(frozen=True)
class Options:
    """Of Mixture Options. The ends have one number per member. apg: eta, threshold, momentum."""
    weights_end: tuple[float, ...] = ()
    numbers_end: tuple[float, ...] = ()
    curve: str = "linear"
    rescale: float = 0.0
    low: float = 0.0
    high: float = math.inf
    apg: tuple[float, float, float] | None = None
    cfg_zero: bool = False
    zero_init: float = 0.0


@dataclasses.dataclass(frozen=True)
class Automatic:
    temperature: float
    blur: float
    strengths: tuple[float, ...]
    hold: float = 0.0


@dataclasses.dataclass(eq=False)
class Drawn:
    """A mixture and a run of it. shapes: of the lead's latent, or of the parts of a nested one. percents: of steps."""
    mixer: Mixer
    shapes: list[tuple[int, ...]]
    percents: tuple[float, ...]
    options: Options = Options()
    automatic: Automatic | None = None
    regions: Written | None = None
    clip: bool = False
    seed: int = 0

    @property
    def members(self) -> list[Member]:
        return self.mixer.members

    @property
    def names(self) -> dict[int, str]:
        """{slot: name} of all experts."""
        slots = [slot for slot, member in enumerate(self.mixer.whole.slots, 1) if member is not None]
        return {slot: f"e{number}" for number, slot in enumerate(slots, 1)}

    @property
    def lead(self) -> Network:
        return self.members[0].network

    @property
    def groups(self) -> list[tuple[Space, float]]:
        """The latent spaces with the scale of their experts, the lead's first."""
        return list(dict.fromkeys((m.network.space, m.scale) for m in self.members))

    def group_of(self, member: Member) -> int:
        return self.groups.index((member.network.space, member.scale))

    def view(self, i: int) -> tuple[int, int]:
        """By how many cells the latent is moved for a member, down and to the right."""
        if self.regions is None:
            return 0, 0
        return view(self.regions, self.names, list(self.names)[i], self.size(self.group_of(self.members[i])))

    def size(self, s: int) -> tuple[int, ...]:
        """The cells of a group's latent: (frames,) height, width."""
        if s == 0:
            return tuple(self.shapes[0][2:])
        space, scale = self.groups[s]
        return tuple(round(side * self.lead.space.cell * scale) // space.cell for side in self.shapes[0][2:])


# -------------------------------------------------------------------------------------------------------- by the nodes

def wired(comfy: InProcess, drawn: Drawn) -> Any:
    """The mixture that the nodes make."""
    mixture = mixed(comfy, drawn, drawn.mixer)
    mixer = drawn.mixer
    options = drawn.options
    if options != Options():
        told = {"curve": options.curve, "rescale": options.rescale, "sigma_low": options.low,
                "sigma_high": min(options.high, 1e9), "cfg_zero": options.cfg_zero, "zero_init": options.zero_init}
        if options.apg:
            names = "apg_eta", "apg_norm_threshold", "apg_momentum"
            told |= {"apg": True, **dict(zip(names, options.apg, strict=True))}
        ends = {"weights_end": options.weights_end, "reliabilities_end": options.numbers_end}
        told |= {name: mixer.whole.written(numbers) for name, numbers in ends.items()}
        mixture, = comfy.call("MixtureOptions", mixture=mixture, **told)
    if drawn.automatic is not None:
        told = dataclasses.asdict(drawn.automatic)
        told["hold_sigma"], told["strengths"] = told.pop("hold"), mixer.whole.written(drawn.automatic.strengths)
        mixture, = comfy.call("AutomaticMasks", mixture=mixture, **told)
    if drawn.regions is not None:
        mixture, = comfy.call("ExpertRegions", mixture=mixture, **dataclasses.asdict(drawn.regions))
    return mixture


def mixed(comfy: InProcess, drawn: Drawn, mixer: Mixer) -> Any:
    slots = {}
    for number, member in enumerate(mixer.slots, 1):
        if member is not None:
            slots[f"expert_{number}"] = expert(comfy, drawn, member)
    inner = {"mixture": mixed(comfy, drawn, mixer.inner)} if mixer.inner else {}
    text = mixer.written(mixer.numbers)
    return comfy.call("ReliabilityMixer", **slots, **inner, reliabilities=text, meaning=mixer.meaning)[0]


def expert(comfy: InProcess, drawn: Drawn, member: Member) -> Any:
    space = member.network.space
    return comfy.call(
        "ConditionExpert", model=with_function(member.network.model, member.function, member.sees_null),
        condition=conditioning(member.text), null_condition=conditioning(member.null), weight=member.weight,
        mask=member.mask, start_percent=member.start, end_percent=member.end, scale=member.scale,
        vae=space.vae if len(drawn.groups) > 1 else None, bands=", ".join(map(repr, member.bands)),
        name=f"e{drawn.members.index(member) + 1}")[0]
