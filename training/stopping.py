"""Ctrl-C and the like, at a place that suits the training."""
from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def stopping() -> Iterator[list[int]]:
    """A list that is empty until somebody asks the process to stop (SIGINT, SIGTERM). The process goes on meanwhile."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    usual = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if handler is not signal.SIG_IGN:                       # ignored for nohup and &, who want it to stay so
            usual[number] = handler
            signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
