"""The commands of dev.py for Ray: a machine as a worker, and a whole cluster on this machine."""
from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

from .cluster import LocalCluster, end, models_base, require_ray, start_worker, worker_environment
from .server import Server
from .setup import Comfy, find_comfy
from .terminal import tell
from .tools import with_tools


def worker(options: argparse.Namespace, arguments: list[str]) -> int:
    """This machine as a worker of a Ray cluster, until it is ended. Further arguments go to its ComfyUI.

    The user's own ComfyUI works as it is, with all its models and nodes.
    """
    comfy = for_workers()
    base = models_base()
    base.mkdir(parents=True, exist_ok=True)
    server = Server(comfy, base)
    ours = ["--cpu"] * server.needs_cpu() if comfy.own else server.command()[2:]
    environment = worker_environment(comfy, ours + [word for word in arguments if word != "--"])
    more = [f"--node-ip-address={options.ip}"] if options.ip else []
    process = start_worker(comfy, options.name, options.address, None, environment, *more)
    try:
        return process.wait()
    finally:
        end(process)


def cluster(options: argparse.Namespace, _: list[str]) -> int:
    """A Ray cluster on this machine, and a ComfyUI with its web page in it, until it is ended."""
    names = tuple(f"worker{number + 1}" for number in range(options.workers))
    comfy = for_workers()
    with LocalCluster(comfy, models_base(), names) as running:
        os.environ.update(running.environment)
        with Server(comfy, models_base(), options.port, quiet=False) as server:
            tell(f"ComfyUI with workers {', '.join(names)} for Place Expert: {server.url}   (Ctrl-C ends it)")
            return server.process.wait()


def for_workers() -> Comfy:
    """The ComfyUI of a worker, whose interpreter has Ray."""
    comfy = find_comfy()
    if not comfy.own:
        return dataclasses.replace(comfy, python=Path(with_tools()[0]))
    require_ray(comfy.python)
    return comfy
