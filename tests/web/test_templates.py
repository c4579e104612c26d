"""The example workflows as a page draws them: nothing on anything else, notes that can be read, downloads that fit."""
from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.contrast import CARDS, CONTRASTS, READABLE
from support.cut_texts import CUT
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.paths import WORKFLOWS
from unite_and_conquer.devtools.prompts import TITLES, drawing, names

SLACK = 4                               # of overlaps, in the canvas's units
LONGEST = 36                            # characters of a title that the gallery shows whole
NOTES = "MarkdownNote"
TITLE = 30                              # height of a node's title, which lies above its place
NARROW = "[data-node-id] * { max-width: 150px !important; }"         # newer pages widen a node for its title
# Titles of the nodes whose picture would lie under the page's map.
COVERED = """() => app.graph.nodes.filter(node => {
    const [x, y, width, height] = node.boundingRect, {canvas, ds} = app.canvas, origin = canvas.getBoundingClientRect();
    const left = origin.left + (x + width / 2 + ds.offset[0]) * ds.scale;
    const top = origin.top + (y + height / 2 + ds.offset[1]) * ds.scale;
    const seen = /^(Save|Preview)/.test(node.type) && document.elementFromPoint(left, top);
    return seen && seen.closest(".minimap-main-container");
}).map(node => node.title)"""
WORDY = "A title that is far longer than the node has room for, whichever canvas draws it"


