"""What people get wrong: told once, at the right node and field, in the page's language, and gone when mended."""
from __future__ import annotations

import json
import re

import pytest

from support.face_page import HOME, MORE, NODES, Changes, Face
from support.mistakes import MISTAKES
from unite_and_conquer.devtools.browser import opened
from unite_and_conquer.devtools.paths import PACK, ROOT
from unite_and_conquer.devtools.sentences import said_by_nodes
from unite_and_conquer.devtools.versions import COMPLAINTS, LABELS, TOAST

# Newer pages offer no German.
LANGUAGES = ["es", "fr", "ja", "ko", "zh"]
SPOKEN = {False: ["ko", "ja"], True: ["es", "zh", "fr"]}                # on the classic and on the newer canvas
HOST = ".p-dialog, [data-testid=error-overlay]"     # what the page itself says of every error
# What the host marks: the node that failed, and inputs.
FAILED = "() => Number(app.lastExecutionError?.node_id)"
MARKED = """() => app.graph.nodes.flatMap(node =>
    node.inputs.filter(input => input.hasErrors).map(input => [Number(node.id), input.name]))"""
# The translation of sentences whose gaps hold "<0>", "<1>" ..., by the script that the page uses.
TRANSLATE = f"""async ([language, sentences]) => {{
    const {{translated}} = await import("/extensions/{PACK}/js/words.js"), {{settings}} = app.ui;
    const {{getSettingValue}} = settings;
    settings.getSettingValue = () => language;
    const spoken = sentences.map(translated);
    settings.getSettingValue = getSettingValue;
    return spoken;
}}"""


def in_regions(**inputs: str) -> Changes:
    """Expert Regions between the mixer and the sampler."""
    return {"regions": {"mixture": ["mix", 0]} | inputs, "sample": {"mixture": ["regions", 0]}}


# (changes, the node that tells it)
CASES: list[tuple[Changes, str]] = [
    *(({node: inputs}, node) for node, inputs, _ in MISTAKES),
    ({"sample": {"latent_image": ["pixels", 0]}, "pixels": {"width": 16, "height": 16}}, "sample"),
    ({"sample": {"seed": 8}, "decode": {"vae": ["drawings", 0]}}, "sample"),    # another seed: it samples anew
    ({"decode": {"vae": ["drawings", 0]}}, "decode"),       # what it decodes is in the host's cache
    ({"a": {"weight": 0}, "b": {"weight": 0}, "c": {"weight": 0}}, "sample"),
    (in_regions(regions="nobody: box 0 0 1 1"), "regions"),
    (in_regions(regions="text: box 0 0 1.5 1"), "regions"),
    (in_regions(rest="nobody"), "regions"),
]


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    checkpoint = host.base / "models" / "checkpoints" / "unread.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.touch()
    with opened(browser, host, Face, vue=request.param == "vue", Locale="en") as page:
        page.show()
        yield page
    checkpoint.unlink()


def table(language: str) -> dict[str, str]:
    return json.loads((ROOT / "locales" / language / "main.json").read_text("utf-8"))["unite_and_conquer"]


def filled(text: str) -> str:
    return re.sub(r"\{(\d)\}", r"<\1>", text)


