"""The pad in shares, which follow the weights, and the turning from one meaning to the other."""
from __future__ import annotations

from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.pad_page import MIXER, TEXT

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
