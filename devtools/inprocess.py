"""The real ComfyUI inside this process, on the CPU, the pack loaded as the host loads it: for tests and benchmarks."""
from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import sys
import types
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# A script's own folder comes first, and the working folder may be the root: there `nodes` would hide the host's module.
sys.path[:] = [os.environ["MCDM_COMFYUI"], *(p for p in sys.path if Path(p or ".").resolve() not in (HERE, ROOT))]


def finish(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, run in a thread of its own: Playwright keeps an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass(frozen=True)
class InProcess:
    """What a test or a benchmark calls."""
    nodes: dict[str, Any]       # every node class by its id, the host's own among them
    pack: types.ModuleType      # the package that the host's loader made
    base: Path                  # the host's models/, input/, output/ ...

    def module(self, name: str) -> types.ModuleType:
        """A module of the loaded pack: module("mcdm.fusion")."""
        return importlib.import_module(f"{self.pack.__name__}.{name}")

    def call(self, node_id: str, **inputs: Any) -> tuple[Any, ...]:
        """Runs a node as the host would, V3 or older, and returns its outputs."""
        node = self.nodes[node_id]
        v3 = hasattr(node, "GET_SCHEMA")
        result = node.execute(**inputs) if v3 else getattr(node(), node.FUNCTION)(**inputs)
        if inspect.iscoroutine(result):
            result = finish(result)
        if v3:
            return tuple(getattr(result, "args", result))       # some of the host's own return a plain tuple
        return tuple(result["result"] if isinstance(result, dict) else result)


@contextmanager
def without_warnings() -> Iterator[None]:
    """The host warns, with tracebacks, of what its own nodes for sound lack (`LEFT_OUT` in setup.py)."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def start(base: Path) -> InProcess:
    """Loads the host and the pack; `base` gets its models/, input/, output/ and user/."""
    from comfy.cli_args import args
    for name in ("input", "models", "output", "user"):
        (base / name).mkdir(exist_ok=True)
    args.cpu, args.base_directory = True, str(base)  # before any module of the host reads them

    # First, as in main.py: the host's `nodes` puts its comfy/utils.py in front.
    import utils.extra_config  # noqa: F401 I001

    with without_warnings():
        import nodes
        import server
        server.PromptServer(asyncio.new_event_loop())
        finish(nodes.init_builtin_extra_nodes())
    loaded = finish(nodes.load_custom_node(str(ROOT), module_parent="custom_nodes"))
    assert loaded, "the host could not load the pack, see the log"
    pack = sys.modules[str(ROOT).replace(".", "_x_")]  # the host names a custom node by its path
    return InProcess(nodes.NODE_CLASS_MAPPINGS, pack, base)
