"""The reliability pad with a real mouse and keyboard, on the classic canvas and on the newer one ("Vue nodes")."""
from __future__ import annotations

import io
import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image

from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.browser import opened
from unite_and_conquer.devtools.pad_page import MIXER, TEXT, Pad
from unite_and_conquer.devtools.paths import PACK, ROOT
from unite_and_conquer.devtools.versions import UNDO_STEP
from unite_and_conquer.mcdm.parsing import parse_reliabilities

FACE = prompts.drawing("face_from_three_experts")


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "vue"])
def page(request, host, browser):
    with opened(browser, host, Pad, vue=request.param) as pad:
        assert pad.page.evaluate("() => !!LiteGraph.vueNodesMode") == request.param
        yield pad


@pytest.fixture(autouse=True)
def silence(request):
    """No test of this file may make the page complain."""
    yield
    if "page" in request.fixturenames:
        assert request.getfixturevalue("page").complaints() == []


def test_crossfader(page):
    page.show([0, 1])
    assert page.numbers == [0.5, 0.5]
    assert page.text == "", "nothing is written before somebody edits"
    slider = page.pad.get_by_role("slider", name="Crossfader from hair to skin")
    x, y, width, height = (page.box(slider)[key] for key in ("x", "y", "width", "height"))
    page.drag((x + width / 2, y + height / 2), (x + 0.1 * width, y + 40), (x + 0.25 * width, y + 3))
    assert page.text == "0.75, 0.25"
    said = [slider.get_attribute(name) for name in ("aria-valuenow", "aria-valuetext")]
    assert (page.numbers, said) == ([0.75, 0.25], ["25", "hair 75 %, skin 25 %"])
    page.drag((x + width / 2, y + height / 2), (x + width + 300, y))
    assert page.text == "0, 1"
    for keys, text in [
        ("Control+z", "0.75, 0.25"),
        ("Control+z", ""),
        ("Control+Shift+Z", "0.75, 0.25"),
        ("Control+y", "0, 1"),
        ("Control+z", "0.75, 0.25"),
    ]:
        page.page.keyboard.press(keys)                  # a drag is one step
        page.becomes(text)
    page.page.wait_for_function("() => document.querySelector('.mcdm-pad input').value === '0.75'")
    assert page.numbers == [0.75, 0.25], "undo moves the pad that is seen"


def test_keyboard(page):
    page.show([0, 1], "1, 3")
    assert page.numbers == [0.25, 0.75]
    assert page.text == "1, 3"
    page.sliders.focus()
    for key, text in [
        ("ArrowLeft", "0.26, 0.74"),
        ("Shift+ArrowLeft", "0.36, 0.64"),
        ("ArrowUp", "0.35, 0.65"),
        ("PageDown", "0.45, 0.55"),
        ("End", "0, 1"),
        ("ArrowRight", "0, 1"),
        ("Home", "1, 0"),
        ("Shift+ArrowRight", "0.9, 0.1"),
    ]:
        page.page.keyboard.press(key)
        assert page.text == text, key
    page.page.keyboard.press("Control+z")               # each key is one
    page.becomes("1, 0")

    page.show([0, 1, 2], "2, 1, 1")
    slider = page.pad.get_by_role("slider", name="Reliabilities of hair, skin, text")
    slider.focus()
    for key, text in [
        ("ArrowRight", "0.5, 0.24, 0.26"),
        ("Shift+ArrowLeft", "0.5, 0.34, 0.16"),
        ("ArrowDown", "0.49, 0.347, 0.163"),
        ("Home", "1, 0, 0"),
        ("ArrowLeft", "1, 0, 0"),
        ("Shift+ArrowDown", "0.9, 0.05, 0.05"),
        ("End", "0, 0, 1"),
        ("Shift+ArrowLeft", "0, 0.1, 0.9"),
    ]:
        page.page.keyboard.press(key)
        assert page.text == text, key
    assert slider.get_attribute("aria-valuetext") == "hair 0 %, skin 10 %, text 90 %"