def is_in(language: str, sentence: str) -> bool:
    """Whether a sentence is one of the translations, with something in their gaps."""
    forms = [re.escape(text).replace(r"\{", "{").replace(r"\}", "}") for text in table(language).values()]
    return any(re.fullmatch(re.sub(r"\{\d\}", "(.*)", form), sentence, re.DOTALL) for form in forms)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_mistake_is_told_once_at_its_node_until_it_is_mended(page, case):
    changes, at = CASES[case]
    language = SPOKEN[page.vue][case * len(SPOKEN[page.vue]) // len(CASES)]
    page.speak(language)
    page.mended = False
    mend = page.change(changes)
    page.start()
    page.told.first.wait_for()
    if page.page.locator(".mcdm-warning").count() == 0:
        page.page.locator(HOST).first.wait_for()
        assert page.page.evaluate(FAILED) == page.ids[at]
    page.page.wait_for_timeout(600)                 # in which a toast would open
    said = page.told.all_inner_texts()
    assert len(said) == 1, said
    assert page.page.locator(TOAST).filter(visible=True).all_inner_texts() == []
    # Between its neighbours there is no room at VAE Decode: there the note stands beside one of them.
    assert at == "decode" or page.nodes_told_at()[:1] == [page.ids[at]]
    assert is_in(language, said[0]), said
    page.mend(mend[::-1])
    page.draw()
    assert page.told.count() == 0
    assert page.page.locator(COMPLAINTS).filter(visible=True).all_inner_texts() == []
    page.mended = True


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(page, language):
    own, sentences = table(language), sorted(said_by_nodes())
    spoken = page.page.evaluate(TRANSLATE, [language, [filled(text) for text in sentences]])
    assert spoken == [filled(own[text]) for text in sentences]


def test_what_is_quoted_is_translated_and_the_rest_stays(page):
    refused = "VAE Decode is given the VAE 'a', which does not fit the latents of this mixture; connect {}."
    spoken = page.page.evaluate(TRANSLATE, ["fr", [
        refused.format("the VAE from Load Expert VAE"), "Given groups=1, weight of size [1]", "Shares '1': 'x' ..."]])
    assert "connectez le VAE de Load Expert VAE." in spoken[0]
    assert spoken[1:] == ["Given groups=1, weight of size [1]", "Shares '1': 'x' ..."]


REFUSED = [
    ({"text": {"expert": "nothing.safetensors"}}, "text", "expert",
     "Expert '{0}' is neither embedded nor in models/experts; choose one from the list.", ["nothing.safetensors"]),
    ({"checkpoint": {"ckpt_name": "unread.safetensors"}, "a": {"model": ["checkpoint", 0]}}, "a", "null_condition",
     "Expert '{0}' has no null condition, and this mixture needs it: connect the conditioning of an empty prompt to "
     "null_condition, or set its reliability to 0.",
     ["text"]),
]


@pytest.mark.parametrize("changes, at, field, sentence, values", REFUSED,
                         ids=[field for _, _, field, *_ in REFUSED])
def test_a_refused_prompt_is_told_at_its_input_until_it_is_mended(page, changes, at, field, sentence, values):
    page.show({"checkpoint": MORE["checkpoint"]})       # where there are regions, only a run can tell of nulls
    mend = page.change({"a": {"bands": "1 1"}})
    page.start()
    page.told.wait_for()
    page.mend(mend)
    mend = page.change(changes)
    page.start()
    page.page.wait_for_function("() => Object.keys(app.lastNodeErrors ?? {}).length")
    page.page.locator(HOST).filter(visible=True).first.wait_for()
    errors = page.page.evaluate("() => Object.values(app.lastNodeErrors).flatMap(node => node.errors)")
    assert [error["details"] for error in errors] == [f"{field} - {table(page.language)[sentence].format(*values)}"]
    assert page.page.evaluate(MARKED) == [[page.ids[at], field]]
    assert page.told.count() == 0, "what an earlier run told is gone"
    page.mend(mend[::-1])
    page.draw()
    assert page.page.evaluate(MARKED) == []
    assert page.page.locator(COMPLAINTS).filter(visible=True).all_inner_texts() == []


ENTER = "id => app.canvas.setGraph(id ? app.graph.getNodeById(id).subgraph : app.rootGraph ?? app.graph.rootGraph)"
WITHIN = """([id, kind, name, value]) => {
    const node = app.graph.getNodeById(id).subgraph.nodes.find(node => node.type === kind);
    node.widgets.find(widget => widget.name === name).value = value;
}"""


@pytest.mark.parametrize("key, name, wrong, right, on_pad", [
    ("words", "text", "unicorn", "red hair", False), ("mix", "reliabilities", "1, two", "1, 1, 1", True)])
def test_a_mistake_in_a_subgraph_is_told_once_outside_and_inside(page, key, name, wrong, right, on_pad):
    """Outside at the subgraph, inside at the node, or on its pad alone."""
    page.show()
    page.change({key: {name: wrong}})
    page.ids["outer"] = page.page.evaluate(
        "id => Number(app.graph.convertToSubgraph(new Set([app.graph.getNodeById(id)])).node.id)", page.ids[key])
    page.start()
    page.page.locator(HOST).first.wait_for()
    page.page.wait_for_timeout(700)
    page.close()
    assert page.told.count() == 1 and page.nodes_told_at()[:1] == [page.ids["outer"]]
    page.page.evaluate(ENTER, page.ids["outer"])
    page.page.wait_for_timeout(700)
    assert page.told.count() == 1 and (page.told.evaluate(HOME) is not None) == on_pad
    page.page.evaluate(ENTER, 0)
    page.page.wait_for_timeout(500)
    assert page.told.count() == 1
    page.page.evaluate(WITHIN, [page.ids["outer"], NODES[key][0], name, right])
    if on_pad:
        page.told.wait_for(state="detached")
    page.draw()
    assert page.told.count() == 0


# What each choice shows, and what it queues.
CHOICES = """() => app.graph.nodes.filter(node => node.type === "ReliabilityMixer").flatMap(node => {
    const widget = node.widgets.find(({name}) => name === "meaning");
    const card = document.querySelector(`[data-node-id="${node.id}"]`);
    return [card && LiteGraph.vueNodesMode ? card.innerText : widget._displayValue, widget.value];
})"""


def test_a_choice_shows_its_word_and_queues_the_english(page):
    page.speak("ja")
    page.show()
    page.change({"mix": {"meaning": "shares"}})
    page.page.wait_for_timeout(500)
    shown, value = page.page.evaluate(CHOICES)
    version = page.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '1.32'")
    labelled = not page.vue or tuple(map(int, version.split(".")[:2])) >= LABELS
    assert (table("ja")["shares"] in shown) == labelled and value == "shares"
    queued, = (call for call in page.prompt().values() if call["class_type"] == "ReliabilityMixer")
    assert queued["inputs"]["meaning"] == "shares"
