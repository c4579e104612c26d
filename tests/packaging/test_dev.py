"""dev.py: the set-up that heals itself, the lock, the /ws client, and what `demo` leaves out."""
from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from aiohttp import web

from unite_and_conquer.devtools import commands, pages, setup, tools
from unite_and_conquer.devtools.events import Events
from unite_and_conquer.devtools.locks import try_lock
from unite_and_conquer.devtools.places import ROOT, cache_root
from unite_and_conquer.devtools.prompts import node
from unite_and_conquer.devtools.server import Server, link_pack
from unite_and_conquer.devtools.setup import Comfy, cached_comfy
from unite_and_conquer.devtools.terminal import Trouble, clean_env
from unite_and_conquer.devtools.workflows import absent_files, combo_options


# ------------------------------------------------------------------------------------------------------------- set-up
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


# ------------------------------------------------------------------------------------- with or without a browser

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
    monkeypatch.setattr(tools, "run", run)
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
    assert ran[-1][-2:] == ["pytest", "-x"]


def test_without_browser_tests_no_browser_is_missed(no_browser_here, capsys):
    ran, _ = no_browser_here
    assert commands.test(WHOLE, ["--no-browser", "-k", "a or b"]) == 0
    assert not [command for command in ran if "apt-get" in command]
    assert ran[-1][-4:] == ["pytest", "--no-browser", "-k", "a or b"]
    assert "browser were left out" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("arguments, shared", [
    ([], True), (["-x", "-k", "a or b"], True), (["tests/maths"], True),
    (["tests/maths/test_fusion.py::test_x"], False),
])
def test_named_files_stay_in_one_process(no_browser_here, monkeypatch, arguments, shared):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--tb=short")
    options = commands.on_every_core(arguments).get("PYTEST_ADDOPTS", "")
    assert options.startswith("-n auto") == shared and options.endswith("--tb=short") == shared


def test_fast_is_maths_and_sampling_without_a_browser(no_browser_here):
    ran, machine = no_browser_here
    assert commands.test(argparse.Namespace(fast=True), ["-x"]) == 0
    assert ran[-1][-4:] == ["pytest", "-o", "testpaths=tests/maths tests/sampling", "-x"] and machine["browser"] is None


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


@pytest.mark.parametrize("arguments", [["demo", "no-such-workflow"], ["demo", "--no-such-option"], ["env", "more"], []])
def test_wrong_arguments_are_refused(arguments):
    result = subprocess.run([sys.executable, ROOT / "dev.py", *arguments], capture_output=True, text=True)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


# ----------------------------------------------------------------------------------------------------------- workflows

INFO = {
    "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["here.safetensors"], {"tooltip": "..."}]}}},
    "LoadExpert": {"input": {"required": {"expert": ["COMBO", {"options": ["builtin/hair.safetensors"]}]},
                             "optional": {"weight_dtype": ["COMBO", {"options": ["default"]}]}}},
    "LoadImage": {"input": {"required": {"image": [["x.png"], {"image_upload": True}]}}},
}


@pytest.mark.parametrize(("class_type", "inputs", "absent"), [
    ("CheckpointLoaderSimple", {"ckpt_name": "here.safetensors"}, False),
    ("CheckpointLoaderSimple", {"ckpt_name": "sd15.ckpt"}, True),
    ("CheckpointLoaderSimple", {"ckpt_name": ["4", 0]}, False),  # a wire
    ("LoadExpert", {"expert": "builtin/hair.safetensors", "weight_dtype": "default"}, False),
    ("LoadExpert", {"expert": "mine/sketch.safetensors", "weight_dtype": "default"}, True),
    ("LoadExpert", {"expert": "builtin/hair.safetensors", "weight_dtype": "fp7"}, False),  # no file: the host says so
    ("LoadImage", {"image": "mcdm_x.png"}, False),  # likewise
    ("NodeOfAnotherPack", {"model": "a.safetensors"}, False),  # likewise
])
def test_absent_files(class_type, inputs, absent):
    found = absent_files({"7": {"class_type": class_type, "inputs": inputs}}, INFO)
    assert bool(found) == absent
    assert all("node 7" in line and class_type in line and next(iter(inputs.values())) in line for line in found)


