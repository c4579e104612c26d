"""The page with the canvas on Expert Regions, for a mouse and keys."""
from __future__ import annotations

import re
from typing import Any

from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.browser import RESTORING, Page
from unite_and_conquer.devtools.versions import UNDO_STEP

WORKFLOW = "two_experts_by_regions"
NODE = "app.graph.nodes.find(node => node.type === 'ExpertRegions')"
TEXT = NODE + ".widgets.find(widget => widget.name === 'regions')"
EXPERT = "app.graph.nodes.find(node => node.title === 'Condition Expert: %s')"
CENTRE = f"""scale => {{
    const {{ds, canvas}} = app.canvas, node = {NODE};
    ds.scale = scale;
    const [x, y] = node.pos;
    ds.offset = [canvas.clientWidth / 2 / scale - x - 145, canvas.clientHeight / 2 / scale - y - 330];
    app.canvas.setDirty(true, true);
}}"""
HOST = "app.graph.nodes.find(node => node.subgraph?.nodes.some(inner => inner.type === 'ExpertRegions'))"
EYE = "[data-testid=subgraph-widget-item], .bg-node-component-surface.rounded"
INWARDS = f"""() => {{
    const {{subgraph}} = {HOST}, inner = subgraph.nodes.find(node => node.type === "ExpertRegions");
    const input = subgraph.addInput("regions", "STRING");
    input.connect(inner.inputs.find(input => input.name === "regions"), inner);
}}"""
# The newest pages keep the panel open, and remember that for the next page: it covers a narrow window.
CLOSE = """() => {
    const {setting} = app.extensionManager, panel = "Comfy.RightSidePanel.IsOpen";
    if (setting.get(panel)) return setting.set(panel, false);
}"""
COPY = f"""() => {{
    app.canvas.selectNode({HOST});
    app.canvas.copyToClipboard();
    app.canvas.pasteFromClipboard({{connectInputs: true}});
}}"""
LATENT = """([width, height]) => {
    const {widgets} = app.graph.nodes.find(node => node.type === "EmptyExpertLatent");
    for (const [name, value] of Object.entries({width, height})) widgets.find(one => one.name === name).value = value;
    app.canvas.setDirty(true, true);
}"""
PROPORTIONS = """wanted => [...document.querySelectorAll(".mcdm-regions-stage")].some(stage => {
    const box = stage.getBoundingClientRect();
    return box.width && Math.abs(box.width / box.height - wanted) < 0.03;
})"""


class Drawing(Page):
    """A page with the workflow whose experts are united by regions."""

    def show(self, text: str = "", scale: float = 1.0, **inputs: str) -> None:
        """Opens it with a text, and the node in the middle of the window."""
        drawing = prompts.drawing(WORKFLOW)
        for node in drawing["nodes"]:
            if node["type"] == "ExpertRegions":
                node["widgets_values"][0] = text
                node["size"][0] = 420       # wider than its title: older pages round its width after an undo
                for place, value in inputs.items():
                    node["widgets_values"][["regions", "rest", "feather", "overlap"].index(place)] = value
        self.load(drawing)
        self.page.evaluate(CENTRE, scale)   # what is out of the window is not drawn
        self.stage.wait_for()
        self.box(self.stage)
        self.capture()                      # cards grow to what is in them: no step that undo should take back

    @property
    def is_first_vue(self) -> bool:
        """Whether this is the first of the newer canvases, that of ComfyUI 0.3.75.

        It draws no widgets where nodes are small, and takes the size of a node that undo has made anew for a change, by
        which what could be redone is lost.
        """
        version = self.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '1.32'")
        return self.vue and version.startswith("1.32")

    @property
    def editor(self) -> Any:
        return self.page.locator(".mcdm-regions")

    @property
    def stage(self) -> Any:
        return self.editor.locator(".mcdm-regions-stage > svg")

    @property
    def seen(self) -> Any:
        """The canvases that are seen."""
        return self.editor.filter(visible=True)

    def fold(self) -> None:
        """Puts the node into a subgraph."""
        self.page.evaluate(f"() => {{ app.graph.convertToSubgraph(new Set([{NODE}])) }}")
        self.page.wait_for_timeout(UNDO_STEP)

    def eye(self, name: str) -> None:
        """Opens or closes an eye in the panel of the subgraph's widgets."""
        self.page.evaluate(f"() => app.canvas.selectNode({HOST})")
        command = "() => app.extensionManager.command.execute('Comfy.Graph.EditSubgraphWidgets')"
        self.page.evaluate(command)
        self.page.locator(EYE).filter(has_text=re.compile(name)).get_by_role("button").click()
        self.page.evaluate(command)
        self.page.evaluate("() => app.canvas.deselectAll()")
        self.page.evaluate(CLOSE)
        self.capture()

    @property
    def queued(self) -> list[str]:
        """The texts of all regions in the prompt."""
        return [call["inputs"]["regions"] for call in self.prompt().values() if call["class_type"] == "ExpertRegions"]

    def queues(self, *texts: str) -> None:
        for _ in range(50):
            if self.queued == list(texts):
                break
            self.page.wait_for_timeout(100)
        assert self.queued == list(texts), self.queued

    @property
    def note(self) -> str:
        return self.editor.locator(".mcdm-regions-note").inner_text()

    @property
    def text(self) -> str:
        return self.page.evaluate(f"() => {TEXT}.value")

    def has_proportions(self, width: int, height: int) -> None:
        """Gives the latent a size, and waits until the canvas that is seen has its proportions."""
        self.page.evaluate(LATENT, [width, height])
        self.page.wait_for_function(PROPORTIONS, arg=width / height)

    def expert(self, name: str) -> None:
        self.editor.get_by_role("radio", name=name, exact=True).click()

    def tool(self, name: str) -> None:
        self.editor.get_by_role("radio", name=re.compile(f"^{name}")).click()

    def drag(self, *points: tuple[float, float]) -> None:
        """The mouse goes from point to point of the canvas, each a part of its width and height."""
        box = self.box(self.stage)
        super().drag(*((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.page.wait_for_timeout(UNDO_STEP)

    def becomes(self, text: str) -> None:
        self.page.wait_for_function(f"text => {TEXT}?.value === text && !({RESTORING})", arg=text, timeout=60_000)
        self.page.wait_for_timeout(UNDO_STEP)
