"""Another ComfyUI for dev.py's --comfyui: a folder that is there, or one that git fetches into the cache folder."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from .base_python import suffix
from .base_torch import usable
from .locks import make_once, stamped, write_stamp
from .paths import cache_root
from .setup import install_requirements, make_venv, nvidia_driver, venv_python
from .terminal import Trouble, clean_env, run, say

REPOSITORY = "https://github.com/Comfy-Org/ComfyUI"
FETCHED = re.compile(r"newest|master|\d+(\.\d+)+")
RELEASE = re.compile(r"v(\d+(?:\.\d+)+)")


class OutOfReach(Trouble):
    """git does not get to ComfyUI's repository."""


def choose(where: str, or_wheel: bool = False) -> None:
    """Makes the ComfyUI of `where` that of this run: find_comfy gives it from now on, here and in what is started.

    where: a folder with main.py, a release such as 0.33.0, "newest" for the newest one, or "master". Raises Trouble if
    there is no such folder, or if git does not get it. or_wheel: where git does not reach the newest release, all stays
    as it would be without it, and a sentence says so.
    """
    if Path(where).exists() or not FETCHED.fullmatch(where):
        os.environ["COMFYUI_PATH"] = str(Path(where).expanduser().absolute())
        return
    try:
        os.environ["COMFYUI_PATH"] = str(fetch(where))
    except OutOfReach as trouble:
        if where != "newest" or not or_wheel:
            raise
        say(f"{trouble}\nSo this runs on the ComfyUI that is taken without --comfyui.")


def fetch(name: str) -> Path:
    """The folder of a release or of master, with a virtual environment inside, made if it is missing or out of date."""
    branch, commit = find(name)
    home = cache_root() / f"comfyui-{branch}-{'cuda' if nvidia_driver() else 'cpu'}{suffix()}"
    tree, stamp = home / "ComfyUI", home / "ready.txt"
    python = venv_python(tree / "venv")

    def ready() -> bool:
        return stamped(stamp, commit) and (tree / "main.py").is_file() and usable(python)

    def make() -> None:
        for file in (tree / ".git").rglob("*"):
            file.chmod(0o700)                       # git writes read-only files, which Windows does not delete
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        run(f"Fetching ComfyUI {branch}", "git", "clone", "--depth", "1", "--branch", branch, REPOSITORY, tree)
        make_venv(python)
        install_requirements(python, tree)
        write_stamp(stamp, commit)

    make_once(home, ready, make)
    return tree


def find(name: str) -> tuple[str, str]:
    """The tag or branch of a name, and its commit. Raises Trouble if there is none or git does not reach it."""
    there = remote()
    releases = {tag: match[1] for tag in there if (match := RELEASE.fullmatch(tag))}
    wanted = name if name == "master" else f"v{name}"
    if name == "newest" and releases:
        wanted = max(releases, key=lambda tag: tuple(map(int, releases[tag].split("."))))
    if wanted not in there:
        raise Trouble(f"{REPOSITORY} has no {wanted}.")
    return wanted, there[wanted]


def remote() -> dict[str, str]:
    """The tags and branches of ComfyUI's repository and their commits."""
    command = ["git", "ls-remote", "--tags", "--heads", "--refs", REPOSITORY]
    try:
        answer = subprocess.run(command, env=clean_env(GIT_TERMINAL_PROMPT="0"), stdin=subprocess.DEVNULL,
                                capture_output=True, encoding="utf-8", timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        raise OutOfReach(f"git does not reach {REPOSITORY}: {why.strip()}") from error
    lines = [line.split("\t") for line in answer.splitlines()]
    return {name.split("/", 2)[2]: commit for commit, name in lines}