def corners_of(page):
    """Of the triangle, where it is now, [3, 2]."""
    edge = page.box(page.pad.locator(".mcdm-pad-edge"))
    left, top, right, bottom = edge["x"], edge["y"], edge["x"] + edge["width"], edge["y"] + edge["height"]
    return np.array([[(left + right) / 2, top], [left, bottom], [right, bottom]])


def test_triangle(page):
    page.show([0, 1, 2])
    for to, shares in [
        ([0.2, 0.3, 0.5], None),
        ([0.6, 0.4, 0], None),
        ([1.5, -0.25, -0.25], [1, 0, 0]),
        ([-0.5, 0.75, 0.75], [0, 0.5, 0.5]),
    ]:
        corners = corners_of(page)                      # the page may lay out the node anew after a drag
        page.drag(corners.mean(0), np.array(to) @ corners)
        got = [float(word) for word in page.text.split(",")]
        assert np.abs(np.subtract(got, shares or to)).max() < 0.0101, page.text     # a pixel is less than 0.01
        assert sum(got) == pytest.approx(1, abs=1e-9)
        assert page.numbers == got
        thumb = page.box(page.pad.locator(".mcdm-pad-thumb"))
        centre = np.array([thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2])
        assert np.abs(centre - np.array(got) @ corners_of(page)).max() < 1.5, "the mark stands where its numbers say"


def test_linked_sliders(page):
    page.show([0, 1, 2, 3], "4, 3, 2, 1")
    assert page.numbers == [0.4, 0.3, 0.2, 0.1]
    slider = page.pad.get_by_role("slider", name="Reliability of sketch")
    x, y, width, height = (page.box(slider)[key] for key in ("x", "y", "width", "height"))
    page.drag((x + 0.1 * width, y + height / 2), (x + width + 50, y), (x + 0.55 * width, y + height / 2))
    # the others keep their proportion, and what a drag passes through leaves no trace
    assert page.text == "0.2, 0.15, 0.1, 0.55"
    page.pad.get_by_role("slider", name="Reliability of hair").press("Home")
    assert page.text == "0, 0.188, 0.125, 0.687"
    page.show(range(8))
    page.pad.get_by_role("slider", name="Reliability of style").press("End")
    assert page.text == "0, 0, 0, 0, 0, 0, 0, 1"


def test_typed_numbers(page):
    page.show([0, 1, 2], "2, 1, 1")
    field = page.pad.get_by_role("spinbutton", name="Reliability of skin")
    field.click()
    page.page.keyboard.type("0.5")
    page.page.keyboard.press("Enter")
    assert page.text == "0.333, 0.5, 0.167"
    for key, text in [("ArrowUp", "0.327, 0.51, 0.163"), ("Shift+ArrowDown", "0.393, 0.41, 0.197")]:
        field.press(key)
        assert page.text == text
    field.press("Control+z")
    page.becomes("0.327, 0.51, 0.163")
    field = page.pad.get_by_role("spinbutton", name="Reliability of text")
    field.click()
    page.page.keyboard.type("7")
    page.page.keyboard.press("Tab")
    assert page.text == "0, 0, 1"
    assert field.input_value() == "1"


def test_a_number_is_typed_over_the_one_before(page):
    """Enter, or a click, selects the number; each that was typed is one step of undo."""
    page.show([0, 1])
    field = page.pad.get_by_role("spinbutton", name="Reliability of skin")
    field.click()
    page.page.wait_for_timeout(UNDO_STEP)
    for typed, text in [("0.3", "0.7, 0.3"), (".8", "0.2, 0.8"), ("1", "0, 1")]:
        page.page.keyboard.type(typed)
        page.page.keyboard.press("Enter")
        page.page.wait_for_timeout(UNDO_STEP)
        assert page.text == text
        assert field.get_attribute("aria-valuenow") == field.input_value() == text.split(", ")[1]
    for text in ("0.2, 0.8", "0.7, 0.3", ""):
        page.page.keyboard.press("Control+z")
        page.becomes(text)


