"""What a node of the pack says when it fails: in the page once, and on the node until the next run."""
from __future__ import annotations

import pytest

from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.prompts import drawing
from unite_and_conquer.devtools.versions import COMPLAINTS

SENTENCE = "Expert 'hair' works only at 64 x 64, but the latent is 32 x 32; use EmptyExpertLatent with that size."
SEND = """async ([kind, type, sentence]) => {
    const {api} = await import("/scripts/api.js");
    const node = app.graph.nodes.find(node => node.type === type);
    const detail = {prompt_id: "p", node_id: String(node.id), node_type: type, executed: [], traceback: [],
        exception_type: "ValueError", exception_message: sentence + "\\n", current_inputs: {}, timestamp: 0};
    api.dispatchEvent(new CustomEvent(kind, {detail}));
}"""
SAVED = """() => {
    const node = app.graph.nodes.find(node => node.type === "MCDMSampler");
    return [node.serialize().widgets_values, node.size[1]];
}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page


def test_the_node_says_it_until_the_next_run(page):
    page.load(drawing("face_from_three_experts"))
    values, height = page.page.evaluate(SAVED)
    note = page.page.locator(".mcdm-error")
    page.page.evaluate(SEND, ["execution_error", "MCDMSampler", SENTENCE])
    note.wait_for()
    assert note.inner_text() == SENTENCE
    assert note.evaluate("note => note.scrollHeight <= note.clientHeight + 1"), "all of it is seen"
    page.page.wait_for_timeout(700)
    said = page.page.locator(COMPLAINTS).filter(visible=True).all_inner_texts()
    assert sum(SENTENCE in text for text in said) == 1, "by the host's dialog or by a toast, not by both"
    page.page.evaluate(SEND, ["execution_error", "MCDMSampler", "Another."])
    page.page.wait_for_function("() => document.querySelector('.mcdm-error')?.innerText === 'Another.'")
    assert note.count() == 1
    now, taller = page.page.evaluate(SAVED)
    assert now == values
    assert page.vue or taller > height
    page.page.evaluate(SEND, ["execution_start", "MCDMSampler", ""])
    page.page.wait_for_function("() => !document.querySelector('.mcdm-error')")
    assert page.page.evaluate(SAVED)[0] == values
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(SEND, ["execution_error", "VAEDecode", SENTENCE])
    page.page.wait_for_timeout(700)
    assert page.page.locator(".mcdm-error").count() == 0, "other nodes are the host's"
