"""A sheet's cells in the real page: a click opens one, Use these writes its numbers, the next picture is that cell."""
from __future__ import annotations

import json

import numpy as np
import pytest

from support.tensors import pixels
from unite_and_conquer.devtools.browser import CAPTURE, Page, opened
from unite_and_conquer.devtools.prompts import drawing
from unite_and_conquer.devtools.versions import UNDO_STEP

SWEEP = "app.graph.nodes.find(node => node.type === 'ReliabilitySweep')"
# Adds a sweep of six cells, whose pictures are saved in the place of the sampler's.
ADD = """() => {
    const of = type => app.graph.nodes.find(node => node.type === type);
    const sweep = LiteGraph.createNode("ReliabilitySweep"), [mixer, latent, sampler, save] =
        ["ReliabilityMixer", "EmptyExpertLatent", "MCDMSampler", "SaveImage"].map(of);
    app.graph.add(sweep);
    const values = {seed: 5, steps: 2, x_vary: "share", x_expert: "1", x_from: 0.1, x_to: 0.7, x_cells: 3,
        y_vary: "weight", y_expert: "2", y_from: 1, y_to: 2.2, y_cells: 2};
    for (const node of [sweep, sampler]) for (const widget of node.widgets) {
        if (widget.name in values) widget.value = values[widget.name];
        if (widget.name === "control_after_generate") widget.value = "fixed";
    }
    const own = name => sampler.widgets.find(widget => widget.name === name).value;
    for (const widget of sweep.widgets)
        if (["sampler_name", "scheduler", "denoise", "clip_denoised"].includes(widget.name))
            widget.value = own(widget.name);
    const from = sampler.inputs.find(input => input.name === "mixture").link, link = app.graph.getLink(from);
    app.graph.getNodeById(link.origin_id).connect(link.origin_slot, sweep, "mixture");
    latent.connect(0, sweep, "latent_image");
    sweep.pos = [sampler.pos[0] + 900, sampler.pos[1]];
    sweep.setSize([420, 820]);
    window.mcdmDecode = of("VAEDecode").id;
    sweep.connect(1, save, 0);
}"""
VIEW = """() => {
    const {ds} = app.canvas, [x, y] = SWEEP.pos;
    ds.scale = 0.5;
    ds.offset = [600 - x, 160 - y];
    app.canvas.setDirty(true, true);
}""".replace("SWEEP", SWEEP)
DECODED = """() => {
    const save = app.graph.nodes.find(node => node.type === "SaveImage");
    app.graph.getNodeById(window.mcdmDecode).connect(0, save, 0);
    SWEEP.mode = 2;
}""".replace("SWEEP", SWEEP)
SAVED = "() => app.nodeOutputs[app.graph.nodes.find(node => node.type === 'SaveImage').id].images"
CELL = 4                # of the six: the middle of the second row

FOLDED = """() => {
    const {subgraph} = app.graph.convertToSubgraph(new Set(app.graph.nodes.filter(
        node => ["ReliabilityMixer", "ConditionExpert"].includes(node.type))));
    const node = app.graph.nodes.find(
        node => node.subgraph?.nodes.some(inner => inner.type === "ReliabilityMixer"));
    const inner = node.subgraph.nodes.filter(node => node.type === "ConditionExpert");
    const input = node.subgraph.addInput("skin_weight", "FLOAT");
    input.connect(inner[1].inputs.find(input => input.name === "weight"), inner[1]);
}"""
BYPASSED = """() => {
    const mixer = app.graph.nodes.find(node => node.type === "ReliabilityMixer");
    const last = app.graph.getNodeById(app.graph.getLink(mixer.inputs[2].link).origin_id);
    last.mode = 4;
    mixer.widgets.find(widget => widget.name === "reliabilities").value = "1, 2, 3";
}"""
PRIMITIVE = """() => {
    const value = LiteGraph.createNode("PrimitiveFloat"), experts = app.graph.nodes.filter(
        node => node.type === "ConditionExpert");
    app.graph.add(value);
    value.widgets[0].value = 1.5;
    value.connect(0, experts[1], experts[1].inputs.findIndex(input => input.name === "weight"));
}"""
CHAINED = """() => {
    const mixer = app.graph.nodes.find(node => node.type === "ReliabilityMixer");
    const last = LiteGraph.createNode("ReliabilityMixer"), experts = app.graph.nodes.filter(
        node => node.type === "ConditionExpert");
    app.graph.add(last);
    last.pos = [mixer.pos[0] + 400, mixer.pos[1] - 500];
    for (const id of [...mixer.outputs[0].links]) {
        const {target_id, target_slot} = app.graph.getLink(id);
        last.connect(0, app.graph.getNodeById(target_id), target_slot);
    }
    mixer.connect(0, last, last.inputs.findIndex(input => input.name === "mixture"));
    const more = [];
    for (let i = 0; i < 7; i++) {
        const copy = LiteGraph.createNode("ConditionExpert"), source = experts[i % 3];
        app.graph.add(copy);
        copy.pos = [-900, 300 * i];
        for (const name of ["model", "condition"]) {
            const link = app.graph.getLink(source.inputs.find(input => input.name === name).link);
            app.graph.getNodeById(link.origin_id).connect(link.origin_slot, copy, name);
        }
        copy.widgets.find(widget => widget.name === "weight").value = 0.2 + i / 10;
        more.push(copy);
    }
    window.mcdmMore = more.map(node => node.id);
    window.mcdmLast = last.id;
}"""
WIRE_MORE = """i => {
    const last = app.graph.getNodeById(window.mcdmLast);
    app.graph.getNodeById(window.mcdmMore[i]).connect(0, last, `expert_${i + 1}`);
}"""


