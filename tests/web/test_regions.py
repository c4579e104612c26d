"""The canvas on Expert Regions with a real mouse and keyboard."""
from __future__ import annotations

import json
import re

import numpy as np
import pytest

from support.regions_page import COPY, EXPERT, INWARDS, NODE, TEXT, Drawing
from support.tensors import pixels
from unite_and_conquer.devtools.browser import WINDOW, opened


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "vue"])
def page(request, host, browser):
    with opened(browser, host, Drawing, vue=request.param) as drawing:
        yield drawing
        assert drawing.complaints() == []


def numbers(text):
    """The numbers of each shape of a text, by line."""
    found = []
    for line in text.split("\n"):
        shapes = line.rpartition(":")[2].split(";")
        found.append([list(map(float, re.findall(r"[\d.]+", shape))) for shape in shapes])
    return found


def test_two_regions_by_mouse_change_the_picture_where_they_are(page):
    def picture():
        origin = page.page.evaluate("() => location.origin")
        return pixels(page.page.request.get(f"{origin}/view", params=page.run()).body()).astype(float)
    page.show(rest="all", feather=0.0)
    before = picture()
    page.expert("object")
    page.drag((0.0, 0.2), (0.5, 1.0))
    page.expert("scene")
    page.drag((0.5, 0.0), (1.0, 1.0))
    (one,), (other,) = numbers(page.text)
    assert page.text.startswith("object: box ") and "\nscene: box " in page.text
    assert one == pytest.approx([0, 0.2, 0.5, 1], abs=0.006) and other == pytest.approx([0.5, 0, 1, 1], abs=0.006)
    after = picture()
    change = np.abs(after - before).mean(-1)
    assert change.mean() > 5
    page.show("object: box 0 0.2 0.5 1\nscene: box 0.5 0 1 1", rest="all", feather=0.0)
    assert page.note == "Click a shape to move or resize it; or Tab and arrow keys."


def test_keys_alone(page):
    page.show(rest="all", feather=0.0)
    chip = page.editor.get_by_role("radio", name="object", exact=True)
    chip.focus()
    page.press("ArrowRight", "ArrowLeft")
    page.stage.focus()
    page.press("Enter")
    assert page.text == "object: box 0.3 0.3 0.7 0.7"
    page.press(*["ArrowLeft"] * 30, "Shift+ArrowUp", "Shift+ArrowRight")
    assert page.text == "object: box 0 0.3 0.41 0.69"
    page.press("Insert", "2")
    assert page.text == "object: box 0 0.3 0.41 0.69\nscene: box 0.3 0.3 0.7 0.7"
    page.press("PageDown")
    assert page.text == "scene: box 0.3 0.3 0.7 0.7\nobject: box 0 0.3 0.41 0.69"
    page.press("d", "Delete", "Tab")
    assert page.text == "scene: box 0.3 0.3 0.7 0.7\nobject: box 0 0.3 0.41 0.69"
    label = page.page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    assert label in ("scene: box from 30, 30 to 70, 70 %", "object: box from 0, 30 to 41, 69 %")


def test_a_shape_is_put_in_the_middle_of_what_its_expert_sees(page):
    page.show("object: box 0 0.2 0.5 1", rest="scene", feather=0.0)
    button = page.editor.get_by_role("button", name="Show its expert the picture with the chosen shape in the middle")
    assert button.is_disabled()
    page.stage.focus()
    page.press("Tab", "c", "ArrowRight")
    assert page.text == "object: box 0.01 0.2 0.51 1 centred" and button.get_attribute("aria-pressed") == "true"
    button.click()
    assert page.text == "object: box 0.01 0.2 0.51 1" and button.get_attribute("aria-pressed") == "false"
    button.click()
    page.editor.get_by_label("Start with").select_option(label="Left and right")
    assert page.text == "object: box 0 0 0.5 1 centred\nscene: box 0.5 0 1 1"


