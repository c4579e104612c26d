"""dev.py --comfyui: a folder, or a release that git fetches, here from a repository on the disk."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unite_and_conquer.devtools import releases, setup
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.terminal import Trouble


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, text: str) -> None:
    (folder / "main.py").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-m", text)


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """ComfyUI's repository, and where the slow steps of a set-up leave their marks."""
    folder = tmp_path / "remote"
    folder.mkdir()
    git(folder, "init", "-b", "master")
    for version in ("0.9.1", "0.10.0", "0.9.2"):
        commit(folder, version)
        git(folder, "tag", "-a", f"v{version}", "-m", version)
    git(folder, "tag", "latest")

    def make_venv(python):
        made.append(python.parent.parent)
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)

    made: list[Path] = []
    monkeypatch.setenv("MCDM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COMFYUI_PATH", "")          # so that it is put back after the test
    monkeypatch.setattr(releases, "REPOSITORY", str(folder))
    monkeypatch.setattr(releases, "make_venv", make_venv)
    monkeypatch.setattr(releases, "install_requirements", lambda python, tree: None)
    return folder, made


def chosen(where: str) -> str:
    """The main.py that --comfyui leads to, run by an interpreter of its own."""
    releases.choose(where)
    comfy = setup.find_comfy()
    assert comfy.own and comfy.python == setup.venv_python(comfy.tree / "venv")
    return (comfy.tree / "main.py").read_text()


def test_the_newest_release_is_the_highest_number_and_is_fetched_once(remote):
    folder, made = remote
    assert [chosen("newest"), chosen("newest"), chosen("0.10.0")] == ["0.10.0"] * 3 and len(made) == 1
    assert chosen("0.9.1") == "0.9.1"
    commit(folder, "0.11.0")
    git(folder, "tag", "v0.11.0")
    assert chosen("newest") == "0.11.0" and len(made) == 3


def test_master_follows_the_remote(remote):
    folder, made = remote
    assert chosen("master") == "0.9.2"
    commit(folder, "later")
    assert chosen("master") == "later" and made[0] == made[1]


def test_a_fetch_that_broke_off_is_made_again(remote, monkeypatch):
    def breaks(*_):
        raise Trouble("no wheel")

    with monkeypatch.context() as patch, pytest.raises(Trouble, match="no wheel"):
        patch.setattr(releases, "install_requirements", breaks)
        chosen("newest")
    assert chosen("newest") == "0.10.0"


@pytest.mark.parametrize("where", ["newest", "master", "0.10.0"])
def test_a_remote_out_of_reach_is_a_sentence_and_only_the_newest_release_has_a_substitute(
        remote, monkeypatch, capsys, where):
    monkeypatch.setattr(releases, "REPOSITORY", "/nowhere/ComfyUI")
    with pytest.raises(Trouble, match="^git does not reach /nowhere/ComfyUI: "):
        releases.choose(where)
    if where != "newest":
        with pytest.raises(Trouble):
            releases.choose(where, or_wheel=True)
        return
    releases.choose(where, or_wheel=True)
    assert os.environ["COMFYUI_PATH"] == "" and "without --comfyui" in capsys.readouterr().err


def test_a_release_that_is_not_there_is_named(remote):
    with pytest.raises(Trouble, match=r"has no v7\.7\.7\.$"):
        releases.choose("7.7.7")


def test_a_folder_is_the_ComfyUI_in_it(tmp_path):
    """By the command itself; a folder without one is a sentence."""
    command = [sys.executable, ROOT / "dev.py", "demo", "--comfyui", tmp_path]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr.splitlines()[-1].startswith(f"dev.py: {tmp_path} has no main.py")
