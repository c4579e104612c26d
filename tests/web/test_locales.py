"""locales/: every text of every node and of the page in seven languages, as the host serves and its page shows them."""
from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from support.sentences import said_by_nodes
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.prompts import drawing

LANGUAGES = ["zh", "ja", "ko", "fr", "de", "es"]
FILES = ["main.json", "nodeDefs.json"]
OURS = "unite_and_conquer"
# Words that are the same in English. Whatever else is, somebody forgot.
SAME = {
    "zh": {"eta", "json", "latent", "vae"},
    "ja": {"eta", "json", "vae"},
    "ko": {"eta", "json", "vae"},
    "fr": {"condition", "eta", "expert", "expert {0}", "image", "images", "json", "latent", "latents", "mcdm ancestral",
           "pixels", "triangle", "vae", "variance"},
    "de": {"eta", "guider", "json", "latent", "latents", "name", "rest: {0}", "sampler", "scheduler", "seed", "text",
           "vae"},
    "es": {"eta", "json", "mcdm ancestral", "vae"},
}
SCRIPT = {"zh": "[\u4e00-\u9fff]", "ja": "[\u3040-\u30ff\u4e00-\u9fff]", "ko": "[\uac00-\ud7a3]"}
# What is no language: it is in a translation as often as in the English, or (words of computers) at least that often.
COUNTED = re.compile(r"(?<![A-Za-z])\d+(?:\.\d+)?|\{\d\}")
WORDS = re.compile(
    r"(?<![A-Za-z])(?:[A-Z]{2,}(?![a-z])|eta(?![a-z])|LoRA|DiT|ComfyUI|Stable Diffusion|Unite and Conquer)|"
    r"\w+/\w*|(?<![\w.])\.[a-z]+|'(?:auto|default|learned)'|^[aw](?=\W)|\(w\)", re.ASCII)


def text_of(language, file):
    return (ROOT / "locales" / language / file).read_text("utf-8")


