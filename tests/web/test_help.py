"""What a user finds without a manual.

Help pages with pictures, words that the search finds, templates with thumbnails, the blueprint.
"""
import dataclasses
import io
import json
import re
import sys
import urllib.error
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.paths import PACK, ROOT
from unite_and_conquer.devtools.versions import SEARCH_FIELD, SEARCH_RESULT

DOCS = ROOT / "web" / "docs"
PAGES = sorted(path.stem for path in DOCS.glob("*.md"))
IMAGE = re.compile(r"!\[(.+?)\]\((\S+?)\)")
BLUEPRINT, AT_ONCE = "Unite two checkpoints", "Unite the built-in face experts"
ENLARGED = "Enlarge to 256"
OUTPUTS_OF_A_SUBGRAPH = -20         # as the id of a node
EMPTY = {"last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "version": 0.4}

ALIASES = ["blend", "combine", "merge", "mix", "combine checkpoints", "blend models"]     # of the mixer
SEARCHES = {        # what a user types, and a node that the search then lists
    "MCDM": "MCDMSampler",
    "unite": BLUEPRINT,
    "unite models": "ReliabilityMixer",
    "guider": "MCDMGuider",
    "mixer": "ReliabilityMixer",
    "reliability": "ReliabilityMixer",
    "mixture": "MixtureOptions",
    "condition expert": "ConditionExpert",
    "expert": "LoadExpert",
    "sweep": "ReliabilitySweep",
    "compare": "CompareExperts",
    "report": "MixtureReport",
    "ancestral": "MCDMAncestral",
    "corrected": "MCDMCorrected",
    "automatic": "AutomaticMasks",
    "regions": "ExpertRegions",
    "two checkpoints": BLUEPRINT,
}


# --------------------------------------------------------------------------------------------------------------- pages

@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_pictures_and_they_are_served(host, name):
    pictures = IMAGE.findall((DOCS / f"{name}.md").read_text("utf-8"))
    assert pictures and all(file.startswith(name) for _, file in pictures)
    for _, file in pictures:
        served = host.get(f"/extensions/{PACK}/docs/{file}")
        assert served == (DOCS / file).read_bytes()
        assert len(served) <= 60_000, file
        assert 500 <= Image.open(io.BytesIO(served)).width <= 900, file


@pytest.mark.parametrize("name", ["MCDMSampler", "ReliabilityMixer"])
def test_the_help_panel_shows_the_pictures(page, name):
    """By the button that a chosen node has above it."""
    page.load(prompts.drawing("face_from_three_experts"))
    page.page.evaluate("""name => {
        app.canvas.selectNode(app.graph.nodes.find(node => node.type === name));
        app.canvas.setDirty(true, true);
    }""", name)
    page.page.get_by_test_id("info-button").click()
    pictures = IMAGE.findall((DOCS / f"{name}.md").read_text("utf-8"))
    panel = page.page.locator(".node-help-content")
    shown = panel.locator("img")
    page.page.wait_for_function("""count => {
        const images = [...document.querySelectorAll(".node-help-content img")];
        return images.filter(image => image.naturalWidth > 0).length === count;
    }""", arg=len(pictures))
    assert [shown.nth(i).get_attribute("alt") for i in range(len(pictures))] == [alt for alt, _ in pictures]
    box, inside = shown.first.bounding_box(), panel.bounding_box()
    assert inside["x"] <= box["x"] and box["x"] + box["width"] <= inside["x"] + inside["width"], "it is cut off"
    panel.get_by_role("heading", name="If it goes wrong").wait_for()


# ---------------------------------------------------------------------------------------------------------- the search

def search(page):
    """The field of the dialog that a double click on the canvas opens."""
    page.load(EMPTY)
    field = page.page.locator(SEARCH_FIELD)
    for _ in range(20):                                 # a busy machine takes the two clicks for two
        page.page.mouse.dblclick(1100, 600)
        page.page.wait_for_timeout(500)
        if field.is_visible():
            return field
    pytest.fail("The search does not open.")


def found(page, wanted):
    """The line of the search that names what is wanted, once it is there."""
    line = page.page.locator(SEARCH_RESULT).filter(has_text=wanted).first
    line.wait_for()
    return line


def test_the_search_finds(page, pack_nodes):
    field = search(page)
    knows_aliases = "search_aliases" in pack_nodes["ReliabilityMixer"]
    aliases = dict.fromkeys(ALIASES, "ReliabilityMixer") if knows_aliases else {}
    for words, node in (SEARCHES | aliases).items():
        field.fill("nothing is called that")
        page.page.locator(SEARCH_RESULT).first.wait_for(state="detached")
        field.fill(words)
        found(page, pack_nodes[node]["display_name"] if node in pack_nodes else node)
    page.page.keyboard.press("Escape")


def test_hosts_that_search_for_more_than_names_get_more_words(comfy, monkeypatch):
    """Their Schema has a field for them: https://github.com/Comfy-Org/ComfyUI/pull/12010."""
    api = sys.modules["comfy_api.latest"].io
    aliases = ("search_aliases", list, dataclasses.field(default_factory=list))
    monkeypatch.setattr(api, "Schema", dataclasses.make_dataclass("Schema", [aliases], bases=(api.Schema,)))
    words = {name: node.define_schema().search_aliases for name, node in comfy.nodes.items() if name in PAGES}
    assert sorted(words) == PAGES and all(words.values())
    wanted = {"MCDMSampler": "multi-modal", "ReliabilityMixer": "combine models", "MCDMGuider": "guidance"}
    assert all(word in words[node] for node, word in wanted.items())


# ----------------------------------------------------------------------------------------------------------- templates

def test_templates_have_thumbnails(host):
    names = host.get_json("/workflow_templates")[PACK]
    assert sorted(names) == sorted(prompts.TITLES.values())
    for name in names:
        served = host.get(f"/api/workflow_templates/{PACK}/{urllib.parse.quote(name)}.jpg")
        thumbnail = Image.open(io.BytesIO(served))
        assert thumbnail.format == "JPEG" and min(thumbnail.size) >= 200, name
    with pytest.raises(urllib.error.HTTPError):
        host.get(f"/api/workflow_templates/{PACK}/no_such_template.jpg")


def test_the_template_browser_shows_them(page):
    page.load(EMPTY)
    page.page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    browser = page.page.get_by_role("dialog")
    browser.get_by_text(PACK, exact=True).click()
    for title in prompts.TITLES.values():     # a picture is fetched when its card comes into view
        card = browser.get_by_test_id(f"template-workflow-{title}")
        if not card.count():                  # more come when the end of those that are there is seen
            page.page.mouse.wheel(0, 10000)
        card.scroll_into_view_if_needed()
        card.hover()
        card.locator("img").wait_for(state="attached")      # drawn or not: see test_first_minutes
        page.page.wait_for_function("image => image.naturalWidth > 0", arg=card.locator("img").element_handle())
    browser.get_by_placeholder("Search").first.fill("start here")
    browser.get_by_test_id(f"template-workflow-{prompts.TITLES['start_here']}").wait_for()
    browser.locator("button:has(.pi-times)").first.click()
    browser.wait_for(state="detached")


# ------------------------------------------------------------------------------------------------------- the blueprint

def test_the_host_lists_the_blueprints(host):
    keys = {entry["name"]: key for key, entry in host.get_json("/global_subgraphs").items()
            if entry["info"]["node_pack"] == f"custom_nodes.{PACK}"}
    assert sorted(keys) == sorted([BLUEPRINT, AT_ONCE, ENLARGED])
    for name, key in keys.items():
        file = ROOT / "subgraphs" / f"{name}.json"
        assert host.get_json(f"/global_subgraphs/{key}")["data"] == file.read_text("ascii")


SAVED = sorted([*(ROOT / "subgraphs").glob("*.json"), *(ROOT / "example_workflows").glob("*.json")])


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_wire_is_known_at_both_ends(path):
    """Where the end within a subgraph does not name it, newer pages show no widgets on the subgraph."""
    whole = json.loads(path.read_text("utf-8"))
    within = whole.get("definitions", {}).get("subgraphs", [])
    fields = "id", "origin_id", "origin_slot", "target_id", "target_slot", "type"
    for graph in [whole, *within]:
        wires = [wire if isinstance(wire, dict) else dict(zip(fields, wire, strict=True)) for wire in graph["links"]]
        ends = {wire["id"]: (wire["target_id"], wire["target_slot"]) for wire in wires
                if wire["target_id"] != OUTPUTS_OF_A_SUBGRAPH}
        named = {
            slot["link"]: (node["id"], i) for node in graph["nodes"]
            for i, slot in enumerate(node.get("inputs", [])) if slot.get("link") is not None}
        assert named == ends
    assert whole["nodes"]


def run_blueprint(page, host, name, values):
    """Taken from the search, given a Save Image, and queued by the button: its widgets, prompt and picture."""
    search(page).fill(name)
    found(page, name).click()
    page.page.locator(SEARCH_FIELD).wait_for(state="detached")
    page.page.wait_for_function("() => app.graph.nodes.length === 1")
    widgets = page.page.evaluate("""values => {
        const [node] = app.graph.nodes, save = LiteGraph.createNode("SaveImage");
        for (const [name, value] of Object.entries(values))
            node.widgets.find(widget => widget.name === name).value = value;
        save.pos = [node.pos[0] + 500, node.pos[1]];
        app.graph.add(save);
        node.connect(0, save, 0);
        // newer pages list the strip of previews on the face, too, which holds no value
        return node.widgets.map(widget => widget.name).filter(name => !name.startsWith("expert_previews_strip"));
    }""", values)
    return widgets, page.prompt(), host.get("/view", **page.run())


def test_the_built_in_experts_run_at_once(page, host):
    """The blueprint as it comes draws what the first template draws, enlarged as there."""
    widgets, prompt, drawn = run_blueprint(page, host, AT_ONCE, {})
    assert widgets[:7] == ["hair map", "skin map", "words", *(f"weight of {what}" for what in widgets[:3]), "shares"]
    flat = prompts.prompt("start_here")
    types, flat_types = (sorted(call["class_type"] for call in graph.values()) for graph in (prompt, flat))
    assert sorted([*types, "VAELoader"]) == flat_types, "one Load VAE serves both sizes"
    wanted, = host.images(host.run(flat))
    assert np.array_equal(pixels(drawn), pixels(wanted))


def test_the_blueprint_draws_what_the_same_nodes_draw_without_it(page, host):
    """Beside it the API file of the same nodes."""
    values = {
        "prompt 1": "a cat", "prompt 2": "at night", "weight 1": 3, "weight 2": 2, "reliabilities": "1, 3",
        "width": 64, "height": 64, "seed": 5, "steps": 2,
    }
    widgets, prompt, drawn = run_blueprint(page, host, BLUEPRINT, values)
    of_each = [f"{what} {i}" for i in (1, 2) for what in ("checkpoint", "prompt", "negative prompt", "weight")]
    assert widgets == [
        *of_each, "reliabilities", "width", "height", "batch_size", "seed", "steps", "sampler_name", "scheduler"]

    flat = prompts.prompt("two_stable_diffusion_prompts")
    changes = {
        "2": {"text": "a cat"}, "6": {"text": "at night"}, "4": {"weight": 3}, "8": {"weight": 2},
        "9": {"reliabilities": "1, 3", "meaning": "reliabilities"}, "10": {"width": 64, "height": 64},
        "11": {"seed": 5, "steps": 2},
    }
    for node, inputs in changes.items():
        assert inputs.keys() <= flat[node]["inputs"].keys()
        flat[node]["inputs"] |= inputs
    types, flat_types = (sorted(call["class_type"] for call in graph.values()) for graph in (prompt, flat))
    assert types == flat_types
    wanted, = host.images(host.run(flat))
    assert np.array_equal(pixels(drawn), pixels(wanted))
