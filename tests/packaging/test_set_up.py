"""dev.py's set-up: it heals itself, and one is made at a time."""
from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from unite_and_conquer.devtools import pages, setup, terminal
from unite_and_conquer.devtools.locks import try_lock
from unite_and_conquer.devtools.paths import ROOT, cache_root
from unite_and_conquer.devtools.server import Server
from unite_and_conquer.devtools.setup import Comfy, cached_comfy
from unite_and_conquer.devtools.terminal import Trouble, clean_env


@pytest.fixture
def fake_setup(tmp_path, monkeypatch):
    """A cache of our own, where every slow step leaves its mark instead of a gigabyte."""
    done = []

    def unpack(_python, tree):
        done.append("unpack")
        tree.mkdir(parents=True)
        (tree / "main.py").touch()

    def make(label, *command):
        done.append(label.split()[0])
        python = setup.venv_python(Path(command[-1]))
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)

    monkeypatch.setenv("MCDM_CACHE", str(tmp_path / "a cache"))
    monkeypatch.setattr(setup, "run", make)
    monkeypatch.setattr(setup, "unpack_comfyui", unpack)
    monkeypatch.setattr(setup, "install_requirements", lambda *_: done.append("install"))
    return done


def test_set_up_once(fake_setup):
    first = cached_comfy()
    assert fake_setup == ["Making", "unpack", "install"]
    assert cached_comfy() == first
    assert len(fake_setup) == 3


def test_a_set_up_that_broke_off_is_made_again(fake_setup, monkeypatch):
    def breaks(*_):
        raise Trouble("no network")

    with monkeypatch.context() as patch:
        patch.setattr(setup, "install_requirements", breaks)
        with pytest.raises(Trouble, match="no network"):
            cached_comfy()
    home, = (path for path in cache_root().iterdir() if path.is_dir())
    (home / "venv" / "half-made").touch()
    cached_comfy()
    assert fake_setup == ["Making", "unpack", "Making", "unpack", "install"]
    assert not (home / "venv" / "half-made").exists()


@pytest.mark.parametrize("spoil", ["python has gone", "tree has gone", "another recipe"])
def test_a_spoilt_set_up_is_made_again(fake_setup, monkeypatch, spoil):
    comfy = cached_comfy()
    if spoil == "python has gone":
        comfy.python.unlink()
        comfy.python.symlink_to(comfy.python.with_name("no such python"))
    elif spoil == "tree has gone":
        (comfy.tree / "main.py").unlink()
    else:
        monkeypatch.setattr(setup, "ALSO", (*setup.ALSO, "something-new"))
    cached_comfy()
    assert fake_setup == ["Making", "unpack", "install"] * 2


def test_two_set_ups_at_once_make_one(fake_setup):
    threads = [threading.Thread(target=cached_comfy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake_setup == ["Making", "unpack", "install"]


def test_the_lock_holds_between_processes_and_falls_with_one(tmp_path):
    path = tmp_path / "a.lock"
    code = ("import pathlib, sys, time; sys.path.insert(0, sys.argv[1]); from devtools.locks import locked\n"
            "with locked(pathlib.Path(sys.argv[2])): print('held', flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code, str(ROOT), str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline().strip() == b"held"
        with path.open("a+b") as file:
            assert not try_lock(file)
            other.kill()
            other.wait()
            assert try_lock(file)


def test_children_see_nothing_that_leads_them_astray(monkeypatch):
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PYTHONPATH", "PYTHONHOME"):
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    env = clean_env()
    assert not {"PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME"} & set(env)
    assert env["PIP_USER"] == "0"
    assert env["PIP_FIND_LINKS"] == "/wheels"


def test_another_page_is_fetched_once_and_served(tmp_path, monkeypatch):
    fetched = []

    def download(_label, *command):
        fetched.append(command[-1])
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "page.whl", "w") as wheel:
            for name in ("static/index.html", "static/assets/a.js", "static/assets/a.js.map", "__init__.py"):
                wheel.writestr(f"comfyui_frontend_package/{name}", name)

    comfy = Comfy(Path(sys.executable), tmp_path, own=False)
    monkeypatch.setenv("MCDM_CACHE", str(tmp_path / "a cache"))
    monkeypatch.setenv("MCDM_PAGE", "")
    monkeypatch.setattr(pages, "run", download)
    monkeypatch.setattr(pages, "find_comfy", lambda: comfy)
    assert "--front-end-root" not in Server(comfy, tmp_path).command()
    for _ in range(2):
        pages.choose("1.58.1")
    command = Server(comfy, tmp_path).command()
    folder = Path(command[command.index("--front-end-root") + 1])
    assert fetched == ["comfyui-frontend-package==1.58.1"]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"index.html", "assets/a.js"}


def test_a_silent_step_says_how_long_it_takes(monkeypatch, capsys):
    """As a download of a gigabyte is, whose progress is drawn only on a terminal."""
    monkeypatch.setattr(terminal, "TERMINAL", True)
    terminal.run("Installing", sys.executable, "-c", "import time; time.sleep(2.5)")
    said = capsys.readouterr().err
    assert "Installing: 1 s" in said and "Installing: 2 s" in said


def test_the_set_up_says_what_is_to_come(fake_setup, capsys):
    cached_comfy()
    said, = (line for line in capsys.readouterr().err.splitlines() if line.startswith("Setting up ComfyUI"))
    assert "torch" in said and "five minutes" in said
