"""PlaceExpert: which device of this machine an expert runs on."""
from __future__ import annotations

import dataclasses

from comfy_api.latest import io

from ..mcdm.host.places import devices, placed
from ..mcdm.mixture import HERE, Expert
from .common import CATEGORY, ExpertWire, choice, require, search


class PlaceExpert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PlaceExpert", display_name="Place Expert", category=CATEGORY,
            **search("multi GPU", "two graphics cards", "device", "offload"),
            description="Where an expert runs: on another graphics card, or on the processor. Experts in different "
                        "places are asked at the same time, so that a step takes as long as the slowest of them.",
            inputs=[
                ExpertWire.Input("expert", tooltip="From a Condition Expert."),
                io.Combo.Input("place", options=[HERE, *devices()], default=HERE,
                               tooltip="here: as it is, without this node. Else a device of this machine; cpu is the "
                                       "processor, beside the graphics card."),
            ],
            outputs=[ExpertWire.Output(display_name="expert", tooltip="The same expert, for a slot of Reliability "
                                                                      "Mixer.")],
        )

    @classmethod
    def validate_inputs(cls, place: str | None = HERE) -> bool | str:
        return choice(place, [HERE, *devices()], "place")

    @classmethod
    def execute(cls, expert: Expert, place: str = HERE) -> io.NodeOutput:
        require(cls.validate_inputs(place))
        if place == HERE:
            return io.NodeOutput(expert)
        return io.NodeOutput(dataclasses.replace(expert, model=placed(expert.model, place), place=place))
