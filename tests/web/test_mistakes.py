"""The mistakes of support/mistakes.py in the page: each told once, beside its node, in the page's language."""
from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.mistakes import MISTAKES
from support.sentences import said_by_nodes
from unite_and_conquer.devtools.browser import STARTED, Page, opened
from unite_and_conquer.devtools.host import Host
from unite_and_conquer.devtools.paths import PACK, ROOT
from unite_and_conquer.devtools.prompts import drawing
from unite_and_conquer.devtools.versions import LABELS, TOAST

LANGUAGES = ["es", "fr", "ja", "ko", "zh"]       # newer pages offer no German
# The nodes of the drawing that face() has, too, as [kind, name of the expert or file].
NODES = {"text": ["LoadExpert", "faces_text"], "hair": ["LoadExpert", "faces_hair"], "words": ["TextCondition", ""],
         "map": ["MapCondition", ""], "a": ["ConditionExpert", "text"], "mix": ["ReliabilityMixer", ""],
         "latent": ["EmptyExpertLatent", ""], "sample": ["MCDMSampler", ""]}
# Makes changes {node: {input: value or wire}} and brings the changed node into view: the pad is drawn only there.
CHANGE = """([nodes, changes]) => {
    const find = ([kind, name]) => app.graph.nodes.find(node => node.type === kind
        && (!name || node.widgets.some(widget => String(widget.value).replace(/.*\\/|\\..*/g, "") === name)));
    for (const [key, inputs] of Object.entries({sample: {steps: 1}, ...changes})) {
        const node = find(nodes[key]), {ds, canvas} = app.canvas;
        for (const [name, value] of Object.entries(inputs))
            if (Array.isArray(value)) find(nodes[value[0]]).connect(value[1], node, name);
            else node.widgets.find(widget => widget.name === name).value = value;
        ds.scale = 0.8;
        ds.offset = [canvas.clientWidth / 1.6 - node.pos[0] - 150, canvas.clientHeight / 1.6 - node.pos[1] - 150];
    }
    app.canvas.setDirty(true, true);
}"""
HOST = ".p-dialog, [data-testid=error-overlay]"     # what the page itself says of every error
TOLD = ".mcdm-error, .mcdm-pad-wrong"
# The translation of sentences whose gaps hold "<0>", "<1>" ..., by the script that the page uses.
TRANSLATE = f"""async sentences => {{
    const {{translated}} = await import("/extensions/{PACK}/js/words.js");
    return sentences.map(translated);
}}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue", Locale="en") as page:
        page.language = "en"
        yield page


def table(language: str) -> dict[str, str]:
    return json.loads((ROOT / "locales" / language / "main.json").read_text("utf-8"))["unite_and_conquer"]


def speak(page: Page, host: Host, language: str) -> None:
    """Opens the page anew in another language."""
    if page.language != language:
        host.server.post("/settings", {"Comfy.Locale": language})
        page.page.reload()
        page.page.wait_for_function(STARTED)
        page.language = language


def load(page: Page, changes: dict[str, dict[str, Any]]) -> None:
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(CHANGE, [NODES, changes])
    page.page.wait_for_timeout(500)


def run(page: Page) -> None:
    page.page.get_by_test_id("queue-button").click()


def filled(text: str) -> str:
    return re.sub(r"\{(\d)\}", r"<\1>", text)


@pytest.mark.parametrize("mistake, language", [
    (mistake, LANGUAGES[i * len(LANGUAGES) // len(MISTAKES)]) for i, mistake in enumerate(MISTAKES)])
def test_a_mistake_is_told_once_at_its_node_until_it_is_mended(page, host, mistake, language):
    culprit, inputs, _ = mistake
    speak(page, host, language)
    load(page, {culprit: inputs})
    run(page)
    told = page.page.locator(TOLD).filter(visible=True)
    told.first.wait_for()
    page.page.locator(HOST).first.wait_for()
    page.page.wait_for_timeout(900)                 # in which a toast would open
    said = told.all_inner_texts()
    assert len(said) == 1, said
    assert page.page.locator(TOAST).filter(visible=True).all_inner_texts() == []
    own = table(language)
    forms = [re.escape(text).replace(r"\{", "{").replace(r"\}", "}") for text in own.values()]
    assert any(re.fullmatch(re.sub(r"\{\d\}", "(.*)", form), said[0], re.DOTALL) for form in forms), said
    load(page, {})
    page.page.evaluate("() => { for (const node in app.nodeOutputs) delete app.nodeOutputs[node]; }")
    run(page)
    page.page.wait_for_function("() => app.graph.nodes.some(node => app.nodeOutputs[node.id]?.images)")
    assert told.count() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(page, host, language):
    speak(page, host, language)
    own, sentences = table(language), sorted(said_by_nodes())
    spoken = page.page.evaluate(TRANSLATE, [filled(text) for text in sentences])
    assert spoken == [filled(own[text]) for text in sentences]


def test_what_is_quoted_is_translated_and_the_rest_stays(page, host):
    speak(page, host, "fr")
    refused = "VAE Decode is given the VAE 'a', which does not fit the latents of this mixture; connect {}."
    spoken = page.page.evaluate(TRANSLATE, [
        refused.format("the VAE from Load Expert VAE"), "Given groups=1, weight of size [1]", "Shares '1': 'x' ..."])
    assert "connectez le VAE de Load Expert VAE." in spoken[0]
    assert spoken[1:] == ["Given groups=1, weight of size [1]", "Shares '1': 'x' ..."]


def test_a_refused_prompt_is_told_in_the_pages_language(page, host):
    speak(page, host, "fr")
    load(page, {"text": {"expert": "nothing.safetensors"}})
    run(page)
    page.page.locator(HOST).filter(visible=True).first.wait_for()
    errors = page.page.evaluate("() => Object.values(app.lastNodeErrors).flatMap(node => node.errors)")
    details = [error["details"] for error in errors]
    own = table("fr")["Expert '{0}' is neither embedded nor in models/experts; choose one from the list."]
    assert details == [f"expert - {own.format('nothing.safetensors')}"]


# What each choice shows, and what it queues.
CHOICES = """() => app.graph.nodes.filter(node => node.type === "ReliabilityMixer").flatMap(node => {
    const widget = node.widgets.find(({name}) => name === "meaning");
    const card = document.querySelector(`[data-node-id="${node.id}"]`);
    return [card && LiteGraph.vueNodesMode ? card.innerText : widget._displayValue, widget.value];
})"""


def test_a_choice_shows_its_word_and_queues_the_english(page, host):
    speak(page, host, "ja")
    load(page, {"mix": {"meaning": "shares"}})
    page.page.wait_for_timeout(500)
    shown, value = page.page.evaluate(CHOICES)
    version = page.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '1.32'")
    labelled = not page.vue or tuple(map(int, version.split(".")[:2])) >= LABELS
    assert (table("ja")["shares"] in shown) == labelled and value == "shares"
    queued, = (call for call in page.prompt().values() if call["class_type"] == "ReliabilityMixer")
    assert queued["inputs"]["meaning"] == "shares"
