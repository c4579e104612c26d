"""The running host: a real ComfyUI with this checkout as its only custom node, driven over HTTP."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import pages
from .events import Events
from .paths import PACK, ROOT
from .setup import Comfy, nvidia_driver
from .terminal import Ticker, Trouble, clean_env, runs, say

HAS_GPU = "import torch; raise SystemExit(not (torch.cuda.is_available() or torch.backends.mps.is_available()))"


class Refused(Trouble):
    """A prompt that the host did not take: its sentences, and in `answer` all of its answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        sentences = []
        for node, errors in dict(answer.get("node_errors") or {}).items():
            for error in errors["errors"]:
                sentences.append(f"node {node} ({errors['class_type']}): {error['message']}: {error['details']}")
        super().__init__("; ".join(sentences) or "{message} {details}".format_map(answer["error"]))
        self.answer = answer


def link_pack(place: Path, pack: Path = ROOT) -> None:
    """Makes `place` another name of a folder: a symbolic link, on Windows a junction, which needs no rights."""
    if os.path.lexists(place):
        os.unlink(place)
    if sys.platform == "win32":
        import _winapi
        _winapi.CreateJunction(str(pack), str(place))
    else:
        place.symlink_to(pack, target_is_directory=True)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A real ComfyUI with this checkout as its only custom node, from `with` to its end.

    All that it writes lies under `base`; a tree that is the user's own lends its models and nothing else.
    beside: files of further custom nodes, which tests bring. installed: another folder with the pack.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on loopback

    def __init__(self, comfy: Comfy, base: Path, port: int = 0, quiet: bool = True, beside: Sequence[Path] = (),
                 installed: Path | None = None) -> None:
        self.comfy = comfy
        self.base = base
        self.port = port
        self.quiet, self.ready = quiet, False
        self.beside, self.pack = beside, installed or ROOT
        name = installed.name if installed else PACK
        self.link, self.log = base / "custom_nodes" / name, base / "host.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ------------------------------------------------------------------------------------------- start and end

    def command(self) -> list[str]:
        """The host's command line."""
        options = {
            "--base-directory": self.base,
            "--database-url": f"sqlite:///{self.base / 'user' / 'comfyui.db'}",
            "--listen": "127.0.0.1",
            "--port": self.port,
        }
        flags = ["--disable-all-custom-nodes", "--disable-api-nodes", "--disable-auto-launch"]
        if self.comfy.own:
            options["--extra-model-paths-config"] = self.models_of_the_user()
        if page := pages.chosen():
            options["--front-end-root"] = Path(page)
        if self.needs_cpu():
            flags.append("--cpu")
        words = [self.comfy.python, self.comfy.tree / "main.py", *flags]
        for name, value in options.items():
            words += [name, value]
        return [*map(str, words), "--whitelist-custom-nodes", self.link.name, *(file.name for file in self.beside)]

    def models_of_the_user(self) -> Path:
        """A file that tells the host to look for models in the user's tree, too."""
        models = self.comfy.tree / "models"
        folders = {folder.name: folder.name for folder in models.iterdir() if folder.is_dir()}
        config = self.base / "models_of_the_user.yaml"
        config.write_text(json.dumps({"own": {"base_path": str(models), **folders}}), "utf-8")  # JSON is YAML
        return config

    def needs_cpu(self) -> bool:
        """Whether torch has no GPU to use."""
        if sys.platform == "linux" and not self.comfy.own and not nvidia_driver():
            return True  # as below, without the seconds that importing torch takes
        return not runs(self.comfy.python, "-c", HAS_GPU)

    def __enter__(self) -> Server:
        for name in ("custom_nodes", "input", "models", "output", "user"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        link_pack(self.link, self.pack)
        for file in self.beside:
            shutil.copy(file, self.base / "custom_nodes")
        self.port = self.port or free_port()
        group: dict[str, Any] = {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.base, env=clean_env(PYTHONUNBUFFERED="1"), stdin=subprocess.DEVNULL,
                stdout=log if self.quiet else subprocess.PIPE, stderr=subprocess.STDOUT, **group)
        if not self.quiet:
            threading.Thread(target=self._pass_on, daemon=True).start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _pass_on(self) -> None:
        """Shows what the host says once it is ready. The log has all, what it lacks for its own nodes included."""
        assert self.process.stdout is not None
        with self.log.open("ab") as log:
            while said := os.read(self.process.stdout.fileno(), 1 << 16):
                log.write(said)
                log.flush()
                if self.ready:
                    sys.stderr.write(said.decode("utf-8", errors="replace"))
                    sys.stderr.flush()

    def wait_until_ready(self) -> None:
        """Returns as soon as the host answers; raises Trouble if it ends, stays silent, or could not load the pack."""
        ticker = Ticker("Starting ComfyUI")
        while True:
            ticker.show("waiting for its server")
            if self.process.poll() is not None:
                raise Trouble(f"ComfyUI ended before it was ready.\n{self.tail()}")
            with contextlib.suppress(OSError):
                self.get("/system_stats")
                break
            if ticker.seconds > 600:
                raise Trouble(f"ComfyUI did not answer in ten minutes.\n{self.tail()}")
            time.sleep(0.1)
        if "(IMPORT FAILED)" in self.words():
            raise Trouble(f"ComfyUI could not import the pack.\n{self.tail()}")
        self.ready = True
        say(f"ComfyUI answers at {self.url} after {ticker.seconds:.0f} s.")

    def stop(self) -> None:
        """Ends the host and all that it started, and removes the link so that no clean-up walks into the checkout."""
        if self.process.poll() is None:
            if sys.platform == "win32":
                runs("taskkill", "/F", "/T", "/PID", str(self.process.pid))
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.link)

    def words(self) -> str:
        """The host's log so far."""
        return self.log.read_text("utf-8", errors="replace")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.words().splitlines()[-lines:])

    # ------------------------------------------------------------------------------------------------ requests

    def get(self, path: str, **query: str) -> bytes:
        with self.opener.open(f"{self.url}{path}?{urllib.parse.urlencode(query)}") as answer:
            return answer.read()

    def post(self, path: str, data: Any) -> bytes:
        """Sends `data` as JSON."""
        body, headers = json.dumps(data).encode(), {"Content-Type": "application/json"}
        with self.opener.open(urllib.request.Request(self.url + path, body, headers)) as answer:
            return answer.read()

    def queue(self, workflow: dict[str, Any], client_id: str = "", drawing: Any = None) -> str:
        """Queues a workflow in API format as the web page does and returns its prompt id; raises Refused."""
        extra = {"extra_pnginfo": {"workflow": drawing}} if drawing else {}
        prompt = {"prompt": workflow, "client_id": client_id, "extra_data": extra}
        try:
            answer = json.loads(self.post("/prompt", prompt))
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read())
        if "prompt_id" not in answer or answer["node_errors"]:
            raise Refused(answer)
        return answer["prompt_id"]

    def result(self, prompt_id: str) -> dict[str, Any]:
        """The /history entry of a prompt once it has run; Trouble with the host's sentence if it failed."""
        while not (history := json.loads(self.get(f"/history/{prompt_id}"))):
            time.sleep(0.05)
        for event, data in history[prompt_id]["status"]["messages"]:
            if event == "execution_error":
                sentence = data["exception_message"].strip()
                raise Trouble(f"node {data['node_id']} ({data['node_type']}): {sentence}")
            if event == "execution_interrupted":
                raise Trouble(f"interrupted at node {data['node_id']} ({data['node_type']})")
        return history[prompt_id]

    def watch(self, workflow: dict[str, Any], show: Callable[[str], None], drawing: Any = None) -> dict[str, Any]:
        """Queues a workflow, shows each node and its steps as the host tells them, and returns its /history entry."""
        client_id = uuid.uuid4().hex
        with contextlib.closing(Events(self.port, client_id)) as events:
            prompt_id = self.queue(workflow, client_id, drawing)
            for kind, data in events:
                if kind == "binary" or data.get("prompt_id") != prompt_id:
                    continue
                if kind in ("execution_success", "execution_error", "execution_interrupted"):
                    break
                if kind in ("executing", "progress") and data["node"]:
                    title = workflow.get(data["node"], {}).get("class_type", data["node"])
                    show(f"{title} {data['value']:.0f}/{data['max']:.0f}" if kind == "progress" else title)
        return self.result(prompt_id)

    def images(self, entry: dict[str, Any]) -> list[bytes]:
        """The files that a prompt saved, in the order of its nodes (previews are not saved)."""
        files = []
        for node in sorted(entry["outputs"], key=lambda node: (len(node), node)):
            for image in entry["outputs"][node].get("images", ()):
                if image["type"] == "output":
                    files.append(self.get("/view", **image))
        return files
