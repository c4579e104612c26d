"""The sheet in its node on the page: it grows, and the finished one stays, alone."""
from __future__ import annotations

import pytest

from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.prompts import drawing

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
