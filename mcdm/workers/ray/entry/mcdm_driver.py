"""Ray's driver, in a process of its own: Ray ends the process that has lost its cluster, and ComfyUI is to live on.

ComfyUI starts this file. Questions come by standard input, (number, method of Driver, arguments), and each is answered
by a thread of its own on standard output: (number, class of the error or None, value). All is pickled, plain data.
Without ComfyUI, standard input ends, and so does this.
"""
from __future__ import annotations

import itertools
import logging
import os
import pickle
import signal
import socket
import sys
import threading
from typing import IO, Any

import mcdm_worker  # beside this file; Ray imports it by the same name on a worker
import ray

PATIENCE = 10           # seconds in which the head of a cluster should answer


class Driver:
    """Runtimes go by number."""

    def __init__(self) -> None:
        self.runtimes: dict[int, Any] = {}
        self.numbers = itertools.count()

    def connect(self, address: str) -> None:
        """Joins the cluster. Raises ConnectionError where nobody listens, which Ray itself finds out in minutes."""
        machine, _, port = address.rpartition(":")
        if port.isdigit() and "/" not in machine:
            socket.create_connection((machine.strip("[]"), int(port)), timeout=PATIENCE).close()
        ray.init(address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)

    def workers(self) -> list[str]:
        """The names of those that are there."""
        resources = {name for node in ray.nodes() if node["Alive"] for name in node["Resources"]}
        prefix = mcdm_worker.RESOURCE
        return sorted(name.removeprefix(prefix) for name in resources if name.startswith(prefix))

    def versions(self, pack: str, comfyui: str) -> dict[str, str]:
        """Of the installation on this machine."""
        return mcdm_worker.versions(pack, comfyui)

    def start(self, worker: str) -> int:
        """A new runtime; it may still be on its way."""
        remote: Any = ray.remote        # whose annotations do not know groups
        actor = remote(num_cpus=0, max_restarts=0, concurrency_groups={"control": 1})(mcdm_worker.Worker)
        number = next(self.numbers)
        self.runtimes[number] = actor.options(resources={mcdm_worker.RESOURCE + worker: 0.001}).remote()
        return number

    def ask(self, runtime: int, method: str, *arguments: Any) -> Any:
        """What a method of a runtime returns."""
        return ray.get(getattr(self.runtimes[runtime], method).remote(*arguments))

    def end(self, runtime: int) -> None:
        ray.kill(self.runtimes.pop(runtime))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # of a terminal, which is for ComfyUI
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)           # where Ray may print
    driver, lock = Driver(), threading.Lock()
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)
        threading.Thread(target=answer, args=(driver, question, answers, lock), daemon=True).start()


def answer(driver: Driver, question: tuple[int, str, tuple[Any, ...]], answers: IO[bytes], lock: Any) -> None:
    number, method, arguments = question
    error, value = None, None
    try:
        value = getattr(driver, method)(*arguments)
    except BaseException as failure:
        error = type(failure).__name__
    with lock:
        pickle.dump((number, error, value), answers, protocol=5)
        answers.flush()


if __name__ == "__main__":
    main()