def test_shapes_are_moved_resized_brushed_and_erased(page):
    page.show("object: box 0.2 0.2 0.6 0.6", rest="all", feather=0.0)
    page.drag((0.4, 0.4), (0.4, 0.4))                       # a click chooses
    page.drag((0.4, 0.4), (0.5, 0.3))
    assert numbers(page.text)[0][0] == pytest.approx([0.3, 0.1, 0.7, 0.5], abs=0.006)
    page.drag((0.7, 0.5), (0.9, 0.8))                       # the handle of its lower right corner
    assert numbers(page.text)[0][0] == pytest.approx([0.3, 0.1, 0.9, 0.8], abs=0.006)
    page.tool("Eraser")
    page.drag((0.4, 0.3), (0.6, 0.3))
    page.expert("scene")
    page.tool("Brush")
    page.drag((0.1, 0.9), (0.5, 0.9), (0.9, 0.7))
    page.tool("Ellipse")
    page.drag((0.05, 0.05), (0.25, 0.45))
    first, second = numbers(page.text)
    assert re.fullmatch(r"object: box [\d. ]+; erase [\d., ]+\nscene: brush [\d., ]+; ellipse [\d. ]+", page.text)
    assert first[1][1:] == pytest.approx([0.4, 0.3, 0.6, 0.3], abs=0.006)
    assert second[0][1:] == pytest.approx([0.1, 0.9, 0.5, 0.9, 0.9, 0.7], abs=0.006)
    assert second[1] == pytest.approx([0.15, 0.25, 0.1, 0.2], abs=0.006)


def test_undo_copies_names_and_bypass(page):
    page.show("object: box 0 0 0.5 1", rest="all", feather=0.0)
    page.expert("scene")
    page.drag((0.6, 0.1), (0.9, 0.9))
    two = page.text
    page.press("Control+z")
    page.becomes("object: box 0 0 0.5 1")
    if not page.is_first_vue:
        page.press("Control+Shift+Z")
        page.becomes(two)
    name = EXPERT % "object" + ".widgets.find(widget => widget.name === 'name')"
    page.page.evaluate(f"() => {{ {name}.value = 'penguin'; app.canvas.setDirty(true, true); }}")
    page.page.wait_for_function(f"() => {TEXT}.value.startsWith('penguin: box 0 0 0.5 1')")
    page.page.evaluate(f"() => {{ {EXPERT % 'object'}.mode = 4; app.canvas.setDirty(true, true); }}")
    page.editor.get_by_text("Passed over: penguin.").wait_for()
    assert page.text.startswith("penguin: ")
    page.page.evaluate(f"() => {{ {EXPERT % 'object'}.mode = 0; app.canvas.setDirty(true, true); }}")
    page.editor.get_by_text("Click a shape").wait_for()
    copy = page.page.evaluate(f"() => {{ const copy = {NODE}.clone(); return copy.widgets[0].value; }}")
    assert copy == page.text
    page.page.evaluate("async () => { await app.loadGraphData(app.graph.serialize()); }")
    page.page.wait_for_timeout(1000)
    prompt = page.prompt()
    regions, = (call for call in prompt.values() if call["class_type"] == "ExpertRegions")
    assert regions["inputs"]["regions"] == page.text


def test_texts_that_do_not_fit_are_told(page):
    for text, told in [
        ("penguin: box 0 0 1 1", "No expert is called penguin."),
        ("object: box 0 0 2 1", 'Line 1: "2" is not a number from 0 to 1.'),
        ("object: circle 0 0 1", 'Line 1: "circle" is not a shape; these are box, ellipse, brush, erase.'),
        ("object", "Line 1: an expert and a colon are missing."),
        ("\nobject: box 0.5 0 0.5 1", 'Line 2: "box 0.5 0 0.5 1" is not a whole shape.'),
    ]:
        page.show(text, rest="all", feather=0.0)
        assert page.note == told


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_zoomed(page, scale):
    if page.is_first_vue:
        scale = max(scale, 0.8)
    page.show(rest="all", feather=0.0, scale=scale)
    page.drag((0.25, 0.25), (0.5, 0.5))
    assert numbers(page.text)[0][0] == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.011)


def test_to_start_with(page):
    page.show("object: brush 0.1 0.5,0.5", rest="all", feather=0.0)
    menu = page.editor.get_by_label("Start with")
    for label, text in [
        ("Left and right", "object: box 0 0 0.5 1\nscene: box 0.5 0 1 1"),
        ("Top and bottom", "object: box 0 0 1 0.5\nscene: box 0 0.5 1 1"),
        ("A centre", "object: ellipse 0.5 0.5 0.3 0.35"),
        ("Nothing", ""),
    ]:
        menu.select_option(label=label)
        assert page.text == text


