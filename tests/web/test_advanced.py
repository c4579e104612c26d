"""Fields that most people leave alone: newer canvases of newer hosts show them when asked, or where a file has them.

The classic canvas shows all fields of every node.
"""
from __future__ import annotations

import pytest

from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.prompts import drawing

MOST = 5
# [[name, whether it is shown], ...] of the fields of all nodes of a kind, on the classic canvas and on the newer one.
FIELDS = """kind => app.graph.nodes.filter(node => node.type === kind).map(node => {
    const card = LiteGraph.vueNodesMode && document.querySelector(`[data-node-id="${node.id}"]`);
    const drawn = name => [...card.querySelectorAll("*")].some(element =>
        element.children.length === 0 && element.checkVisibility() && element.textContent.trim() === name);
    const known = node.widgets.filter(({name}) => node.inputs.some(({widget}) => widget?.name === name));
    return known.map(widget => [widget.name, card ? drawn(widget.name) : node.isWidgetVisible(widget)]);
})"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page


@pytest.fixture(scope="module")
def hides(page, pack_nodes):
    return page.vue and "advanced" in pack_nodes["ConditionExpert"]["input"]["optional"]["bands"][1]


def fields(page, kind):
    """[{name: whether it is shown}] of each node of a kind."""
    return [dict(node) for node in page.page.evaluate(FIELDS, kind)]


def shown(node):
    return [name for name, is_shown in node.items() if is_shown]


def test_a_node_shows_at_most_five_fields_until_it_is_asked(page, hides):
    page.load(drawing("face_from_three_experts"))
    prompt = page.prompt()
    for kind, left in (("ConditionExpert", ["weight", "name"]), ("ReliabilityMixer", ["reliabilities", "meaning"])):
        for node in fields(page, kind):
            assert shown(node) == (left if hides else list(node)) and len(left) <= MOST
    page.page.evaluate("""() => {
        for (const node of app.graph.nodes) if (node.type === "ConditionExpert") node.showAdvanced = true;
        app.canvas.setDirty(true, true);
    }""")
    page.page.wait_for_timeout(300)
    for node in fields(page, "ConditionExpert"):
        assert shown(node) == list(node)
    assert page.prompt() == prompt


def test_what_a_file_has_set_is_not_hidden(page, hides):
    page.load(drawing("face_mask_and_window"))
    by_window = [node for node, card in zip(fields(page, "ConditionExpert"), cards(), strict=True) if card]
    assert by_window and all(shown(node) == list(node) for node in by_window)
    others = [node for node, card in zip(fields(page, "ConditionExpert"), cards(), strict=True) if not card]
    assert others and all(("bands" in shown(node)) != hides for node in others)


def cards():
    """Whether each Condition Expert of that file has a window of its own."""
    nodes = [card for card in drawing("face_mask_and_window")["nodes"] if card["type"] == "ConditionExpert"]
    return [card["widgets_values"][1:3] != [0, 1] for card in nodes]
