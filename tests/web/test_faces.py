"""The pad and the previews on the face of a subgraph's node, by its eye and by wire."""
from __future__ import annotations

import json
import re

import numpy as np
import pytest

from support.strips import PERCENTS, SAMPLER, SEND
from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.browser import opened
from unite_and_conquer.devtools.pad_page import Pad
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.versions import UNDO_STEP

HOST = """app.graph.nodes.find(node => node.subgraph && node.title !== "Enlarge to 256")"""
EYE = "[data-testid=subgraph-widget-item], .bg-node-component-surface.rounded"
INWARDS = """() => {
    const {subgraph} = HOST, mixer = subgraph.nodes.find(node => node.type === "ReliabilityMixer");
    const input = subgraph.addInput("reliabilities", "STRING");
    input.connect(mixer.inputs.find(input => input.name === "reliabilities"), mixer);
}""".replace("HOST", HOST)
WIRED = """() => {
    const text = LiteGraph.createNode("PrimitiveString"), host = HOST;
    app.graph.add(text);
    text.widgets[0].value = "3, 1";
    text.connect(0, host, host.inputs.findIndex(input => input.name === "reliabilities"));
    app.canvas.setDirty(true, true);
}""".replace("HOST", HOST)
STEPS = f"""steps => {{
    const widget = {HOST}.widgets.find(widget => widget.name === "steps");
    widget.value = steps;
    widget.callback?.(steps);
}}"""
PASTE = f"""() => {{
    app.canvas.selectNode({HOST});
    app.canvas.copyToClipboard();
    app.canvas.pasteFromClipboard({{connectInputs: true}});
}}"""


class Face(Pad):
    """A mixer of two experts in a subgraph."""

    def fold(self, *types: str) -> None:
        """Puts the nodes of these kinds into a subgraph."""
        self.page.evaluate("""types => {
            app.graph.convertToSubgraph(new Set(app.graph.nodes.filter(node => types.includes(node.type))));
        }""", types)
        self.page.wait_for_timeout(UNDO_STEP)

    def eye(self, name: str) -> None:
        """Opens or closes an eye in the panel of the subgraph's widgets; "" closes all."""
        self.page.evaluate(f"() => app.canvas.selectNode({HOST})")
        command = "() => app.extensionManager.command.execute('Comfy.Graph.EditSubgraphWidgets')"
        self.page.evaluate(command)
        rows = self.page.locator(EYE).filter(has_text=re.compile(name))
        (rows.get_by_role("button") if name else self.page.get_by_text("Hide all")).click()
        self.page.evaluate(command)
        self.page.evaluate("() => app.canvas.deselectAll()")
        self.capture()

    @property
    def seen(self):
        """The pads that are seen."""
        return self.page.locator(".mcdm-pad").filter(visible=True)

    @property
    def mixed(self) -> list[str]:
        """The reliabilities of all mixers in the prompt."""
        return [call["inputs"]["reliabilities"] for call in self.prompt().values()
                if call["class_type"] == "ReliabilityMixer"]

    def mixes(self, *texts: str) -> None:
        for _ in range(50):
            if self.mixed == list(texts):
                break
            self.page.wait_for_timeout(100)
        assert self.mixed == list(texts)


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "vue"])
def page(request, host, browser):
    with opened(browser, host, Face, vue=request.param) as face:
        face.page.set_default_timeout(30_000)
        yield face


@pytest.fixture(autouse=True)
def silence(page):
    yield
    assert page.complaints() == []


def reloaded(page) -> None:
    page.load(json.loads(page.page.evaluate("() => JSON.stringify(app.graph.serialize())")))


def inputs_of(page, kind: str) -> dict[str, object]:
    call, = (call for call in page.prompt().values() if call["class_type"] == kind)
    return call["inputs"]


def test_the_pad_by_eye(page):
    """Drag, undo, reload, copy: on the face, and in the prompt, which has no more than before."""
    page.show([0, 1], "1, 3")
    flat = inputs_of(page, "ReliabilityMixer")
    page.fold("ReliabilityMixer")
    assert page.seen.count() == 0
    page.eye("reliabilities")
    slider = page.seen.get_by_role("slider", name="Crossfader from hair to skin")
    assert slider.get_attribute("aria-valuetext") == "hair 25 %, skin 75 %"
    assert inputs_of(page, "ReliabilityMixer") == flat
    box = page.box(slider)
    y = box["y"] + box["height"] / 2
    page.drag((box["x"] + 0.75 * box["width"], y), (box["x"] + 0.5 * box["width"], y), (box["x"], y))
    page.mixes("1, 0")
    page.page.keyboard.press("Control+z", delay=100)
    page.mixes("1, 3")
    page.page.keyboard.press("Control+y", delay=100)
    page.mixes("1, 0")
    assert inputs_of(page, "ReliabilityMixer") == flat | {"reliabilities": "1, 0"}
    reloaded(page)
    assert page.seen.get_by_role("slider").get_attribute("aria-valuetext") == "hair 100 %, skin 0 %"
    page.mixes("1, 0")
    page.page.evaluate(PASTE)
    page.page.wait_for_timeout(500)
    assert page.mixed == ["1, 0", "1, 0"]
    page.seen.last.get_by_role("slider").press("End")
    page.mixes("1, 0", "0, 1")
    assert [pad.get_by_role("spinbutton").first.input_value() for pad in page.seen.all()] == ["1", "0"]


