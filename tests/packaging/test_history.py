"""API files that earlier versions saved are valid, run, and give the pictures of their own time.

history/*.json are the files as they stood then. Beside each lie its pictures as the pack of that day draws them in
three steps, averaged to 16 x 16 pixels (history/README.md).
"""
from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from unite_and_conquer.devtools.inprocess import finish
from unite_and_conquer.devtools.versions import fits_empty_latents

HISTORY = Path(__file__).parent / "history"
STEPS = 3
PIXELS = 2      # of 255, between processors


def saved(name):
    """The file's prompt with fewer steps, as its pictures were recorded."""
    graph = json.loads((HISTORY / f"{name}.json").read_text("utf-8"))
    for call in graph.values():
        if isinstance(call["inputs"].get("steps"), int):
            call["inputs"]["steps"] = STEPS
        if call["class_type"] == "EmptyLatentImage" and fits_empty_latents():
            call["inputs"] |= {"width": 64, "height": 64}       # 512 were 64 cells for every model before
    return graph


def small(path):
    """A picture file, averaged to 16 x 16 pixels."""
    return np.asarray(Image.open(path).convert("RGB").resize((16, 16), Image.Resampling.BOX), np.int16)


def drawn(comfy, graph):
    """The files that a prompt writes, checked and run as the host's queue does."""
    import execution
    valid, error, outputs, by_node = finish(execution.validate_prompt("saved", graph, None))
    assert valid and not by_node, (error, by_node)
    told = []
    server = SimpleNamespace(client_id="page", last_node_id=None, sockets={}, send_progress_text=lambda *_: None,
                             send_sync=lambda event, data, _: told.append((event, data)))
    executor = execution.PromptExecutor(server, cache_args={"lru": 0, "ram": 0, "ram_inactive": 0})
    with ThreadPoolExecutor(1) as queue:        # the host's queue is a thread, too, with no loop of a browser's in it
        queue.submit(executor.execute, graph, "saved", {"client_id": "page"}, outputs).result()
    for event, data in told:
        assert event != "execution_error", data["exception_message"]
    files = []
    for node_id in sorted(executor.history_result["outputs"], key=lambda node_id: (len(node_id), node_id)):
        for image in executor.history_result["outputs"][node_id].get("images", []):
            if image["type"] == "output":
                files.append(comfy.base / "output" / image["subfolder"] / image["filename"])
    return files


@pytest.mark.parametrize("name", sorted(path.stem for path in HISTORY.glob("*.json")))
def test_a_saved_file_gives_the_pictures_of_its_time(comfy, name):
    pictures = drawn(comfy, saved(name))
    told = sorted(HISTORY.glob(f"{name}.*.png"))
    assert len(pictures) == len(told) > 0
    for picture, then in zip(pictures, told, strict=True):
        assert np.abs(small(picture) - small(then)).max() <= PIXELS