def test_a_decimal_comma_is_read_and_what_is_no_number_is_refused(page):
    page.show([0, 1], "0.9, 0.1")
    field = page.pad.get_by_role("spinbutton", name="Reliability of skin")
    assert [field.get_attribute(f"aria-value{name}") for name in ("min", "max", "now")] == ["0", "1", "0.1"]
    field.click()
    page.page.keyboard.type("0,4")
    assert page.text == "0.6, 0.4"
    page.page.keyboard.press("Enter")
    assert (page.text, field.input_value()) == ("0.6, 0.4", "0.4")
    for typed in ("0;7", "much", "0.1.2", "0x1", "-"):
        field.fill(typed)
        assert page.text == "0.6, 0.4", typed
        assert field.get_attribute("aria-invalid") == "true"
        page.page.keyboard.press("Enter")
        assert (page.text, field.input_value(), field.get_attribute("aria-invalid")) == ("0.6, 0.4", "0.4", None)
    field.fill("0.25")
    page.page.keyboard.press("Escape")
    assert (page.text, field.input_value()) == ("0.6, 0.4", "0.4")
    field.fill("0.4")
    page.page.keyboard.press("Tab")
    page.type("1, 1")
    page.becomes("1, 1")
    assert page.numbers == [0.5, 0.5], "the field is not held by a number that was typed and changed nothing"


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


# ---------------------------------------------------------------------------------------------------------- shares

WEIGHT = """([node, value]) => {
    const widget = app.graph.getNodeById(node).widgets.find(widget => widget.name === "weight");
    widget.value = value;
    widget.callback?.(value);
    app.canvas.setDirty(true, true);
}"""
PRIMITIVE = """([type, value]) => {
    const node = LiteGraph.createNode(type), expert = app.graph.getNodeById(1);
    app.graph.add(node);
    node.connect(0, expert, expert.inputs.findIndex(input => input.name === "weight"));
    node.widgets[0].value = value;
    app.canvas.setDirty(true, true);
    return node.id;
}"""


def values(page):
    """The mixer's text and meaning, as they are queued and saved."""
    return page.page.evaluate(f"() => {MIXER}.serialize().widgets_values.filter(value => typeof value === 'string')")


def prints(page, text):
    """Waits until the small print says it."""
    page.pad.locator(".mcdm-pad-foot").get_by_text(text, exact=True).wait_for(timeout=10_000)


def hatched(page):
    """Which parts of the crossfader's track are marked, from its left and from its right, in pixels of 100."""
    parts = page.pad.locator(".mcdm-pad-out").all()
    styles = [part.evaluate("part => getComputedStyle(part).getPropertyValue('--mcdm-part')") for part in parts]
    return [round(float(style), 3) if part.is_visible() else 0 for part, style in zip(parts, styles, strict=True)]


def test_shares(page):
    page.show([0, 1], "0.25, 0.75", "shares", [3, 3])
    assert page.pad.get_by_text("Whose look the picture has").is_visible()
    prints(page, "reliabilities 0.55, 0.45")            # (3 - 0.25) / 5
    assert hatched(page) == [0, 0]
    slider = page.pad.get_by_role("slider", name="Crossfader from hair to skin")
    x, y, width, height = (page.box(slider)[key] for key in ("x", "y", "width", "height"))
    page.drag((x + 0.75 * width, y + height / 2), (x + 0.6 * width, y + 20), (x + width / 2, y + 3))
    assert values(page) == ["0.5, 0.5", "shares"]
    slider.press("Home")
    assert values(page) == ["1, 0", "shares"]
    prints(page, "reliabilities 0.4, 0.6")
    page.page.wait_for_timeout(100)                     # edits within 50 ms are one step for newer hosts
    field = page.pad.get_by_role("spinbutton", name="Share of skin")
    field.fill("0,2")
    field.press("Enter")
    assert values(page) == ["0.8, 0.2", "shares"]
    page.page.wait_for_timeout(100)
    for text in ("1, 0", "0.5, 0.5", "0.25, 0.75"):
        field.press("Control+z")
        page.becomes(text)
        field = page.pad.get_by_role("spinbutton", name="Share of skin")
    page.type("1, 3")
    page.becomes("1, 3")
    prints(page, "reliabilities 0.55, 0.45")
    page.page.evaluate(f"() => {{ {TEXT}.value = '0 0' }}")
    assert "Shares must not all be zero" in page.pad.get_by_role("status").inner_text()
    page.show([0, 1, 2], "0, 0, 1", "shares", [1.5, 1.5, 2.5])
    prints(page, "reliabilities 0.333, 0.333, 0.333")
    assert page.pad.get_by_role("slider", name="Shares of hair, skin, text").count() == 1


