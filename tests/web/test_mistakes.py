"""What people get wrong: told once, at the right node and field, in the page's language, and gone when mended."""
from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.mistakes import MISTAKES
from support.notes import NOTE_BOX, gap
from support.sentences import said_by_nodes
from unite_and_conquer.devtools.browser import BOXES, STARTED, Page, opened
from unite_and_conquer.devtools.paths import PACK, ROOT
from unite_and_conquer.devtools.prompts import drawing
from unite_and_conquer.devtools.versions import COMPLAINTS, LABELS, TOAST

# Newer pages offer no German.
LANGUAGES = ["es", "fr", "ja", "ko", "zh"]
SPOKEN = {False: ["ko", "ja"], True: ["es", "zh", "fr"]}                # on the classic and on the newer canvas
# The nodes of the drawing that face() has, too, as [kind, name of the expert or file].
NODES = {"text": ["LoadExpert", "faces_text"], "hair": ["LoadExpert", "faces_hair"], "words": ["TextCondition", ""],
         "map": ["MapCondition", ""], "a": ["ConditionExpert", "text"], "b": ["ConditionExpert", "hair"],
         "c": ["ConditionExpert", "skin"], "mix": ["ReliabilityMixer", ""], "latent": ["EmptyExpertLatent", ""],
         "sample": ["MCDMSampler", ""], "decode": ["VAEDecode", ""]}
# What else mistakes are made with, as [kind, left, top]; the picture needs none of these.
MORE = {"regions": ["ExpertRegions", 2500, 0], "pixels": ["EmptyChromaRadianceLatentImage", 2500, 800],
        "drawings": ["LoadExpertVAE", 2500, 1000], "checkpoint": ["CheckpointLoaderSimple", 2500, 1200]}
# Adds what else there is, and returns the numbers of all nodes: {key: number}.
PREPARE = """([nodes, more]) => {
    const ids = Object.entries(nodes).map(([key, [kind, name]]) => [key, app.graph.nodes.find(node =>
        node.type === kind && (!name || node.widgets.some(({value}) => RegExp(`\\\\b${name}\\\\b`).test(value)))).id]);
    for (const [key, [kind, ...pos]] of Object.entries(more)) {
        const node = Object.assign(LiteGraph.createNode(kind), {pos});
        app.graph.add(node);
        ids.push([key, node.id]);
    }
    return Object.fromEntries(ids.map(([key, id]) => [key, Number(id)]));
}"""
# Makes changes {number: {input: value, or wire [number, output]}}, and returns those that mend them. What is changed
# first comes into view: the pad is drawn only there.
CHANGE = """changes => {
    const change = (node, name, value) => {
        const widget = node.widgets?.find(widget => widget.name === name), isWire = Array.isArray(value) || !widget;
        const link = isWire && app.graph.getLink(node.inputs[node.findInputSlot(name)].link);
        const before = isWire ? link && [link.origin_id, link.origin_slot] : widget.value;
        if (!isWire) widget.value = value;
        else if (value) app.graph.getNodeById(value[0]).connect(value[1], node, name);
        else node.disconnectInput(name);
        if (!isWire) widget.callback?.(value);
        return before;
    };
    const all = changes.map(([id, name, value]) => [id, name, change(app.graph.getNodeById(id), name, value)]);
    const {ds, canvas} = app.canvas, [x, y] = app.graph.getNodeById(changes[0][0]).pos;
    ds.scale = 0.8;
    ds.offset = [canvas.clientWidth / 1.6 - x - 150, canvas.clientHeight / 1.6 - y - 150];
    app.canvas.setDirty(true, true);
    return all;
}"""
HOST = ".p-dialog, [data-testid=error-overlay]"     # what the page itself says of every error
CLOSE = ".p-dialog-close-button, .p-toast-close-button"
TOLD = ".mcdm-error, .mcdm-warning, .mcdm-pad-wrong, .mcdm-regions-wrong"
# The number of the node that an element is on, null if it floats beside one.
HOME = """told => Number(app.canvas.graph.nodes.find(node =>
    node.widgets?.some(({element}) => element?.contains?.(told)))?.id ?? NaN) || null"""
# What the host marks: the node that failed, and inputs.
FAILED = "() => Number(app.lastExecutionError?.node_id)"
MARKED = """() => app.graph.nodes.flatMap(node =>
    node.inputs.filter(input => input.hasErrors).map(input => [Number(node.id), input.name]))"""
