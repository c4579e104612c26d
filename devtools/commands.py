"""The commands of dev.py: each takes its options and the arguments that it passes on, and returns an exit status."""
from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import prompts
from .options import programs
from .paths import DEMO_OUTPUT, ROOT, WORKFLOWS, cache_root
from .server import Server, link_pack
from .setup import find_comfy, nvidia_driver
from .terminal import Ticker, Trouble, clean_env, say, tell
from .tools import comfy_cli, with_tools
from .workflows import absent_files

CHECKED = ("mcdm", "nodes", "training", "devtools", "bench")  # what mypy reads, and dev.py
FAST = ("tests/guards", "tests/maths", "tests/sampling")  # what `test --fast` runs
CARDS = "tests/devices"
NONE_CHOSEN = 5                           # pytest's status where -k leaves no test

Step = tuple[list[str], Path, dict[str, str]]  # a command, where it runs, what it finds in its environment


# -------------------------------------------------------------------------------------------------- the running host

def demo(options: argparse.Namespace, _: list[str]) -> int:
    """The workflows of example_workflows/api, or those named, through a headless host into output/demo/."""
    if unknown := [name for name in options.names if name not in prompts.names()]:
        raise Trouble(f"No workflow named {', '.join(unknown)}; there are: {', '.join(prompts.names())}.")
    names = options.names or prompts.names()
    read = prompts.prompt if options.names else shortened
    say(f"Draws the example workflows in a ComfyUI without a page, {names[0]} first, and keeps their pictures.")
    with (
        tempfile.TemporaryDirectory(prefix="mcdm demo ") as folder,
        Server(find_comfy(), Path(folder).resolve()) as server,
    ):
        info = json.loads(server.get("/object_info"))
        works = [show(server, name, read(name), info) for name in names]
    tell(f"The pictures are in {DEMO_OUTPUT}")
    return 0 if all(works) else 1


def shortened(name: str) -> prompts.Prompt:
    """A workflow as `demo` runs it among all, and a line on what is less than in its file."""
    changes = prompts.SHORTER.get(name, {})
    for inputs in changes.values():
        fewer = ", ".join(f"{value} {what.replace('_', ' ')}" for what, value in inputs.items())
        say(f"{name}: {fewer} instead of what its file has; named alone it runs as it is.")
    return prompts.edited(prompts.prompt(name), changes)


def show(server: Server, name: str, workflow: dict[str, Any], info: dict[str, Any]) -> bool:
    """Runs one workflow, or says why not; False if it failed. Trouble if the host has gone, too."""
    if absent := absent_files(workflow, info):
        tell(f"{name}: left out, this ComfyUI does not have {', '.join(absent)}")
        return True
    try:
        render(server, name, workflow)
    except Trouble as trouble:
        tell(f"{name}: failed: {trouble}")
        return False
    except OSError as error:
        raise Trouble(f"{name}: ComfyUI is gone ({error}).\n{server.tail()}") from error
    return True


def render(server: Server, name: str, workflow: dict[str, Any]) -> None:
    """Runs one workflow and writes its pictures into output/demo/."""
    ticker = Ticker(name)
    drawn = prompts.drawing(name) if name in prompts.names() else None
    entry = server.watch(workflow, ticker.show, drawn)
    for number, image in enumerate(server.images(entry), start=1):
        picture = DEMO_OUTPUT / (f"{name}.png" if number == 1 else f"{name}_{number}.png")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(image)
        tell(f"{picture}  {ticker.seconds:.1f} s")


def serve(options: argparse.Namespace, _: list[str]) -> int:
    """The host with its web page, until it is ended."""
    with Server(find_comfy(), cache_root() / "serve", options.port, quiet=False) as server:
        tell(f"ComfyUI with the pack: {server.url}   (Ctrl-C ends it; workflows to drag in: {WORKFLOWS}; "
             f"how it started: {server.log})")
        return server.process.wait()


def env(_options: argparse.Namespace, _: list[str]) -> int:
    """Where everything is, as JSON."""
    comfy = find_comfy()
    tell(json.dumps({"python": str(comfy.python), "comfyui": str(comfy.tree), "pack": str(ROOT)}))
    return 0


# -------------------------------------------------------------------------------------------------------- the tests