def test_weights_are_followed(page):
    """By hand, by the host's primitive, by the page's own, from inside of a subgraph."""
    page.show([0, 1], "0.5, 0.5", "shares", [3, 3])
    prints(page, "reliabilities 0.5, 0.5")
    page.page.evaluate(WEIGHT, [1, 5])
    prints(page, "reliabilities 0.643, 0.357")          # 4.5 / 7
    primitive = page.page.evaluate(PRIMITIVE, ["PrimitiveFloat", 1.5])
    prints(page, "reliabilities 0.286, 0.714")          # 1 / 3.5
    page.page.evaluate("id => { app.graph.remove(app.graph.getNodeById(id)) }", primitive)
    page.page.evaluate(PRIMITIVE, ["PrimitiveNode", 3])
    prints(page, "reliabilities 0.5, 0.5")
    page.page.evaluate("() => { app.graph.remove(app.graph.nodes.find(node => node.type === 'PrimitiveNode')) }")
    page.page.evaluate(WEIGHT, [1, -2])
    page.page.evaluate(WEIGHT, [2, 3])
    assert "weights sum to 1" in page.pad.get_by_role("status").inner_text()
    page.page.evaluate(WEIGHT, [1, 0.2])                # its reliability cannot be less than 0
    prints(page, "reliabilities 0, 1")
    assert "become 0.2, 0.8" in page.pad.locator(".mcdm-pad-beyond").get_attribute("title")
    assert hatched(page) == [0.8, 0]
    page.page.evaluate(WEIGHT, [1, 3])
    prints(page, "reliabilities 0.5, 0.5")
    page.page.evaluate("() => { app.graph.convertToSubgraph(new Set([app.graph.getNodeById(1)])) }")
    page.capture()
    prints(page, "reliabilities 0.5, 0.5")


def test_turning_keeps_the_picture(page):
    """From the paper's numbers to shares and back, in one step of undo, as far as shares can say it."""
    page.show([0, 1], "0.55, 0.45", weights=[3, 3])
    assert page.pad.get_by_text("Whose null prediction counts").is_visible()
    prints(page, "shares 0.25, 0.75")
    assert hatched(page) == [0.4, 0.4]                  # a from 0.4 to 0.6
    page.pad.get_by_role("button", name="To shares").click()
    assert values(page) == ["0.25, 0.75", "shares"]
    assert page.pad.get_by_text("Whose look the picture has").is_visible()
    page.page.keyboard.press("Control+z")
    page.becomes("0.55, 0.45")
    assert values(page) == ["0.55, 0.45", "reliabilities"]
    page.page.keyboard.press("Control+Shift+Z")
    page.becomes("0.25, 0.75")
    page.pad.get_by_role("button", name="To reliabilities").click()
    assert values(page) == ["0.55, 0.45", "reliabilities"]

    page.show([0, 1], "1, 0", weights=[3, 3])           # shares of -2 and 3
    assert page.pad.locator(".mcdm-pad-beyond").get_attribute("title").splitlines()[1:3] == [
        "Burns: skin.", "Vanishes: hair."]
    page.pad.get_by_role("button", name="To shares").click()
    assert values(page) == ["0, 1", "shares"]
    assert "it had shares of -2, 3" in page.pad.get_by_role("status").inner_text()
    page.sliders.press("ArrowLeft")
    assert not page.pad.get_by_role("status").is_visible()

    page.show([0, 1, 2], "", weights=[1, 1, 1.5])
    page.pad.get_by_role("button", name="To shares").click()
    assert values(page) == ["0.166666666667, 0.166666666667, 0.666666666666", "shares"], "as many places as it takes"
    page.show([0, 1], "", weights=[3, 3])
    page.pad.get_by_role("button", name="To shares").click()
    assert values(page) == ["", "shares"], "equal is equal"


