"""A real ComfyUI over HTTP for tests: what `demo` boots, with the calls that a test makes."""
from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .events import Events
from .server import Server
from .setup import Comfy, own_comfy


def comfy() -> Comfy:
    """The ComfyUI that `dev.py test` names, run by the interpreter that runs the tests."""
    return Comfy(Path(sys.executable), Path(os.environ["MCDM_COMFYUI"]), own=own_comfy() is not None)


class Host:
    """A running server; `base` holds its models/, input/ and output/, into which a test may put files at any time.

        with Host(tmp_path) as host:
            prompt_id = host.post_prompt(workflow)          # API format; raises Refused
            entry = host.wait(prompt_id)                    # its /history entry, whether it worked or failed
            first, *_ = host.images(entry)                  # PNG bytes
            host.events_of(prompt_id)                       # [(type, data), ...] as they came by /ws
    """

    def __init__(
        self, base: Path, beside: Sequence[Path] = (), other: Comfy | None = None, installed: Path | None = None,
    ) -> None:
        self.server = Server(other or comfy(), base, beside=beside, installed=installed)
        self.base = base
        self.client_id = uuid.uuid4().hex
        self.events: list[tuple[str, Any]] = []

    def __enter__(self) -> Host:
        self.server.__enter__()
        self.socket = Events(self.server.port, self.client_id)
        self.reader = threading.Thread(target=lambda: self.events.extend(self.socket), daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.socket.close()
        self.reader.join(10)

    @property
    def url(self) -> str:
        return self.server.url

    def get(self, path: str, **query: str) -> bytes:
        return self.server.get(path, **query)

    def get_json(self, path: str, **query: str) -> Any:
        return json.loads(self.server.get(path, **query))

    def object_info(self, node_id: str = "") -> dict[str, Any]:
        """All nodes as the web page sees them, or one."""
        answer = self.get_json(f"/object_info/{node_id}" if node_id else "/object_info")
        return answer[node_id] if node_id else answer

    def post_prompt(self, workflow: dict[str, Any]) -> str:
        """Queues a workflow in API format and returns its prompt id; raises Refused, whose .answer is the host's."""
        return self.server.queue(workflow, self.client_id)

    def wait(self, prompt_id: str, seconds: float = 120) -> dict[str, Any]:
        """The /history entry of a prompt: entry["status"]["status_str"] is "success" or "error"."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if history := self.get_json(f"/history/{prompt_id}"):
                return history[prompt_id]
            time.sleep(0.02)
        raise TimeoutError(f"prompt {prompt_id} has not ended in {seconds} s\n{self.log()}")

    def run(self, workflow: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
        """Queues a workflow that has to work and returns its /history entry."""
        entry = self.wait(self.post_prompt(workflow), seconds)
        assert entry["status"]["status_str"] == "success", error_of(entry)
        return entry

    def images(self, entry: dict[str, Any]) -> list[bytes]:
        """The pictures that a prompt saved, as PNG files, by /view."""
        return self.server.images(entry)

    def interrupt(self) -> None:
        self.server.post("/interrupt", {})

    def events_of(self, prompt_id: str, kind: str = "") -> list[tuple[str, Any]]:
        """What came by /ws for a prompt so far, all of it or one kind."""
        found = []
        for name, data in self.events:
            if name != "binary" and data.get("prompt_id") == prompt_id and kind in ("", name):
                found.append((name, data))
        return found

    def wait_event(self, prompt_id: str, kind: str, seconds: float = 60) -> Any:
        """The data of the first event of a kind for a prompt, waiting for it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _, data in self.events_of(prompt_id, kind):
                return data
            time.sleep(0.01)
        raise TimeoutError(f"no {kind} of prompt {prompt_id} in {seconds} s\n{self.log()}")

    def log(self) -> str:
        return self.server.words()


def error_of(entry: dict[str, Any]) -> str:
    """The sentence with which a prompt failed, "" where it did not."""
    for event, data in entry["status"]["messages"]:
        if event == "execution_error":
            return data["exception_message"].strip()
        if event == "execution_interrupted":
            return "interrupted"
    return ""
