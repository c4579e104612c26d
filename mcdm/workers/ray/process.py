"""The side of ComfyUI of the process that speaks with Ray (entry/mcdm_driver.py)."""
from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "entry" / "mcdm_driver.py"


class Process:
    """A Driver: one such process, from the first question until ComfyUI or the cluster ends.

    Raises ValueError where Ray is not installed.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ValueError(f"A worker needs Ray, which is not installed here: run {sys.executable} -m pip install "
                             "ray, and see docs/scaling.md.")
        self._process = subprocess.Popen(
            [sys.executable, str(FILE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._numbers = itertools.count()
        self._asked: dict[int, Future] = {}
        self._lock = threading.Lock()
        self._ended = False
        threading.Thread(target=self._read, name="mcdm driver", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def ask(self, method: str, *arguments: Any) -> Future:
        """The answer of a method of the other side, or ConnectionError, once it is there."""
        future: Future = Future()
        with self._lock:
            number = next(self._numbers)
            self._asked[number] = future
            try:
                assert self._process.stdin is not None and not self._ended
                pickle.dump((number, method, arguments), self._process.stdin, protocol=5)
                self._process.stdin.flush()
            except (AssertionError, OSError):
                del self._asked[number]
                future.set_exception(ConnectionError("the cluster is gone"))
        return future

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                number, error, value = pickle.load(self._process.stdout)
                with self._lock:
                    future = self._asked.pop(number)
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(ConnectionError(error))
        with self._lock:
            self._ended = True
            for future in self._asked.values():
                future.set_exception(ConnectionError("the cluster is gone"))
            self._asked.clear()

    def end(self) -> None:
        """Ends the process, and so all runtimes."""
        self._process.kill()
        self._process.wait()


def address() -> str | None:
    """Of the cluster that the environment names."""
    return os.environ.get("RAY_ADDRESS")