def test_a_null_that_a_run_would_miss(page):
    page.load(prompts.drawing("two_stable_diffusion_prompts"))
    status = page.pad.get_by_role("status")
    assert not status.is_visible()
    page.page.evaluate("""() => {
        const expert = app.graph.nodes.find(node => node.type === "ConditionExpert");
        expert.disconnectInput(expert.inputs.findIndex(input => input.name === "null_condition"));
        app.canvas.setDirty(true, true);
    }""")
    status.get_by_text("has no null condition").wait_for()
    numbers = page.page.evaluate(f"""() => {{
        const [first, second] = [1, 2].map(i => {MIXER}.inputs.find(input => input.name === `expert_${{i}}`).link);
        const lacks = app.graph.nodes.find(node => node.type === "ConditionExpert").id;
        return app.graph.getLink(first).origin_id === lacks ? "0, 1" : "1, 0" }}""")
    page.page.evaluate(f"numbers => {{ {MIXER}.widgets[2].value = 'reliabilities'; {TEXT}.value = numbers }}", numbers)
    status.wait_for(state="hidden")
    page.show([])                                           # closes the dialog on checkpoints that are not there


def test_through_reroutes_and_subgraphs(page):
    page.show([0, 1], "0.9, 0.1")
    names = "async () => (await import('/extensions/PACK/js/experts.js')).experts(NODE).map(e => e.name + e.slot)"
    module = page.page.evaluate("() => LiteGraph.registered_node_types.ReliabilityMixer.nodeData.python_module")
    names = names.replace("PACK", module.split(".")[-1])
    inner = """[...app.graph.subgraphs.values()].flatMap(graph => graph.nodes)
        .find(node => node.type === "ReliabilityMixer")"""
    page.page.evaluate(f"""() => {{
        const reroute = LiteGraph.createNode("Reroute");
        app.graph.add(reroute);
        app.graph.getNodeById(2).connect(0, reroute, 0);
        reroute.connect(0, {MIXER}, 1) }}""")
    assert page.page.evaluate(names.replace("NODE", MIXER)) == ["hair1", "skin2"]
    page.page.evaluate("() => { app.graph.convertToSubgraph(new Set([app.graph.getNodeById(1)])) }")
    assert page.page.evaluate(names.replace("NODE", MIXER)) == ["hair1", "skin2"]
    page.page.evaluate(f"() => {{ app.graph.convertToSubgraph(new Set([{MIXER}])) }}")
    assert page.page.evaluate(names.replace("NODE", inner)) == ["hair1", "skin2"]


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


# ------------------------------------------------------------------------------------------- slots and chains

SLOTS = f"{MIXER}.inputs.filter(input => /^expert_/.test(input.name)).map(input => Number(input.name.at(-1)))"
WIRES = """() => app.graph.nodes.filter(node => node.type === "ReliabilityMixer").map(node => node.inputs.flatMap(
    (input, index) => {
        const link = node.graph.getLink(input.link);
        return link ? [[input.name, link.target_slot - index, link.origin_id]] : [];
    }))"""


def shows(page, slots):
    """Waits until the mixer has these slots for experts, and sees that every wire knows where it ends."""
    page.page.wait_for_function(f"slots => String({SLOTS}) === String(slots)", arg=slots)
    assert all(off == 0 for wires in page.page.evaluate(WIRES) for _, off, _ in wires)
    if page.vue:
        names = page.page.locator("[data-node-id='100']").get_by_text(re.compile("^expert_[1-8]$"))
        page.page.wait_for_timeout(200)
        assert names.all_inner_texts() == [f"expert_{i}" for i in slots]


