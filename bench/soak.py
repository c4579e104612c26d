"""Many prompts in one host: `python3 dev.py bench soak [--prompts 500] [--seed 0]`, on Linux.

All example workflows over HTTP, with two steps each and the tests' stand-ins for released files, in a random order, so
that models change all the time. Every tenth prompt is one that is refused, one that fails or one that is interrupted,
and now and then all models are unloaded. Every picture has to be that of its workflow's first run, byte for byte, and
the host's memory is to stay at its level after 50 prompts. So that only what is alive counts, the C library gives large
blocks back at once, and the host's history, which keeps all prompts, is cleared every 50 of them. Writes
bench/soak.json.
"""
from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..devtools.host import Host, error_of
from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.paths import ROOT
from ..devtools.prompts import Prompt, edited, face, names, prompt
from ..devtools.server import Refused

HERE = Path(__file__).resolve().parent
GIVEN_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}       # for glibc: what is large, once freed
WARM, WINDOW = 50, 10       # the level is the median of the WINDOW prompts up to number WARM
BAD = "refused", "failed", "interrupted", "unloaded"
REFUSED = edited(face(), {"a": {"weight": float("nan")}})
FAILED = edited(face(), {"mix": {"reliabilities": "1, two"}})


def quick(name: str, sides: dict[str, int]) -> Prompt:
    """An example workflow with two steps and a small picture."""
    side = sides.get(name, 64)
    small = {"EmptyExpertLatent": {"width": side, "height": side},
             "EmptyHunyuanLatentVideo": {"width": side, "height": side, "length": 5}}
    graph = prompt(name)
    for node in graph.values():
        node["inputs"] |= {"steps": 2} if "steps" in node["inputs"] else {}
        node["inputs"] |= small.get(node["class_type"], {})
    return graph


def memory(host: Host) -> float:
    """The host's resident memory in MB."""
    status = Path(f"/proc/{host.server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def misbehave(host: Host, kind: str, seed: int) -> None:
    """One prompt that does not end well, or all models unloaded. Raises AssertionError where the host takes it well."""
    if kind == "unloaded":
        host.server.post("/free", {"unload_models": True})
    elif kind == "refused":
        try:
            host.post_prompt(REFUSED)
        except Refused:
            return
        raise AssertionError("a weight that is not a number was queued")
    elif kind == "failed":
        assert "two" in error_of(host.wait(host.post_prompt(FAILED), 600))
    else:
        number = host.post_prompt(face(seed=seed, steps=1000))
        host.wait_event(number, "progress", 600)
        host.interrupt()
        assert error_of(host.wait(number, 600)) == "interrupted"


def soak(host: Host, count: int, seed: int, sides: dict[str, int]) -> dict[str, Any]:
    """What `count` prompts did: megabytes after each, and the workflows whose picture changed."""
    generator = random.Random(seed)
    first: dict[str, str] = {}
    changed: dict[str, int] = {}
    bad = dict.fromkeys(BAD, 0)
    levels: list[float] = []
    last = ""
    start = time.perf_counter()
    for number in range(count):
        if number % 10 == 9:
            kind = generator.choice(BAD)
            misbehave(host, kind, number)
            bad[kind] += 1
        else:
            last = generator.choice([name for name in names() if name != last])     # what comes twice is cached
            entry = host.run(quick(last, sides), 600)
            digest = hashlib.sha256(b"".join(host.images(entry))).hexdigest()
            if first.setdefault(last, digest) != digest:
                changed[last] = changed.get(last, 0) + 1
        if number % WARM == WARM - 1:
            host.server.post("/history", {"clear": True})
        levels.append(memory(host))
        print(f"\r{number + 1} of {count}: {levels[-1]:.0f} MB {last:40}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {"prompts": count, "seed": seed, "workflows": len(first), "changed": changed, **bad,
            "seconds": time.perf_counter() - start, "MB": [round(level, 1) for level in levels]}


def main(_: InProcess, arguments: Sequence[str]) -> None:
    parser = options("bench soak", __doc__)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT / "tests"))
    stand_ins: Any = importlib.import_module("support.stand_ins")
    os.environ.update(GIVEN_BACK)
    loaders = ROOT / "tests" / "support" / "toy_loaders.py"
    with tempfile.TemporaryDirectory() as base, Host(Path(base), beside=[loaders]) as host:
        stand_ins.write_all(host.base / "models")
        found = soak(host, args.prompts, args.seed, stand_ins.SIDES)
    levels = found["MB"]
    warm = min(WARM, len(levels))
    found["level"] = statistics.median(levels[max(0, warm - WINDOW):warm])
    found["end"] = statistics.median(levels[-WINDOW:])
    print(f"{args.prompts} prompts of {found['workflows']} workflows in {found['seconds']:.0f} s: "
          f"{found['level']:.0f} MB after {warm}, {found['end']:.0f} MB at the end "
          f"({found['end'] / found['level'] - 1:+.1%}); pictures that changed: {found['changed'] or 'none'}")
    (HERE / "soak.json").write_text(json.dumps(found))
