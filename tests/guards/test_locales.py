"""locales/: every text of every node and of the page in seven languages. `dev.py locales` does what a machine can."""
from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from support.told import nothing_is_left
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.sentences import said_by_nodes
from unite_and_conquer.devtools.translations import (
    FILES,
    LANGUAGES,
    LOCALES,
    OURS,
    code,
    english,
    filled,
    flat,
    lacking,
    lines_of,
    said_by_page,
    text_of,
    texts,
    written,
)

COMMAND = "run `python3 dev.py locales`, which writes it"
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


def place(language, path):
    """Where a text stands: file, line and keys."""
    file, *keys = path
    line = lines_of(text_of(language, file)).get(tuple(keys), 1)
    return f"locales/{language}/{file}:{line}: {' > '.join(keys)}"


def test_there_are_these_languages_and_files():
    assert sorted(path.name for path in LOCALES.iterdir()) == sorted(["en", *LANGUAGES])
    assert {path.name for path in LOCALES.glob("*/*")} == set(FILES)


def test_everything_in_a_node_says_something(pack_nodes):
    files = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (ROOT / "nodes").glob("*.py")}

    def file_of(node):
        return next((name for name, text in files.items() if f'node_id="{node}"' in text), "nodes/")

    nothing_is_left(
        f"{file_of(node)}: {node} has no {' > '.join(path)}: write one in its define_schema"
        for node, tree in english(pack_nodes)["nodeDefs.json"].items() for path, text in flat(tree).items() if not text)


@pytest.mark.parametrize("file", FILES)
def test_english_is_what_nodes_and_page_say(pack_nodes, file):
    wanted, here = flat(english(pack_nodes)[file]), flat(json.loads(text_of("en", file)))
    changed = [path for path in {**here, **wanted} if here.get(path) != wanted.get(path)]
    nothing_is_left(
        f"locales/en/{file}: {' > '.join(path)} should be {json.dumps(wanted.get(path), ensure_ascii=False)}, not "
        f"{json.dumps(here.get(path), ensure_ascii=False)} (null: it is not there): {COMMAND}" for path in changed)


def test_sentences_are_found():
    assert {"All equal", "Pull of {0}", "expert {0}"} <= said_by_page()
    assert "No expert arrives at the Reliability Mixer; connect a Condition Expert." in said_by_nodes()


def test_the_page_says_nothing_without_say():
    """A sentence is a text of several words that begins with a capital letter."""
    for path in sorted((ROOT / "web" / "js").rglob("*.js")):
        unsaid = re.sub(r"\bsay`[^`]*`", "", code(path))
        found = [sentence for _, sentence in re.findall(r"""(["'`])([A-Z][a-z]+ (?:(?!\1).)*)\1""", unsaid)]
        nothing_is_left(f"{path.relative_to(ROOT).as_posix()}: write say`{sentence}`, so that it is translated"
                        for sentence in found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_missing(language):
    nothing_is_left(lacking(language))


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_readable(language):
    """The same keys in the same order, in files that a translator can read and compare."""
    for file in FILES:
        text, whole = text_of(language, file), json.loads(text_of("en", file))
        if text != written(filled(whole, json.loads(text))):
            nothing_is_left([f"locales/{language}/{file}: its keys, their order or its layout are not those of "
                             f"locales/en/{file}: {COMMAND}"])


def test_what_a_language_lacks_is_told_with_its_line(monkeypatch):
    """The order of English, nothing that English lacks, and a line for each text that is left."""
    whole = {"a": {"name": "A \"word\"", "tooltip": "B"}, "c": "C"}
    new = filled(whole, {"c": "Z", "gone": "X", "a": {"tooltip": "Y"}})
    assert list(flat(new).items()) == [(("a", "name"), ""), (("a", "tooltip"), "Y"), (("c",), "Z")]
    assert lines_of(written(new)) == {("a",): 2, ("a", "name"): 3, ("a", "tooltip"): 4, ("c",): 6}
    files = {("en", "main.json"): written(whole), ("de", "main.json"): written(new)}
    monkeypatch.setattr("unite_and_conquer.devtools.translations.text_of", lambda *name: files.get(name, "{}"))
    assert lacking("de") == [r'locales/de/main.json:3: a: translate "name": "A \"word\""']


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_in_english(language):
    english_texts, here = texts("en"), {path: text for path, text in texts(language).items() if text}
    to_do = []
    for path, text in here.items():
        without_names = text.replace("Unite and Conquer", "")
        if text.lower() == english_texts[path].lower() and text.lower() not in SAME[language]:
            to_do.append(f"{place(language, path)}: translate {text!r}, or add it to SAME in "
                         "tests/guards/test_locales.py if it is the same there")
        elif words := re.findall(r"\b(the|of|is|and|for|which|as|what)\b", without_names, re.IGNORECASE):
            to_do.append(f"{place(language, path)}: has the English words {', '.join(words)}")
        elif text.lower() not in SAME[language] and not re.search(SCRIPT.get(language, "."), text):
            to_do.append(f"{place(language, path)}: {text!r} is not in the letters of this language")
        if text != text.strip() or "  " in text:
            to_do.append(f"{place(language, path)}: has a space too many")
    unused = SAME[language] - {text.lower() for path, text in here.items()
                               if text.lower() == english_texts[path].lower()}
    to_do += [f"tests/guards/test_locales.py: take {word!r} out of SAME, no text is that" for word in unused]
    nothing_is_left(to_do)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_language_is_kept(language):
    to_do = []
    for path, english_text in texts("en").items():
        if here := texts(language).get(path):
            lost = Counter(WORDS.findall(english_text)) - Counter(WORDS.findall(here))
            numbers = sorted(COUNTED.findall(english_text))
            if sorted(COUNTED.findall(here)) != numbers:
                to_do.append(f"{place(language, path)}: should have these numbers and no others: {', '.join(numbers)}")
            if lost:
                to_do.append(f"{place(language, path)}: should keep {', '.join(lost)} of the English")
    nothing_is_left(to_do)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nodes_are_called_by_their_names(language, pack_nodes):
    """Where an English text names a node of the pack, by its name or its id, a translation gives its name there."""
    names, here, to_do = json.loads(text_of(language, "nodeDefs.json")), texts(language), []
    patterns = {node: re.compile(rf"\b({node}|{info['display_name']})\b") for node, info in pack_nodes.items()}
    for path, english_text in texts("en").items():
        for node, pattern in patterns.items():
            name = names.get(node, {}).get("display_name")
            named = path[-1] != "display_name" and pattern.search(english_text)
            if named and name and here.get(path) and name not in here[path]:
                to_do.append(f"{place(language, path)}: should call {node} by its name there, {name}")
    nothing_is_left(to_do)


def test_nothing_that_the_page_reads_as_syntax():
    """vue-i18n takes {, }, @ and | for placeholders, links and plurals; sentences of web/js do not go through it."""
    nothing_is_left(
        f"{place(language, path)}: has one of {{, }}, @ and |, which the page would read as syntax"
        for language in ["en", *LANGUAGES] for path, text in texts(language).items()
        if OURS not in path and re.search(r"[{}@|]", text))