def test_the_wired_slots_and_the_next_free_one_are_shown(page):
    page.show([0, 1])
    shows(page, [1, 2, 3])
    page.page.evaluate(f"() => app.graph.getNodeById(1).connect(0, {MIXER}, 2)")
    shows(page, [1, 2, 3, 4])
    page.page.evaluate(f"() => app.graph.getNodeById(1).connect(0, {MIXER}, 3)")
    shows(page, [1, 2, 3, 4, 5])
    page.page.evaluate(f"() => {{ {MIXER}.disconnectInput(1); {MIXER}.disconnectInput(3) }}")
    shows(page, [1, 2, 3])
    page.show([0, None, None, None, None, None, 6])
    shows(page, [1, 2, 3, 4, 5, 6, 7])                      # a wire to a high slot keeps it
    page.show(range(8))
    shows(page, [1, 2, 3, 4, 5, 6, 7, 8])
    page.show([])
    shows(page, [1])


def test_a_mixer_has_its_height_when_it_is_loaded_again(page):
    """Also where it comes behind its experts in the file, as it does once it was clicked."""
    for more in (0,) if page.vue else (0, 40):              # what a user gave it; the newer canvas takes what it wants
        page.show([0, 1])
        height = page.page.evaluate(f"""more => {{
            const mixer = {MIXER};
            mixer.setSize([mixer.size[0], mixer.size[1] + more]);
            return mixer.size[1];
        }}""", more)
        saved = json.loads(page.page.evaluate("() => JSON.stringify(app.graph.serialize())"))
        saved["nodes"].sort(key=lambda node: node["type"] == "ReliabilityMixer")
        page.load(saved)
        assert page.page.evaluate(f"() => {MIXER}.size[1]") == pytest.approx(height, abs=1)


def test_wires_stay_through_saving_copying_undo_and_subgraphs(page):
    page.show([0, 1, 2], "1, 1, 2")
    page.page.evaluate(f"""() => {{
        const text = LiteGraph.createNode("PrimitiveString"), mixer = {MIXER};
        const inner = LiteGraph.createNode("ReliabilityMixer");
        app.graph.add(text);
        app.graph.add(inner);
        app.graph.getNodeById(1).connect(0, inner, 0);
        text.connect(0, mixer, mixer.inputs.findIndex(input => input.name === "reliabilities"));
        inner.connect(0, mixer, mixer.inputs.findIndex(input => input.name === "mixture"));
        app.graph.getNodeById(3).connect(0, mixer, 3);
    }}""")
    shows(page, [1, 2, 3, 4, 5])
    page.capture()
    prompt = page.prompt()
    wired = prompt["100"]["inputs"]
    experts = [wired[f"expert_{i}"][0] for i in (1, 2, 3, 4)]
    assert (experts, wired["mixture"][0] in prompt) == (["1", "2", "3", "3"], True)
    saved = page.page.evaluate("() => JSON.stringify(app.graph.serialize())")
    page.load(json.loads(saved))
    shows(page, [1, 2, 3, 4, 5])
    assert page.prompt() == prompt
    page.page.evaluate(f"() => {{ {MIXER}.disconnectInput(3) }}")
    shows(page, [1, 2, 3, 4])
    page.capture()
    page.page.mouse.click(900, 700)
    page.page.keyboard.press("Control+z", delay=100)
    shows(page, [1, 2, 3, 4, 5])
    assert page.prompt() == prompt
    before = page.page.evaluate(WIRES)
    page.page.evaluate("""() => {
        app.canvas.selectItems(app.graph.nodes);
        app.canvas.copyToClipboard();
        app.canvas.pasteFromClipboard();
    }""")
    page.page.wait_for_function("() => document.querySelectorAll('.mcdm-pad').length === 4")
    wires = page.page.evaluate(WIRES)
    assert [[wire[:2] for wire in each] for each in wires] == [[wire[:2] for wire in each] for each in before * 2]
    page.load(json.loads(saved))
    page.page.evaluate(f"""() => {{
        app.graph.convertToSubgraph(new Set([{MIXER}, app.graph.nodes.find(node => node.type === "PrimitiveString")]));
    }}""")
    inside, = (call for call in page.prompt().values() if "mixture" in call["inputs"])
    assert [inside["inputs"][f"expert_{i}"][0] for i in (1, 2, 3, 4)] == experts


