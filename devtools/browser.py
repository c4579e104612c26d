"""ComfyUI's web page in a headless browser, driven by Playwright: for the tests of the page and for its screenshots."""
from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any, TypeVar

from . import prompts
from .host import Host
from .versions import COMPLAINTS, UNDO_STEP

WINDOW = {"width": 1600, "height": 1000}
QUIET = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
STARTED = """() => !!(window.app?.graph && window.app.extensionManager
    && window.LiteGraph?.registered_node_types?.MCDMSampler)"""
# Playwright hands over undefined as null, which is not what a file holds: so everything crosses as text.
LOAD = "text => app.loadGraphData(JSON.parse(text))"
PROMPT = "async () => JSON.stringify((await app.graphToPrompt()).output)"
TRACKER = "app.extensionManager.workflow.activeWorkflow?.changeTracker"
RESTORING = TRACKER + "._restoringState"
CAPTURE = f"""() => {{
    const tracker = {TRACKER};
    if (tracker.captureCanvasState) tracker.captureCanvasState();
    else tracker.checkState();
}}"""
# Boxes are [left, top, right, bottom], titles included; on the newer canvas those of the elements that it draws.
BOXES = """() => {
    const {canvas, ds} = app.canvas, {x, y, width, height} = canvas.getBoundingClientRect();
    const placed = (left, top, right, bottom) => [
        (left - x) / ds.scale - ds.offset[0], (top - y) / ds.scale - ds.offset[1],
        (right - x) / ds.scale - ds.offset[0], (bottom - y) / ds.scale - ds.offset[1]];
    const drawn = item => {
        const element = LiteGraph.vueNodesMode && document.querySelector(`[data-node-id="${item.id}"]`);
        const box = element && element.getBoundingClientRect();
        if (box) return placed(box.left, box.top, box.right, box.bottom);
        const [left, top, width, height] = item.boundingRect;
        return [left, top, left + width, top + height];
    };
    return {
        nodes: app.graph.nodes.map(node => [Number(node.id), node.title, drawn(node)]),
        positions: app.graph.nodes.map(node => [Number(node.id), [...node.pos]]),
        groups: app.graph.groups.map(({title, boundingRect: [left, top, width, height]}) => [
            title, [left, top, left + width, top + height]]),
        view: placed(x + 60, y + 80, x + width, y + height),           // within the page's own bars
    };
}"""
# Counts what the page changes, in window.mcdmChanges.
COUNT = """window.mcdmChanges = 0;
new MutationObserver(changes => { window.mcdmChanges += changes.length; })
    .observe(document, {subtree: true, childList: true, attributes: true, characterData: true});"""
CHANGES = "() => window.mcdmChanges"
# Milliseconds: how long nothing happens, between two looks, waited at most.
REST = 250
LOOK = 50
LONGEST = 2000
ENDED = """save => Object.keys(app.lastNodeErrors ?? {}).length || app.lastExecutionError
    || app.nodeOutputs[save]?.images"""


@contextlib.contextmanager
def launched() -> Iterator[Any]:
    """Headless Chromium, Chrome or Edge: the one that MCDM_BROWSER names."""
    from playwright.sync_api import sync_playwright
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    arguments = QUIET + (["--no-sandbox"] if is_root else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["MCDM_BROWSER"], args=arguments)
        yield browser
        browser.close()


