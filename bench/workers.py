"""Experts on two workers, run after run: `python3 dev.py bench workers [--runs 100] [--kills 20]`, on Linux.

`--kills` runs of which each third loses a worker's process to kill -9 while it samples: the run has to end with one
sentence that names the worker, and the next one has to give its picture. Then `--runs` runs in a row: memory of the
host and of the workers' processes after each. At the end the host is killed, then the cluster is stopped: what is left
of either, by the list of processes. Writes bench/workers.json.
"""
from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from ..devtools.cluster import LocalCluster, processes_of, runtimes
from ..devtools.host import Host, comfy, error_of
from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.prompts import Prompt, face, placed

HERE = Path(__file__).resolve().parent
WARM, WINDOW = 20, 10       # the level is the median of the WINDOW runs up to number WARM
ENDED = "Worker '[ab]' died or was lost while "
SEEDS = 3                   # so that no run is that of the one before, which ComfyUI would not run again
PATIENCE = 30.0             # seconds in which processes have to end


def run_of(seed: int, steps: int = 3) -> Prompt:
    """Two embedded experts on both workers."""
    return placed(face(seed=seed, steps=steps), expert_1="a", expert_2="b")


class Pictures:
    """Runs of SEEDS seeds; the picture of each has to stay what it was at first."""

    def __init__(self, host: Host) -> None:
        self.host, self.done = host, 0
        self.first: dict[int, str] = {}
        self.changed = 0

    def run(self) -> None:
        seed = self.done % SEEDS
        entry = self.host.run(run_of(seed), 600)
        digest = hashlib.sha256(b"".join(self.host.images(entry))).hexdigest()
        self.changed += self.first.setdefault(seed, digest) != digest
        self.done += 1


def lose_a_worker(host: Host, number: int) -> str:
    """The sentence with which a run ends whose worker is killed while it samples."""
    prompt_id = host.post_prompt(run_of(1000 + number, 3000))
    host.wait_event(prompt_id, "progress", 600)
    os.kill(random.Random(number).choice(runtimes()), signal.SIGKILL)
    return error_of(host.wait(prompt_id, 120))


def faults(host: Host, pictures: Pictures, count: int) -> dict[str, Any]:
    """What `count` runs did, each third of which loses a worker."""
    kills = 0
    sentences = []
    beyond = 0
    for number in range(count):
        if number % 3 == 2:
            kills += 1
            sentence = lose_a_worker(host, number)
            if not re.match(ENDED, sentence):
                sentences.append(sentence)
        else:
            pictures.run()
            beyond = max(beyond, len(runtimes()) - 2)
        show(f"{number + 1} of {count} runs with faults")
    return {"runs": count, "kills": kills, "other sentences": sentences, "processes beyond two": beyond}


def megabytes(process: int) -> float:
    """The resident memory of a process."""
    return int(Path(f"/proc/{process}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def levels(host: Host, pictures: Pictures, count: int) -> dict[str, list[float]]:
    """MB of the host and of the workers' processes together, after each of `count` runs."""
    found: dict[str, list[float]] = {"host": [], "workers": []}
    for number in range(count):
        pictures.run()
        found["host"].append(round(megabytes(host.server.process.pid), 1))
        found["workers"].append(round(sum(map(megabytes, runtimes())), 1))
        show(f"{number + 1} of {count} runs: host {found['host'][-1]:.0f} MB, workers {found['workers'][-1]:.0f} MB")
    return found


def growth(series: Sequence[float]) -> float:
    """How much higher the last WINDOW runs are than those up to number WARM, as a share."""
    warm = min(WARM, len(series) // 2 + 1)
    level = statistics.median(series[max(0, warm - WINDOW):warm])
    return statistics.median(series[-WINDOW:]) / level - 1


def left(look: Any) -> int:
    """How many processes `look` still finds once they have had time to end."""
    end = time.monotonic() + PATIENCE
    while look() and time.monotonic() < end:
        time.sleep(0.2)
    return len(look())


def show(words: str) -> None:
    print(f"\r{words:70}", end="", file=sys.stderr, flush=True)


def main(_: InProcess, arguments: Sequence[str]) -> None:
    parser = options("bench workers", __doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20, metavar="RUNS", help="runs of which each third loses a worker")
    args = parser.parse_args(arguments)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with LocalCluster(comfy(), Path(one)) as cluster, mock.patch.dict(os.environ, cluster.environment):
            with Host(Path(other)) as host:
                pictures = Pictures(host)
                found: dict[str, Any] = {"faults": faults(host, pictures, args.kills)}
                found["MB"] = levels(host, pictures, args.runs)
            found["left of the host's processes"] = left(runtimes)
        found["left of the cluster"] = left(lambda: processes_of(cluster))
    found["growth"] = {name: round(growth(series), 4) for name, series in found["MB"].items() if series}
    found |= {"changed pictures": pictures.changed, "seconds": round(time.perf_counter() - start)}
    (HERE / "workers.json").write_text(json.dumps(found) + "\n", "utf-8")
    print("\n" + json.dumps(found | {"MB": {name: series[-1:] for name, series in found["MB"].items()}}, indent=1))
