"""The text that the pad reads and writes, and the experts that its numbers are for."""
from __future__ import annotations

import json
import re

import numpy as np
import pytest

from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.pad_page import MIXER, TEXT
from unite_and_conquer.mcdm.parsing import parse_reliabilities

FACE = prompts.drawing("face_from_three_experts")


def test_typed_text_moves_the_pad(page):
    page.show([0, 1, 2])
    page.type("1 1,  2")
    page.becomes("1 1,  2")
    assert page.numbers == [0.25, 0.25, 0.5]
    assert page.text == "1 1,  2", "as it was typed"
    page.type("1;2")
    page.becomes("1;2")
    assert page.pad.get_by_text("'1;2' is not a non-negative number").is_visible()
    page.type("0, 0, 3")
    page.becomes("0, 0, 3")
    assert page.numbers == [0, 0, 1]
    assert not page.pad.get_by_text("not a non-negative").is_visible()


BAD = [
    "0,5 0.5", "0,5, 0,5", "1;2", "nan", "1, inf", "1, -0.1", "1,,1", "1,", "1_0, 1", "0x1, 1", "1e999, 1", "one, two",
    "1, 2, x", "1",
]
GOOD = ["1e-3 2", " .5 ,5. ", "+1, 1E2", "1\t2", "-0, 1", "1e308, 1", "1, 2, 3", "1 2 3 4"]
PASSED = {
    "1, 2, 3": "2 of the numbers count, by slot; no expert arrives at expert_3.",
    "1 2 3 4": "2 of the numbers count, by slot; no expert arrives at expert_3, expert_4.",
}


def test_the_pad_reads_as_the_nodes_do(page):
    """Same sentences, same numbers as mcdm/mixture.py."""
    page.show([0, 1])
    for text in BAD:
        with pytest.raises(ValueError) as said:
            parse_reliabilities(text, (1, 2))
        page.page.evaluate(f"text => {{ {TEXT}.value = text }}", text)
        assert page.pad.get_by_role("status").inner_text() == str(said.value)
        assert page.pad.locator(".mcdm-pad-body").get_attribute("inert") is not None
        assert page.text == text, "nothing is lost"
    for text in GOOD:
        numbers = parse_reliabilities(text, (1, 2))
        page.page.evaluate(f"text => {{ {TEXT}.value = text }}", text)
        told = page.pad.get_by_role("status").all_inner_texts()
        assert told == ([PASSED[text]] if text in PASSED else []), text
        assert page.numbers == pytest.approx([a / sum(numbers) for a in numbers], abs=5.01e-4)
    page.page.evaluate(f"() => {{ {TEXT}.value = '0 0' }}")
    assert "must not all be zero" in page.pad.get_by_role("status").inner_text()
    page.box(page.pad)
    page.pad.get_by_role("button", name="All equal").click()
    assert page.text == ""
    assert page.numbers == [0.5, 0.5]
    # Held, as by a finger: let go within a frame, the host makes a step of what the canvas has laid out anew meanwhile.
    page.page.keyboard.press("Control+z", delay=100)
    page.becomes("0 0")


def test_wires_and_names_are_followed(page):
    page.show([0, None, 2], "0.9, 0.1")
    assert page.pad.get_by_role("slider", name="Crossfader from hair to text").count() == 1
    page.page.evaluate(f"() => {MIXER}.disconnectInput(2)")
    assert "One expert, 'hair'" in page.pad.inner_text()
    assert page.text == "0.9, 0.1", "never rewritten behind the back"
    page.page.evaluate(f"() => app.graph.getNodeById(3).connect(0, {MIXER}, 1)")
    assert page.numbers == [0.9, 0.1]
    page.page.evaluate("""() => {
        app.graph.getNodeById(3).widgets.find(widget => widget.name === "name").value = "a caption";
    }""")
    page.capture()
    assert page.pad.get_by_role("slider", name="Crossfader from hair to a caption").count() == 1
    page.page.evaluate("() => { app.graph.getNodeById(1).mode = 4 }")
    page.capture()
    assert "One expert, 'a caption'" in page.pad.inner_text()
    assert page.text == "0.9, 0.1"

    page.show([0, 1, 0], "")
    sentence = "'hair' is wired to expert_1 and expert_3: its weights and reliabilities add up."
    assert sentence in page.pad.get_by_role("status").inner_text()
    assert page.pad.get_by_role("spinbutton", name="Reliability of hair (3)").count() == 1
    page.show([])
    assert "Connect experts" in page.pad.inner_text()
    page.show([0])
    assert "One expert, 'hair'" in page.pad.inner_text()


def test_a_text_that_comes_by_a_wire(page):
    page.show([0, 1], "0.9, 0.1")
    page.page.evaluate(f"""() => {{
        const text = LiteGraph.createNode("PrimitiveString");
        app.graph.add(text);
        text.connect(0, {MIXER}, {MIXER}.inputs.findIndex(input => input.name === "reliabilities")) }}""")
    assert "come in through a wire" in page.pad.inner_text()
    assert not page.sliders.first.is_visible()
    page.page.evaluate(f"""() => {{
        const slot = {MIXER}.inputs.findIndex(input => input.name === "reliabilities");
        {MIXER}.disconnectInput(slot);
    }}""")
    assert page.numbers == [0.9, 0.1]


