"""The cost of each expert's previews: `python3 dev.py bench previews`.

Two experts of faces over HTTP, as a page queues them and with its websocket open, in turn with and without: seconds of
a whole prompt as the host counts them, and the median of the ratios of neighbours. Writes bench/previews.json.
"""
from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..devtools.host import Host
from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.prompts import face

HERE = Path(__file__).resolve().parent


def seconds(entry: Mapping[str, Any]) -> float:
    """From the start of a prompt to its end. entry: its /history."""
    times = {kind: data["timestamp"] for kind, data in entry["status"]["messages"]}
    return (times["execution_success"] - times["execution_start"]) / 1000


def measure(host: Host, rounds: int, steps: int) -> dict[str, float]:
    """Medians over some rounds of one prompt with previews and one without, after one round to warm up."""
    times: dict[bool, list[float]] = {True: [], False: []}
    sent = []
    for number in range(-1, rounds):
        for on in (True, False) if number % 2 else (False, True):
            prompt = host.post_prompt(face(seed=1000 + 2 * number + on, steps=steps, expert_previews=on))
            taken = seconds(host.wait(prompt, 600))
            if number < 0:
                continue
            times[on].append(taken)
            if on:
                sent.append(len(host.events_of(prompt, "mcdm.previews")))
    ratios = [on / off for on, off in zip(times[True], times[False], strict=True)]
    return {
        "steps": steps,
        "rounds": rounds,
        "on": statistics.median(times[True]),
        "off": statistics.median(times[False]),
        "on / off": statistics.median(ratios),
        "previews in a run": statistics.median(sent),
    }


def main(_: InProcess, arguments: Sequence[str]) -> None:
    parser = options("bench previews", __doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=50)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as base, Host(Path(base)) as host:
        found = measure(host, args.rounds, args.steps)
    print(f"{args.steps} steps, median of {args.rounds}: with previews {found['on']:.2f} s, "
          f"without {found['off']:.2f} s, ratio {found['on / off']:.3f}, {found['previews in a run']:g} previews a run")
    (HERE / "previews.json").write_text(json.dumps(found, indent=1))
