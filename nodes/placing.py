"""PlaceExpert: which device of this machine, or which worker, an expert runs on."""
from __future__ import annotations

import dataclasses
import re
from typing import Any

from comfy_api.latest import io

from ..mcdm.host.experts.devices import devices, placed
from ..mcdm.mixture import HERE, Expert
from ..mcdm.workers import cluster
from .checks import LowerBound, check_choice, check_number, first_objection, require
from .common import ADVANCED, CATEGORY, ExpertWire, search_aliases

DEVICE = re.compile(r"(cpu|cuda|xpu|mps|npu|mlu|gpu)(:\d+)?")
TIMEOUT, LONGEST = 120.0, 86400.0       # seconds


class PlaceExpert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PlaceExpert", display_name="Place Expert", category=CATEGORY,
            **search_aliases("multi GPU", "two graphics cards", "device", "offload", "Ray", "distributed", "cluster"),
            description="Where an expert runs: on another graphics card, on the processor, or on another machine. "
                        "Experts in different places are asked at the same time, so that a step takes as long as the "
                        "slowest of them.",
            inputs=[
                ExpertWire.Input("expert", lazy=True, tooltip="From a Condition Expert."),
                io.Combo.Input("place", options=[HERE, *devices(), *cluster.workers()], default=HERE,
                               tooltip="here: as it is, without this node. Else a device of this machine (cpu is the "
                                       "processor, beside the graphics card), or a worker by its name: a machine of a "
                                       "Ray cluster."),
                io.Float.Input("timeout", **ADVANCED, default=TIMEOUT, min=LowerBound(1.0), max=LONGEST, step=1.0,
                               tooltip="How many seconds a worker may take for a step before the run ends; ten times "
                                       "as long for loading."),
            ],
            outputs=[ExpertWire.Output(display_name="expert", tooltip="The same expert, for a slot of Reliability "
                                                                      "Mixer.")],
            hidden=[io.Hidden.dynprompt, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, place: str | None = HERE, timeout: float | None = TIMEOUT) -> bool | str:
        return first_objection(_check(place), check_number(timeout, 1.0, LONGEST, "timeout"))

    @classmethod
    def check_lazy_status(cls, expert: Expert | None = None, place: str = HERE, timeout: float = TIMEOUT) -> list[str]:
        """A worker makes the expert itself, so that nothing of it is loaded here."""
        return ["expert"] if expert is None and not _is_worker(place) else []

    @classmethod
    def execute(cls, expert: Expert | None = None, place: str = HERE, timeout: float = TIMEOUT) -> io.NodeOutput:
        require(cls.validate_inputs(place, timeout))
        queued = cls.hidden and cls.hidden.dynprompt
        prompt = {**queued.ephemeral_prompt, **queued.original_prompt} if queued else {}    # with what loops copy
        node = cls.hidden.unique_id if prompt else ""
        _dismiss_others(prompt, node)
        if _is_worker(place):
            shown = queued.get_display_node_id(node) if queued else node
            return io.NodeOutput(_on_worker(place, timeout, prompt, node, shown))
        if expert is None:
            raise ValueError("Place Expert has no expert; connect a Condition Expert.")
        if place == HERE:
            return io.NodeOutput(expert)
        return io.NodeOutput(dataclasses.replace(expert, model=placed(expert.model, place), place=place))


def _dismiss_others(prompt: dict[str, Any], node: str) -> None:
    """Ends the workers' processes that the workflow of a Place Expert does not need."""
    if node in prompt:
        kind = prompt[node]["class_type"]
        cards = {key: card for key, card in prompt.items() if card["class_type"] == kind}
        cluster.dismiss({cluster.Seat(str(card["inputs"].get("place")), key) for key, card in cards.items()})


def _on_worker(worker: str, timeout: float, prompt: dict[str, Any], node: str, shown: str) -> Expert:
    """shown: the node of which this one is a copy; all rounds of a loop share its process."""
    from ..mcdm.workers.graph import source
    from ..mcdm.workers.remote import RemoteExpert
    if node not in prompt:
        raise ValueError("A worker needs the workflow that makes its expert, and this node is not in it.")
    link = source(prompt, prompt[node]["inputs"].get("expert"))
    same = prompt[shown]["class_type"] == prompt[node]["class_type"]
    return RemoteExpert(prompt, link, cluster.Seat(worker, shown if same else node), timeout).expert()


def _is_worker(place: str) -> bool:
    return place != HERE and not DEVICE.fullmatch(place)


def _check(place: str | None) -> bool | str:
    """True, or a sentence; whether there is such a worker is found out when it is asked."""
    if place and _is_worker(place):
        return True
    return check_choice(place, [HERE, *devices()], "place")
