"""The Ray cluster from the side of the machine with the page: which workers there are, and one runtime per expert.

Ray is imported when a worker is named, or RAY_ADDRESS says where a cluster is; not before.
"""
from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import comfy.model_management
import folder_paths

from ..host.experts.lanes import GIVEN_UP

logger = logging.getLogger("mcdm")

ENTRY = Path(__file__).parent / "entry" / "mcdm_worker.py"
ROOT = Path(__file__).absolute().parents[2]
PATIENCE = 0.05         # seconds between two looks at the interrupt of the page
STARTING = 120.0        # seconds in which Ray has to start a process
GRACE = 0.6             # seconds that an interrupted worker has to stop by itself


class Seat(NamedTuple):
    """A runtime: on which worker, and for which node of the graph."""
    worker: str
    node: str


_lock = threading.RLock()
_runtimes: dict[Seat, Any] = {}         # handles of Ray's actors


def _connected() -> Any:
    """Ray, connected to its cluster. Raises ValueError where it is not installed or there is no cluster."""
    with _lock:
        if "ray" not in sys.modules and importlib.util.find_spec("ray") is None:
            raise ValueError(f"A worker needs Ray, which is not installed here: run {sys.executable} -m pip install "
                             "ray, and see docs/scaling.md.")
        import ray
        if not ray.is_initialized():
            address = os.environ.get("RAY_ADDRESS", "auto")
            try:
                ray.init(address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
            except Exception as error:
                raise ValueError(f"There is no Ray cluster at '{address}': start one, name it in RAY_ADDRESS, and see "
                                 f"docs/scaling.md. ({type(error).__name__})") from error
        return ray


def _entry() -> Any:
    """The module that Ray imports on a worker, by the same name."""
    name = ENTRY.stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ENTRY)
        assert spec is not None and spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def workers() -> list[str]:
    """The names of the workers of the cluster that RAY_ADDRESS names or that is in use already; [] without one."""
    with _lock:
        known = "ray" in sys.modules and sys.modules["ray"].is_initialized()
        if not known and "RAY_ADDRESS" not in os.environ:
            return []
        try:
            return _names(_connected())
        except ValueError as error:
            logger.warning(f"MCDM: {error}")
            return []


def _names(ray: Any) -> list[str]:
    prefix = _entry().RESOURCE
    resources = {name for node in ray.nodes() if node["Alive"] for name in node["Resources"]}
    return sorted(name.removeprefix(prefix) for name in resources if name.startswith(prefix))


def ask(seat: Seat, seconds: float, doing: str, question: str, *arguments: Any) -> Any:
    """The answer of a runtime, which is started if it is not there.

    Raises ValueError with one sentence that names the worker where it has failed, has died or takes longer than
    `seconds`, and the host's interrupt where the user interrupts; a runtime that does not stop at once is ended.
    """
    ray = _connected()
    with _lock:
        runtime = _runtimes.get(seat) or _start(ray, seat)
    kind, value = _wait(ray, seat, runtime, runtime.ask.remote(question, *arguments), seconds, doing)
    if kind == "interrupted":
        raise comfy.model_management.InterruptProcessingException
    if kind == "error":
        raise ValueError(f"Worker '{seat.worker}' failed while {doing}: {value}")
    return value


def _wait(ray: Any, seat: Seat, runtime: Any, reference: Any, seconds: float, doing: str) -> Any:
    """What a reference of Ray stands for. Raises as `ask` does."""
    try:
        end = time.monotonic() + seconds
        while not ray.wait([reference], timeout=PATIENCE)[0]:
            given_up = GIVEN_UP.get()
            if comfy.model_management.processing_interrupted() or (given_up is not None and given_up.is_set()):
                _stop(ray, seat, runtime, reference)
            if time.monotonic() > end:
                _end(ray, seat)
                raise ValueError(f"Worker '{seat.worker}' has not answered for {seconds:g} s while {doing}, and was "
                                 "ended; look at its machine, or raise the timeout.")
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        _end(ray, seat)
        kind = type(error).__name__
        raise ValueError(f"Worker '{seat.worker}' died or was lost while {doing} ({kind}); it is started again when "
                         "you queue again.") from error


def tell(seat: Seat, question: str) -> None:
    """As `ask`, without waiting for an answer; nothing where the runtime is gone."""
    with _lock:
        runtime = _runtimes.get(seat)
    if runtime is not None:
        runtime.ask.remote(question)


def dismiss(kept: set[Seat]) -> None:
    """Ends all runtimes but these."""
    with _lock:
        for seat in [seat for seat in _runtimes if seat not in kept]:
            _end(_connected(), seat)


def _start(ray: Any, seat: Seat) -> Any:
    """A new runtime. Raises ValueError where there is no such worker, or it has another version of the pack."""
    names = _names(ray)
    if seat.worker not in names:
        there = f"there are {', '.join(names)}" if names else "there is none"
        raise ValueError(f"There is no worker '{seat.worker}' in the cluster; {there}. Start it by `python3 dev.py "
                         f"worker --name {seat.worker} --address HOST:PORT`.")
    entry = _entry()
    actor = ray.remote(num_cpus=0, max_restarts=0, concurrency_groups={"control": 1})(entry.Worker)
    runtime = _runtimes[seat] = actor.options(resources={entry.RESOURCE + seat.worker: 0.001}).remote()
    try:
        _compare(seat.worker, _wait(ray, seat, runtime, runtime.versions.remote(), STARTING, "starting"))
    except BaseException:
        _end(ray, seat)
        raise
    return runtime


def _compare(worker: str, there: dict[str, str]) -> None:
    """Raises ValueError where a worker has another version of this pack; other differences go into the log."""
    here = _entry().versions(str(ROOT), str(Path(folder_paths.__file__).parent))
    if here["pack"] != there["pack"]:
        raise ValueError(f"Worker '{worker}' has version {there['pack']} of this pack, and here it is {here['pack']}; "
                         "bring both to the same version.")
    other = [f"{name} {there[name]} instead of {version}" for name, version in here.items() if there[name] != version]
    if other:
        logger.warning(f"MCDM: worker '{worker}' has {' and '.join(other)}; pictures may differ in their last bits.")


def _stop(ray: Any, seat: Seat, runtime: Any, reference: Any) -> None:
    """Interrupts what a runtime does, and ends it where it does not listen. Always raises the host's interrupt."""
    runtime.interrupt.remote()
    if not ray.wait([reference], timeout=GRACE)[0]:
        _end(ray, seat)
    comfy.model_management.throw_exception_if_processing_interrupted()
    raise comfy.model_management.InterruptProcessingException


def _end(ray: Any, seat: Seat) -> None:
    """Ends a runtime; the next question starts it again."""
    with _lock:
        runtime = _runtimes.pop(seat, None)
    if runtime is not None:
        ray.kill(runtime)
