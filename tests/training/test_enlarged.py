"""What the embedded upsampler promises, by the nodes, and the blueprint that holds them."""
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from unite_and_conquer.bench.enlarging import checkers, edges_f1, held_out, lanczos, psnr, shrunk
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.enlarging import FILE, SCHEDULER, STEPS, enlarge
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.training.pixels import to_pixels

BLUEPRINT = "Enlarge to 256"


def insides(workflow):
    """(kind, values) of the nodes in each blueprint of a workflow."""
    found = []
    for graph in workflow.get("definitions", {}).get("subgraphs", []):
        if graph["name"] == BLUEPRINT:
            found.append([(card["type"], card["widgets_values"]) for card in graph["nodes"]])
    return found


@pytest.mark.parametrize("kind", ["faces", "scenes"])
def test_drawings_come_back(comfy, kind):
    drawings = held_out(kind, 8)
    small = shrunk(drawings)
    with torch.inference_mode():
        large = enlarge(comfy, small)
    assert psnr(large, drawings) > psnr(lanczos(small), drawings) + 3
    assert edges_f1(large, drawings) > edges_f1(lanczos(small), drawings)
    assert psnr(shrunk(large), small) > 30


def test_checkers_are_told_from_edges_and_gentle_slopes():
    x = torch.linspace(-0.3, 0.3, 64).expand(1, 3, 64, 64).clone()
    x[..., 28:36, 28:36] = 0.7
    signs = 1.0 - 2.0 * (torch.arange(64) % 2)
    for pattern in (signs[:, None] * signs, signs[:, None].expand(64, 64), signs.expand(64, 64)):
        checkered = checkers(x + 0.02 * pattern).item()
        assert checkered == pytest.approx(0.02, rel=0.1)
        assert checkers(x) < checkered / 5


def test_every_workflow_has_the_blueprint_as_it_is():
    alone, = insides(json.loads((ROOT / "subgraphs" / f"{BLUEPRINT}.json").read_text("utf-8")))
    sampler = next(values for kind, values in alone if kind == "KSampler")
    assert sampler == [0, "fixed", STEPS, 1, "euler", SCHEDULER, 1]
    assert [FILE, "default"] in [values for _, values in alone]
    used = {name: insides(prompts.drawing(name)) for name in prompts.names()}
    assert len([name for name, found in used.items() if found]) >= 13
    assert [name for name, found in used.items() if found not in ([], [alone])] == []


def test_the_blueprint_over_http_is_what_the_benchmark_measures(comfy, host):
    pixels = to_pixels(shrunk(held_out("faces", 1))[0])
    Image.fromarray(pixels).save(host.base / "input" / "small.png")
    graph = prompts.prompt("start_here")
    save = next(call for call in graph.values() if call["class_type"] == "SaveImage")
    box = save["inputs"]["images"][0].split(":")[0]
    inner = {key: call for key, call in graph.items() if key.startswith(f"{box}:")}
    for call in inner.values():
        for name, wire in call["inputs"].items():
            if isinstance(wire, list) and wire[0] not in inner:
                call["inputs"][name] = ["small", 0]
    run = {"small": prompts.node("LoadImage", image="small.png"), "save": save} | inner
    png, = host.images(host.run(run))
    got = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    with torch.inference_mode():
        wanted = to_pixels(enlarge(comfy, torch.from_numpy(pixels).float().movedim(-1, 0)[None] / 127.5 - 1)[0])
    assert got.shape == (256, 256, 3) and np.abs(got - wanted.astype(int)).max() <= 1