DRAWN = "id => app.nodeOutputs[id]?.images"
FORGET = "id => { delete app.nodeOutputs[id]; }"
# The translation of sentences whose gaps hold "<0>", "<1>" ..., by the script that the page uses.
TRANSLATE = f"""async ([language, sentences]) => {{
    const {{translated}} = await import("/extensions/{PACK}/js/words.js"), {{settings}} = app.ui;
    const {{getSettingValue}} = settings;
    settings.getSettingValue = () => language;
    const spoken = sentences.map(translated);
    settings.getSettingValue = getSettingValue;
    return spoken;
}}"""

Changes = dict[str, dict[str, Any]]


def in_regions(**inputs: str) -> Changes:
    """Expert Regions between the mixer and the sampler."""
    return {"regions": {"mixture": ["mix", 0]} | inputs, "sample": {"mixture": ["regions", 0]}}


# (changes, the node that tells it)
CASES: list[tuple[Changes, str]] = [
    *(({node: inputs}, node) for node, inputs, _ in MISTAKES),
    ({"sample": {"latent_image": ["pixels", 0]}, "pixels": {"width": 16, "height": 16}}, "sample"),
    ({"sample": {"seed": 8}, "decode": {"vae": ["drawings", 0]}}, "sample"),    # another seed: it samples anew
    ({"a": {"weight": 0}, "b": {"weight": 0}, "c": {"weight": 0}}, "sample"),
    (in_regions(regions="nobody: box 0 0 1 1"), "regions"),
    (in_regions(regions="text: box 0 0 1.5 1"), "regions"),
    (in_regions(rest="nobody"), "regions"),
]


class Face(Page):
    """The page with a drawing in which mistakes are made and mended."""
    language = "en"
    ids: dict[str, int] = {}
    mended = True           # whether the last mistake was

    def speak(self, language: str) -> None:
        """Opens the page anew in another language."""
        if not self.mended or self.language != language:
            self.page.evaluate("language => app.extensionManager.setting.set('Comfy.Locale', language)", language)
            self.page.wait_for_timeout(300)
            self.page.reload()
            self.page.wait_for_function(STARTED)
            self.language = language
            self.mended = True
            self.show()

    def show(self, more: dict[str, list[Any]] = MORE) -> None:
        self.load(drawing("face_from_three_experts"))
        self.ids = self.page.evaluate(PREPARE, [NODES, more])
        self.change({"sample": {"steps": 1}})

    def change(self, changes: Changes) -> list[Any]:
        """Returns the changes that mend it, for mend()."""
        numbered = []
        for key, inputs in changes.items():
            for name, value in inputs.items():
                wire = [self.ids[value[0]], value[1]] if isinstance(value, list) else value
                numbered.append([self.ids[key], name, wire])
        return self.mend(numbered)

    def mend(self, changes: list[Any]) -> list[Any]:
        before = self.page.evaluate(CHANGE, changes)
        self.page.wait_for_timeout(200)
        return before

    def close(self) -> None:
        """Closes the host's dialogs."""
        self.page.evaluate("close => document.querySelectorAll(close).forEach(button => button.click())", CLOSE)
        self.page.locator(".p-dialog").filter(visible=True).first.wait_for(state="hidden")

    def start(self) -> None:
        """Presses the run button."""
        self.close()
        self.page.get_by_test_id("queue-button").click()

    def draw(self) -> None:
        """A run that ends with a picture."""
        save, = (node["id"] for node in drawing("face_from_three_experts")["nodes"] if node["type"] == "SaveImage")
        self.page.evaluate(FORGET, save)
        self.start()
        self.page.wait_for_function(DRAWN, arg=save)

    @property
    def told(self) -> Any:
        return self.page.locator(TOLD).filter(visible=True)

    def nodes_told_at(self) -> list[int]:
        """The number of the node on which it is told, or those of the nodes beside which it is, the nearest first."""
        home = self.told.evaluate(HOME)
        if home:
            return [home]
        box = self.told.evaluate(NOTE_BOX)
        away = {number: gap(node, box) for number, _, node in self.page.evaluate(BOXES)["nodes"]}
        return sorted((number for number in away if away[number] < 10), key=lambda number: away[number])


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    checkpoint = host.base / "models" / "checkpoints" / "unread.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.touch()
    with opened(browser, host, Face, vue=request.param == "vue", Locale="en") as page:
        page.show()
        page.page.set_default_timeout(40_000)
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
    assert page.nodes_told_at()[:1] == [page.ids[at]]
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
