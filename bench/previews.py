"""What the previews of each expert cost: `python3 dev.py bench previews`.

Two experts of faces over HTTP, as a page queues them and with its websocket open, in turn with and without: seconds of a whole prompt as the
host counts them, and the median of the ratios of neighbours. Writes bench/previews.json.
"""
import argparse
import json
import statistics
import tempfile
from pathlib import Path

from ..devtools.host import Host
from ..devtools.prompts import face

HERE = Path(__file__).resolve().parent


def seconds(host, entry):
    """From the start of a prompt to its end."""
    times = {kind: data["timestamp"] for kind, data in entry["status"]["messages"]}
    return (times["execution_success"] - times["execution_start"]) / 1000


def main(comfy, arguments):
    options = argparse.ArgumentParser(prog="dev.py bench previews", description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--steps", type=int, default=50)
    args = options.parse_args(arguments)
    times = {True: [], False: []}
    sent = []
    with tempfile.TemporaryDirectory() as base, Host(Path(base)) as host:
        for i in range(-1, args.rounds):                            # one round to warm up
            for on in (True, False) if i % 2 else (False, True):
                prompt = host.post_prompt(face(seed=1000 + 2 * i + on, steps=args.steps, expert_previews=on))
                taken = seconds(host, host.wait(prompt, 600))
                if i >= 0:
                    times[on].append(taken)
                    sent += [len(host.events_of(prompt, "mcdm.previews"))] * on
    ratios = [on / off for on, off in zip(times[True], times[False], strict=True)]
    result = {"steps": args.steps, "rounds": args.rounds, "on": statistics.median(times[True]), "off": statistics.median(times[False]),
              "on / off": statistics.median(ratios), "previews in a run": statistics.median(sent)}
    print(f"{args.steps} steps, median of {args.rounds}: with previews {result['on']:.2f} s, without {result['off']:.2f} s, "
          f"ratio {result['on / off']:.3f}, {result['previews in a run']:g} previews a run")
    (HERE / "previews.json").write_text(json.dumps(result, indent=1))
