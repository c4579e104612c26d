"""The host that dev.py starts: its /ws client, its queue, how it ends, and what `demo` leaves out."""
from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest
from aiohttp import web

from unite_and_conquer.devtools.events import Events
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.prompts import node
from unite_and_conquer.devtools.server import Server
from unite_and_conquer.devtools.setup import Comfy
from unite_and_conquer.devtools.terminal import Trouble
from unite_and_conquer.devtools.workflows import absent_files, combo_options

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


SLOW_HOST = """
import http.server, sys
print("Traceback: No module named 'torchaudio'", flush=True)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        print("asked for " + self.path, flush=True)

http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answer).serve_forever()
"""


def test_a_host_that_is_shown_is_shown_from_when_it_answers(tmp_path, capfd):
    """What it lacks for its own nodes is in its log."""
    (tmp_path / "main.py").write_text(SLOW_HOST)
    server = Server(Comfy(Path(sys.executable), tmp_path, own=False), tmp_path / "base", quiet=False)
    said = ""
    with server:
        for _ in range(100):
            server.get("/later")
            said += capfd.readouterr().err
            if "asked for /later" in said:
                break
    assert "asked for /later" in said and "torchaudio" not in said
    assert "torchaudio" in server.words()
