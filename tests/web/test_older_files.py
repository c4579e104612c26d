"""Files of older releases, in which the pad is a widget of its own, `reliability_pad`; apps: test_frontend.py."""
from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from unite_and_conquer.devtools.browser import opened
from unite_and_conquer.devtools.pad_page import MIXER, Pad

SAVED = "() => JSON.stringify(app.graph.serialize())"


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
    page.page.evaluate(f"() => {{ app.graph.convertToSubgraph(new Set([{MIXER}])) }}")
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
