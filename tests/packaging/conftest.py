"""Fixtures of the packaging tests.

`cli` is the command of comfy-cli, `repository` a fresh clone, `archive` what the command packs, `unpacked` the folder
that the Manager makes of that.
"""
from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from unite_and_conquer.devtools.paths import PACK, ROOT
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


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as a fresh clone would be, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("clone") / PACK
    left_out = shutil.ignore_patterns(".git", "output", "shared", "*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, folder, ignore=left_out)
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def archive(cli: Cli, repository: Path) -> zipfile.ZipFile:
    """What the registry gets."""
    answer = cli(repository, "node", "pack")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines() == ["Validating node configuration...", "Created zip file: node.zip"]
    return zipfile.ZipFile(repository / "node.zip")


@pytest.fixture(scope="module")
def unpacked(archive: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Manager makes of it, in a folder of the registry's name for this pack."""
    folder = tmp_path_factory.mktemp("a bare ComfyUI") / "unite-and-conquer"
    archive.extractall(folder)
    return folder
