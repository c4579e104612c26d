"""The page with the drawing of a face, in which mistakes are made and mended."""
from __future__ import annotations

from typing import Any

from support.notes import NOTE_BOX, gap, side
from unite_and_conquer.devtools.browser import BOXES, STARTED, Page
from unite_and_conquer.devtools.prompts import drawing

Changes = dict[str, dict[str, Any]]         # {node: {input: value, or wire [node, output]}}

# The nodes of the drawing that face() has, too, as [kind, name of the expert or file].
NODES = {"text": ["LoadExpert", "faces_text"], "hair": ["LoadExpert", "faces_hair"], "words": ["TextCondition", ""],
         "map": ["MapCondition", ""], "a": ["ConditionExpert", "text"], "b": ["ConditionExpert", "hair"],
         "c": ["ConditionExpert", "skin"], "mix": ["ReliabilityMixer", ""], "latent": ["EmptyExpertLatent", ""],
         "sample": ["MCDMSampler", ""], "decode": ["VAEDecode", ""]}
# What else mistakes are made with, as [kind, left, top]; the picture needs none of these.
MORE = {"regions": ["ExpertRegions", 2500, 0], "pixels": ["EmptyChromaRadianceLatentImage", 2500, 800],
        "drawings": ["LoadExpertVAE", 2500, 1000], "checkpoint": ["CheckpointLoaderSimple", 2500, 1200]}
# Adds what else there is, and returns the numbers of all nodes: {key: number}.
PREPARE = """([nodes, more]) => {
    const ids = Object.entries(nodes).map(([key, [kind, name]]) => [key, app.graph.nodes.find(node =>
        node.type === kind && (!name || node.widgets.some(({value}) => RegExp(`\\\\b${name}\\\\b`).test(value)))).id]);
    for (const [key, [kind, ...pos]] of Object.entries(more)) {
        const node = Object.assign(LiteGraph.createNode(kind), {pos});
        app.graph.add(node);
        ids.push([key, node.id]);
    }
    return Object.fromEntries(ids.map(([key, id]) => [key, Number(id)]));
}"""
# Makes changes {number: {input: value, or wire [number, output]}}, and returns those that mend them. What is changed
# first comes into view: the pad is drawn only there.
CHANGE = """changes => {
    const change = (node, name, value) => {
        const widget = node.widgets?.find(widget => widget.name === name), isWire = Array.isArray(value) || !widget;
        const link = isWire && app.graph.getLink(node.inputs[node.findInputSlot(name)].link);
        const before = isWire ? link && [link.origin_id, link.origin_slot] : widget.value;
        if (!isWire) widget.value = value;
        else if (value) app.graph.getNodeById(value[0]).connect(value[1], node, name);
        else node.disconnectInput(name);
        if (!isWire) widget.callback?.(value);
        return before;
    };
    const all = changes.map(([id, name, value]) => [id, name, change(app.graph.getNodeById(id), name, value)]);
    const {ds, canvas} = app.canvas, [x, y] = app.graph.getNodeById(changes[0][0]).pos;
    ds.scale = 0.8;
    ds.offset = [canvas.clientWidth / 1.6 - x - 150, canvas.clientHeight / 1.6 - y - 150];
    app.canvas.setDirty(true, true);
    return all;
}"""
CLOSE = ".p-dialog-close-button, .p-toast-close-button"
TOLD = ".mcdm-error, .mcdm-warning, .mcdm-pad-wrong, .mcdm-regions-wrong"
# The number of the node that an element is on, null if it floats beside one.
HOME = """told => Number(app.canvas.graph.nodes.find(node =>
    node.widgets?.some(({element}) => element?.contains?.(told)))?.id ?? NaN) || null"""
# Sets mcdmDrawn when the run that starts next succeeds: what an earlier one still draws does not count.
FOLLOW = """() => {
    const {api} = window.comfyAPI.api;
    window.mcdmDrawn = false;
    const start = ({detail: {prompt_id: id}}) =>
        api.addEventListener("execution_success", ({detail}) => { window.mcdmDrawn ||= detail.prompt_id === id; });
    api.addEventListener("execution_start", start, {once: true});
}"""


class Face(Page):
    """The page with a drawing in which mistakes are made and mended."""
    language = "en"
    ids: dict[str, int] = {}
    mended = True           # whether the last mistake was

    def speak(self, language: str) -> None:
        """Opens the page anew in another language."""
        if not self.mended or self.language != language:
            self.page.evaluate("language => app.extensionManager.setting.set('Comfy.Locale', language)", language)
            self.page.wait_for_timeout(300)
            self.page.reload()
            self.page.wait_for_function(STARTED)
            self.rest()                         # until it shows what was open before
            self.language = language
            self.mended = True
            self.show()

    def show(self, more: dict[str, list[Any]] = MORE) -> None:
        self.load(drawing("face_from_three_experts"))
        self.ids = self.page.evaluate(PREPARE, [NODES, more])
        self.change({"sample": {"steps": 1}})

    def change(self, changes: Changes) -> list[Any]:
        """Returns the changes that mend it, for mend()."""
        numbered = []
        for key, inputs in changes.items():
            for name, value in inputs.items():
                wire = [self.ids[value[0]], value[1]] if isinstance(value, list) else value
                numbered.append([self.ids[key], name, wire])
        return self.mend(numbered)

    def mend(self, changes: list[Any]) -> list[Any]:
        before = self.page.evaluate(CHANGE, changes)
        self.page.wait_for_timeout(200)
        return before

    def close(self) -> None:
        """Closes the host's dialogs."""
        self.page.evaluate("close => document.querySelectorAll(close).forEach(button => button.click())", CLOSE)
        self.page.locator(".p-dialog").filter(visible=True).first.wait_for(state="hidden")

    def start(self) -> None:
        """Presses the run button."""
        self.close()
        self.page.get_by_test_id("queue-button").click()

    def draw(self) -> None:
        """A run that ends with a picture."""
        self.page.evaluate(FOLLOW)
        self.start()
        self.page.wait_for_function("() => window.mcdmDrawn")

    @property
    def told(self) -> Any:
        return self.page.locator(TOLD).filter(visible=True)

    def nodes_told_at(self) -> list[int]:
        """The number of the node on which it is told, or those of the nodes beside which it is: the nearest first.

        Of nodes as near, the one along whose side it stands comes before the one that it only passes.
        """
        home = self.told.evaluate(HOME)
        if home:
            return [home]
        box = self.told.evaluate(NOTE_BOX)
        at = {number: node for number, _, node in self.page.evaluate(BOXES)["nodes"]}
        near = [number for number, node in at.items() if gap(node, box) < 10]
        return sorted(near, key=lambda number: (round(gap(at[number], box)), -side(at[number], box)))
