"""torch as the called Python has it already: from the system's packages, from conda, or in a virtual environment."""
from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .apt import apt_get, is_root
from .base_python import base_python, fits
from .terminal import Trouble, clean_env, say

OLDEST = (2, 4)         # what ComfyUI asks for
ASK = """
import importlib, importlib.metadata, json, sys
torch, *_ = map(importlib.import_module, sys.argv[1:])
versions = {name: importlib.metadata.version(name).partition("+")[0] for name in sys.argv[1:]}
print(json.dumps([versions, bool(torch.version.cuda or torch.version.hip), torch.__path__[0]]))
"""


def borrow_torch(python: Path, names: Sequence[str], card: bool) -> dict[str, str]:
    """Lets an environment see the base Python's packages, where these are among them: their versions, {} where not.

    names: torch first, then what has to fit it. card: whether torch must have been built for graphics cards.
    """
    base = base_python().path
    ended = subprocess.run([base, "-c", ASK, *names], env=clean_env(), capture_output=True, text=True)
    if ended.returncode:
        return {}
    versions, for_cards, folder = json.loads(ended.stdout.splitlines()[-1])
    if tuple(map(int, re.findall(r"\d+", versions["torch"])[:2])) < OLDEST or (card and not for_cards):
        return {}
    say(f"torch {versions['torch']} is there already, in {folder}: the environment takes it from {base}.")
    see_packages(python, base)
    _mark(python).write_text(folder, "utf-8")
    return versions


def usable(python: Path) -> bool:
    """Whether an environment runs, is of the version that is wanted, and has not lost the torch that it borrowed."""
    mark = _mark(python)
    return fits(python) and (not mark.is_file() or Path(mark.read_text("utf-8")).is_dir())


def see_packages(python: Path, below: str | Path) -> None:
    """Lets an environment see another interpreter's packages, after its own."""
    def ask(interpreter: str | Path, expression: str) -> Any:
        code = f"import json, sys, sysconfig; print(json.dumps({expression}))"
        return json.loads(subprocess.check_output([interpreter, "-c", code], env=clean_env()))

    packages = ask(below, "[p for p in sys.path if p.endswith('-packages')]")
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in packages]
    Path(ask(python, "sysconfig.get_path('purelib')"), "below.pth").write_text("".join(lines), "utf-8")


def system_torch(python: Path, names: Sequence[str]) -> dict[str, str]:
    """As borrow_torch, once root on Debian or Ubuntu has the packages of the system's own Python; else {}."""
    if not (is_system_python() and is_root()):
        return {}
    try:
        apt_get(*packages_of(names))
    except Trouble as trouble:
        say(str(trouble))
    return borrow_torch(python, names, card=False)


def lacks_headers(python: Path) -> bool:
    """Whether an environment has borrowed a torch without its headers, as Debian packs it."""
    mark = _mark(python)
    return mark.is_file() and not Path(mark.read_text("utf-8"), "include", "ATen").is_dir()


def is_system_python() -> bool:
    """Whether environments are made of the Python for which Debian and Ubuntu have packages."""
    path = Path(base_python().path)
    is_it = str(path.parent) in ("/bin", "/usr/bin") and path.resolve() == Path("/usr/bin/python3").resolve()
    return is_it and shutil.which("apt-get") is not None


def packages_of(names: Sequence[str]) -> list[str]:
    """What Debian and Ubuntu call them."""
    return [f"python3-{name}" for name in names]


def _mark(python: Path) -> Path:
    """The file of an environment that says where the torch lies that it borrowed."""
    return python.parent.parent / "torch.txt"
