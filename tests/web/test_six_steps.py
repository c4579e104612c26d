"""README's six steps by mouse and keyboard alone, from an empty canvas to a picture.

The page is only asked where things are and what they hold, as eyes see them.
"""
from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import TimeoutError, expect

from support.strips import PERCENTS
from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.paths import PACK, ROOT
from unite_and_conquer.devtools.versions import SEARCH_FIELD, SEARCH_RESULT

README = (ROOT / "README.md").read_text("utf-8").partition("## The first workflow")[2].partition("\nNext:")[0]
WORDS = "red hair, glasses, smiling, blue background"
ZOOM = 0.65                     # at which all nodes find room and can still be read
CHOICE = ".litemenu-entry, [role=option], [class~='group/item']"
LAST = "() => { const node = app.graph.nodes.at(-1); return node && [node.id, node.title, !!node.flags.ghost]; }"
# The middle of a slot (side "in" or "out") or of a field of a node, in pixels of the window; null until it is there.
SPOT = """([id, side, name]) => {
    const node = app.graph.getNodeById(id), {ds, canvas} = app.canvas, at = canvas.getBoundingClientRect();
    const slot = side === "field" ? 0 : node[`${side}puts`].findIndex(({name: called}) => called === name);
    const card = LiteGraph.vueNodesMode && document.querySelector(`[data-node-id="${id}"]`);
    if (card) {
        const label = [...card.querySelectorAll("p, [data-testid=widget-layout-field-label]")]
            .find(({textContent}) => textContent.trim() === name);
        const drawn = side !== "field" ? card.querySelector(`[data-slot-key="${id}-${side}-${slot}"]`)
            : card.querySelector(`[aria-label="${name}"], textarea`)
                ?? label?.parentElement.parentElement.querySelector("button");
        const box = drawn?.getBoundingClientRect();
        return box ? [box.left + box.width / 2, box.top + box.height / 2] : null;
    }
    const field = node.widgets?.find(widget => widget.name === name);
    if (side === "field" ? !field : slot < 0) return null;
    const [x, y] = side === "in" ? node.getInputPos(slot) : side === "out" ? node.getOutputPos(slot)
        : [node.pos[0] + node.size[0] / 2, node.pos[1] + field.y + (field.computedHeight ?? 20) / 2];
    return [(x + ds.offset[0]) * ds.scale + at.left, (y + ds.offset[1]) * ds.scale + at.top];
}"""
HOLDS = """([id, name, value]) =>
    app.graph.getNodeById(id).widgets.find(widget => widget.name === name).value === value"""
LINKED = "([id, name]) => app.graph.getNodeById(id).inputs.find(input => input.name === name)?.link != null"
SHOWN = """id => {
    const image = app.nodeOutputs[id]?.images?.[0], drawn = document.querySelector(`[data-node-id="${id}"] img`);
    return (LiteGraph.vueNodesMode ? drawn?.naturalWidth : app.graph.getNodeById(id).imgs?.length) ? image : null;
}"""


