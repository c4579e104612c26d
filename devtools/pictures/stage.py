"""The real web page on a real host, as a stage for screenshots of its nodes."""
from __future__ import annotations

import time
from collections.abc import Mapping

from PIL import Image

from ..host import Host
from ..inprocess import InProcess
from ..pad_page import Pad
from ..prompts import Prompt
from .layout import beside, decoded

LEFT, TOP = 420, 160        # pixels: from here on the page shows nothing but its canvas
MARGIN = 14                 # pixels around the nodes of a screenshot

Place = tuple[int, int, int] | tuple[int, int, int, int]        # x, y, width and perhaps height of a node

LOAD = """graph => {
    app.loadApiJson(graph, "help");
    for (const node of app.graph.nodes)
        for (const widget of node.widgets ?? [])
            if (widget.name === "control_after_generate") widget.value = "fixed";
}"""
# The nodes named stand where they are told; their neighbours so far outside that the wires leave the picture straight;
# the rest out of sight.
PLACE = """([places, left, top, margin]) => {
    const nodes = Object.entries(places).map(([id, [x, y, width, height]]) => {
        const node = app.graph.getNodeById(id);
        node.pos = [x, y];
        node.setSize([width, height ?? node.computeSize([width, 0])[1]]);
        return node;
    });
    const box = nodes.map(node => node.getBounding());
    const [x0, y0] = [Math.min(...box.map(b => b[0])), Math.min(...box.map(b => b[1]))];
    const [x1, y1] = [Math.max(...box.map(b => b[0] + b[2])), Math.max(...box.map(b => b[1] + b[3]))];
    for (const node of app.graph.nodes) if (!nodes.includes(node)) node.pos = [0, 9000];
    for (const link of app.graph.links.values()) {
        const [from, to] = [app.graph.getNodeById(link.origin_id), app.graph.getNodeById(link.target_id)];
        if (nodes.includes(to) && !nodes.includes(from))
            from.pos = [x0 - 1500, to.getInputPos(link.target_slot)[1] - 20 * link.origin_slot];
        if (nodes.includes(from) && !nodes.includes(to))
            to.pos = [x1 + 1500, from.getOutputPos(link.origin_slot)[1] - 20 * link.target_slot];
    }
    app.canvas.deselectAll?.();
    const canvas = app.canvas.canvas.getBoundingClientRect();
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [left + margin - canvas.x - x0, top + margin - canvas.y - y0];
    app.canvas.setDirty(true, true);
    return [x1 - x0 + 2 * margin, y1 - y0 + 2 * margin];
}"""
QUEUE = "async () => { await app.queuePrompt(0) }"
THEME = "theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)"


class Stage(Pad):
    """The page, the host behind it, and the host inside this process."""
    host: Host
    comfy: InProcess

    def drawn(self, graph: Prompt) -> Image.Image:
        """The picture that a graph makes."""
        picture, = self.host.images(self.host.run(graph, 600))
        return decoded(picture)

    def stage(self, graph: Prompt, run: bool = True) -> None:
        """Opens a graph and runs it."""
        self.errors.clear()
        self.page.evaluate(LOAD, graph)
        if run:
            self.queue()
            self.wait()

    def queue(self) -> None:
        self.page.evaluate(QUEUE)

    def wait(self) -> None:
        """Until the host has nothing left to do and the page shows it."""
        while any(self.host.get_json("/queue").values()):
            time.sleep(0.2)
        self.page.wait_for_timeout(1000)

    def shot(self, places: Mapping[str, Place]) -> Image.Image:
        """A picture of some nodes: {key of the node: its place}. RuntimeError if the page complains of anything."""
        for _ in range(2):      # a widget that is an element of the page takes its room a moment later
            width, height = self.page.evaluate(PLACE, [places, LEFT, TOP, MARGIN])
            self.settle()
        if wrong := self.complaints():
            raise RuntimeError(f"the page complains: {wrong}")
        return self.clip(LEFT, TOP, width, height)

    def pads(self, theme: str = "dark") -> Image.Image:
        """The pads for two, three and four experts, each with weight 2."""
        self.page.evaluate(THEME, theme)
        shots = []
        for count, text in ((2, "0.7, 0.3"), (3, "0.5, 0.3, 0.2"), (4, "0.1, 0.2, 0.3, 0.4")):
            self.show(range(count), text, "shares", [2] * count)
            self.settle()
            box, margin = self.box(self.pad), 6
            x, y = box["x"] - margin, box["y"] - margin
            shots.append(self.clip(x, y, box["width"] + 2 * margin, box["height"] + 2 * margin))
        return beside(*shots)

    def settle(self) -> None:
        """The mouse goes out of the picture, and the page gets the time to draw."""
        self.page.mouse.move(5, 5)
        self.page.wait_for_timeout(500)

    def clip(self, x: float, y: float, width: float, height: float) -> Image.Image:
        """A part of the page as it is."""
        return decoded(self.page.screenshot(clip={"x": x, "y": y, "width": width, "height": height}))
