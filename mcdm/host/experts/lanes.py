"""Devices asked at once: a thread for each that is not the lead's, and a clock that says how long each expert took."""
from __future__ import annotations

import collections
import contextlib
import contextvars
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, TypeVar

import torch

Answer = TypeVar("Answer")
COUNTED = "cuda", "xpu", "npu", "mlu"       # kinds of devices of which a machine may have several

# Set when another lane of the same step has failed: whoever waits for a worker need not wait any longer.
GIVEN_UP: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("mcdm_given_up", default=None)


class Lane(NamedTuple):
    """A line of work whose calls follow each other. name: what tells it from others. device: where it works."""
    name: str
    device: torch.device


class Lanes:
    """The lanes of one sampling. The lead's is the thread of the sampler; every other has a thread of its own."""

    def __init__(self, lead: Lane) -> None:
        self._lead = lead
        self._threads: dict[Lane, ThreadPoolExecutor] = {}

    def ask(self, questions: Sequence[tuple[Lane, Callable[[], Answer]]]) -> list[Answer]:
        """The answers to questions, in their order; those of different lanes are asked at once.

        What a question raises is raised when no lane is at work any more.
        """
        elsewhere: dict[int, Future] = {}
        here: dict[int, Answer] = {}
        given_up = threading.Event()
        GIVEN_UP.set(given_up)
        for number, (lane, question) in enumerate(questions):
            if lane != self._lead:
                elsewhere[number] = self._submit(lane, question)
        try:
            for number, (_, question) in enumerate(questions):
                if number not in elsewhere:
                    with current(self._lead.device):
                        here[number] = question()
            wait(elsewhere.values(), return_when=FIRST_EXCEPTION)
        finally:
            given_up.set()
            wait(elsewhere.values())
        return [here[n] if n in here else elsewhere[n].result() for n in range(len(questions))]

    def _submit(self, lane: Lane, question: Callable[[], Answer]) -> Future:
        if lane not in self._threads:
            self._threads[lane] = ThreadPoolExecutor(1, f"mcdm {lane.name}")
        inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()   # which a thread has its own

        def asked() -> Answer:
            with current(lane.device), torch.inference_mode(inference), torch.set_grad_enabled(gradients):
                return question()
        return self._threads[lane].submit(contextvars.copy_context().run, asked)

    def close(self) -> None:
        """Ends the threads, each once it has given back what the host keeps for it."""
        for lane, thread in self._threads.items():
            thread.submit(_give_back, lane.device)
            thread.shutdown()


def _give_back(device: torch.device) -> None:
    """Newer hosts keep a graph of the memory that networks take for each thread, and clean up the main one's only."""
    clean_up = getattr(sys.modules.get("comfy.model_prefetch"), "cleanup_malloc_graph", None)
    if clean_up is not None:
        with current(device):
            clean_up()


@contextlib.contextmanager
def current(device: torch.device) -> Iterator[None]:
    """Makes a device the current one of this thread, for kernels and clocks that ask for it."""
    if device.type not in COUNTED or device.index is None:
        yield
        return
    module = torch.get_device_module(device)
    before = module.current_device()
    module.set_device(device)
    try:
        yield
    finally:
        module.set_device(before)


class Clock:
    """How long each expert took in one sampling of so many steps."""

    def __init__(self) -> None:
        self.steps = 0
        self._seconds: dict[int, float] = collections.defaultdict(float)

    @contextlib.contextmanager
    def measured(self, rows: Sequence[int], device: torch.device) -> Iterator[None]:
        """Counts what is done on a device for experts, one entry of `rows` for each of their predictions."""
        start = time.perf_counter()
        yield
        torch.get_device_module(device).synchronize()
        share = (time.perf_counter() - start) / len(rows)
        for i in rows:
            self._seconds[i] += share

    def seconds(self, expert: int) -> float:
        """Seconds a step."""
        return self._seconds[expert] / max(1, self.steps)

    def share(self, expert: int) -> float:
        """The part of the time of all experts that one took."""
        return self._seconds[expert] / (sum(self._seconds.values()) or 1.0)


def unmeasured(_rows: Any, _device: Any) -> contextlib.AbstractContextManager[None]:
    """A clock that nobody reads."""
    return contextlib.nullcontext()
