"""Fixtures of the packaging tests: `cli`, the command of comfy-cli."""
from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unite_and_conquer.devtools.terminal import clean_env
from unite_and_conquer.devtools.tools import comfy_cli

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """comfy-cli in a folder, in a home of its own, with no way out: its answer."""
    home, nowhere = str(tmp_path_factory.mktemp("home of comfy-cli")), "http://127.0.0.1:9"
    comfy = comfy_cli()
    env = clean_env(HOME=home, USERPROFILE=home, DO_NOT_TRACK="1", HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere,
                    NO_PROXY="127.0.0.1", COLUMNS="500")

    def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
        command = [comfy, "--skip-prompt", "--no-json", *map(str, words)]
        return subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              encoding="utf-8", timeout=300)
    return run
