"""API files that earlier versions saved are valid, run, and give the pictures of their own time.

Drawings: web/test_older_files.py.
"""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from support import history
from unite_and_conquer.devtools.inprocess import finish


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


@pytest.mark.parametrize("name", history.names())
def test_a_saved_file_gives_the_pictures_of_its_time(comfy, name):
    history.check(drawn(comfy, history.shortened(history.saved(name))), name)
