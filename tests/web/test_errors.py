"""What a node of the pack says when it fails: once, beside the node or its subgraph, until the next run."""
from __future__ import annotations

import pytest

from support.notes import NOTE_BOX
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.pad_page import TEXT
from unite_and_conquer.devtools.prompts import drawing
from unite_and_conquer.devtools.versions import COMPLAINTS, TOAST

SENTENCE = "Expert 'hair' works only at 64 x 64, but the latent is 32 x 32; use EmptyExpertLatent with 64 x 64 pixels."
SEND = """async ([kind, type, sentence]) => {
    const {api} = await import("/scripts/api.js");
    const node = app.graph.nodes.find(node => node.type === type);
    const detail = {prompt_id: "p", node_id: String(node.id), node_type: type, executed: [], traceback: [],
        exception_type: "ValueError", exception_message: sentence + "\\n", current_inputs: {}, timestamp: 0};
    api.dispatchEvent(new CustomEvent(kind, {detail}));
}"""
SAVED = """() => app.graph.nodes.map(node => [node.serialize().widgets_values, node.size[1]])"""
WORDS = """words => {
    const subgraph = app.graph.nodes.find(node => node.title === "Words expert");
    const inner = subgraph.subgraph.nodes.find(node => node.type === "TextCondition");
    for (const widget of [...subgraph.widgets, ...inner.widgets])       // older pages read the inner one
        if (widget.name === "text") widget.value = words;
    for (const node of app.graph.nodes)
        for (const widget of node.widgets ?? []) if (widget.name === "steps") widget.value = 1;
}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page


def toasts(page, sentence):
    """How many toasts say a sentence, once they have had the time to open."""
    page.page.wait_for_timeout(900)
    return sum(sentence in text for text in page.page.locator(TOAST).filter(visible=True).all_inner_texts())


def reach_into_each_other(a, b):
    return all(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) > 2 for i in (0, 1))


def test_it_is_said_beside_the_node_where_nothing_else_is(page):
    page.load(drawing("face_from_three_experts"))
    page.boxes()
    saved = page.page.evaluate(SAVED)
    note = page.page.locator(".mcdm-error")
    page.page.evaluate(SEND, ["execution_error", "MCDMSampler", SENTENCE])
    note.wait_for()
    page.page.wait_for_timeout(200)
    assert note.inner_text() == SENTENCE
    box = note.evaluate(NOTE_BOX)
    assert [title for _, title, node in page.boxes()["nodes"] if reach_into_each_other(node, box)] == []
    sampler, = (node for _, title, node in page.boxes()["nodes"] if title == "MCDM Sampler")
    assert reach_into_each_other([sampler[0] - 20, sampler[1] - 20, sampler[2] + 20, sampler[3] + 20], box), "beside it"
    assert page.page.evaluate(SAVED) == saved, "the node itself has not changed"
    assert toasts(page, SENTENCE) == 0, "it is in view"


def test_it_is_gone_when_a_run_starts_or_a_file_is_opened(page):
    note = page.page.locator(".mcdm-error")
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(SEND, ["execution_error", "MCDMSampler", SENTENCE])
    note.wait_for()
    page.page.evaluate(SEND, ["execution_error", "MCDMSampler", "Another."])
    page.page.wait_for_function("() => document.querySelector('.mcdm-error')?.innerText === 'Another.'")
    assert note.count() == 1
    page.page.evaluate(SEND, ["execution_start", "MCDMSampler", ""])
    note.wait_for(state="detached")
    page.page.evaluate(SEND, ["execution_error", "MCDMSampler", SENTENCE])
    note.wait_for()
    page.load(drawing("face_from_three_experts"))
    assert note.count() == 0
    page.page.evaluate(SEND, ["execution_error", "VAEDecode", SENTENCE])
    page.page.wait_for_timeout(700)
    assert note.count() == 0, "other nodes are the host's"


def test_a_toast_says_it_where_the_node_is_not_in_view_until_the_next_run(page):
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate("() => { app.canvas.ds.offset = [9000, 9000]; app.canvas.setDirty(true, true); }")
    page.page.wait_for_timeout(300)
    page.page.evaluate(SEND, ["execution_error", "MCDMSampler", SENTENCE])
    page.page.wait_for_timeout(900)
    said = page.page.locator(COMPLAINTS).filter(visible=True).all_inner_texts()
    assert sum(SENTENCE in text for text in said) == 1, "by the host or by a toast"
    page.page.evaluate(SEND, ["execution_start", "MCDMSampler", ""])
    assert toasts(page, SENTENCE) == 0


COPIES = """async ([maker, shown, sentence]) => {
    const {api} = await import("/scripts/api.js");
    const idOf = type => String(app.graph.nodes.find(node => node.type === type).id), loop = idOf(maker);
    const entry = (id, type, state) =>
        [id, {node_id: id, display_node_id: idOf(type), parent_node_id: null, real_node_id: loop, state}];
    const nodes = Object.fromEntries([entry(`${loop}.0.0.0_7`, "EmptyExpertLatent", "finished"),
        entry(`${loop}.0.0.0_5`, shown, "running"), entry(loop, maker, "running")]);
    const error = {prompt_id: "p", node_id: loop, node_type: maker, exception_message: sentence};
    for (const [kind, detail] of [["progress_state", {prompt_id: "p", nodes}], ["execution_error", error]])
        api.dispatchEvent(new CustomEvent(kind, {detail}));
}"""


def test_what_fails_in_a_loop_says_it_at_the_node_that_is_shown(page):
    """Which is a copy; the host names the node that has copied it."""
    page.load(drawing("face_from_three_experts"))
    page.boxes()
    page.page.evaluate(COPIES, ["VAEDecode", "MCDMSampler", SENTENCE])
    note = page.page.locator(".mcdm-error")
    note.wait_for()
    page.page.wait_for_timeout(200)
    sampler, = (node for _, title, node in page.boxes()["nodes"] if title == "MCDM Sampler")
    around = [sampler[0] - 20, sampler[1] - 20, sampler[2] + 20, sampler[3] + 20]
    assert reach_into_each_other(around, note.evaluate(NOTE_BOX)), "beside it"


def test_what_the_pad_says_already_is_not_said_again(page):
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(f"() => {{ {TEXT}.value = '1, x, 1'; }}")
    page.page.locator(".mcdm-pad-wrong").wait_for()
    page.page.evaluate(SEND, ["execution_error", "ReliabilityMixer", "Reliabilities '1, x, 1': 'x' is not ..."])
    page.page.wait_for_timeout(700)
    assert page.page.locator(".mcdm-error").filter(visible=True).count() == 0


@pytest.mark.parametrize("words, kind, sentence", [
    ("unicorn", "error", "The text expert knows none of the words in 'unicorn"),
    ("purple hair", "said", "understood: pink hair"),
])
def test_a_subgraph_says_what_its_nodes_say(page, words, kind, sentence):
    page.load(drawing("start_here"))
    page.page.evaluate(WORDS, f"{words}, {'glasses' if page.vue else 'beard'}" if kind == "said" else words)
    page.page.get_by_test_id("queue-button").click()
    note = page.page.locator(f".mcdm-{kind}")
    note.wait_for()
    assert note.inner_text().startswith(sentence)
    page.page.wait_for_timeout(200)
    box = note.evaluate(NOTE_BOX)
    assert [title for _, title, node in page.boxes()["nodes"] if reach_into_each_other(node, box)] == []


WEIGHTS = """weight => {
    for (const node of app.graph.nodes.filter(node => node.type === "ConditionExpert"))
        node.widgets.find(widget => widget.name === "weight").value = weight;
    for (const node of app.graph.nodes)
        for (const widget of node.widgets ?? []) if (widget.name === "steps") widget.value = 1;
}"""


def test_a_warning_stands_beside_its_node_until_it_is_mended(page):
    page.load(drawing("face_from_three_experts"))
    note = page.page.locator(".mcdm-warning")
    page.page.evaluate(WEIGHTS, 0)
    page.page.get_by_test_id("queue-button").click()
    note.wait_for()
    assert note.inner_text().startswith("All weights are 0: no condition counts")
    page.page.evaluate(WEIGHTS, 1)
    page.page.get_by_test_id("queue-button").click()
    note.wait_for(state="detached")
