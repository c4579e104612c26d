"""What tests, benchmarks and training need besides ComfyUI: tools from pip, comfy-cli, a browser, system libraries."""
from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from .apt import apt_get, is_root
from .base_python import fits, suffix, version_of
from .base_torch import is_system_python, lacks_headers, see_packages
from .locks import make_once, stamped, write_stamp
from .paths import cache_root
from .setup import Comfy, find_comfy, make_venv, pip, venv_python
from .terminal import Trouble, clean_env, run, runs, say

TOOLS = (
    "pytest>=8.2,<10", "pytest-xdist>=3.7,<4", "hypothesis>=6.100,<7", "ruff>=0.9,<1", "mypy>=1.15,<3",
    "cmaes>=0.11", "kornia>=0.7.1", "skia-python>=138", "playwright>=1.50,<2", "matplotlib>=3.8,<4",
    "accelerate>=1,<2", "ray>=2.40,<3; sys_platform == 'linux'",
)
COMFY_CLI = "comfy-cli>=1.23,<2"  # the command that publishes to the registry and runs workflows headless
BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


def with_tools(*programs: str) -> tuple[Path, dict[str, str]]:
    """An interpreter with the tools, these programs beside it, and the environment that tests and benchmarks read."""
    comfy = find_comfy()
    python = tools_python(comfy)
    system_packages(python, *programs)
    say(f"Python {version_of(python)} in {python.parent}, ComfyUI in {comfy.tree}")
    return python, clean_env(MCDM_COMFYUI=str(comfy.tree), MCDM_BROWSER=find_browser() or "")


def tools_python(comfy: Comfy) -> Path:
    """The interpreter for tests: ComfyUI's with the tools; for the user's own, a thin environment over its packages."""
    home = comfy.python.parent.parent
    if comfy.own:
        home = cache_root() / ("tools-" + hashlib.sha256(str(comfy.python).encode()).hexdigest()[:8])
    python = venv_python(home)
    stamp = home / "tools.txt"
    text = "\n".join(TOOLS)

    def ready() -> bool:
        return stamped(stamp, text) and runs(python, "-c", "")

    def make() -> None:
        if comfy.own:
            overlay(home, comfy.python)
        run("Installing the test tools", *pip(python, "install", *TOOLS))
        write_stamp(stamp, text)

    make_once(home, ready, make)
    return python


def overlay(home: Path, python: Path) -> None:
    """A virtual environment that sees another interpreter's packages and keeps its own additions to itself."""
    shutil.rmtree(home, ignore_errors=True)
    run(f"Making an environment for the tests in {home}", python, "-m", "venv", "--without-pip", home)
    see_packages(venv_python(home), python)


def comfy_cli() -> Path:
    """The command `comfy` of comfy-cli, whose many requirements get an environment of their own."""
    home = cache_root() / f"comfy-cli{suffix()}"
    python, stamp = venv_python(home), home / "ready.txt"

    def ready() -> bool:
        return stamped(stamp, COMFY_CLI) and fits(python)

    def make() -> None:
        shutil.rmtree(home, ignore_errors=True)
        make_venv(python)
        run("Installing comfy-cli", *pip(python, "install", COMFY_CLI))
        write_stamp(stamp, COMFY_CLI)

    make_once(home, ready, make)
    return python.with_name("comfy.exe" if sys.platform == "win32" else "comfy")


def find_browser() -> str | None:
    """A browser that Playwright can drive for the tests of the web page."""
    return os.environ.get("CHROME") or next(filter(None, map(shutil.which, BROWSERS)), None)


def missing(programs: tuple[str, ...]) -> list[str]:
    """Those of the programs that this machine does not have; any browser counts as chromium."""
    return [name for name in programs if not (find_browser() if name == "chromium" else shutil.which(name))]


def system_packages(python: Path, *programs: str) -> None:
    """What pip does not have: these programs, what skia loads, torch's headers. Root on Debian gets them."""
    libraries = ["libegl1", "libgl1"] if sys.platform == "linux" and not runs(python, "-c", "import skia") else []
    headers = ["libtorch-dev"] if lacks_headers(python) and is_system_python() else []
    wanted = missing(programs) + libraries + headers
    if wanted and shutil.which("apt-get") and is_root():
        try:
            apt_get(*wanted)
        except Trouble as trouble:
            say(str(trouble))
    elif libraries:
        say(f"Not found: {', '.join(libraries)}. What skia draws will fail; install it.")

    absent = missing(programs)
    if "chromium" in absent:
        raise Trouble("There is no browser: install Chromium, Chrome or Edge, name one in CHROME, "
                      "or leave the tests of the web page out with --no-browser.")
    if absent:
        raise Trouble(f"There is no {' and no '.join(absent)}: install it.")
