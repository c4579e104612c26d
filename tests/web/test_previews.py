"""The strip under the sampler in the real page: what each expert alone thinks, while a picture is sampled."""
from __future__ import annotations

import pytest

from support.strips import PERCENTS, SAMPLER, SEND
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.prompts import drawing

STRIP = """() => [...document.querySelectorAll(".mcdm-previews figure")].map(figure => {
    const image = figure.querySelector("img"), meter = figure.querySelector("[role=meter]");
    const bar = meter.firstElementChild;
    return {
        name: figure.innerText.trim().split("\\n")[0],
        alt: image.alt,
        source: image.src,
        width: image.naturalWidth,
        seen: figure.checkVisibility(),
        box: image.getBoundingClientRect().toJSON(),
        percent: parseInt(figure.querySelector("b").innerText),
        now: Number(meter.ariaValueNow ?? meter.getAttribute("aria-valuenow")),
        label: meter.ariaLabel,
        bar: bar.getBoundingClientRect().width / meter.getBoundingClientRect().width,
        color: getComputedStyle(bar).backgroundColor,
    };
})"""
SET = f"""values => {{
    const node = ({SAMPLER})();
    for (const widget of node.widgets)
        if (widget.name in values) {{
            widget.value = values[widget.name];
            widget.callback?.(widget.value);
        }}
}}"""
SAVED = f"() => ({SAMPLER})().serialize().widgets_values"
# of the node as it is drawn: in Vue its card, which may be larger than what the canvas knows
CORNERS = f"""() => {{
    const node = ({SAMPLER})(), card = document.querySelector(`[data-node-id="${{node.id}}"]`);
    if (card) {{
        const box = card.getBoundingClientRect();
        return [box.left, box.top, box.right, box.bottom];
    }}
    const [x, y] = app.canvasPosToClientPos(node.pos), scale = app.canvas.ds.scale;
    return [x, y, x + node.size[0] * scale, y + node.size[1] * scale];
}}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page


# as the host does after each click and key
MARK = """() => {
    const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;
    if (tracker.captureCanvasState) tracker.captureCanvasState();
    else tracker.checkState();
}"""


def run_in_page(page, **values):
    """Presses the run button and waits for the end; the widgets of the sampler get values first."""
    page.page.evaluate(SET, values)
    page.run()
    page.rest()


def test_a_strip_comes_under_the_sampler_and_goes(page):
    page.load(drawing("face_from_three_experts"))
    page.errors.clear()
    values, prompt = page.page.evaluate(SAVED), page.prompt()
    _, top, _, bottom = page.page.evaluate(CORNERS)
    height = bottom - top
    assert page.page.evaluate(STRIP) == []
    run_in_page(page, seed=8, steps=8)
    figures = page.page.evaluate(STRIP)
    assert [f["name"] for f in figures] == ["hair", "skin", "text"]
    assert [f["alt"] for f in figures] == [f"What {n} alone thinks the picture is" for n in ("hair", "skin", "text")]
    assert [f["label"] for f in figures] == [f"Pull of {n}" for n in ("hair", "skin", "text")]
    assert all(f["width"] == 64 and f["seen"] and min(f["box"]["width"], f["box"]["height"]) > 30 for f in figures)
    assert len({f["source"] for f in figures}) == len({f["color"] for f in figures}) == 3
    assert sum(f["now"] for f in figures) == pytest.approx(100.0, abs=0.1)
    assert [f["bar"] for f in figures] == pytest.approx([f["now"] / 100 for f in figures], abs=0.03)
    heading = page.page.locator(".mcdm-previews-head")
    head, strip = page.box(heading), page.box(page.page.locator(".mcdm-previews"))
    assert heading.inner_text() == "How much each expert pulls"
    assert head["width"] == pytest.approx(strip["width"], abs=1), "over all of the figures"
    assert head["y"] + head["height"] <= min(f["box"]["top"] for f in figures)
    # inside the node, and of what is saved or queued nothing has another shape
    left, top, right, bottom = page.page.evaluate(CORNERS)
    assert all(left <= f["box"]["left"] and f["box"]["right"] <= right + 1
               and top <= f["box"]["top"] and f["box"]["bottom"] <= bottom + 1 for f in figures)
    now, queued = page.page.evaluate(SAVED), page.prompt()
    taller = bottom - top
    assert now[:1] + now[3:] == [8] + values[3:] and len(now) == len(values) and taller > height
    before, after = ({key: {**call["inputs"], "seed": 0, "steps": 0} for key, call in graph.items()}
                     for graph in (prompt, queued))
    assert after == before
    # another run starts anew; switched off it is gone, and stays away
    run_in_page(page, seed=9)
    assert {f["source"] for f in page.page.evaluate(STRIP)}.isdisjoint(f["source"] for f in figures)
    run_in_page(page, seed=10, expert_previews=False)
    assert page.page.evaluate(STRIP) == []
    _, top, _, bottom = page.page.evaluate(CORNERS)
    assert bottom - top < taller


@pytest.mark.parametrize("pulls, percents", [
    ([0.386, 0.376, 0.238], [39, 37, 24]),              # each rounded for itself: 39, 38 and 24
    ([1 / 3, 1 / 3, 1 / 3], [34, 33, 33]),
    ([0.125] * 8, [13, 13, 13, 13, 12, 12, 12, 12]),
    ([1, 0], [100, 0]),
])
def test_percents_sum_to_100(page, pulls, percents):
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(SEND, [pulls, None])
    page.page.wait_for_function("count => document.querySelectorAll('.mcdm-previews figure').length === count",
                                arg=len(pulls))
    page.page.wait_for_timeout(300)
    figures = page.page.evaluate(STRIP)
    assert [f["percent"] for f in figures] == percents
    assert [f["bar"] for f in figures] == pytest.approx([percent / 100 for percent in percents], abs=0.01)


def test_after_undo_the_strip_that_is_seen_is_the_nodes_own(page):
    page.load(drawing("face_from_three_experts"))
    count = "count => document.querySelectorAll('.mcdm-previews figure').length === count"
    page.page.evaluate(SEND, [[0.5, 0.25, 0.25], None])
    page.page.wait_for_function(count, arg=3)
    page.page.evaluate(SET, {"steps": 7})
    page.page.evaluate(MARK)
    page.page.keyboard.press("Control+z", delay=100)
    page.page.wait_for_function(f"() => ({SAMPLER})().widgets.find(w => w.name === 'steps').value !== 7")
    page.page.evaluate(SEND, [[0.75, 0.25], None])
    page.page.wait_for_function(count, arg=2)
    page.page.wait_for_timeout(300)
    assert [f["percent"] for f in page.page.evaluate(STRIP) if f["seen"]] == [75, 25]
    assert page.page.locator(".mcdm-previews").count() == 1


def test_they_live_as_long_as_the_picture_of_save_image(page):
    """Through undo and redo, and while another workflow is open, whose own node of the same id shows nothing."""
    page.load(drawing("face_from_three_experts"))
    page.run()
    shown = page.page.evaluate(PERCENTS)
    pictures = [figure["source"] for figure in page.page.evaluate(STRIP)]
    assert sum(shown) == 100 and len(set(pictures)) == 3
    kept = "() => Boolean(app.nodeOutputs[app.graph.nodes.find(node => node.type === 'SaveImage').id]?.images)"
    page.page.evaluate(MARK)
    page.page.wait_for_timeout(300)
    page.page.evaluate(SET, {"steps": 7})
    page.page.evaluate(MARK)
    for key, steps in [("Control+z", 24), ("Control+y", 7), ("Control+z", 24)]:
        page.page.wait_for_timeout(300)
        page.page.keyboard.press(key, delay=100)
        value = f"({SAMPLER})()?.widgets.find(widget => widget.name === 'steps').value"
        page.page.wait_for_function(f"steps => {value} === steps", arg=steps)
        page.page.wait_for_timeout(1000)
        assert (page.page.evaluate(PERCENTS), page.page.evaluate(kept)) == (shown, True), key
        assert [figure["source"] for figure in page.page.evaluate(STRIP)] == pictures
    page.load(drawing("face_from_three_experts"))
    assert (page.page.evaluate(PERCENTS), page.page.evaluate(kept)) == ([], False)
    page.page.locator(".workflow-tabs .workflow-tab").nth(-2).click()
    page.page.wait_for_function(f"() => ({PERCENTS})().length === 3")
    assert (page.page.evaluate(PERCENTS), page.page.evaluate(kept)) == (shown, True)


def test_before_a_first_run_they_take_no_room(page):
    """On a new node as on a loaded one; then the sampler grows by the figures alone."""
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate("""() => {
        const node = LiteGraph.createNode("MCDMSampler"), [x, y] = app.graph.nodes[0].pos;
        node.pos = [x, y + 800];
        app.graph.add(node);
        app.canvas.setDirty(true, true);
    }""")
    page.page.wait_for_timeout(500)
    boxes = [box for _, title, box in page.boxes()["nodes"] if title == "MCDM Sampler"]
    rows = """() => app.graph.nodes.filter(node => node.type === "MCDMSampler").map(node => {
        const {element} = node.widgets.find(widget => widget.name === "expert_previews_strip");
        return element.isConnected ? element.getBoundingClientRect().height : 0 })"""
    assert page.page.evaluate(rows) == [0, 0]
    before = [bottom - top for _, top, _, bottom in boxes]
    assert max(before) < 350, "its eight fields, title and badge, and nothing under them"
    page.page.evaluate(SEND, [[0.5, 0.25, 0.25], None])
    page.page.wait_for_function(f"() => ({PERCENTS})().length === 3")
    after = [box for _, title, box in page.boxes()["nodes"] if title == "MCDM Sampler"]
    grown = [bottom - top - old for (_, top, _, bottom), old in zip(after, before, strict=True)]
    assert 100 < max(grown) < 180 and min(grown) == pytest.approx(0, abs=1)


def test_inside_a_subgraph_it_finds_its_node(page):
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(f"() => {{ app.graph.convertToSubgraph(new Set([({SAMPLER})()])) }}")
    assert [key for key, call in page.prompt().items() if call["class_type"] == "MCDMSampler"][0].count(":") == 1
    run_in_page(page, seed=11, steps=4)
    pictures = page.page.evaluate(f"""() =>
        [...({SAMPLER})().widgets.at(-1).element.querySelectorAll("img")].map(image => image.src.slice(0, 15))""")
    assert pictures == ["data:image/jpeg"] * 3