class Sheet(Page):
    """The page with a sweep of six cells."""

    def show(self, *changes: str, chained: bool = False) -> None:
        self.load(drawing("face_from_three_experts"))
        for change in changes:
            self.page.evaluate(change)
            self.rest()
        for i in range(7 if chained else 0):
            self.page.evaluate(WIRE_MORE, i)
            self.page.wait_for_timeout(50)
        self.page.evaluate(ADD)
        self.rest()

    @property
    def cells(self):
        return self.page.locator(".mcdm-cells button")

    @property
    def large(self):
        return self.page.locator("dialog.mcdm-cell")

    def sweep(self, host) -> np.ndarray:
        """Queues, and returns the picture of CELL."""
        self.run()
        self.rest()
        self.page.evaluate(VIEW)            # the newer canvas fits the view when it has drawn the nodes
        self.cells.nth(CELL).wait_for(timeout=30_000)
        self.rest()
        return pixels(host.get("/view", **self.page.evaluate(SAVED)[CELL]))

    def click(self, number: int) -> None:
        box = self.box(self.cells.nth(number))
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.up()
        self.large.wait_for()

    def mixed(self) -> dict[str, object]:
        """What is queued of mixers, experts and primitives."""
        kinds = ("ReliabilityMixer", "ConditionExpert", "PrimitiveFloat")
        return {key: call["inputs"] for key, call in self.prompt().items() if call["class_type"] in kinds}


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Sheet, vue=request.param == "vue") as page:
        page.page.set_default_timeout(30_000)
        yield page


@pytest.mark.parametrize("changes, chained", [
    ((), False), ((BYPASSED, PRIMITIVE), False), ((FOLDED,), False), ((CHAINED,), True),
], ids=["plain", "bypassed and primitive", "subgraph with a promoted weight", "ten experts in a chain"])
def test_use_these_gives_the_cell_bit_for_bit_and_undo_takes_it_back(page, host, changes, chained):
    page.show(*changes, chained=chained)
    wanted = page.sweep(host)
    page.page.evaluate(CAPTURE)
    page.page.wait_for_timeout(UNDO_STEP)
    before = page.mixed()
    page.click(CELL)
    page.large.get_by_role("button", name="Use these").click()
    page.large.wait_for(state="detached")
    used = page.mixed()
    assert used != before
    page.page.keyboard.press("Control+z", delay=100)
    page.page.wait_for_timeout(2 * UNDO_STEP)
    assert page.mixed() == before, "one step"
    page.page.keyboard.press("Control+y", delay=100)
    page.page.wait_for_timeout(2 * UNDO_STEP)
    assert page.mixed() == used
    page.page.evaluate(DECODED)
    drawn = pixels(host.get("/view", **page.run()))
    assert np.array_equal(drawn, wanted)
    assert page.complaints() == []


def test_keys_and_sweep_around(page, host):
    page.show()
    page.sweep(host)
    page.cells.first.focus()
    assert page.cells.first.get_attribute("aria-label") == "share of hair 0.1, weight of skin 1"
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowLeft"):
        page.page.keyboard.press(key)
    assert page.page.evaluate("() => document.activeElement.getAttribute('aria-label')") == (
        "share of hair 0.4, weight of skin 2.2")
    page.page.keyboard.press("Enter")
    page.large.wait_for()
    assert page.large.get_by_role("row").all_inner_texts()[2].split() == ["skin", "2.2", *page.large.get_by_role(
        "row").nth(2).locator("td").all_inner_texts()[1:]]
    page.page.keyboard.press("Escape")
    page.large.wait_for(state="detached")
    assert page.page.evaluate("() => document.activeElement.getAttribute('aria-label')").startswith("share of hair 0.4")
    page.page.keyboard.press("Enter")
    page.large.get_by_role("button", name="Sweep around this").click()
    values = page.page.evaluate(f"() => Object.fromEntries({SWEEP}.widgets.map(({{name, value}}) => [name, value]))")
    assert [values[name] for name in ("x_from", "x_to", "y_from", "y_to")] == pytest.approx([0.25, 0.55, 1.9, 2.5])
    assert json.loads(page.page.evaluate(f"() => app.nodeOutputs[{SWEEP}.id].mcdm_cells[0]"))["cells"][CELL]["row"] == 1
