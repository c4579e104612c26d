"""What keeps a set-up whole: one process at a time, and a stamp as its last act."""
from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from .terminal import say


def try_lock(file: IO[bytes]) -> bool:
    """Takes the operating system's lock on an open file, which falls with the process, however that ends."""
    try:
        if sys.platform == "win32":
            import msvcrt
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; closing the file gives the lock back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if not try_lock(file):
            say("Waiting for another set-up to finish ...")
            while not try_lock(file):
                time.sleep(0.2)
        yield


def make_once(folder: Path, ready: Callable[[], bool], make: Callable[[], None]) -> None:
    """Makes `folder` unless it is ready; of several processes that want it one makes it and the others wait."""
    if ready():
        return
    with locked(folder.with_name(folder.name + ".lock")):  # next to it, because `make` may delete the folder
        if not ready():
            make()


def stamped(stamp: Path, text: str) -> bool:
    """Whether a set-up came to its end: without this stamp it was left half-done or is out of date."""
    return stamp.is_file() and stamp.read_text("utf-8") == text


def write_stamp(stamp: Path, text: str) -> None:
    """The last act of a set-up, all or nothing."""
    part = stamp.with_suffix(".part")
    part.write_text(text, "utf-8")
    os.replace(part, stamp)