def graphs(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A workflow and its subgraphs."""
    yield workflow
    yield from workflow.get("definitions", {}).get("subgraphs", [])


def notes(name: str) -> list[str]:
    """The notes of an example workflow."""
    return [card["widgets_values"][0] for card in drawing(name)["nodes"] if card["type"] == NOTES]


def frames(group: list[float], card: dict[str, Any]) -> bool:
    """Whether a group [x, y, width, height] holds a node with its title."""
    (x, y, width, height), (left, top), (wide, high) = group, card["pos"], card["size"]
    return x <= left and left + wide <= x + width and y <= top - TITLE and top + high <= y + height


# ------------------------------------------------------------------------------------------------ as the files have it

def test_titles_are_seen_whole():
    assert [title for title in TITLES.values() if len(title) > LONGEST] == []


@pytest.mark.parametrize("name", names())
def test_downloads_are_what_the_widget_asks_for(name):
    for graph in graphs(drawing(name)):
        for card in graph["nodes"]:
            files = card.get("properties", {}).get("models", [])
            assert [file["name"] for file in files if file["name"] not in card["widgets_values"]] == []
            assert [file for file in files if not file["url"].endswith("/" + file["name"])] == []


@pytest.mark.parametrize("name", names())
def test_notes_have_no_code_and_name_where_files_belong(name):
    text = "\n".join(notes(name))
    assert "`" not in text
    files = {file["name"]: file["directory"] for graph in graphs(drawing(name)) for card in graph["nodes"]
             for file in card.get("properties", {}).get("models", [])}
    assert [name for name, folder in files.items() if name not in text or f"models/{folder}" not in text] == []
    assert [word for word in re.findall(r"\S+\.safetensors\S*", text) if not word.startswith("[")] == []


@pytest.mark.parametrize("name", names())
def test_a_mask_that_the_note_has_painted_is_wired(name):
    if "Open in MaskEditor*. " in "\n".join(notes(name)):
        outputs = [slot for card in drawing(name)["nodes"] if card["type"] == "LoadImage" for slot in card["outputs"]]
        assert any(slot["type"] == "MASK" and slot["links"] for slot in outputs)


@pytest.mark.parametrize("name", names())
def test_a_node_lies_in_a_group_where_there_are_groups(name):
    for graph in graphs(drawing(name)):
        groups = [group["bounding"] for group in graph.get("groups", [])]
        cards = [card for card in graph["nodes"] if groups and card["type"] != NOTES]
        assert [card["type"] for card in cards if not any(frames(group, card) for group in groups)] == []


# ------------------------------------------------------------------------------------------------- as a page draws it

@pytest.fixture(scope="module", params=["classic", "vue"])
def seen(stand_ins: None, host: Any, browser: Any, request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """{workflow: what Page.boxes tells, contrasts, texts that are cut, complaints, and the prompt}."""
    found = {}
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        for name in names():
            page.load(drawing(name))
            found[name] = page.boxes() | {
                "contrasts": page.page.evaluate(CONTRASTS, CARDS), "cut": page.page.evaluate(CUT),
                "covered": page.page.evaluate(COVERED),
                "complaints": page.complaints(), "prompt": page.prompt()}
        page.page.add_style_tag(content=NARROW)
        wordy = drawing("start_here")
        wordy["nodes"][0]["title"] = WORDY
        page.load(wordy)
        assert WORDY in [text for _, text in page.page.evaluate(CUT)], "what is cut is seen"
    return found


def meet(a: list[float], b: list[float], slack: float = SLACK) -> bool:
    return all(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) > slack for i in (0, 1))


def holds(a: list[float], b: list[float]) -> bool:
    return a[0] <= b[0] + SLACK and a[1] <= b[1] + SLACK and b[2] <= a[2] + SLACK and b[3] <= a[3] + SLACK


def test_nothing_is_drawn_on_another_or_across_a_frame(seen):
    wrong = []
    for name, page in seen.items():
        nodes = [(title, box) for _, title, box in page["nodes"]]
        for things in (nodes, page["groups"]):
            wrong += [(name, a, b) for (a, one), (b, other) in itertools.combinations(things, 2) if meet(one, other)]
        for (group, frame), (node, box) in itertools.product(page["groups"], nodes):
            if meet(frame, box) and not holds(frame, box):
                wrong.append((name, group, node))
    assert wrong == []


def enlarged(name: str, page: dict[str, Any]) -> float:
    """By how much the page draws larger than the file says: the newer canvas of older pages does, in the same view."""
    saved = {card["id"]: card["pos"][0] for card in drawing(name)["nodes"]}
    drawn = {number: x for number, (x, _) in page["positions"]}
    first, last = min(saved, key=lambda i: saved[i]), max(saved, key=lambda i: saved[i])
    return (drawn[last] - drawn[first]) / (saved[last] - saved[first])


def test_the_first_view_shows_what_the_notes_speak_of(seen):
    """The notes, and one at least of the nodes that they call by their title or their kind."""
    missing = []
    for name, page in seen.items():
        cards = {card["id"]: card for card in drawing(name)["nodes"]}
        left, top, right, bottom = page["view"]
        larger = enlarged(name, page)
        view = [left, top, left + larger * (right - left), top + larger * (bottom - top)]
        shown = [i for i, _, box in page["nodes"] if holds(view, box)]
        missing += [(name, card["title"]) for i, card in cards.items() if card["type"] == NOTES and i not in shown]
        called = {i: {title.split(":")[0]} for i, title, _ in page["nodes"]}
        for word in {word for note in notes(name) for word in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", note)}:
            meant = [i for i, titles in called.items() if word in titles]
            if meant and not set(meant) & set(shown):
                missing.append((name, word))
    assert missing == []


def test_the_map_lies_on_no_picture(seen):
    """In the first view as the file has it."""
    as_saved = {name: page for name, page in seen.items() if enlarged(name, page) < 1.01}
    assert {name: page["covered"] for name, page in as_saved.items() if page["covered"]} == {}


def test_notes_can_be_read(seen):
    poor = {(name, text, round(contrast, 2)) for name, page in seen.items() for text, contrast in page["contrasts"]
            if contrast < READABLE}
    assert poor == set() and all(page["contrasts"] for name, page in seen.items() if notes(name))


def test_no_text_is_cut(seen):
    """Titles, names of slots, and what the pack draws itself; what somebody has chosen or typed may be."""
    assert {name: page["cut"] for name, page in seen.items() if page["cut"]} == {}


def test_no_page_complains(seen):
    assert {name: page["complaints"] for name, page in seen.items() if page["complaints"]} == {}


@pytest.mark.parametrize("name", names())
def test_every_canvas_queues_what_the_api_file_says(seen, name):
    """The prompt of the newer canvas, too."""
    remedy = "a node has changed: load the drawing, save it anew, and export it as example_workflows/api/..."
    assert prompts.bare(seen[name]["prompt"]) == prompts.bare(prompts.prompt(name)), remedy


def test_every_node_is_in_a_workflow(pack_nodes):
    used = {card["type"] for name in names() for graph in graphs(drawing(name)) for card in graph["nodes"]}
    assert sorted(set(pack_nodes) - used) == []


def test_a_sampler_is_no_larger_than_what_it_shows():
    tall = 250                          # pixels: all its fields, and no room for previews that are not there yet
    cards = [card for name in names() for card in drawing(name)["nodes"] if card["type"] == "MCDMSampler"]
    assert [card["size"] for card in cards if card["size"][1] > tall] == []


def test_the_repository_keeps_out_what_its_script_writes():
    ignored = set((WORKFLOWS.parent / ".gitignore").read_text("utf-8").split())
    written = {f"{place}{folder}/" for place in ("/", "/example_workflows/api/") for folder in ("pictures", "sweep")}
    assert written <= ignored
