"""A stranger's path with nothing but a mouse: from the opened page to a picture, and to another by the pad."""
from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import TimeoutError, expect

from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.paths import PACK

SAVED = """before => {
    const save = app.graph.nodes.find(node => node.type === "SaveImage");
    const name = app.nodeOutputs[save.id]?.images?.[0].filename;
    return name !== before && name;
}"""

REGIONS = "() => app.graph.nodes.find(node => node.type === 'ExpertRegions').widgets[0].value"


class Stranger:
    """Counts what somebody does."""

    def __init__(self, page: Page) -> None:
        self.window, self.page, self.actions = page, page.page, 0

    def click(self, what: Any) -> None:
        self.actions += 1
        what.click()

    def choose(self, card: Any) -> None:
        """Clicks a template until it opens: a list that is drawn anew misses a click.

        Its picture may stay away: the page hides one that leaves the view and is back before it is drawn again.
        """
        card.wait_for()
        self.window.box(card)
        while card.is_visible():
            self.click(card)
            with suppress(TimeoutError):
                card.wait_for(state="detached", timeout=10_000)

    def open(self, name: str) -> None:
        """A workflow of the pack, by the search in the page's own list of templates."""
        self.click(self.page.get_by_role("button", name=re.compile("^Templates")).first)
        dialog = self.page.get_by_role("dialog")
        self.click(dialog.get_by_text(PACK, exact=True))
        self.actions += 1
        dialog.get_by_placeholder(re.compile("^Search")).first.fill(prompts.TITLES[name].partition(" ")[2])
        self.choose(dialog.get_by_test_id(f"template-workflow-{prompts.TITLES[name]}"))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.actions += 1
        self.window.drag(start, end)

    def run(self, before: str = "") -> str:
        """Presses the run button. Returns the name of the new picture."""
        self.click(self.page.get_by_test_id("queue-button"))
        return self.page.wait_for_function(SAVED, arg=before).json_value()


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
def test_a_picture_and_another_in_under_a_dozen_actions(host, browser, vue):
    with opened(browser, host, Page, vue=vue) as page:
        stranger = Stranger(page)
        stranger.click(page.page.get_by_role("button", name=re.compile("^Templates")).first)
        dialog = page.page.get_by_role("dialog")
        stranger.click(dialog.get_by_text(PACK, exact=True))
        card = dialog.locator("[data-testid^=template-workflow-]").first
        expect(card).to_have_attribute("data-testid", f"template-workflow-{prompts.TITLES['start_here']}")
        stranger.choose(card)
        triangle = page.page.locator(".mcdm-pad").get_by_role("slider").first
        triangle.wait_for()
        first = stranger.run()
        dot = page.box(triangle)
        x, y = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
        stranger.drag((x, y), (x - 60, y - 30))
        second = stranger.run(first)
        a, b = (pixels(host.get("/view", filename=name, subfolder="mcdm", type="output")).astype(float)
                for name in (first, second))
        assert np.abs(a - b).mean() > 2, "the pad changes the picture"
        assert [said for said in page.complaints() if said not in page.errors] == []
        assert [error for error in page.errors if PACK in error] == []          # the page itself may have some
        assert stranger.actions < 12


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
def test_left_this_right_that_in_under_a_dozen_actions(host, browser, vue):
    with opened(browser, host, Page, vue=vue) as page:
        stranger = Stranger(page)
        stranger.open("two_experts_by_regions")
        canvas = page.page.locator(".mcdm-regions")
        canvas.wait_for()                   # the list of templates is gone before the workflow is there
        first = stranger.run()
        canvas.get_by_label("Start with").select_option(label="Left and right")
        stranger.actions += 2
        assert page.page.evaluate(REGIONS) == "object: box 0 0 0.5 1 centred\nscene: box 0.5 0 1 1"
        second = stranger.run(first)
        a, b = (pixels(host.get("/view", filename=name, subfolder="mcdm", type="output")).astype(float)
                for name in (first, second))
        assert np.abs(a - b).mean() > 2, "the regions change the picture"
        assert [said for said in page.complaints() if said not in page.errors] == []
        assert stranger.actions < 12
