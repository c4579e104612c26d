"""Ray: this machine as a worker of a cluster, and a whole cluster on this machine for trying out and for tests."""
from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .paths import ROOT, cache_root
from .server import Server, free_port
from .setup import Comfy
from .terminal import Trouble, clean_env, runs

ENTRY = ROOT / "mcdm" / "workers" / "ray" / "entry"
RESOURCE = "mcdm_worker_"               # as in mcdm_worker.py there
SET_BY_RAY = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")     # in its tasks, to suit them
STORE = 200_000_000                     # bytes of Ray's object store: latents are small
# For networks on the processor, glibc keeps freed memory up to this many bytes for the next step. Otherwise a thread
# that is not the main one gives it back each time, and the page faults are a tenth of the step.
KEPT = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**28)}


def require_ray(python: Path) -> None:
    """Raises Trouble where an interpreter has no Ray."""
    if not runs(python, "-c", "import ray"):
        raise Trouble(f"A worker needs Ray: run {python} -m pip install ray")


def start_ray(python: Path, log: IO[bytes] | None, environment: dict[str, str], *arguments: str) -> subprocess.Popen:
    """`ray start` with its processes in a group of their own, until that is ended."""
    command = [str(python), "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats",
               f"--object-store-memory={STORE}", *arguments]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            start_new_session=True)


def worker_environment(comfy: Comfy, arguments: list[str], pack: Path = ROOT) -> dict[str, str]:
    """The environment in which Ray starts workers of a ComfyUI, with these arguments."""
    settings: dict[str, Any] = {
        "comfyui": str(comfy.tree), "pack": str(pack), "arguments": arguments,
        "environment": {name: os.environ.get(name) for name in SET_BY_RAY},
    }
    kept = KEPT if "--cpu" in settings["arguments"] else {}
    return clean_env(
        PYTHONPATH=str(ENTRY), MCDM_WORKER=json.dumps(settings), RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0", **kept)


def start_worker(
    comfy: Comfy, name: str, address: str, log: IO[bytes] | None, environment: dict[str, str], *arguments: str,
) -> subprocess.Popen:
    """This machine, or a part of it, as the worker of that name."""
    resources = json.dumps({RESOURCE + name: 1})
    return start_ray(comfy.python, log, environment, f"--address={address}", f"--resources={resources}",
                     "--num-cpus=1", *arguments)


def end(process: subprocess.Popen) -> None:
    """Ends `ray start` and all that it has started."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    kill(process)


def kill(process: subprocess.Popen) -> None:
    """Ends it at once, as a machine that loses its power."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class LocalCluster:
    """A head and workers on this machine, closed to others by a token, from `with` to its end.

    environment: what a ComfyUI has to find in its own, so that it is in this cluster.
    """

    def __init__(self, comfy: Comfy, base: Path, names: tuple[str, ...] = ("a", "b")) -> None:
        self.comfy = comfy
        self.base = base
        self.names = names
        self.processes: dict[str, subprocess.Popen] = {}
        self._started = 0
        self.address = f"{_ip(0)}:{free_port()}"
        self.environment = {"RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "token",
                            "RAY_AUTH_TOKEN": secrets.token_hex(16)}

    def __enter__(self) -> LocalCluster:
        if platform.system() != "Linux":
            raise Trouble("A cluster on one machine needs Linux, which has more than one address for itself.")
        for name in ("custom_nodes", "input", "models", "output", "user"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        host, _, port = self.address.partition(":")
        try:
            self._start("head", lambda log: start_ray(
                self.comfy.python, log, clean_env(**self.environment), "--head", f"--node-ip-address={host}",
                f"--port={port}", "--num-cpus=0", "--num-gpus=0", "--include-dashboard=false"))
            for name in self.names:
                self.start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, name: str, pack: Path = ROOT) -> None:
        """Another worker."""
        arguments = Server(self.comfy, self.base).command()[2:]
        environment = worker_environment(self.comfy, arguments, pack) | self.environment
        self._started += 1
        ip = _ip(self._started)
        self._start(name, lambda log: start_worker(
            self.comfy, name, self.address, log, environment, f"--node-ip-address={ip}", "--num-gpus=0"))

    def stop(self, name: str) -> None:
        """Takes a worker away at once."""
        kill(self.processes.pop(name))

    def _start(self, name: str, launch: Callable[[IO[bytes]], subprocess.Popen]) -> None:
        """Starts a part of the cluster and waits until it is there; a second time where a busy machine was too slow."""
        file = self.base / f"ray {name}.log"
        for _ in range(2):
            with file.open("wb") as log:
                process = self.processes[name] = launch(log)
            limit = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < limit:
                if "Ray runtime started" in file.read_text("utf-8", errors="replace"):
                    return
                time.sleep(0.1)
            end(process)
        raise Trouble(f"Ray did not start.\n{file.read_text('utf-8', errors='replace')[-3000:]}")

    def __exit__(self, *_: object) -> None:
        for process in reversed(list(self.processes.values())):
            end(process)


def _ip(number: int) -> str:
    """An address of this machine that others do not see; each node of Ray has its own."""
    return f"127.0.0.{2 + number}"


def runtimes() -> list[int]:
    """The processes that run experts on workers of this machine."""
    return _processes("cmdline", b"ray::Worker")


def processes_of(cluster: LocalCluster) -> list[int]:
    """All processes of a cluster and of the ComfyUIs that use it: those that know its token."""
    return _processes("environ", cluster.environment["RAY_AUTH_TOKEN"].encode())


def _processes(file: str, words: bytes) -> list[int]:
    """The processes in whose /proc/ID/`file` these words are, this one left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if words in (folder / file).read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return sorted(found)


def models_base() -> Path:
    """Where `dev.py serve` keeps the models of the pack's own ComfyUI."""
    return cache_root() / "serve"
