"""The sheet in its node on the page: it grows within its frame, and the finished one stays, alone."""
from __future__ import annotations

import re

import pytest

from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.prompts import drawing, names

NODE = "app.graph.nodes.find(node => node.type === 'ReliabilitySweep')"
SMALL = f"""seed => {{
    const node = {NODE}, values = {{seed, steps: 10, x_cells: 3, y_vary: "nothing", y_cells: 1}};
    for (const widget of node.widgets) if (widget.name in values) widget.value = values[widget.name];
    window.sheets = [];
    const api = app.api ?? window.comfyAPI.api.api;
    api.addEventListener("executed", ({{detail}}) => {{
        if (String(detail.node) === String(node.id)) window.sheets.push(detail.output.images);
    }});
    const {{pos}} = node;
    app.canvas.ds.scale = 0.5;
    app.canvas.ds.offset = [300 - pos[0], 200 - pos[1]];
    app.canvas.setDirty(true, true);
}}"""
SHOWN = f"() => ({NODE}.imgs ?? []).map(image => [image.src, image.naturalWidth])"
IN_THE_PAGE = f"""() => [...document.querySelectorAll(`[data-node-id="${{{NODE}.id}}"] img`)].filter(
    image => !image.closest(".mcdm-previews")).map(image => [image.src, image.naturalWidth])"""

SHEET_NODES = set(re.findall(r'"(\w+)"', (ROOT / "web" / "js" / "sheet_nodes.js").read_text("utf-8")))
# What the host tells when a node has made a picture: a square one, as high as any of the pack's sheets.
EXECUTED = """async kinds => {
    const {api} = await import("/scripts/api.js");
    const output = {images: [{filename: "mcdm_face_hair.png", subfolder: "", type: "input"}]};
    for (const {id, type} of app.graph.nodes) {
        const detail = {node: String(id), display_node: String(id), output, prompt_id: "sheets"};
        if (kinds.includes(type)) api.dispatchEvent(new CustomEvent("executed", {detail}));
    }
}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page


def test_the_finished_sheet_stays_alone(page, host):
    page.load(drawing("reliability_sweep"))
    page.page.evaluate(SMALL, 8 if page.vue else 7)         # the same again would be read from the cache
    page.run()
    *growing, last = page.page.evaluate("() => window.sheets")
    assert growing and all(each[0]["type"] == "temp" for each in growing), "the sheet has been seen in between"
    shown = IN_THE_PAGE if page.vue else SHOWN
    ready = f"name => ({shown})().some(([source, width]) => source.includes(name) && width > 600)"
    page.page.wait_for_function(ready, arg=last[0]["filename"], timeout=20_000)
    assert len(page.page.evaluate(shown)) == 1


def test_with_its_sheet_a_node_stays_within_its_frame(page):
    seen, wrong = set(), []
    for name in names():
        kinds = SHEET_NODES & {node["type"] for node in drawing(name)["nodes"]}
        if not kinds:
            continue
        seen |= kinds
        page.load(drawing(name))
        page.page.evaluate(EXECUTED, sorted(kinds))
        page.rest()
        lying = page.boxes()
        for group, (left, top, right, bottom) in lying["groups"]:
            for _, node, box in lying["nodes"]:
                if left <= box[0] <= right and top <= box[1] <= bottom and box[3] > bottom + 4:
                    wrong.append((name, group, node, box[3] - bottom))
    assert (seen, wrong) == (SHEET_NODES, [])