def test_a_mixture_is_one_part(page):
    """In the numbers' order the last; with the empty text it counts as many times as it has experts."""
    page.show([0], weights=[2, 3, 4])
    page.page.evaluate(f"""() => {{
        const inner = LiteGraph.createNode("ReliabilityMixer"), mixer = {MIXER};
        app.graph.add(inner);
        for (const number of [2, 3]) {{
            const expert = LiteGraph.createNode("ConditionExpert");
            app.graph.add(expert);
            expert.widgets.find(widget => widget.name === "weight").value = number;
            expert.connect(0, inner, inner.inputs.findIndex(input => input.link == null));
        }}
        inner.connect(0, mixer, mixer.inputs.findIndex(input => input.name === "mixture"));
    }}""")
    slider = page.pad.first.get_by_role("slider", name="Crossfader from hair to mixture of 2")
    assert slider.get_attribute("aria-valuetext") == "hair 33.3 %, mixture of 2 66.7 %"
    page.pad.first.locator(".mcdm-pad-foot").get_by_text("shares 0, 1", exact=True).wait_for()      # 2 - 6 / 3
    slider.press("Home")
    assert page.text == "1, 0"
    page.page.evaluate(f"() => {{ {TEXT}.value = '0.2, 7, 0.8' }}")
    assert slider.get_attribute("aria-valuetext") == "hair 20 %, mixture of 2 80 %"
    page.page.evaluate(f"() => {{ {TEXT}.value = '2' }}")
    status = page.pad.first.get_by_role("status").inner_text()
    with pytest.raises(ValueError) as said:
        parse_reliabilities("2", (1,), mixture=2)
    assert status == str(said.value)


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


def test_touch(page):
    page.show([0, 1])
    slider = page.box(page.sliders)
    finger = page.page.context.new_cdp_session(page.page)
    y = slider["y"] + slider["height"] / 2
    for kind, share in [("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.8), ("touchEnd", None)]:
        points = [] if share is None else [{"x": slider["x"] + share * slider["width"], "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.becomes("0.2, 0.8")
    page.page.keyboard.press("Control+z")
    page.becomes("")


def test_the_help_page_has_its_picture(host):
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", host.get(f"/extensions/{PACK}/docs/ReliabilityMixer.md").decode())
    assert pictures
    for name in pictures:
        assert Image.open(io.BytesIO(host.get(f"/extensions/{PACK}/docs/{name}"))).size[0] >= 600


# What a red-, green- or blue-blind eye makes of linear RGB: Machado et al. 2009, severity 1.
EYES = [
    np.eye(3),
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
]
# OKLab: https://bottosson.github.io/posts/oklab/
CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def linear(colour):
    rgb = np.array([int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def test_colours_for_every_eye_and_both_themes():
    """Differences in OKLab (0.02 is just seen), and WCAG's contrast to the host's default node colours."""
    source = (ROOT / "web" / "js" / "experts.js").read_text("utf-8")
    colours = np.array([linear(colour) for colour in re.findall(r'"(#[0-9a-f]{6})"', source.split("];")[0])])
    assert colours.shape == (8, 3)
    for eye in EYES:
        seen = np.cbrt(np.clip(colours @ np.transpose(eye), 0, 1) @ np.transpose(CONES)) @ np.transpose(LAB)
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.1
    for ground in ("#353535", "#f5f5f5"):
        luminances = np.array([colours, np.broadcast_to(linear(ground), colours.shape)]) @ [0.2126, 0.7152, 0.0722]
        assert ((luminances.max(0) + 0.05) / (luminances.min(0) + 0.05)).min() > 2