def test_all_eyes_are_closed(page):
    page.show([0, 1], "1, 3")
    page.fold("ReliabilityMixer")
    page.eye("reliabilities")
    page.seen.wait_for()
    page.eye("")
    page.page.wait_for_timeout(500)
    assert page.seen.count() == 0
    page.mixes("1, 3")


@pytest.mark.parametrize("name, experts", [
    ("Unite two checkpoints", ["checkpoint 1", "checkpoint 2"]),
    ("Unite the built-in face experts", ["hair", "skin", "words"]),
])
def test_the_blueprints_have_the_pad_on_their_face(page, name, experts):
    page.load(json.loads((ROOT / "subgraphs" / f"{name}.json").read_text("utf-8")))
    page.seen.wait_for()
    page.page.evaluate(STEPS, 5)
    assert page.seen.locator(".mcdm-pad-who > span").all_inner_texts() == experts
    text, = page.mixed
    page.seen.get_by_role("slider").press("Home")
    page.mixes(", ".join(["1", *["0"] * (len(experts) - 1)]))
    reloaded(page)
    page.seen.wait_for()
    page.mixes(", ".join(["1", *["0"] * (len(experts) - 1)]))
    assert inputs_of(page, "MCDMSampler")["steps"] == 5
    page.seen.locator(".mcdm-pad-text input").fill(text)
    page.seen.locator(".mcdm-pad-text input").press("Tab")
    page.mixes(text)
    page.load(prompts.drawing("face_from_three_experts"))       # of missing checkpoints the page speaks until then


def test_by_wire(page):
    """One from the mixer to the subgraph's inputs puts the pad there; a text that arrives there counts, as it says."""
    page.show([0, 1], "1, 1")
    page.fold("ReliabilityMixer")
    page.page.evaluate(INWARDS)
    page.seen.wait_for()
    page.page.evaluate(WIRED)
    page.seen.get_by_role("status").get_by_text("come in through a wire").wait_for()
    value, = page.mixed
    assert page.prompt()[value[0]]["inputs"]["value"] == "3, 1"
    page.page.evaluate(f"() => {HOST}.disconnectInput({HOST}.inputs.findIndex(i => i.name === 'reliabilities'))")
    page.seen.get_by_role("slider").press("End")
    page.mixes("0, 1")


def test_a_subgraph_in_a_subgraph(page):
    page.show([0, 1], "1, 3")
    page.fold("ReliabilityMixer")
    page.eye("reliabilities")
    page.page.evaluate(f"() => {{ app.graph.convertToSubgraph(new Set([{HOST}])) }}")
    page.page.wait_for_timeout(UNDO_STEP)
    page.eye("reliabilities")
    slider = page.seen.get_by_role("slider", name="Crossfader from hair to skin")
    slider.press("Home")
    page.mixes("1, 0")
    reloaded(page)
    page.seen.get_by_role("slider", name="Crossfader from hair to skin").press("End")
    page.mixes("0, 1")


def test_meaning_is_turned_on_the_face(page):
    page.show([0, 1], "0.55, 0.45", weights=[3, 3])
    page.fold("ReliabilityMixer")
    page.eye("reliabilities")
    page.seen.get_by_role("button", name="To shares").click()
    page.mixes("0.25, 0.75")
    assert inputs_of(page, "ReliabilityMixer")["meaning"] == "shares"


def test_what_is_queued_is_what_the_face_says(page, host):
    """Bit for bit the headless run of the same prompt, and another picture than before."""
    page.load(prompts.drawing("face_from_three_experts"))
    page.page.evaluate(f"() => {{ ({SAMPLER})().widgets.find(widget => widget.name === 'steps').value = 2 }}")
    page.fold("ReliabilityMixer", "MCDMSampler")
    page.eye("reliabilities")
    first = pixels(host.get("/view", **page.run()))
    page.seen.get_by_role("slider").press("Home")
    page.mixes("1, 0, 0")
    drawn = pixels(host.get("/view", **page.run()))
    assert not np.array_equal(first, drawn)
    prompt = page.prompt()
    host.server.post("/free", {"unload_models": True, "free_memory": True})
    assert np.array_equal(pixels(host.images(host.run(prompt))[0]), drawn)


def test_previews_on_the_face(page):
    page.load(prompts.drawing("face_from_three_experts"))
    before = inputs_of(page, "MCDMSampler")
    page.fold("MCDMSampler")
    if page.page.evaluate(f"() => !({HOST}.serialize().properties.previewExposures)"):
        page.eye("expert_previews_strip")                               # newer pages open it by themselves
    assert page.page.evaluate(PERCENTS) == []
    inner = page.page.evaluate(f"() => `${{{HOST}.id}}:${{{HOST}.subgraph.nodes[0].id}}`")
    page.page.evaluate(SEND, [[0.5, 0.3, 0.2], inner])
    page.page.wait_for_function(f"() => ({PERCENTS})().length === 3")
    assert page.page.evaluate(PERCENTS) == [50, 30, 20]
    page.capture()
    page.page.evaluate(f"() => {{ {HOST}.widgets[0].value = 5 }}")
    page.capture()
    page.page.keyboard.press("Control+z", delay=100)
    page.page.wait_for_function(f"() => {HOST}?.widgets[0].value === 7")
    page.page.wait_for_timeout(1000)
    assert page.page.evaluate(PERCENTS) == [50, 30, 20]
    assert inputs_of(page, "MCDMSampler") == before
    for percents in ([], [50, 30, 20]):
        page.eye("alone thinks|expert_previews_strip")
        page.page.wait_for_timeout(500)
        assert page.page.evaluate(PERCENTS) == percents