def flat(tree, path=()):
    """{(key, key, ...): text}"""
    found = {}
    for key, value in tree.items():
        found |= flat(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return found


def texts(language):
    """All of a language, {(file, key, key, ...): text}."""
    return {(file, *path): text for file in FILES for path, text in flat(json.loads(text_of(language, file))).items()}


def wanted(pack_nodes):
    """nodeDefs.json in English, made of what the host says of the nodes; outputs are keyed by their place."""
    nodes = {}
    for node, info in pack_nodes.items():
        inputs, outputs = {}, {}
        for kind, names in info["input_order"].items():
            for name in names if kind != "hidden" else ():
                inputs[name] = {"name": name, "tooltip": info["input"][kind][name][1].get("tooltip")}
        for i, (name, tooltip) in enumerate(zip(info["output_name"], info["output_tooltips"], strict=True)):
            outputs[str(i)] = {"name": name, "tooltip": tooltip}
        nodes[node] = {
            "display_name": info["display_name"],
            "description": info["description"],
            "inputs": inputs,
            "outputs": outputs,
        }
    return nodes


def code(path):
    """A script without its comments."""
    return re.sub(r"/\*[\s\S]*?\*/|(?<!:)//.*", "", path.read_text("utf-8"))


def said():
    """The sentences of web/js, as keys: say`Pull of ${name}` is "Pull of {0}"."""
    found = []
    for path in sorted((ROOT / "web" / "js").rglob("*.js")):
        for sentence in re.findall(r"\bsay`([^`]*)`", code(path)):
            parts = re.split(r"\$\{.*?\}", sentence.replace("\\\n", ""))
            found.append(parts[0] + "".join(f"{{{i}}}{part}" for i, part in enumerate(parts[1:])))
    return set(found)


def test_there_are_these_languages_and_files():
    assert sorted(path.name for path in (ROOT / "locales").iterdir()) == sorted(["en", *LANGUAGES])
    assert {path.name for path in (ROOT / "locales").glob("*/*")} == set(FILES)


def test_english_is_what_the_nodes_say(pack_nodes):
    english = json.loads(text_of("en", "nodeDefs.json"))
    assert flat(english) == flat(wanted(pack_nodes))
    assert all(flat(wanted(pack_nodes)).values()), "a node, an input or an output says nothing"
    categories = {part for info in pack_nodes.values() for part in info["category"].split("/")}
    assert json.loads(text_of("en", "main.json"))["nodeCategories"] == {category: category for category in categories}


def choices(pack_nodes):
    """The words of the combos whose choices the page translates."""
    names, = re.findall(r"CHOICES = (\[.*\])", code(ROOT / "web" / "js" / "language.js"))
    optional = [info["input"].get("optional", {}) for info in pack_nodes.values()]
    combos = [each[name] for each in optional for name in json.loads(names) if name in each]
    return {word for kind, options in combos for word in (options["options"] if kind == "COMBO" else kind)}


def test_english_is_what_the_page_says(pack_nodes):
    wanted = said() | said_by_nodes() | choices(pack_nodes)
    assert json.loads(text_of("en", "main.json"))[OURS] == {sentence: sentence for sentence in wanted}
    assert {"All equal", "Pull of {0}", "expert {0}"} <= said()
    assert {"No expert arrives at the Reliability Mixer; connect a Condition Expert.", "shares"} <= wanted


def test_the_page_says_nothing_without_say():
    """A sentence is a text of several words that begins with a capital letter."""
    for path in (ROOT / "web" / "js").rglob("*.js"):
        unsaid = re.sub(r"\bsay`[^`]*`", "", code(path))
        assert re.findall(r"""(["'`])([A-Z][a-z]+ (?:(?!\1).)*)\1""", unsaid) == [], path.name


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_complete_and_readable(language):
    """The same keys in the same order, in files that a translator can read and compare."""
    assert list(texts(language)) == list(texts("en"))
    for file in FILES:
        text = text_of(language, file)
        assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n", file


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_in_english(language):
    english, here = texts("en"), texts(language)
    assert {text.lower() for path, text in here.items() if text.lower() == english[path].lower()} == SAME[language]
    for path, text in here.items():
        assert text and text == text.strip() and "  " not in text, path
        without_names = text.replace("Unite and Conquer", "")
        assert not re.search(r"\b(the|of|is|and|for|which|as|what)\b", without_names, re.IGNORECASE), path
        assert text.lower() in SAME[language] or re.search(SCRIPT.get(language, "."), text), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_language_is_kept(language):
    for path, english in texts("en").items():
        here = texts(language)[path]
        assert sorted(COUNTED.findall(here)) == sorted(COUNTED.findall(english)), path
        assert Counter(WORDS.findall(english)) <= Counter(WORDS.findall(here)), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_nodes_are_called_by_their_names(language, pack_nodes):
    """Where an English text names a node of the pack, by its name or its id, a translation gives its name there."""
    names = json.loads(text_of(language, "nodeDefs.json"))
    for path, english in texts("en").items():
        if path[-1] == "display_name":
            continue
        for node, info in pack_nodes.items():
            if re.search(rf"\b({node}|{info['display_name']})\b", english):
                assert names[node]["display_name"] in texts(language)[path], (path, node)


def test_nothing_that_the_page_reads_as_syntax():
    """vue-i18n takes {, }, @ and | for placeholders, links and plurals; sentences of web/js do not go through it."""
    for language in ["en", *LANGUAGES]:
        through = {path: text for path, text in texts(language).items() if OURS not in path}
        assert [path for path, text in through.items() if re.search(r"[{}@|]", text)] == [], language


def test_the_host_serves_them(host):
    served = host.get_json("/i18n")
    for language in ["en", *LANGUAGES]:
        own = served[language]
        files = {"main.json": {key: own[key] for key in ("nodeCategories", OURS)}, "nodeDefs.json": own["nodeDefs"]}
        assert files == {file: json.loads(text_of(language, file)) for file in FILES}


# ---------------------------------------------------------------------------------------------------- in the real page

SHOWN = """() => {
    const node = type => app.graph.nodes.find(node => node.type === type);
    const sampler = node("MCDMSampler");
    const card = document.querySelector(`[data-node-id="${node("ReliabilityMixer").id}"]`);
    return {
        title: sampler.title,
        widget: sampler.widgets.find(widget => widget.name === "expert_previews").label,
        input: sampler.inputs[0].localized_name,
        output: sampler.outputs[1].localized_name,
        card: card.innerText,
        category: sampler.constructor.category,
    };
}"""
# What vue-i18n makes of every text, a syntax error included. Newer pages fetch a language when it is chosen.
COMPILED = """async ([language, keys]) => {
    const page = document.getElementById("vue-app").__vue_app__;
    const messages = page._context.provides[page.__VUE_I18N_SYMBOL__].global;
    messages.mergeLocaleMessage(language, (await (await fetch("/i18n")).json())[language]);
    const shown = key => {
        try {
            return messages.t(key, {}, {locale: language});
        } catch (error) {
            return String(error);
        }
    };
    return keys.map(shown);
}"""


@pytest.mark.parametrize("language", ["zh", "fr"])
def test_the_page_speaks_it(host, browser, language):
    """With the language set as the page's settings set it."""
    nodes, own = (json.loads(text_of(language, file)) for file in ("nodeDefs.json", "main.json"))
    sampler, mixer, pad = nodes["MCDMSampler"], nodes["ReliabilityMixer"], own[OURS]
    with opened(browser, host, Page, vue=True, Locale=language) as page:
        page.load(drawing("face_from_three_experts"))
        page.page.get_by_text(pad["Whose null prediction counts"], exact=True).wait_for()
        shown = page.page.evaluate(SHOWN)
        card = shown.pop("card").split("\n")
        assert shown == {
            "title": sampler["display_name"],
            "widget": sampler["inputs"]["expert_previews"]["name"],
            "input": sampler["inputs"]["mixture"]["name"],
            "output": sampler["outputs"]["1"]["name"],
            "category": own["nodeCategories"]["unite and conquer"],
        }
        assert {
            mixer["display_name"],
            mixer["inputs"]["expert_2"]["name"],
            mixer["inputs"]["reliabilities"]["name"],
            mixer["outputs"]["0"]["name"],
            pad["All equal"],
        } <= set(card)
        for each in ["en", *LANGUAGES]:
            through = {path: text for path, text in texts(each).items() if OURS not in path}
            keys = [".".join(["nodeDefs", *path] if file == "nodeDefs.json" else path) for file, *path in through]
            assert page.page.evaluate(COMPILED, [each, keys]) == list(through.values())
        assert page.complaints() == []
