"""The Python with which virtual environments are made: the one that runs dev.py, or the one that MCDM_PYTHON names."""
from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .terminal import Trouble, clean_env, say

OLDEST = (3, 10)
NEWEST = (3, 14)
INSTEAD = ("python3.11", "python3.12")      # where the running one is none of them: those with most wheels
FIRST = (3, 11)                             # whose folders in the cache bear no version


class Base(NamedTuple):
    """A Python of this machine."""
    path: str
    version: tuple[int, int]


@functools.cache
def base_python() -> Base:
    """MCDM_PYTHON, else the running one. Raises Trouble where that is not a Python 3.10 to 3.14."""
    if named := os.environ.get("MCDM_PYTHON"):
        if found := _supported(named):
            return found
        raise Trouble(f"MCDM_PYTHON is {named}, and that is no Python 3.10 to 3.14 that runs here.")
    for name in (sys.executable, *INSTEAD):
        if found := _supported(name):
            if name != sys.executable:
                say(f"Python {'.'.join(map(str, sys.version_info[:2]))} is not one of 3.10 to 3.14: {found.path} is "
                    "taken instead.")
            return found
    raise Trouble("There is no Python 3.10 to 3.14: install one (on Debian and Ubuntu also python3-venv).")


def version_of(python: str | Path) -> str:
    """Such as 3.11.7; "" where it does not run."""
    code = "import platform; print(platform.python_version())"
    try:
        ended = subprocess.run([python, "-c", code], env=clean_env(), capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (ended.stdout or "").strip()


def fits(python: Path) -> bool:
    """Whether an interpreter runs and is of the version with which environments are made now."""
    return _minor(version_of(python)) == base_python().version


def suffix() -> str:
    """What tells folders of the cache for different versions of Python apart: "-3.13"; "" for 3.11."""
    major, minor = base_python().version
    return "" if (major, minor) == FIRST else f"-{major}.{minor}"


def _supported(name: str) -> Base | None:
    path = shutil.which(name)
    version = _minor(version_of(path)) if path else (0, 0)
    return Base(path, version) if path and OLDEST <= version <= NEWEST else None


def _minor(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
