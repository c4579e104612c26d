"""Which Python dev.py makes its environments with: the one that was called, and never a cache of another."""
from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from unite_and_conquer.devtools import base_python, setup
from unite_and_conquer.devtools.base_python import Base
from unite_and_conquer.devtools.terminal import Trouble

RUNNING = Base(sys.executable, sys.version_info[:2])


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch):
    monkeypatch.delenv("MCDM_PYTHON", raising=False)
    base_python.base_python.cache_clear()
    yield
    base_python.base_python.cache_clear()


def script(folder: Path, version: str) -> str:
    """A program that says it were this Python."""
    path = folder / f"python{version}"
    path.write_text(f"#!/bin/sh\necho {version}\n", "utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_one_that_was_called_is_taken():
    assert base_python.base_python() == RUNNING
    assert base_python.version_of(sys.executable) == platform.python_version()
    assert base_python.fits(Path(sys.executable))


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")
@pytest.mark.parametrize(("version", "suffix"), [("3.11.7", ""), ("3.13.5", "-3.13"), ("3.14.0", "-3.14")])
def test_or_the_one_that_is_named_and_each_version_has_folders_of_its_own(tmp_path, monkeypatch, version, suffix):
    monkeypatch.setenv("MCDM_PYTHON", script(tmp_path, version))
    assert base_python.base_python().path == str(tmp_path / f"python{version}")
    assert base_python.suffix() == suffix
    assert base_python.fits(Path(sys.executable)) == version.startswith("{}.{}.".format(*sys.version_info))


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")
def test_none_is_taken_in_silence_for_one_that_cannot_be(tmp_path, monkeypatch, capsys):
    for named in (script(tmp_path, "3.9.2"), str(tmp_path / "gone")):
        monkeypatch.setenv("MCDM_PYTHON", named)
        with pytest.raises(Trouble, match=f"MCDM_PYTHON is {named}, and that is no Python 3.10 to 3.14"):
            base_python.base_python()
    monkeypatch.delenv("MCDM_PYTHON")
    monkeypatch.setattr(base_python.sys, "executable", script(tmp_path, "3.9.2"))
    monkeypatch.setattr(base_python, "INSTEAD", (script(tmp_path, "3.12.1"),))
    assert base_python.base_python().version == (3, 12)
    assert "3.12.1 is taken instead" in capsys.readouterr().err
    base_python.base_python.cache_clear()
    monkeypatch.setattr(base_python, "INSTEAD", ())
    with pytest.raises(Trouble, match="There is no Python 3.10 to 3.14"):
        base_python.base_python()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")
def test_a_cache_of_another_version_is_made_again(tmp_path, monkeypatch):
    made = []

    def make(_label, *command):
        python = setup.venv_python(Path(command[-1]))
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        made.append(python)

    def unpack(_python, tree):
        tree.mkdir(parents=True)
        (tree / "main.py").touch()

    monkeypatch.setenv("MCDM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(setup, "run", make)
    monkeypatch.setattr(setup, "unpack_comfyui", unpack)
    monkeypatch.setattr(setup, "install_requirements", lambda *_: None)
    python = setup.cached_comfy().python
    python.unlink()
    python.symlink_to(script(tmp_path, "3.9.2"))
    assert setup.cached_comfy().python == python
    assert len(made) == 2 and python.resolve() == Path(sys.executable).resolve()