def test_an_expert_too_many_and_one_less(page):
    """What the pad wrote for two experts is not shown for three."""
    page.show([0, 1, None, 3])
    page.page.evaluate(f"() => {MIXER}.disconnectInput(3)")
    page.sliders.press("Shift+ArrowRight")
    assert page.text == "0.4, 0.6"
    page.page.evaluate(f"() => app.graph.getNodeById(4).connect(0, {MIXER}, 2)")
    assert "2 numbers for 3 experts" in page.pad.inner_text()
    assert page.numbers == [0.333] * 3
    page.page.evaluate(f"() => {MIXER}.disconnectInput(2)")
    assert page.numbers == [0.4, 0.6]


def test_a_bypassed_expert_keeps_its_number(page):
    """The others are read by slot, set without it, and go back to what they were."""
    page.show([0, 1, 2], "0.5, 0.3, 0.2")
    for node, mode, numbers in [(2, 4, [0.714, 0.286]), (2, 0, [0.5, 0.3, 0.2]), (3, 2, [0.625, 0.375])]:
        page.page.evaluate("([node, mode]) => { app.graph.getNodeById(node).mode = mode }", [node, mode])
        page.capture()
        assert (page.numbers, page.text) == (numbers, "0.5, 0.3, 0.2")
    assert "no expert arrives at expert_3" in page.pad.get_by_role("status").inner_text()
    page.sliders.press("Home")
    assert (page.text, page.numbers) == ("0.8, 0, 0.2", [1, 0])
    page.page.evaluate("() => { app.graph.getNodeById(1).mode = 4 }")
    page.capture()
    assert "One expert, 'skin'" in page.pad.get_by_role("status").inner_text()
    page.page.evaluate("() => { for (const number of [1, 3]) app.graph.getNodeById(number).mode = 0 }")
    page.capture()
    assert page.numbers == [0.8, 0, 0.2]


def test_saving_copying_and_queueing_see_nothing_new(page):
    page.load(FACE)
    page.pad.wait_for()
    prompt = page.prompt()
    assert prompt["12"] == prompts.prompt("face_from_three_experts")["12"]
    page.page.evaluate(f"() => {{ {TEXT}.value = '0.2, 0.3, 0.5' }}")
    saved = json.loads(page.page.evaluate("() => JSON.stringify(app.graph.serialize())"))
    mixer, = (node for node in saved["nodes"] if node["type"] == "ReliabilityMixer")
    assert mixer["widgets_values"] == ["0.2, 0.3, 0.5", False, "reliabilities"]
    wired = sum(name.startswith("expert_") for name in prompt["12"]["inputs"])
    slots = [f"expert_{i}" for i in range(1, wired + 2)]
    widgets = ["reliabilities", "allow_mixed_latents", "meaning"]
    assert [slot["name"] for slot in mixer["inputs"]] == [*slots, "mixture", *widgets]
    page.load(saved)
    page.page.wait_for_function("() => document.querySelector('.mcdm-pad input')?.value === '0.2'")
    assert page.numbers == [0.2, 0.3, 0.5]
    prompt["12"]["inputs"]["reliabilities"] = "0.2, 0.3, 0.5"
    assert page.prompt() == prompt
    page.page.evaluate(f"""() => {{
        app.canvas.selectNode({MIXER});
        app.canvas.copyToClipboard();
        app.canvas.pasteFromClipboard({{connectInputs: true}});
    }}""")
    page.page.wait_for_function("() => document.querySelectorAll('.mcdm-pad').length === 2")
    both = page.page.evaluate("""() => app.graph.nodes.filter(node => node.type === "ReliabilityMixer").map(
        node => [node.widgets[0].value, node.widgets[0].element.querySelector("input").value])""")
    assert both == [["0.2, 0.3, 0.5", "0.2"]] * 2


def test_a_queued_pad_is_the_headless_run(page, host):
    """Bit for bit, in shares and in reliabilities, and another picture than with the text left empty."""
    page.load(FACE)
    page.page.evaluate("""() => {
        const node = type => app.graph.nodes.find(node => node.type === type);
        node("MCDMSampler").widgets.find(widget => widget.name === "steps").value = 2;
        const {pos} = node("ReliabilityMixer");
        app.canvas.ds.scale = 1;
        app.canvas.ds.offset = [600 - pos[0], 200 - pos[1]];
        app.canvas.setDirty(true, true);
    }""")
    if page.pad.get_by_role("button", name="To shares").count():
        page.pad.get_by_role("button", name="To shares").click()
    edge = page.box(page.pad.locator(".mcdm-pad-edge"))
    x, y, width, height = (edge[key] for key in ("x", "y", "width", "height"))
    page.drag((x + width / 2, y + height / 2), (x + 12, y + height - 9))
    prompt = page.prompt()
    mixer, = (call for call in prompt.values() if call["class_type"] == "ReliabilityMixer")
    assert mixer["inputs"]["meaning"] == "shares"
    assert re.fullmatch(r"0\.\d+, 0\.\d+, 0\.\d+", mixer["inputs"]["reliabilities"])
    drawn = pixels(host.get("/view", **page.run()))
    # else the second run would only read the first one's cache
    host.server.post("/free", {"unload_models": True, "free_memory": True})
    assert np.array_equal(pixels(host.images(host.run(prompt))[0]), drawn)
    mixer["inputs"]["reliabilities"] = ""
    assert not np.array_equal(pixels(host.images(host.run(prompt))[0]), drawn)
    page.pad.get_by_role("button", name="To reliabilities").click()
    assert np.array_equal(pixels(host.get("/view", **page.run())), drawn), "turned, and the same picture"
