"""Files of older releases: drawings, and the pad as a widget of its own, `reliability_pad`; apps: test_frontend.py."""
from __future__ import annotations

import io
import json

import pytest
from playwright.sync_api import expect

from support import history
from unite_and_conquer.devtools.browser import opened
from unite_and_conquer.devtools.pad_page import MIXER, Pad

SAVED = "() => JSON.stringify(app.graph.serialize())"
TO_SUBGRAPH = f"() => {{ app.graph.convertToSubgraph(new Set([{MIXER}])) }}"
# The clipboard as an earlier release has filled it; a blueprint is pasted in the same way.
OLDER_COPY = """() => {
    const outer = app.graph.nodes.find(node => node.subgraph);
    app.canvas.copyToClipboard(new Set([outer]));
    const items = JSON.parse(localStorage.getItem("litegrapheditor_clipboard"));
    items.nodes[0].properties.proxyWidgets = [[String(outer.subgraph.nodes[0].id), "reliability_pad"]];
    localStorage.setItem("litegrapheditor_clipboard", JSON.stringify(items));
    app.graph.clear();
    app.canvas.pasteFromClipboard();
}"""


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "vue"])
def page(request, host, browser):
    with opened(browser, host, Pad, vue=request.param) as page:
        yield page


def mixed(page):
    """The inputs of the one mixer in the prompt."""
    call, = (call for call in page.prompt().values() if call["class_type"] == "ReliabilityMixer")
    return call["inputs"]


def test_the_pad_on_the_face_of_a_subgraph(page):
    """Its place is kept, and so are the mixer's numbers."""
    page.show([0, 1], "1, 3")
    flat = mixed(page)
    page.page.evaluate(TO_SUBGRAPH)
    file = json.loads(page.page.evaluate(SAVED))
    graph, = file["definitions"]["subgraphs"]
    mixer, = graph["nodes"]
    outer, = (node for node in file["nodes"] if node["type"] == graph["id"])
    outer["properties"]["proxyWidgets"] = [[str(mixer["id"]), "reliability_pad"]]
    page.load(file)
    pads = page.pad.filter(visible=True)
    slider = pads.get_by_role("slider", name="Crossfader from hair to skin")
    assert slider.get_attribute("aria-valuetext") == "hair 25 %, skin 75 %"
    assert mixed(page) == flat
    slider.press("Home")
    page.capture()
    assert mixed(page) == flat | {"reliabilities": "1, 0"}
    page.load(json.loads(page.page.evaluate(SAVED)))
    expect(pads).to_have_count(1)
    assert mixed(page) == flat | {"reliabilities": "1, 0"}
    assert page.complaints() == []


def test_a_copy_of_such_a_subgraph(page):
    page.show([0, 1], "1, 3")
    page.page.evaluate(TO_SUBGRAPH)
    page.page.evaluate(OLDER_COPY)
    field = page.pad.filter(visible=True).get_by_role("textbox")
    expect(field).to_have_value("1, 3")
    file = json.loads(page.page.evaluate(SAVED))
    assert "reliability_pad" not in json.dumps(file)
    assert page.complaints() == []


@pytest.mark.parametrize("name", history.names("page"))
def test_a_saved_drawing_gives_the_pictures_of_its_time(page, host, name):
    """As the page turns it into a prompt; those of the API file that lay beside it."""
    page.load(history.saved(name, "page"))
    assert page.complaints() == []
    entry = host.run(history.shortened(page.prompt()))
    history.check([io.BytesIO(file) for file in host.images(entry)], name)
