"""Nodes that the host copies while a prompt runs, as loops do: what they tell goes to the node that is shown."""
from __future__ import annotations

from types import SimpleNamespace

import pytest

from support.mixtures import expert, mix
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

COPY, SHOWN = "9.0.0.5", "5"


@pytest.fixture
def told(comfy, monkeypatch):
    """What a page is told while a copy of node 5 runs, which node 9 has made: [(event, data), ...]."""
    from comfy_execution.graph import DynamicPrompt
    from comfy_execution.progress import reset_progress_state
    from comfy_execution.utils import CurrentNodeContext
    from server import PromptServer
    prompt = DynamicPrompt({SHOWN: {}, "9": {}})
    prompt.add_ephemeral_node(COPY, {}, "9", SHOWN)
    reset_progress_state("a prompt", prompt)
    events = []
    host = SimpleNamespace(client_id="page", sockets={"page": None},
                           send_sync=lambda event, data, _: events.append((event, data)),
                           send_progress_text=lambda text, node: events.append((text, node)))
    monkeypatch.setattr(PromptServer, "instance", host)
    with CurrentNodeContext("a prompt", COPY, 0):
        yield events
    reset_progress_state("", DynamicPrompt({}))


def test_a_line_under_a_node(comfy, told):
    node = SimpleNamespace(hidden=SimpleNamespace(unique_id=COPY))
    comfy.module("nodes.conditions").show(node, "words that it does not know: zebra")
    assert told == [("words that it does not know: zebra", SHOWN)]


def test_sheets(comfy, told):
    sheet = comfy.module("mcdm.grids.live_sheet").LiveSheet(None, "compare")
    sheet._show_kept({"images": []})
    assert [(event, data["node"], data["display_node"]) for event, data in told] == [("executed", COPY, SHOWN)]


def test_previews(comfy, told):
    mixture = mix(comfy, [expert(comfy, tiny_unet(0), 0)])
    previews = comfy.module("mcdm.drawing.live_previews").observer(mixture)
    previews.tell([])
    assert told[-1][1]["node"] == SHOWN
