"""The English texts of locales/, from the nodes and the page, and what other languages lack: `python3 dev.py locales`.

A text that a language lacks is written into its files as "", for somebody to fill in; a text that English no longer
has goes. tests/guards/test_locales.py says what is left to do.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .inprocess import InProcess
from .options import options
from .paths import ROOT
from .sentences import said_by_nodes
from .terminal import tell

LOCALES = ROOT / "locales"
LANGUAGES = ["zh", "ja", "ko", "fr", "de", "es"]
FILES = ["main.json", "nodeDefs.json"]
OURS = "unite_and_conquer"

Tree = dict[str, Any]           # of texts, by keys


def nodes_of_the_pack(comfy: InProcess) -> Tree:
    """{id: what the host says of a node over HTTP} of the pack's nodes."""
    ours = {name: node for name, node in comfy.nodes.items() if node.__module__.startswith(f"{comfy.pack.__name__}.")}
    return {name: node.GET_NODE_INFO_V1() for name, node in ours.items()}


def english(nodes: Tree) -> dict[str, Tree]:
    """{file: its texts} of what the nodes and the page say; a text that English has already keeps its place."""
    categories = {part for info in nodes.values() for part in info["category"].split("/")}
    said = said_by_page() | said_by_nodes() | choices(nodes)
    known = json.loads(text_of("en", "main.json"))[OURS]
    named = json.loads(text_of("en", "nodeDefs.json"))
    main = {
        "nodeCategories": {category: category for category in sorted(categories)},
        OURS: {sentence: sentence for sentence in in_place(said, known)},
    }
    return {"main.json": main, "nodeDefs.json": {name: node_texts(nodes[name]) for name in in_place(nodes, named)}}


def in_place(keys: Iterable[str], known: Iterable[str]) -> list[str]:
    """Keys in the order in which they are known, the new ones after them."""
    kept = [key for key in known if key in set(keys)]
    return kept + sorted(set(keys) - set(kept))


def node_texts(info: Tree) -> Tree:
    """A node's part of nodeDefs.json, in English; outputs are keyed by their place."""
    inputs, outputs = {}, {}
    for kind, names in info["input_order"].items():
        for name in names if kind != "hidden" else ():
            inputs[name] = {"name": name, "tooltip": info["input"][kind][name][1].get("tooltip")}
    for i, (name, tooltip) in enumerate(zip(info["output_name"], info["output_tooltips"], strict=True)):
        outputs[str(i)] = {"name": name, "tooltip": tooltip}
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": inputs,
        "outputs": outputs,
    }


def said_by_page() -> set[str]:
    """The sentences of web/js, as keys: say`Pull of ${name}` is "Pull of {0}"."""
    found = []
    for path in sorted((ROOT / "web" / "js").rglob("*.js")):
        for sentence in re.findall(r"\bsay`([^`]*)`", code(path)):
            parts = re.split(r"\$\{.*?\}", sentence.replace("\\\n", ""))
            found.append(parts[0] + "".join(f"{{{i}}}{part}" for i, part in enumerate(parts[1:])))
    return set(found)


def choices(nodes: Tree) -> set[str]:
    """The words of the combos whose choices the page translates."""
    names, = re.findall(r"CHOICES = (\[.*\])", code(ROOT / "web" / "js" / "language.js"))
    optional = [info["input"].get("optional", {}) for info in nodes.values()]
    combos = [each[name] for each in optional for name in json.loads(names) if name in each]
    return {word for kind, options in combos for word in (options["options"] if kind == "COMBO" else kind)}


def code(path: Path) -> str:
    """A script without its comments."""
    return re.sub(r"/\*[\s\S]*?\*/|(?<!:)//.*", "", path.read_text("utf-8"))


def text_of(language: str, file: str) -> str:
    return (LOCALES / language / file).read_text("utf-8")


def written(tree: Tree) -> str:
    """A tree of texts as its file has it."""
    return json.dumps(tree, ensure_ascii=False, indent=2) + "\n"


def flat(tree: Tree, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """{(key, key, ...): text}"""
    found: dict[tuple[str, ...], str] = {}
    for key, value in tree.items():
        found |= flat(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return found


def filled(english_tree: Tree, tree: Tree) -> Tree:
    """The texts of a language in the order of English: "" where there is none, without those that English lacks."""
    found: Tree = {}
    for key, value in english_tree.items():
        here = tree.get(key)
        if isinstance(value, dict):
            found[key] = filled(value, here if isinstance(here, dict) else {})
        else:
            found[key] = here or ""
    return found


def texts(language: str) -> dict[tuple[str, ...], str]:
    """All of a language, {(file, key, key, ...): text}."""
    return {(file, *path): text for file in FILES for path, text in flat(json.loads(text_of(language, file))).items()}


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """{(key, key, ...): the number of its line} of a file that `written` made."""
    found: dict[tuple[str, ...], int] = {}
    path: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.match(r'( +)("(?:[^"\\]|\\.)*"): ', line):
            depth = len(match[1]) // 2
            path[depth - 1:] = [json.loads(match[2])]
            found[tuple(path)] = number
    return found


def lacking(language: str) -> list[str]:
    """What is to be translated in the files of a language: a line for each text, with its place and the English."""
    found = []
    for file in FILES:
        text = text_of(language, file)
        texts, lines = flat(json.loads(text)), lines_of(text)
        for path, sentence in flat(json.loads(text_of("en", file))).items():
            if not texts.get(path):
                place = f":{lines[path]}" if path in lines else ""
                found.append(f"locales/{language}/{file}{place}: {' > '.join(path[:-1])}: "
                             f"translate {json.dumps(path[-1])}: {json.dumps(sentence, ensure_ascii=False)}")
    return found


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    options("locales", __doc__).parse_args(arguments)
    whole = english(nodes_of_the_pack(comfy))
    for file, tree in whole.items():
        before, now = flat(json.loads(text_of("en", file))), flat(tree)
        for path in now.keys() & before.keys():
            if now[path] != before[path]:
                tell(f"{file}: {' > '.join(path)} reads {now[path]!r} now; look at its translations")
        for language in ("en", *LANGUAGES):
            texts = tree if language == "en" else filled(tree, json.loads(text_of(language, file)))
            (LOCALES / language / file).write_text(written(texts), "utf-8")
    left = [line for language in LANGUAGES for line in lacking(language)]
    tell("\n".join(left) or "No language lacks anything.")
