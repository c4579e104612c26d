#!/usr/bin/env python3
"""Set-up, demo, tests and benchmarks of the pack, with nothing but Python's standard library (3.10 to 3.14).

    python3 dev.py demo         the shipped workflows through a real, headless ComfyUI: pictures in output/demo/
    python3 dev.py test         the linter, the type checker and the whole test suite
    python3 dev.py test --fast  the same, with no tests but those of the maths and the sampling, and the guards
    python3 dev.py serve        that ComfyUI with its web page
    python3 dev.py env          where the interpreter, ComfyUI and the pack are, as JSON
    python3 dev.py reproduce    the paper's experiments, in small: tables and pictures in bench/paper/
    python3 dev.py bench        the benchmarks
    python3 dev.py compatibility  what mixes with what, measured on this ComfyUI: docs/compatibility.md
    python3 dev.py locales      the English texts of nodes and page, into locales/, and what other languages lack
    python3 dev.py symbols      what the pack uses of ComfyUI, by name: docs/host.md
    python3 dev.py train        an expert of your own, from a folder of pictures
    python3 dev.py worker       this machine as a worker for experts: docs/scaling.md
    python3 dev.py cluster      that ComfyUI with two workers on this machine, for trying it out

ComfyUI is the one that --comfyui names, else the user's own (COMFYUI_PATH, or the one whose custom_nodes holds this
checkout), else one in a cache folder with its own virtual environment. Delete that folder whenever you like: it is
made again when it is needed.
"""
from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import types
from collections.abc import Callable
from pathlib import Path

# The checkout as a package, whatever its folder is called, without running its __init__.py, which is the host's way in.
if "unite_and_conquer" not in sys.modules:
    package = sys.modules["unite_and_conquer"] = types.ModuleType("unite_and_conquer")
    package.__path__ = [str(Path(__file__).absolute().parent)]

from unite_and_conquer.devtools import commands, pages, ray_commands, releases, setup  # noqa: E402
from unite_and_conquer.devtools.terminal import Trouble, say  # noqa: E402

Command = Callable[[argparse.Namespace, list[str]], int]


def parser() -> argparse.ArgumentParser:
    """One sub-command per function of devtools/commands.py and ray_commands.py."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subparsers = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(function: Command, text: str, passes_on: bool = False, helps: bool = True) -> argparse.ArgumentParser:
        """helps: False where --help, too, is passed on, for what runs there to show its own options."""
        name = function.__name__
        usage = f"%(prog)s [{name} arguments]" if passes_on else None
        sub = subparsers.add_parser(
            name, help=text, description=text, usage=usage, allow_abbrev=False, add_help=helps)
        sub.set_defaults(function=function, passes_on=passes_on)
        return sub

    demo = add(commands.demo, "run the shipped workflows in a headless ComfyUI and write pictures into output/demo/")
    demo.add_argument("names", nargs="*", metavar="NAME", help="a workflow of example_workflows/api (default: all)")

    test = add(commands.test, "run ruff, mypy and pytest; all other arguments go to pytest "
               "(--no-browser leaves out the tests of the web page)", passes_on=True)
    test.add_argument("--fast", action="store_true", help="of the tests only those of the maths and the sampling, "
                      "and the guards that say what a change still needs")
    test.add_argument("--against", metavar="FOLDER", help="another ComfyUI, on which the examples must give the same "
                      "pictures, bit for bit")

    serve = add(commands.serve, "start ComfyUI with its web page, its settings and pictures kept in the cache folder")
    serve.add_argument("--port", type=int, default=0, help="the port of the web page (default: a free one)")

    worker = add(ray_commands.worker, "make this machine a worker of a Ray cluster; further arguments go to its "
                 "ComfyUI", passes_on=True)
    worker.add_argument("--address", required=True, metavar="HOST:PORT", help="of the cluster's head")
    worker.add_argument("--name", default=socket.gethostname(), help="for Place Expert (default: this machine's)")
    worker.add_argument("--ip", default="", help="the address at which this machine listens (default: Ray's choice)")

    cluster = add(ray_commands.cluster, "start ComfyUI with its web page and workers on this machine, to try it "
                  "out")
    cluster.add_argument("--workers", type=int, default=2, help="how many (default: 2)")
    cluster.add_argument("--port", type=int, default=0, help="the port of the web page (default: a free one)")

    add(commands.env, "print one JSON object with the paths of the interpreter, ComfyUI and the pack")
    add(commands.reproduce, "the paper's experiments, in small, into bench/paper/: --quick in 10 minutes, "
        "else up to 2 hours", passes_on=True, helps=False)
    add(commands.bench, "run a benchmark: NAME [its arguments], a file of bench/", passes_on=True, helps=False)
    pictures = add(commands.pictures, "draw the pictures of README, help pages, icon, and lay the workflows out: "
                   "NAME, a file of devtools/pictures/", passes_on=True, helps=False)
    add(commands.compatibility, "measure every family of networks that ComfyUI knows and write docs/compatibility.md")
    add(commands.symbols, "list what the pack uses of ComfyUI, in docs/host.md")
    add(commands.locales, "write the English texts of nodes and page into locales/, and list what other languages lack",
        passes_on=True, helps=False)
    add(commands.train, "train an expert of your own: FOLDER [--modality class|text|map|sketch] [--start EXPERT] "
        "[--minutes 15 | --steps N] [--batch-size 16] [--words 100] [--no-mirror] [--name NAME] [--out FILE] "
        "[--work FOLDER]; see docs/training.md", passes_on=True, helps=False)
    for sub in (demo, test, serve, pictures):
        sub.add_argument("--comfyui", metavar="WHERE", help="run another ComfyUI: a folder, or newest, master or a "
                         "release such as 0.33.0, which git fetches into the cache folder")
    for sub in (test, serve, pictures):
        sub.add_argument("--page", metavar="VERSION", help="with another web page than the host's own: a release of "
                         f"ComfyUI's frontend such as {pages.NEWEST}, which pip fetches into the cache folder")
    return whole


def main(arguments: list[str]) -> int:
    """Runs a command and returns the exit status; a Trouble is one sentence on standard error."""
    whole = parser()
    options, rest = whole.parse_known_args(arguments)
    if rest and not options.passes_on:
        whole.error(f"unknown arguments: {' '.join(rest)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if where := getattr(options, "comfyui", None):
            releases.choose(where, or_wheel=options.function is not commands.test)
        if page := getattr(options, "page", None):
            pages.choose(page)
        if against := getattr(options, "against", None):
            os.environ["MCDM_AGAINST"] = str(setup.tree_of(against))
        return options.function(options, rest)
    except Trouble as trouble:
        say(f"dev.py: {trouble}")
    except KeyboardInterrupt:
        say("")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
