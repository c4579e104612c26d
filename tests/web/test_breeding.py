"""Breed a Mixture by its buttons: the text, the next generation, undo, a file; Tune a Mixture, stopped."""
from __future__ import annotations

import json

import pytest

from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.prompts import drawing

NODE = "app.graph.nodes.find(node => node.type === 'BreedMixture')"
VALUES = f"""() => Object.fromEntries(({NODE}).widgets.filter(
    widget => ["picks", "state"].includes(widget.name)).map(widget => [widget.name, widget.value]))"""
SMALL = f"""() => {{
    const node = {NODE}, values = {{steps: 2, candidates: 4}};
    for (const widget of node.widgets) if (widget.name in values) widget.value = values[widget.name];
    const {{pos}} = node;
    app.canvas.ds.scale = 0.8;
    app.canvas.ds.offset = [300 - pos[0], 100 - pos[1]];
    app.canvas.setDirty(true, true);
}}"""

TUNE = "app.graph.nodes.find(node => node.type === 'TuneMixture')"
LONG = f"""() => {{
    const values = {{steps: 4, trials: 1000, candidates: 4}};
    for (const widget of ({TUNE}).widgets) if (widget.name in values) widget.value = values[widget.name];
    window.mcdmSteps = 0;
    window.comfyAPI.api.api.addEventListener("progress", ({{detail}}) => {{ window.mcdmSteps = detail.value; }});
}}"""

NUMBERS = """() => {
    const of = name => app.graph.nodes.flatMap(node => node.widgets ?? []).filter(widget => widget.name === name);
    return {
        weights: of("weight").map(widget => widget.value),
        meaning: of("meaning")[0].value,
        numbers: of("reliabilities")[0].value,
    };
}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page


def test_two_generations_by_buttons(page):
    page.load(drawing("breed_a_mixture"))
    page.page.evaluate(SMALL)

    def values():
        return page.page.evaluate(VALUES)

    def press(*names):
        for name in names:
            page.page.locator(f"[data-pick='{name}']").click()
    page.page.wait_for_function("() => document.querySelectorAll('[data-pick]').length === 5")
    page.run()
    state = values()["state"]
    assert json.loads(state)["told"] == []
    press("3", "1", "none", "2", "4", "2")
    assert values()["picks"] == "4"                     # none stands alone; a second press takes one out
    press("4", "3", "2")
    assert values()["picks"] == "3 2"
    assert page.page.locator("[data-pick='3']").get_attribute("aria-pressed") == "true"
    page.run()
    after = values()
    assert after["picks"] == "" and json.loads(after["state"])["told"] == [{"good": [3, 2]}]
    assert page.page.locator("[aria-pressed='true'][data-pick]").count() == 0
    before = page.page.evaluate(NUMBERS)
    press("2")
    page.page.locator(".mcdm-picks-use").click()
    assert values() == {"picks": "", "state": ""}, "breeding ends"
    used = page.page.evaluate(NUMBERS)
    assert used != before and used["meaning"] == "shares"
    page.run()                                              # the first candidate is now what was the second
    first = page.page.evaluate(f"() => JSON.parse(app.nodeOutputs[({NODE}).id].mcdm_cells[0]).cells[0]")
    assert [expert["weight"] for expert in first["experts"]] == used["weights"]
    steps = 0
    while page.page.evaluate(NUMBERS) != before:            # the run's state, then the numbers with what was picked
        page.page.evaluate("() => app.extensionManager.workflow.activeWorkflow.changeTracker.undo()")
        steps += 1
        assert steps <= 2, "the numbers come back at once"
    assert values()["state"] == after["state"]
    if values()["picks"]:
        press(values()["picks"])
    saved = page.page.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
    page.load(saved)
    assert values() == after
    page.page.locator(".mcdm-picks-anew").click()
    assert values() == {"picks": "", "state": ""}
    assert page.complaints() == []


def test_a_stopped_search_leaves_its_state_in_the_field(page, host):
    page.load(drawing("tune_a_mixture"))
    page.page.evaluate(LONG)
    page.page.get_by_test_id("queue-button").click()
    page.page.wait_for_function("() => window.mcdmSteps > 50", timeout=120_000)     # the first generation takes 30
    host.interrupt()
    page.page.wait_for_function(f"() => ({TUNE}).widgets.find(widget => widget.name === 'state').value",
                                timeout=60_000)
    held = page.prompt()[str(page.page.evaluate(f"() => ({TUNE}).id"))]["inputs"]["state"]
    assert json.loads(held)["told"]
    assert page.complaints() == []


def test_a_large_cell_shows_the_windows_that_were_searched(page):
    page.load(drawing("breed_a_mixture"))
    page.page.evaluate(SMALL)
    page.page.evaluate(f"() => {{ ({NODE}).widgets.find(widget => widget.name === 'windows').value = true; }}")
    page.page.wait_for_function("() => document.querySelectorAll('[data-pick]').length === 5")
    page.run()
    second = page.page.locator(".mcdm-cells button").nth(1)
    second.wait_for()                                       # hidden until the picture is there
    second.focus()
    page.page.keyboard.press("Enter")
    page.page.locator("dialog.mcdm-cell").wait_for()
    rows = page.page.locator("dialog.mcdm-cell tr").all_inner_texts()
    page.page.keyboard.press("Escape")
    cell = page.page.evaluate(f"() => JSON.parse(app.nodeOutputs[({NODE}).id].mcdm_cells[0]).cells[1]")
    assert rows[0].split()[-1] == "window"
    for row, expert in zip(rows[1:], cell["experts"], strict=True):
        ends = map(float, row.split()[-1].split("\u2013"))
        assert list(ends) == pytest.approx([expert["start"], expert["end"]], abs=6e-4)