def test(options: argparse.Namespace, pytest_arguments: list[str]) -> int:
    """ruff, mypy and pytest, each of them even if another fails."""
    browser = not options.fast and "--no-browser" not in pytest_arguments
    if options.fast:
        python, environment = with_tools()
        pytest_arguments = ["-o", f"testpaths={' '.join(FAST)}", *pytest_arguments]  # unless a path is among them
    else:
        python, environment = with_tools("git", *(["chromium"] if browser else []))
        comfy_cli()
    environment |= on_every_core(pytest_arguments)
    codes = {}
    with tempfile.TemporaryDirectory() as folder:
        # A type checker wants a package with a name it can spell, and the checkout's folder may have any name.
        package = Path(folder) / "unite_and_conquer"
        link_pack(package)
        mypy = ["mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
        mypy += [f"-p{package.name}.{part}" for part in CHECKED] + [f"-m{package.name}.dev"]
        steps: dict[str, Step] = {"ruff": (["ruff", "check", "."], ROOT, {}), "mypy": (mypy, Path(folder), {})}
        for name, (command, place, more) in steps.items():
            say(f"== {name}")
            codes[name] = subprocess.run([python, "-m", *command], cwd=place, env=environment | more).returncode
        os.unlink(package)
    say("== pytest")
    command = [str(python), "-m", "pytest", *pytest_arguments]
    if options.fast or names_a_path(pytest_arguments):
        codes["pytest"] = subprocess.run(command, cwd=ROOT, env=environment).returncode
    else:
        codes |= beside_cards(command, environment)
    verdicts = ", ".join(f"{name}: {'failed' if code else 'passed'}" for name, code in codes.items())
    say(f"== {verdicts}" + ("" if browser else "; the tests that need a browser were left out"))
    return max(map(abs, codes.values()))


def beside_cards(command: list[str], environment: dict[str, str]) -> dict[str, int]:
    """Runs all tests, and what they say of the simulated cards after what the others say. Returns the exit statuses.

    torch keeps the cards of those tests for good, so that they get a process of their own.
    """
    left_out = {"PYTEST_ADDOPTS": f"{environment['PYTEST_ADDOPTS']} --ignore={CARDS}"}
    with tempfile.TemporaryFile() as said, ThreadPoolExecutor(1) as beside:
        cards = beside.submit(subprocess.run, [*command, CARDS, "-n", "0"], cwd=ROOT, env=environment,
                              stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        others = subprocess.run(command, cwd=ROOT, env=environment | left_out).returncode
        code = cards.result().returncode
        say("== pytest with cards")
        said.seek(0)
        tell(said.read().decode("utf-8", errors="replace").rstrip())
    return {"pytest": others, "pytest with cards": 0 if code == NONE_CHOSEN else code}


def names_a_path(pytest_arguments: list[str]) -> bool:
    """Whether some of the tests were named, by file or folder."""
    return any((ROOT / argument.split("::")[0]).exists() for argument in pytest_arguments)


def on_every_core(pytest_arguments: list[str]) -> dict[str, str]:
    """The environment in which pytest shares the test files out among up to four processes of one thread each.

    Two threads on tensors as small as those of the tests are no faster than one. There are two processes more than
    cores, for those of the page and of the workers wait a third of their time. A run of named files stays in one
    process, and arguments such as `-n 0` or `--pdb` have the last word.
    """
    threads = {"OMP_NUM_THREADS": "1", "PYTEST_XDIST_AUTO_NUM_WORKERS": str((os.cpu_count() or 1) + 2)}
    if any((ROOT / argument.split("::")[0]).is_file() for argument in pytest_arguments):
        return threads
    options = ["-n auto", "--maxprocesses 4", "--dist loadfile", "--no-loadscope-reorder"]
    options.append(os.environ.get("PYTEST_ADDOPTS", ""))
    return threads | {"PYTEST_ADDOPTS": " ".join(options).strip()}


# ------------------------------------------------------------------------------------------------- inside ComfyUI

def bench(_: argparse.Namespace, arguments: list[str]) -> int:
    """A benchmark, a file of bench/."""
    return run_one_of("bench", arguments)


def pictures(_: argparse.Namespace, arguments: list[str]) -> int:
    """Pictures of the pack's own pages, by a file of devtools/pictures/."""
    return run_one_of("devtools/pictures", arguments)


def reproduce(_: argparse.Namespace, arguments: list[str]) -> int:
    """The paper's experiments, in small."""
    return run_inside("bench.paper.reproduce", arguments)


def compatibility(_options: argparse.Namespace, _: list[str]) -> int:
    """What mixes with what, into docs/compatibility.md."""
    return run_inside("devtools.families.compatibility", [])


def symbols(_options: argparse.Namespace, _: list[str]) -> int:
    """What the pack uses of ComfyUI, into docs/host.md."""
    return run_inside("devtools.symbols", [])


def locales(_: argparse.Namespace, arguments: list[str]) -> int:
    """The English texts, into locales/, and what other languages lack."""
    return run_inside("devtools.translations", arguments)


def run_one_of(folder: str, arguments: list[str]) -> int:
    """Runs the module of `folder` that the first argument names inside ComfyUI: one of those that have a main."""
    found = programs(ROOT / folder)
    if arguments[:1] in (["-h"], ["--help"]):
        tell("\n".join(f"{name:11} {text}" for name, text in found.items()))
        return 0
    if not arguments or arguments[0] not in found:
        raise Trouble(f"Name one of {', '.join(found)}; --help after a name shows its options.")
    return run_inside(f"{folder.replace('/', '.')}.{arguments[0]}", arguments[1:])


def run_inside(module: str, arguments: list[str]) -> int:
    """Runs main(comfy, arguments) of a module inside ComfyUI."""
    programs = ["chromium"] if module.endswith(("help_pages", "templates")) else []  # which open the page
    python, environment = with_tools(*programs)
    inside = ROOT / "devtools" / "inside.py"
    return subprocess.run([python, inside, module, *arguments], env=environment).returncode


# --------------------------------------------------------------------------------------------------------- training

def train(_: argparse.Namespace, arguments: list[str]) -> int:
    """In the user's working folder, to which paths among the arguments refer; on all GPUs, if there are several."""
    python, environment = with_tools()
    comfy = find_comfy()
    models = (comfy.tree if comfy.own else cache_root() / "serve") / "models"
    environment |= {"OMP_NUM_THREADS": "1", "MCDM_EXPERTS": str(models / "experts")}
    launch: list[str] = []
    if (gpus := gpu_count(python)) > 1:
        launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(gpus),
                  "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the training's: it saves its state before it ends
    command: list[str | Path] = [python, *launch, ROOT / "training" / "__main__.py", *arguments]
    process = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())       # so is this, which goes to dev.py alone
    return process.wait()


def gpu_count(python: Path) -> int:
    """How many GPUs torch sees."""
    if not nvidia_driver():
        return 0
    code = "import torch; print(torch.cuda.device_count())"
    return int(subprocess.check_output([python, "-c", code], env=clean_env()))