def test_the_text_is_typed_and_drawn(page):
    """In the field under the canvas, which the node's own text has become: its value is all that files hold."""
    page.show(rest="all", feather=0.0)
    field = page.editor.get_by_role("textbox")
    assert page.page.locator("textarea[placeholder=regions]:visible").count() == 0
    field.fill("object: box 0 0 0.5 1")
    assert page.text == "object: box 0 0 0.5 1" and page.stage.locator(".mcdm-regions-shape").count() == 1
    page.drag((0.6, 0.1), (0.9, 0.9))
    assert field.input_value() == page.text and "; box " in page.text
    widgets = page.page.evaluate(f"() => {NODE}.widgets.map(widget => widget.name)")
    assert widgets == ["regions", "rest", "feather", "overlap"]
    assert page.page.evaluate(f"() => {NODE}.serialize().widgets_values") == [page.text, "all", 0, "share"]


def test_the_canvas_has_the_proportions_of_the_latent(page):
    page.show("object: box 0 0 0.5 1", rest="all", feather=0.0)
    for size in ((64, 96), (128, 64), (64, 64)):
        page.has_proportions(*size)


def test_touch(page):
    page.show(rest="all", feather=0.0)
    box = page.box(page.stage)
    finger = page.page.context.new_cdp_session(page.page)
    for kind, x, y in [("touchStart", 0.2, 0.2), ("touchMove", 0.3, 0.4), ("touchMove", 0.6, 0.7), ("touchEnd", 0, 0)]:
        place = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [] if kind == "touchEnd" else [place]})
    page.page.wait_for_function(f"() => {TEXT}.value")
    assert numbers(page.text)[0][0] == pytest.approx([0.2, 0.2, 0.6, 0.7], abs=0.011)


def test_a_narrow_window(page):
    page.page.set_viewport_size({"width": 480, "height": 800})
    page.page.wait_for_function("() => app.canvas.canvas.clientWidth < 500")
    try:
        page.show(rest="all", feather=0.0, scale=0.8)
        page.drag((0.25, 0.25), (0.5, 0.5))
        assert numbers(page.text)[0][0] == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.011)
    finally:
        page.page.set_viewport_size(WINDOW)


def test_by_eye_on_the_face_of_a_subgraph(page):
    """Drawn there, it is what is queued; reloaded and copied, each copy has its own."""
    page.show("object: box 0 0 0.5 1", rest="all", feather=0.0)
    page.fold()
    assert page.seen.count() == 0
    page.eye("regions")
    stage = page.seen.locator(".mcdm-regions-stage > svg")
    assert stage.locator(".mcdm-regions-shape").count() == 1
    page.queues("object: box 0 0 0.5 1")
    stage.focus()
    page.press("Tab")
    page.press("ArrowRight")
    page.queues("object: box 0.01 0 0.51 1")
    page.press("Control+z")
    page.queues("object: box 0 0 0.5 1")
    if page.is_first_vue:               # it shows no widgets on a subgraph's node that undo has made anew
        page.load(json.loads(page.page.evaluate("() => JSON.stringify(app.graph.serialize())")))
    page.has_proportions(96, 64)
    stage.focus()
    page.press("Tab", "ArrowRight", "ArrowRight")
    page.queues("object: box 0.02 0 0.52 1")
    page.load(json.loads(page.page.evaluate("() => JSON.stringify(app.graph.serialize())")))
    assert page.seen.locator(".mcdm-regions-shape").count() == 1
    page.queues("object: box 0.02 0 0.52 1")
    page.page.evaluate(COPY)
    page.queues("object: box 0.02 0 0.52 1", "object: box 0.02 0 0.52 1")


def test_by_wire_on_the_face_of_a_subgraph(page):
    page.show("object: box 0 0 0.5 1", rest="all", feather=0.0)
    page.fold()
    page.page.evaluate(INWARDS)
    page.seen.get_by_role("textbox").fill("scene: box 0 0 1 0.5")
    page.queues("scene: box 0 0 1 0.5")
    assert page.seen.locator(".mcdm-regions-shape").count() == 1