class Page:
    """ComfyUI's page, and what it complains about. `page` is Playwright's; `vue` says which canvas it has."""
    vue = False

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.asked: set[Any] = set()        # what the host has not answered yet
        page.on("console", self._hear)
        page.on("request", self._ask)
        page.on("requestfinished", lambda request: self.asked.discard(request))
        page.on("requestfailed", lambda request: self.asked.discard(request))
        page.add_init_script(COUNT)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        page.wait_for_function(STARTED)
        self.rest()                         # until it shows the workflow that was open before
        self.at_start = list(self.errors)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location.get('url')}")

    def _ask(self, request: Any) -> None:
        if request.url.startswith(self.url):
            self.asked.add(request)

    def rest(self) -> None:
        """Waits until the page has changed nothing and asked its host for nothing for a while."""
        seen = -1
        calm = 0
        for _ in range(LONGEST // LOOK):
            self.page.wait_for_timeout(LOOK)
            before, seen = seen, self.page.evaluate(CHANGES)
            calm = 0 if self.asked or seen != before else calm + LOOK
            if calm >= REST:
                return

    def load(self, workflow: Any) -> None:
        """Opens a drawing as dragging its file into the page would, and gives the page the time to complain."""
        for button in self.page.locator(".p-dialog-close-button, .p-toast-close-button").all():
            button.click()
        self.errors.clear()
        self.page.evaluate(LOAD, json.dumps(workflow))
        self.rest()

    def complaints(self) -> list[str]:
        """Dialogs, toasts, nodes drawn in red, and errors in the console but for those of a closed network.

        And of a page that asks an older host for the list of jobs, which this has not.
        """
        red = self.page.evaluate("() => app.graph.nodes.filter(node => node.has_errors).map(node => node.type)")
        said = self.page.locator(COMPLAINTS).all_inner_texts()
        foreign = ("Failed to load resource", "Content Security Policy", "Failed to fetch jobs: 404")
        errors = []
        for error in self.errors:
            if not any(words in error for words in foreign):
                errors.append(error)
        return red + said + errors

    def capture(self) -> None:
        """Tells the page that something may have changed, as it does itself after each click and key."""
        self.page.evaluate(CAPTURE)
        self.page.wait_for_timeout(UNDO_STEP)

    def boxes(self) -> dict[str, Any]:
        """Where everything lies once it has come to rest, in the canvas's own units.

        nodes: [(id, title, box)]; positions: [(id, position)]; groups: [(title, box)]; view: the box that is seen.
        """
        seen = [self.page.evaluate(BOXES)]
        while len(seen) < 4 or any(boxes != seen[-1] for boxes in seen[-4:]):   # pictures come late, and take room
            self.page.wait_for_timeout(75)
            seen.append(self.page.evaluate(BOXES))
        return seen[-1]

    def prompt(self) -> prompts.Prompt:
        """What the run button would queue."""
        return json.loads(self.page.evaluate(PROMPT))

    def run(self) -> dict[str, str]:
        """Presses the run button and waits for the end, which must be a good one.

        Returns what was saved, of a batch the first, as /view wants it: filename, subfolder and type. Of several nodes
        that save, the first counts.
        """
        save = min((key for key, call in self.prompt().items() if call["class_type"].startswith("Save")), key=int)
        self.page.evaluate("save => { delete app.nodeOutputs[save] }", save)
        self.page.mouse.move(WINDOW["width"] / 2, WINDOW["height"] - 20)    # a tab's picture would be in the way
        self.page.get_by_test_id("queue-button").click()
        self.page.wait_for_function(ENDED, arg=save, timeout=120_000)
        refused = self.page.evaluate("() => [app.lastNodeErrors, app.lastExecutionError]")
        assert not any(refused), refused
        said = self.complaints()
        assert said == [], said
        picture, *_ = self.page.evaluate("save => app.nodeOutputs[save].images", save)
        return picture

    def drag(self, *points: Any) -> None:
        """The mouse goes from point to point of the window, its button held down."""
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=4)
        self.page.mouse.up()
        self.page.wait_for_timeout(UNDO_STEP)

    def box(self, locator: Any) -> Any:
        """Where it is once it has come to rest: x, y, width and height in pixels."""
        before, after = None, locator.bounding_box()
        while before != after:
            self.page.wait_for_timeout(100)
            before, after = after, locator.bounding_box()
        return after


AnyPage = TypeVar("AnyPage", bound=Page)


@contextlib.contextmanager
def opened(browser: Any, host: Host, kind: type[AnyPage], vue: bool | None = None,
           **settings: Any) -> Iterator[AnyPage]:
    """A window of 1600 x 1000 pixels on the page of a host.

    vue: True for the newer canvas ("Vue nodes"), False for the classic one, None for the page's own choice.
    settings: what a user sets in the page's settings dialog, without the "Comfy." before each name.
    """
    host.server.post("/history", {"clear": True})           # prompts of other tests hold NaN, which no browser reads
    # Else a first visit opens the templates, and the panel that an earlier page has opened covers the canvas.
    settings |= {"TutorialCompleted": True, "RightSidePanel.IsOpen": False}
    if vue is not None:
        settings["VueNodes.Enabled"] = vue
    for name, value in settings.items():
        host.server.post("/settings", {f"Comfy.{name}": value})
    window = browser.new_page(viewport=WINDOW)
    window.set_default_timeout(120_000)
    try:
        page = kind(window, host.url)
        page.vue = bool(vue)
        yield page
    finally:
        window.close()
        for name, value in {"VueNodes.Enabled": False, "Locale": "en"}.items():
            if name in settings:
                host.server.post("/settings", {f"Comfy.{name}": value})
