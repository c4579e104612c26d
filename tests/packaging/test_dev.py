"""dev.py: its commands, with or without a browser, and the ComfyUI that they find."""
from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unite_and_conquer.devtools import apt, commands, prompts, setup, tools
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.server import link_pack
from unite_and_conquer.devtools.setup import Comfy
from unite_and_conquer.devtools.terminal import Trouble

THREE_TESTS = """
import pytest

@pytest.fixture
def page(browser):
    return browser.new_page()

def test_plain(): pass
def test_direct(browser): raise AssertionError
@pytest.mark.parametrize("n", [1, 2])
def test_through_another(page, n): raise AssertionError
"""


@pytest.mark.parametrize("processes", [0, 2])
def test_no_browser_leaves_out_what_needs_one_and_says_so(tmp_path, processes):
    (tmp_path / "test_three.py").write_text(THREE_TESTS)
    options = ["-p", "conftest", "-p", "no:cacheprovider", "--rootdir", tmp_path, "--no-browser"]
    command = [sys.executable, "-m", "pytest", *options, tmp_path]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "MCDM_BROWSER": "/nowhere",
           "PYTEST_ADDOPTS": f"-n {processes}"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert result.returncode == 0, result.stdout
    *_, said, total = result.stdout.splitlines()
    assert ("1 passed" if processes else "1 passed, 3 deselected") in total
    assert said == "--no-browser: left out 3 tests that need a browser: 3 in test_three.py"


WHOLE = argparse.Namespace(fast=False)


@pytest.fixture
def no_browser_here(monkeypatch):
    """A machine without a browser; what `test` would run there, and whether apt brings one."""
    ran, machine = [], {"browser": None, "apt": "works"}

    def which(name):
        return {"chromium": machine["browser"], "git": "/usr/bin/git", "apt-get": "/usr/bin/apt-get"}.get(name)

    def run_python(command, **_):
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    def run(_label, *command):
        ran.append(command)
        if machine["apt"] == "fails":
            raise Trouble("no network")
        if "chromium" in command:
            machine["browser"] = "/usr/bin/chromium"

    monkeypatch.delenv("CHROME", raising=False)
    monkeypatch.setattr(tools, "find_comfy", lambda: Comfy(Path(sys.executable), ROOT, own=False))
    monkeypatch.setattr(tools, "tools_python", lambda comfy: comfy.python)
    monkeypatch.setattr(commands, "comfy_cli", lambda: None)
    monkeypatch.setattr(tools, "runs", lambda *_: True)
    monkeypatch.setattr(apt, "run", run)
    monkeypatch.setattr(tools.shutil, "which", which)
    monkeypatch.setattr(tools, "BROWSERS", ("chromium", "google-chrome"))
    monkeypatch.setattr(commands.subprocess, "run", run_python)
    return ran, machine


@pytest.mark.skipif(sys.platform == "win32", reason="there is no root")
@pytest.mark.parametrize("who, apt", [("a user", "works"), ("root", "fails")])
def test_a_missing_browser_is_one_sentence(no_browser_here, monkeypatch, who, apt):
    ran, machine = no_browser_here
    machine["apt"] = apt
    monkeypatch.setattr(tools, "is_root", lambda: who == "root")
    with pytest.raises(Trouble, match=r"^There is no browser: .* CHROME, .* --no-browser\.$"):
        commands.test(WHOLE, ["-x"])
    assert not [command for command in ran if "pytest" in command] and bool(ran) == (who == "root")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no root")
def test_root_gets_debians_browser(no_browser_here, monkeypatch):
    ran, _ = no_browser_here
    monkeypatch.setattr(tools, "is_root", lambda: True)
    assert commands.test(WHOLE, ["-x"]) == 0
    assert [command[:2] for command in ran[:2]] == [("apt-get", "update"), ("apt-get", "install")]
    assert ran[1][-1] == "chromium"
    assert sorted(command[2:] for command in ran if "pytest" in command) == [
        ["pytest", "-x"], ["pytest", "-x", commands.CARDS, "-n", "0"]]


