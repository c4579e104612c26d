"""The reliability pad under a real mouse, keyboard and finger."""
from __future__ import annotations

import numpy as np
import pytest

from unite_and_conquer.devtools.versions import UNDO_STEP


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
