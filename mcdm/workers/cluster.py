"""The Ray cluster from the side of the machine with the page: which workers there are, and one runtime per expert.

Ray itself is in a process of its own (ray/process.py), which is started when a worker is named, or RAY_ADDRESS says
where a cluster is; not before.
"""
from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any, NamedTuple

import comfy.model_management
import folder_paths

from ..host.experts.lanes import GIVEN_UP
from .driver import Driver, address, start

logger = logging.getLogger("mcdm")

ROOT = Path(__file__).absolute().parents[2]
ANY = "auto"            # the address of whatever cluster Ray finds
PATIENCE = 0.05         # seconds between two looks at the interrupt of the page
CONNECTING = 30.0       # seconds in which a cluster has to answer
STARTING = 120.0        # seconds in which Ray has to start a process
GRACE = 0.6             # seconds that an interrupted worker has to stop by itself


class Seat(NamedTuple):
    """A runtime: on which worker, and for which node of the graph."""
    worker: str
    node: str


_lock = threading.RLock()
_drivers: list[Driver] = []             # at most one
_runtimes: dict[Seat, int] = {}         # their numbers for the driver


def _connected() -> Driver:
    """The driver, connected to its cluster. Raises ValueError where Ray is not installed or there is no cluster."""
    with _lock:
        if not (_drivers and _drivers[0].alive):
            _forget()
            _drivers.append(start())
            _told("connect", address() or ANY)
        return _drivers[0]


def _told(method: str, *arguments: Any) -> Any:
    """What the driver says at once of the cluster. Raises ValueError where there is none, or none any more."""
    try:
        return _drivers[0].ask(method, *arguments).result(CONNECTING)
    except (ConnectionError, NotYet) as error:
        _forget()
        raise ValueError(f"There is no Ray cluster at '{address() or ANY}': start one, name it in RAY_ADDRESS, and see "
                         f"docs/scaling.md. ({error or type(error).__name__})") from error


def _forget() -> None:
    """Ends the driver, whose cluster is gone."""
    _runtimes.clear()
    while _drivers:
        _drivers.pop().end()


def workers() -> list[str]:
    """The names of the workers of the cluster that RAY_ADDRESS names or that is in use already; [] without one."""
    with _lock:
        if not _drivers and address() is None:
            return []
        try:
            _connected()
            return _told("workers")
        except ValueError as error:
            logger.warning(f"MCDM: {error}")
            return []


def ask(seat: Seat, seconds: float, doing: str, question: str, *arguments: Any) -> Any:
    """The answer of a runtime, which is started if it is not there.

    Raises ValueError with one sentence that names the worker where it has failed, has died or takes longer than
    `seconds`, and the host's interrupt where the user interrupts; a runtime that does not stop at once is ended.
    """
    with _lock:
        driver = _connected()
        runtime = _runtimes[seat] if seat in _runtimes else _start(driver, seat)
    kind, value = _wait(seat, driver.ask("ask", runtime, "ask", question, *arguments), seconds, doing)
    if kind == "interrupted":
        raise comfy.model_management.InterruptProcessingException
    if kind == "error":
        raise ValueError(f"Worker '{seat.worker}' failed while {doing}: {value}")
    return value


def _wait(seat: Seat, answer: Future, seconds: float, doing: str) -> Any:
    """An answer of the driver. Raises as `ask` does."""
    end = time.monotonic() + seconds
    while True:
        try:
            return answer.result(PATIENCE)
        except NotYet:
            pass
        except ConnectionError as error:
            _end(seat)
            raise ValueError(f"Worker '{seat.worker}' died or was lost while {doing} ({error}); it is started again "
                             "when you queue again.") from error
        given_up = GIVEN_UP.get()
        if comfy.model_management.processing_interrupted() or (given_up is not None and given_up.is_set()):
            _stop(seat, answer)
        if time.monotonic() > end:
            _end(seat)
            raise ValueError(f"Worker '{seat.worker}' has not answered for {seconds:g} s while {doing}, and was "
                             "ended; look at its machine, or raise the timeout.")


def tell(seat: Seat, question: str) -> None:
    """As `ask`, without waiting for an answer; nothing where the runtime is gone."""
    with _lock:
        if seat in _runtimes:
            _drivers[0].ask("ask", _runtimes[seat], "ask", question)


def dismiss(kept: set[Seat]) -> None:
    """Ends all runtimes but these."""
    with _lock:
        for seat in [seat for seat in _runtimes if seat not in kept]:
            _end(seat)


def _start(driver: Driver, seat: Seat) -> int:
    """A new runtime. Raises ValueError where there is no such worker, or it has another version of the pack."""
    names = _told("workers")
    if seat.worker not in names:
        there = f"there are {', '.join(names)}" if names else "there is none"
        raise ValueError(f"There is no worker '{seat.worker}' in the cluster; {there}. Start it by `python3 dev.py "
                         f"worker --name {seat.worker} --address HOST:PORT`.")
    runtime = _runtimes[seat] = _told("start", seat.worker)
    try:
        _compare(seat.worker, _wait(seat, driver.ask("ask", runtime, "versions"), STARTING, "starting"))
    except BaseException:
        _end(seat)
        raise
    return runtime


def _compare(worker: str, there: dict[str, str]) -> None:
    """Raises ValueError where a worker has another version of this pack; other differences go into the log."""
    here = _told("versions", str(ROOT), str(Path(folder_paths.__file__).parent))
    if here["pack"] != there["pack"]:
        raise ValueError(f"Worker '{worker}' has version {there['pack']} of this pack, and here it is {here['pack']}; "
                         "bring both to the same version.")
    other = [f"{name} {there[name]} instead of {version}" for name, version in here.items() if there[name] != version]
    if other:
        logger.warning(f"MCDM: worker '{worker}' has {' and '.join(other)}; pictures may differ in their last bits.")


def _stop(seat: Seat, answer: Future) -> None:
    """Interrupts what a runtime does, and ends it where it does not listen. Always raises the host's interrupt."""
    with _lock:
        if seat in _runtimes:
            _drivers[0].ask("ask", _runtimes[seat], "interrupt")
    try:
        answer.result(GRACE)
    except (ConnectionError, NotYet):
        _end(seat)
    comfy.model_management.throw_exception_if_processing_interrupted()
    raise comfy.model_management.InterruptProcessingException


def _end(seat: Seat) -> None:
    """Ends a runtime; the next question starts it again."""
    with _lock:
        runtime = _runtimes.pop(seat, None)
        if runtime is not None:
            _drivers[0].ask("end", runtime)
