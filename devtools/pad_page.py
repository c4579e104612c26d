"""The page with a mixer alone, whose pad tests drag and help pages show."""
from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from . import prompts
from .browser import RESTORING, Page
from .versions import UNDO_STEP

NAMES = ["hair", "skin", "text", "sketch", "edges", "depth", "pose", "style"]
MIXER = "app.graph.nodes.find(node => node.type === 'ReliabilityMixer')"
TEXT = MIXER + ".widgets.find(widget => widget.name === 'reliabilities')"


class Pad(Page):
    """A page with a mixer and its experts alone."""

    def show(self, wires: Sequence[int | None], text: str = "", meaning: str = "reliabilities",
             weights: Sequence[float] = (), **changes: Any) -> None:
        """Opens a mixer whose `reliabilities` is text. wires: the expert behind each slot, None = not connected.

        weights: of experts 0, 1, ..., which weigh 1 otherwise.
        """
        drawing = prompts.drawing("face_from_three_experts")
        cards = {node["type"]: node for node in drawing["nodes"]}
        # Wider than its title: else the newer canvas rounds its width after an undo, and takes that for a change.
        place = {"id": 100, "pos": [420, 60], "size": [300, 222], "widgets_values": [text, False, meaning]}
        mixer = copy.deepcopy(cards["ReliabilityMixer"]) | place | changes
        mixer["outputs"][0]["links"] = []
        for slot in mixer["inputs"]:
            slot["link"] = None
        nodes, links = [mixer], []
        for number in sorted({wired for wired in wires if wired is not None}):
            place = {"id": number + 1, "pos": [90, 60 + 100 * number], "flags": {"collapsed": not self.vue}}
            expert = copy.deepcopy(cards["ConditionExpert"]) | place        # the newer canvas resizes collapsed ones
            expert["widgets_values"] = [weights[number] if number < len(weights) else 1, 0, 1, NAMES[number]]
            for slot in expert["inputs"]:
                slot["link"] = None
            expert["outputs"][0]["links"] = [slot + 1 for slot, wired in enumerate(wires) if wired == number]
            nodes.append(expert)
        for i, wired in enumerate(wires):
            if wired is not None:
                mixer["inputs"][i]["link"] = i + 1
                links.append([i + 1, wired + 1, 0, 100, i, "MCDM_EXPERT"])
        view: dict[str, Any] = {"ds": {"scale": 1, "offset": [0, 60]}}
        if self.vue:
            view["workflowRendererVersion"] = "Vue"
        numbers = {"last_node_id": 100, "last_link_id": 9}
        self.load(drawing | numbers | {"nodes": nodes, "links": links, "groups": [], "extra": view})
        self.pad.wait_for()
        self.box(self.pad)                  # cards grow to what is in them: no step that undo should take back
        self.capture()

    @property
    def pad(self) -> Any:
        return self.page.locator(".mcdm-pad")

    @property
    def text(self) -> str:
        """What the mixer's own widget holds."""
        return self.page.evaluate(f"() => {TEXT}.value")

    @property
    def sliders(self) -> Any:
        return self.pad.get_by_role("slider")

    @property
    def numbers(self) -> list[float]:
        return [float(field.input_value()) for field in self.pad.get_by_role("spinbutton").all()]

    def becomes(self, text: str) -> None:
        """Waits until the mixer's widget holds the text, and until the undo that brought it is done."""
        self.page.wait_for_function(f"text => {TEXT}?.value === text && !({RESTORING})", arg=text, timeout=60_000)
        self.box(self.pad)                  # undo makes it anew, and what moves meanwhile is a step of its own
        self.page.wait_for_timeout(UNDO_STEP)

    def type(self, text: str) -> None:
        """Into the pad's own text field, as a user does."""
        field = self.pad.locator(".mcdm-pad-text input")
        field.fill(text)
        field.press("Tab")
