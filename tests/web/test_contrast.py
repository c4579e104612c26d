"""Texts of the pack in the page can be read in every palette of the host, WCAG AA: its notes, and the pad."""
from __future__ import annotations

import pytest

from support.contrast import CARDS, CONTRASTS, READABLE
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.pad_page import TEXT
from unite_and_conquer.devtools.prompts import drawing

PALETTES = ["dark", "light", "solarized", "arc", "nord", "github"]
NOTES = f"{CARDS}, .mcdm-floating"
# Every kind of note beside a node of its own.
TELL = """async () => {
    const {api} = await import("/scripts/api.js");
    const of = type => String(app.graph.nodes.find(node => node.type === type).id);
    const error = {node_id: of("MCDMSampler"), exception_message: "Expert 'hair' works only at 64 x 64 ...",
        node_type: "MCDMSampler", executed: [], traceback: [], exception_type: "ValueError", current_inputs: {}};
    api.dispatchEvent(new CustomEvent("execution_error", {detail: error}));
    const output = {warning: ["All weights are 0 ..."]};
    api.dispatchEvent(new CustomEvent("executed", {detail: {node: of("TextCondition"), output}}));
}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page
        host.server.post("/settings", {"Comfy.ColorPalette": "dark"})


@pytest.mark.parametrize("palette", PALETTES)
def test_every_text_can_be_read(page, palette):
    page.page.evaluate("name => app.extensionManager.setting.set('Comfy.ColorPalette', name)", palette)
    page.load(drawing("two_stable_diffusion_prompts"))          # its note has links
    texts = page.page.evaluate(CONTRASTS, CARDS)
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(TELL)
    page.page.locator(".mcdm-warning").wait_for()
    texts += page.page.evaluate(CONTRASTS, NOTES)
    for numbers in ("1, 1, 1", "1, 0, 0", "1, x, 1"):
        page.page.evaluate(f"numbers => {{ {TEXT}.value = numbers; }}", numbers)
        page.page.wait_for_timeout(300)
        texts += page.page.evaluate(CONTRASTS, ".mcdm-pad")
    assert {"Expert 'hair' works only at 64 x 64 ...", "All weights are 0 ..."} <= {text for text, _ in texts}
    assert {(text, round(contrast, 2)) for text, contrast in texts if contrast < READABLE} == set()