class Stranger(Page):
    """Somebody who follows the README, and types nothing that it does not say."""

    def start(self) -> None:
        """An empty canvas, zoomed out by the wheel."""
        self.page.get_by_label("Create a new blank workflow").first.click()
        self.page.wait_for_function("() => app.graph.nodes.length === 0")
        self.page.mouse.move(900, 500)
        while self.page.evaluate("() => app.canvas.ds.scale") > ZOOM:
            self.page.mouse.wheel(0, 100)
            self.page.wait_for_timeout(200)

    def add(self, name: str, x: float, y: float) -> int:
        """Double click, name, Enter: the search puts it first. On newer pages it hangs at the pointer until a click."""
        assert f"**{name}**" in README
        field = self.page.locator(SEARCH_FIELD)
        for _ in range(20):                                 # a busy machine takes the two clicks for two
            self.page.mouse.dblclick(x, y)
            with suppress(TimeoutError):
                field.wait_for(timeout=1000)
                break
        self.page.keyboard.type(name)
        first = self.page.locator(SEARCH_RESULT).first
        expect(first).to_contain_text(name)
        self.page.wait_for_timeout(300)                     # until the list is that of the whole name
        title = first.inner_text().splitlines()[0].strip()
        assert title.startswith(name)
        self.page.keyboard.press("Enter")
        field.wait_for(state="detached")
        self.page.wait_for_function(f"title => ({LAST})()?.[1] === title", arg=title)
        _, _, hangs = self.page.evaluate(LAST)
        if hangs:
            self.page.mouse.move(x + 84, y, steps=3)        # by the middle of its title
            self.page.mouse.click(x + 84, y)
        self.page.wait_for_function(f"() => !({LAST})()[2]")
        self.page.wait_for_timeout(300)
        return self.page.evaluate(LAST)[0]

    def spot(self, *what: Any) -> list[float]:
        """Where it is once it has come to rest."""
        before, after = None, self.page.wait_for_function(SPOT, arg=what).json_value()
        while before != after:
            self.page.wait_for_timeout(100)
            before, after = after, self.page.evaluate(SPOT, what)
        return after

    def wire(self, source: int, output: str, target: int, name: str) -> None:
        self.page.mouse.move(*self.spot(source, "out", output))
        self.page.mouse.down()
        self.page.mouse.move(*self.spot(target, "in", name), steps=8)
        self.page.wait_for_timeout(100)
        self.page.mouse.up()
        self.page.wait_for_function(LINKED, arg=[target, name])

    def choose(self, node: int, name: str, value: str) -> None:
        """In a list that opens by a click."""
        assert f"`{value}`" in README
        self.page.mouse.click(*self.spot(node, "field", name))
        choice = self.page.locator(CHOICE).filter(has_text=value, visible=True)
        choice.click()
        choice.wait_for(state="hidden")
        self.page.wait_for_function(HOLDS, arg=[node, name, value])

    def weigh(self, node: int, weight: float) -> None:
        assert f"{weight:g}" in README
        self.page.mouse.click(*self.spot(node, "field", "weight"))
        field = self.page.locator("input:focus")
        if field.get_attribute("inputmode") == "numeric":   # 1.32's newer canvas takes no point in a number
            while not self.page.evaluate(HOLDS, [node, "weight", weight]):
                field.press("ArrowUp")
        else:
            field.press("Control+a")
            self.page.keyboard.type(f"{weight:g}")
        self.page.keyboard.press("Enter")
        self.page.wait_for_function(HOLDS, arg=[node, "weight", weight])

    def write(self, node: int, text: str) -> None:
        assert f"`{text}`" in README
        self.page.mouse.click(*self.spot(node, "field", "text"))
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)
        self.page.wait_for_function(HOLDS, arg=[node, "text", text])

    def expert(self, y: float, file: str, weight: float, picture: str = "") -> int:
        """Steps 1 to 4 for one expert, in a row at that height."""
        load = self.add("Load Expert", 265, y)
        self.choose(load, "expert", f"builtin/{file}.safetensors")
        condition = self.add("Map Condition", 455, y) if picture else self.add("Text Condition", 500, y)
        self.wire(load, "model", condition, "model")
        if picture:
            image = self.add("Load Image", 70, y)
            self.choose(image, "image", picture)
            self.wire(image, "IMAGE", condition, "image")
        else:
            self.write(condition, WORDS)
        expert = self.add("Condition Expert", 765, y)
        self.wire(load, "model", expert, "model")
        self.wire(condition, "condition", expert, "condition")
        self.weigh(expert, weight)
        return expert

    def picture(self, mixer: int) -> int:
        """Step 6. Returns the node that saves."""
        latent = self.add("Empty Expert Latent", 965, 560)
        sampler = self.add("MCDM Sampler", 1170, 130)
        self.wire(mixer, "mixture", latent, "mixture")
        self.wire(mixer, "mixture", sampler, "mixture")
        self.wire(latent, "latent", sampler, "latent_image")
        decode = self.add("VAE Decode", 1370, 130)
        self.wire(sampler, "latent", decode, "samples")
        vae = self.add("Load VAE", 1170, 640)
        self.choose(vae, "vae_name", "pixel_space")
        self.wire(vae, "VAE", decode, "vae")
        save = self.add("Save Image", 1370, 330)
        self.wire(decode, "IMAGE", save, "images")
        return save


def tree(graph: prompts.Prompt, key: str) -> tuple[str, dict[str, Any]]:
    """A node with all that is behind it, whatever the numbers of the nodes."""
    inputs = {}
    for name, value in graph[key]["inputs"].items():
        inputs[name] = (tree(graph, str(value[0])), value[1]) if isinstance(value, list) else value
    return graph[key]["class_type"], inputs


@pytest.fixture(scope="module")
def described():
    """What README describes: the second template with other words, without names, at its own size."""
    return prompts.edited(prompts.prompt("face_from_three_experts"), {
        "4": {"name": ""}, "8": {"name": ""}, "11": {"name": ""}, "10": {"text": WORDS}, "12": {"meaning": "shares"},
        "14": {"seed": 0}, "18": {"images": ["16", 0], "filename_prefix": "ComfyUI"},
    })


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
def test_six_steps_from_an_empty_canvas_to_a_picture(host, browser, described, vue):
    with opened(browser, host, Stranger, vue=vue) as stranger:
        stranger.page.set_default_timeout(30_000)
        stranger.start()
        hair = stranger.expert(130, "faces_hair", 1.5, "mcdm_face_hair.png")
        skin = stranger.expert(420, "faces_skin", 1.5, "mcdm_face_skin.png")
        text = stranger.expert(710, "faces_text", 2.5)
        mixer = stranger.add("Reliability Mixer", 955, 130)
        for i, expert in enumerate([hair, skin, text], 1):
            stranger.wire(expert, "expert", mixer, f"expert_{i}")
        stranger.choose(mixer, "meaning", "shares")
        save = stranger.picture(mixer)
        prompt = stranger.prompt()
        assert tree(prompt, str(save)) == tree(described, "18")
        assert len(prompt) == len([key for key in described if ":" not in key]), "all but the enlargement"
        host.server.post("/free", {"unload_models": True, "free_memory": True})     # what another page has left
        stranger.page.get_by_test_id("queue-button").click()
        saved = stranger.page.wait_for_function(SHOWN, arg=save, timeout=120_000).json_value()
        drawn = pixels(host.get("/view", **saved))
        stranger.page.wait_for_function(f"() => ({PERCENTS})().length === 3")
        assert drawn.shape == (64, 64, 3)
        assert [said for said in stranger.complaints() if said not in stranger.errors] == []
        assert [error for error in stranger.errors if PACK in error] == []
    assert np.array_equal(drawn, pixels(host.images(host.run(prompt))[0]))