def test_the_hosts_combos_are_understood(host):
    info = host.object_info()
    old = combo_options(info["KSampler"]["input"]["required"]["sampler_name"])
    assert "euler" in old
    assert combo_options(info["KSampler"]["input"]["required"]["steps"]) is None
    workflow = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "no-such.safetensors"}}}
    assert len(absent_files(workflow, info)) == 1


# ------------------------------------------------------------------------------------------------------------- the host

def test_events_of_a_real_websocket_server():
    """Every frame length, continued and binary messages, pings in between: against aiohttp's server."""
    sent = [{"type": "a", "data": "x" * size} for size in (0, 95, 200, 70_000)]
    pongs = []

    async def handler(request):
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        for event in sent:
            await socket.send_json(event)
            await socket.ping(b"are you there")
            pongs.append((await socket.receive()).data)
        await socket.send_bytes(bytes(range(256)) * 2)
        writer = request.transport
        writer.write(b"\x01\x09" + b'{"type": ' + b"\x80\x11" + b'"b", "data": "z"}')  # one message in two frames
        await socket.close()
        return socket

    async def serve(ready, stop):
        app = web.Application()
        app.router.add_get("/ws", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ready.set_result(site._server.sockets[0].getsockname()[1])
        await stop.wait()
        await runner.cleanup()

    loop = asyncio.new_event_loop()
    ready, stop = loop.create_future(), asyncio.Event()
    port_known = threading.Event()
    ready.add_done_callback(lambda _: port_known.set())
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(ready, stop)))
    thread.start()
    assert port_known.wait(10)
    events = Events(ready.result(), "me")
    try:
        got = list(events)
    finally:
        events.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
    assert got == [*((e["type"], e["data"]) for e in sent), ("binary", bytes(range(256)) * 2), ("b", "z")]
    assert pongs == [b"are you there"] * len(sent)


SIX_GREY_PIXELS = {
    "1": node("EmptyImage", width=3, height=2, batch_size=2, color=0x808080),
    "2": node("SaveImage", images=["1", 0], filename_prefix="grey"),
    "10": node("PreviewImage", images=["1", 0]),
}


def test_a_prompt_from_queue_to_picture(host):
    entry = host.server.watch(SIX_GREY_PIXELS, lambda _: None)
    images = host.images(entry)
    assert len(images) == 2  # the preview is not among them
    assert all(image.startswith(b"\x89PNG") for image in images)


def test_refusals_are_sentences(host):
    with pytest.raises(Trouble, match=r"node 1 \(EmptyImage\).*width"):
        host.server.queue({**SIX_GREY_PIXELS, "1": node("EmptyImage", width="wide", height=2, batch_size=1, color=0)})
    with pytest.raises(Trouble, match="NoSuchNode"):
        host.server.queue({"1": {"class_type": "NoSuchNode", "inputs": {}}})


def test_the_host_leaves_nothing_behind(tmp_path):
    """Ended early, it takes its processes and its link with it, and the checkout stays."""
    comfy = Comfy(Path(sys.executable), Path(os.environ["MCDM_COMFYUI"]), own=False)
    server = Server(comfy, tmp_path)
    server.wait_until_ready = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt), server:
        pass
    assert server.process.returncode is not None
    assert not os.path.lexists(server.link)
    assert (ROOT / "dev.py").is_file()


def test_a_host_that_dies_shows_its_log(tmp_path):
    (tmp_path / "main.py").write_text("raise SystemExit('this tree is broken')")
    server = Server(Comfy(Path(sys.executable), tmp_path, own=False), tmp_path / "base")
    with pytest.raises(Trouble, match="this tree is broken"), server:
        pass
