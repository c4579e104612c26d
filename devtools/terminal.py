"""Words on the terminal, and commands that are run with their progress shown there."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

TERMINAL = sys.stderr.isatty()
STRAYS = {
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__",
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT",
}
# OpenMP's threads wait actively by default: a browser or a second worker beside them then gets no processor.
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}


class Trouble(Exception):
    """Something the user has to know, in a sentence."""


def say(text: str, file: IO[str] | None = None, end: str = "\n") -> None:
    """Everything but results goes to standard error, so that `env` stays pure JSON."""
    if TERMINAL:
        blank = " " * (shutil.get_terminal_size().columns - 1)
        print("\r" + blank, end="\r", file=sys.stderr, flush=True)
    print(text, file=file or sys.stderr, end=end, flush=True)


def tell(result: str) -> None:
    """A result, on standard output."""
    say(result, sys.stdout)


class Ticker:
    """One line on the progress of a slow thing: rewritten on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.start = self.shown = time.monotonic()
        say(f"{label} ...")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def show(self, text: str) -> None:
        """Shows `text` unless another was shown a moment ago."""
        if time.monotonic() - self.shown > (0.3 if TERMINAL else 10):
            self.shown = time.monotonic()
            width = shutil.get_terminal_size((150, 0)).columns - 1
            line = f"{self.label}: {self.seconds:.0f} s{', ' * bool(text)}{text}"[:width]
            say(line, end="" if TERMINAL else "\n")


def clean_env(**more: str) -> dict[str, str]:
    """The environment without what would send a child's modules, or what pip installs, somewhere else."""
    kept = {name: value for name, value in os.environ.items() if name.upper() not in STRAYS}
    return PATIENT | kept | {"PIP_USER": "0", "PYTHONUTF8": "1"} | more


def runs(*command: str | Path) -> bool:
    """Whether a command is there and ends well; its words are dropped."""
    try:
        ended = subprocess.run(command, env=clean_env(), stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def run(label: str, *command: str | Path) -> None:
    """Runs a slow command and shows its last line; raises Trouble with its last lines if it fails."""
    ticker, tail = Ticker(label), deque[str](maxlen=20)
    with subprocess.Popen(command, env=clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace") as process:
        lines = (line.rstrip() for line in process.stdout or ())
        reader = threading.Thread(target=tail.extend, args=[lines])
        reader.start()
        while reader.is_alive():        # a download is silent for minutes
            reader.join(0.3)
            ticker.show(tail[-1].strip() if tail else "")
    if process.returncode:
        raise Trouble(f"{label}: failed.\n" + "\n".join(tail))
    say(f"{label}: {ticker.seconds:.0f} s")
