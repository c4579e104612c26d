"""The pack in the real web page: headless Chromium with the frontend that the host serves."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.stand_ins import SIDES
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.paths import PACK, WORKFLOWS
from unite_and_conquer.devtools.versions import APP_MODE, COMPLAINTS, LIBRARY, LIBRARY_LEAF


def test_the_page_starts_without_an_error_of_the_pack(page):
    assert [e for e in page.at_start if PACK in e] == []


def test_every_workflow_has_both_formats_and_is_a_template(host):
    assert sorted(host.get_json("/workflow_templates")[PACK]) == sorted(prompts.TITLES.values())
    assert {path.stem for path in (WORKFLOWS / "api").glob("*.json")} == set(prompts.names())
    assert {
        "face_from_three_experts", "face_mask_and_window", "one_expert_stock_ksampler", "two_stable_diffusion_prompts",
        "imagenet_class_and_prompt", "class_with_unconditional_null", "class_and_text_64_to_256",
    } <= set(prompts.names())


def test_complaints_are_seen(page):
    drawing = prompts.drawing("face_from_three_experts")
    drawing["nodes"][0]["type"] = "NoSuchExpert"
    page.load(drawing)
    page.page.locator(COMPLAINTS).get_by_text("NoSuchExpert").first.wait_for()
    red, *said = page.complaints()
    assert red == "NoSuchExpert" and any("NoSuchExpert" in words for words in said)


def test_the_first_template_is_small_and_in_view(page):
    """As it opens in a window of 1600 x 1000: a dozen nodes, large enough to read, the result among them."""
    page.load(prompts.drawing(prompts.names()[0]))
    scale, boxes = page.page.evaluate("""() => {
        const {scale, offset: [left, top]} = app.canvas.ds, at = app.canvas.canvas.getBoundingClientRect();
        return [scale, app.graph.nodes.map(({title, boundingRect: [x, y, width, height]}) => [title,
            at.x + (x + left) * scale, at.y + (y + top) * scale, width * scale, height * scale])];
    }""")
    assert len(boxes) <= 12 and "Save Image" in [title for title, *_ in boxes] and scale >= 0.75
    for title, x, y, width, height in boxes:
        assert x >= 60 and x + width <= 1600 and y >= 80 and y + height <= 1000, title


@pytest.mark.parametrize("name", prompts.names())
def test_the_run_button_makes_a_picture(page, host, name):
    """As a user does, but for the number of steps and of trials, and the size of the picture.

    Tiny checkpoints stand in for the released ones.
    """
    page.load(prompts.drawing(name))
    page.page.evaluate("""side => {
        const small = ["EmptyExpertLatent", "EmptyHunyuanLatentVideo"];
        for (const node of app.graph.nodes)
            for (const widget of node.widgets ?? []) {
                if (widget.name === "steps") widget.value = 2;
                if (small.includes(node.type) && ["width", "height"].includes(widget.name)) widget.value = side;
                if (widget.name === "length") widget.value = 5;
                if (widget.name === "trials") widget.value = 8;
            }
    }""", SIDES.get(name, 64))
    picture = page.run()
    assert (picture["type"], picture["subfolder"]) == ("output", "mcdm")
    assert picture["filename"].startswith(name)
    kind = {".png": b"\x89PNG", ".webp": b"WEBP"}[Path(picture["filename"]).suffix]
    assert kind in host.get("/view", **picture)[:12]


def test_the_packs_wires_have_colours_of_their_own(page):
    """In another palette as well, and as the newer canvas draws slots."""
    colours = """async () => {
        const seen = [];
        for (const palette of ["light", "dark"]) {
            await app.extensionManager.setting.set("Comfy.ColorPalette", palette);
            await new Promise(done => setTimeout(done, 300));
            const root = getComputedStyle(document.body);
            for (const type of ["MCDM_EXPERT", "MCDM_MIXTURE"])
                seen.push([app.canvas.default_connection_color_byType[type], LGraphCanvas.link_type_colors[type],
                    root.getPropertyValue(`--color-datatype-${type}`).trim()]);
        }
        return seen;
    }"""
    expert, mixture = ["#2ec4b6"] * 3, ["#e8518f"] * 3
    assert page.page.evaluate(colours) == [expert, mixture] * 2


def test_text_condition_says_what_it_understood(page):
    """Under the text, on the node itself."""
    page.load(prompts.drawing("face_from_three_experts"))
    words, = (node for node, call in page.prompt().items() if call["class_type"] == "TextCondition")
    page.page.evaluate("""words => {
        app.graph.getNodeById(words).widgets[0].value = "red hair and a purple elephant";
    }""", words)
    page.page.get_by_test_id("queue-button").click()
    page.page.wait_for_function("""words => app.graph.getNodeById(words).widgets.some(
        widget => String(widget.value).includes("not known: purple elephant"))""", arg=words)


@pytest.mark.parametrize("name, fields", [
    ("start_here", {"text", "image"}), ("sdxl_photo_and_anime_by_region", {"text", "regions"}),
    ("two_experts_by_regions", {"label", "text", "regions"}), ("as saved by older releases", {"text", "image"}),
])
def test_app_mode_opens_with_words_pictures_and_pad(page, name, fields):
    """Whatever the file names is there; where the page has an app mode, it shows that, and the pad within.

    In files of older releases the pad is a widget of its own, `reliability_pad`.
    """
    older = name not in prompts.names()
    drawing = prompts.drawing("start_here" if older else name)
    chosen = drawing["extra"]["linearData"]
    assert fields | {"reliabilities"} <= {widget for _, widget in chosen["inputs"]}
    former = [[node, widget.replace("reliabilities", "reliability_pad")] for node, widget in chosen["inputs"]]
    page.load(drawing | {"extra": drawing["extra"] | {"linearData": chosen | {"inputs": former}}} if older else drawing)
    kept = page.page.evaluate("() => app.graph.extra.linearData.inputs.map(([, name]) => name)")
    assert [name.rpartition(": ")[2] for name in kept] == [name for _, name in chosen["inputs"]]
    names = page.page.evaluate("""({inputs}) => inputs.map(([id]) =>
        app.graph.getNodeById(id).widgets.map(widget => widget.name))""", chosen)
    for (_, name), own in zip(chosen["inputs"], names, strict=True):        # older pages have "10: text" for a subgraph
        assert name in [each.rpartition(": ")[2] for each in own]
    toggle, version = "Comfy.ToggleLinear", page.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '1.32'")
    if tuple(map(int, version.split(".")[:2])) < APP_MODE:
        return
    panel = page.page.locator("[data-testid=linear-widgets], [data-testid=linear-run-button]").first
    if not panel.is_visible():
        page.page.evaluate("name => app.extensionManager.command.execute(name)", toggle)
    panel.wait_for()
    expect(page.page.locator(".mcdm-pad").filter(visible=True)).to_have_count(1)
    page.page.keyboard.press("Escape")                                      # of a welcome that is shown once
    page.page.wait_for_timeout(300)
    if panel.is_visible():
        page.page.evaluate("name => app.extensionManager.command.execute(name)", toggle)
    panel.wait_for(state="hidden")


def test_the_pad_knows_automatic_masks(page):
    """With them no share burns: nothing is hatched or red, until they are bypassed."""
    page.load(prompts.drawing("face_automatic_masks"))
    foot = page.page.locator(".mcdm-pad-foot > span")
    expect(foot).to_have_text("Differs from place to place")
    expect(foot).to_have_attribute("title", re.compile("^Regions or automatic masks: what counts differs"))
    outside, red = page.page.locator(".mcdm-pad-outside"), re.compile("mcdm-pad-beyond")
    expect(foot).not_to_have_class(red)
    expect(outside).to_have_attribute("d", "")
    page.page.evaluate("""() => {
        app.graph.nodes.find(node => node.type === "AutomaticMasks").mode = 4;
        app.canvas.setDirty(true, true);
    }""")
    expect(foot).to_have_class(red)
    expect(outside).not_to_have_attribute("d", "")


def test_the_node_library_shows_every_node(page, pack_nodes):
    category, = {info["category"] for info in pack_nodes.values()}
    page.load(prompts.drawing("one_expert_stock_ksampler"))
    page.page.locator(LIBRARY).click()
    page.page.get_by_text(category, exact=True).click()
    leaves = page.page.locator(LIBRARY_LEAF)
    leaves.first.wait_for()
    assert sorted(leaves.all_inner_texts()) == sorted(info["display_name"] for info in pack_nodes.values())
    page.page.locator(LIBRARY).click()


def test_every_node_has_a_help_page(host, pack_nodes):
    assert {
        "LoadExpert", "ClassCondition", "MapCondition", "TextCondition", "ConditionExpert", "ReliabilityMixer",
        "EmptyExpertLatent", "MCDMGuider", "MCDMSampler",
    } <= set(pack_nodes)
    for name, info in pack_nodes.items():
        text = host.get(f"/extensions/{PACK}/docs/{name}.md").decode()
        inputs = [i for kind in ("required", "optional") for i in info["input"].get(kind, {})]
        assert [i for i in [*inputs, *info["output_name"]] if f"| {i}" not in text and "expert_" not in i] == [], name