def test_without_browser_tests_no_browser_is_missed(no_browser_here, capsys):
    ran, _ = no_browser_here
    assert commands.test(WHOLE, ["--no-browser", "-k", "a or b"]) == 0
    assert not [command for command in ran if "apt-get" in command]
    chosen = ["pytest", "--no-browser", "-k", "a or b"]
    assert sorted(command[2:] for command in ran if "pytest" in command) == [
        chosen, [*chosen, commands.CARDS, "-n", "0"]]
    assert "browser were left out" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("arguments, shared", [
    ([], True), (["-x", "-k", "a or b"], True), (["tests/maths"], True),
    (["tests/maths/test_fusion.py::test_x"], False),
])
def test_named_files_stay_in_one_process(no_browser_here, monkeypatch, arguments, shared):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--tb=short")
    options = commands.on_every_core(arguments).get("PYTEST_ADDOPTS", "")
    assert options.startswith("-n auto") == shared and options.endswith("--tb=short") == shared


def test_fast_is_guards_maths_and_sampling_without_a_browser(no_browser_here):
    ran, machine = no_browser_here
    assert commands.test(argparse.Namespace(fast=True), ["-x"]) == 0
    assert ran[-1][-4:] == ["pytest", "-o", "testpaths=tests/guards tests/maths tests/sampling", "-x"]
    assert machine["browser"] is None


def test_env_prints_json_and_nothing_else():
    command = [sys.executable, ROOT / "dev.py", "env"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    paths = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert set(paths) == {"python", "comfyui", "pack"}
    assert Path(paths["pack"]) == ROOT
    assert Path(paths["comfyui"], "main.py").is_file()
    assert subprocess.run([paths["python"], "-c", "import torch"]).returncode == 0


def test_a_link_in_custom_nodes_leads_to_the_users_comfyui(tmp_path, monkeypatch):
    """Whatever the folders are called, and without the script's folder on Python's path."""
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    tree = tmp_path / "my ComfyUI \u00fc"
    python = setup.venv_python(tree / "venv")
    for folder in (tree / "custom_nodes", python.parent):
        folder.mkdir(parents=True)
    (tree / "main.py").touch()
    python.symlink_to(sys.executable)
    link_pack(tree / "custom_nodes" / "a pack")
    command = [sys.executable, "-I", tree / "custom_nodes" / "a pack" / "dev.py", "env"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert json.loads(result.stdout) == {"python": str(python), "comfyui": str(tree), "pack": str(ROOT)}


def test_comfyui_path_that_is_none_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(Trouble, match=r"no main\.py"):
        setup.own_comfy()


@pytest.mark.parametrize("arguments, told", [
    (["bench", "--help"], "sampling    The cost of fusion beside its networks\n"),
    (["bench", "windows", "--help"], "usage: dev.py bench windows [-h]"),
    (["bench", "workers", "--help"], "--kills RUNS"),
    (["pictures", "gallery", "--help"], "face_from_three_experts"),
    (["train", "--help"], "--no-mirror"),
    (["train", "hair", "--help"], "usage: dev.py train hair"),
])
def test_help_is_that_of_what_is_named(arguments, told):
    result = subprocess.run([sys.executable, ROOT / "dev.py", *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert told in result.stdout
    assert not re.search("WARNING|Traceback", result.stderr)       # of a ComfyUI, which no help needs


def test_demo_shortens_numbers_that_the_workflows_have():
    for name, changes in prompts.SHORTER.items():
        for key, inputs in changes.items():
            whole = prompts.prompt(name)[key]["inputs"]
            assert all(0 < value < whole[what] for what, value in inputs.items())
            assert commands.shortened(name)[key]["inputs"] == whole | inputs


@pytest.mark.parametrize("arguments", [
    ["demo", "no-such-workflow"], ["demo", "--no-such-option"], ["env", "more"], ["bench", "nothing"], ["bench"], [],
])
def test_wrong_arguments_are_refused(arguments):
    result = subprocess.run([sys.executable, ROOT / "dev.py", *arguments], capture_output=True, text=True)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
