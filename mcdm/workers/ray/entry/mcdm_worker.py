"""What Ray starts on a worker: a ComfyUI of its own, which runs one expert.

Ray imports this file by its name, for `dev.py worker` puts this folder on the path; so no code crosses the network.
MCDM_WORKER, from there, is JSON: {"comfyui": folder, "pack": folder, "arguments": [for ComfyUI], "environment": {}}.
"""
from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import ray

NAME = "mcdm_worker"        # of this module, as Ray knows it
RESOURCE = "mcdm_worker_"   # and the worker's name: by this resource Ray finds the machine


def versions(pack: str, comfyui: str) -> dict[str, str]:
    """{"pack", "ComfyUI", "torch": version} of an installation, without starting it."""
    def read(*names: str) -> str:
        found = re.search(r'^_*version_* = "(.+)"', Path(*names).read_text("utf-8"), re.MULTILINE)
        return found[1] if found else "unknown"
    return {"pack": read(pack, "pyproject.toml"), "ComfyUI": read(comfyui, "comfyui_version.py"),
            "torch": importlib.metadata.version("torch")}


class Worker:
    """One ComfyUI. Every answer is (kind, value): "ok" and plain data, or "error" or "interrupted" and a sentence."""

    def __init__(self) -> None:
        self.session: Any = None

    def ask(self, question: str, *arguments: Any) -> tuple[str, Any]:
        """Calls a method of the session; the first call starts ComfyUI."""
        try:
            if self.session is None:
                self.session = _start()
            return "ok", getattr(self.session, question)(*arguments)
        except BaseException as error:      # an interrupt may be one
            if type(error).__name__ == "InterruptProcessingException":
                return "interrupted", ""
            return "error", str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"

    def versions(self) -> dict[str, str]:
        """Of this worker's installation."""
        settings = json.loads(os.environ["MCDM_WORKER"])
        return versions(settings["pack"], settings["comfyui"])

    @ray.method(concurrency_group="control")
    def interrupt(self) -> None:
        """Ends what `ask` is about, from another thread."""
        if "nodes" in sys.modules and self.session is not None:
            sys.modules["nodes"].interrupt_processing()


def _start() -> Any:
    """ComfyUI as its main.py prepares it, with the pack; returns the pack's Session."""
    settings = json.loads(os.environ["MCDM_WORKER"])
    for name, value in settings["environment"].items():     # which Ray has set to what suits its own tasks
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    tree, pack = settings["comfyui"], settings["pack"]
    sys.path.insert(0, tree)
    sys.argv = [str(Path(tree, "main.py")), *settings["arguments"]]
    import comfy.options
    comfy.options.enable_args_parsing()
    importlib.import_module("main")         # the host's: its folders and options, not its server

    import folder_paths
    import nodes
    import server
    from comfy.cli_args import args

    place = _own_folder()
    folder_paths.set_input_directory(str(place / "input"))
    folder_paths.set_output_directory(str(place / "output"))
    folder_paths.set_temp_directory(str(place / "temp"))
    os.chdir(place)
    loop = asyncio.new_event_loop()
    stand_in = server.PromptServer(loop)
    stand_in.send_sync = lambda *_, **__: None      # there is no page
    custom = not args.disable_all_custom_nodes or bool(args.whitelist_custom_nodes)
    loop.run_until_complete(nodes.init_extra_nodes(init_custom_nodes=custom, init_api_nodes=False))
    if _loaded(pack) is None:
        loop.run_until_complete(nodes.load_custom_node(pack, module_parent="custom_nodes"))
    return importlib.import_module(f"{_loaded(pack)}.mcdm.workers.session").Session(stand_in, place)


def _own_folder() -> Path:
    """A folder for the files that come with prompts; those that processes before have left are removed."""
    root = Path(tempfile.gettempdir())
    for old in root.glob(f"{NAME}-*-*"):
        if not Path("/proc", old.name.split("-")[1]).exists() and Path("/proc").exists():
            shutil.rmtree(old, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=f"{NAME}-{os.getpid()}-")).resolve()
    for name in ("input", "output", "temp", "files"):
        (place / name).mkdir()
    return place


def _loaded(pack: str) -> str | None:
    """The name under which ComfyUI has loaded the pack, by whatever link."""
    wanted = os.path.realpath(os.path.join(pack, "__init__.py"))
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and os.path.basename(file) == "__init__.py" and os.path.realpath(file) == wanted:
            return name
    return None
