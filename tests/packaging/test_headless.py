"""Runs without the web page: comfy-cli on every example, and sweep.py."""
from __future__ import annotations

import io
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.stand_ins import SIDES
from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.paths import WORKFLOWS
from unite_and_conquer.devtools.prompts import bare
from unite_and_conquer.devtools.setup import venv_python
from unite_and_conquer.devtools.terminal import clean_env
from unite_and_conquer.devtools.tools import comfy_cli
from unite_and_conquer.devtools.workflows import combo_options

API = WORKFLOWS / "api"
# with the pack alone, with a checkpoint, and a video; the page's tests run all of them
RUN = ["start_here", "face_from_three_experts", "scene_from_class_and_text", "contradiction_and_repair",
       "two_stable_diffusion_prompts", "wan22_high_and_low_noise"]


def quick(path, folder, **changes):
    """A copy of a workflow in API format with two steps and other inputs, {class: {input: value}}."""
    workflow = json.loads(path.read_text("utf-8"))
    for node in workflow.values():
        node["inputs"] |= ({"steps": 2} if "steps" in node["inputs"] else {}) | changes.get(node["class_type"], {})
    (folder / path.name).write_text(json.dumps(workflow), "utf-8")
    return folder / path.name


@pytest.mark.parametrize("name", RUN)
def test_comfy_run_gives_the_picture(cli, host, stand_ins, tmp_path, name):
    small = {"width": SIDES.get(name, 64), "height": SIDES.get(name, 64)}
    workflow = quick(API / f"{name}.json", tmp_path, EmptyExpertLatent=small,
                     EmptyHunyuanLatentVideo=small | {"length": 5})
    answer = cli(tmp_path, "run", "--workflow", workflow, "--wait", "--host", "127.0.0.1", "--port", host.server.port)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    query = re.search(rf"{host.url}/view\?(\S+)", answer.stdout)
    assert query, answer.stdout
    made = host.get("/view", **dict(part.split("=") for part in query[1].split("&")))
    with Image.open(io.BytesIO(made)) as picture:       # where it moves, the workflow is in the EXIF
        assert np.asarray(picture).std() > 5 and name in str(picture.info.get("prompt") or picture.info["exif"])
        assert getattr(picture, "n_frames", 1) == (2 if picture.format == "WEBP" else 1)


def test_comfy_run_names_a_checkpoint_that_is_not_there(cli, host, tmp_path):
    example = API / "two_stable_diffusion_prompts.json"
    workflow = quick(example, tmp_path, CheckpointLoaderSimple={"ckpt_name": "nowhere.safetensors"})
    answer = cli(tmp_path, "run", "--workflow", workflow, "--wait", "--host", "127.0.0.1", "--port", host.server.port)
    assert answer.returncode == 1 and "nowhere.safetensors" in answer.stdout + answer.stderr


def test_the_host_lists_the_example_pictures(host):
    """Newer hosts list no subfolder, and the page misses what they do not list; older files name one."""
    listed = combo_options(host.object_info()["LoadImage"]["input"]["required"]["image"])
    calls = [call for name in prompts.names() for call in prompts.prompt(name).values()]
    named = {call["inputs"]["image"] for call in calls if call["class_type"] == "LoadImage"}
    assert named and named <= set(listed)
    for name in named:
        older = host.base / "input" / "mcdm" / name.removeprefix("mcdm_")
        assert older.read_bytes() == (host.base / "input" / name).read_bytes()


CONVERT = """
import json, sys
from pathlib import Path
from comfy_cli.workflow_to_api import convert_ui_to_api
info = json.loads(Path(sys.argv[1]).read_text("utf-8"))
print(json.dumps({path: convert_ui_to_api(json.loads(Path(path).read_text("utf-8")), info) for path in sys.argv[2:]}))
"""


def test_comfy_cli_converts_the_drawings_to_the_api_files(host, tmp_path):
    """By comfy-cli's own function, in its own environment: what `comfy run` queues for a drawing itself."""
    (tmp_path / "info.json").write_bytes(host.get("/object_info"))
    drawings = {name: WORKFLOWS / f"{title}.json" for name, title in prompts.TITLES.items()}
    python = venv_python(comfy_cli().parent.parent)
    command = [python, "-c", CONVERT, tmp_path / "info.json", *drawings.values()]
    env = clean_env(HOME=str(tmp_path), DO_NOT_TRACK="1")
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert run.returncode == 0, run.stderr
    converted = json.loads(run.stdout)
    for name, path in drawings.items():
        assert bare(converted[str(path)]) == bare(prompts.prompt(name)), name


# ------------------------------------------------------------------------------------------------------------ sweep.py

def sweep(*words, **env):
    """sweep.py with these arguments, in the environment and what is added to it."""
    command = [sys.executable, "-I", API / "sweep.py", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **env})


def test_sweep_saves_a_picture_for_each_setting_with_its_workflow_inside(host, tmp_path):
    workflow = quick(API / "scene_from_class_and_text.json", tmp_path, ReliabilityMixer={"reliabilities": "7 7"})
    settings = ["1 0", "1, 3", "0 1"]
    out = tmp_path / "a" / "b"
    run = sweep(workflow, "--server", f"127.0.0.1:{host.server.port}", "--out", out, "--reliabilities", *settings,
                HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="")
    assert run.returncode == 0, run.stderr
    paths = [Path(line) for line in run.stdout.splitlines()]
    assert [path.parent for path in paths] == [out] * 3 and sorted(paths) == sorted(out.iterdir())
    pictures = []
    for path, numbers in zip(paths, settings, strict=True):
        with Image.open(path) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
            inside = json.loads(picture.info["prompt"])
        mixer, = (node["inputs"] for node in inside.values() if node["class_type"] == "ReliabilityMixer")
        assert mixer["reliabilities"] == numbers
        expected, = host.images(host.run(inside))  # as the queue gives it
        assert np.array_equal(pictures[-1], pixels(expected))
        mixer["reliabilities"] = "7 7"
        assert bare(inside) == bare(json.loads(workflow.read_text("utf-8")))  # nothing else was changed
    assert all((a != b).any() for a, b in itertools.combinations(pictures, 2))


def test_sweep_writes_the_workflow_with_the_numbers_of_a_cell(host, tmp_path):
    small = {"x_from": 0.25, "x_to": 0.75, "x_cells": 2, "y_cells": 2}
    workflow = quick(API / "reliability_sweep.json", tmp_path, ReliabilitySweep=small)
    here = ["--server", host.url, "--out", tmp_path / "out"]
    run = sweep(workflow, "--apply", 3, *here)
    assert run.returncode == 0, run.stderr
    assert run.stderr.strip() == "cell 3: share of scene 0.25, weight of scene 3"
    written = json.loads(Path(run.stdout.strip()).read_text("utf-8"))
    wanted = json.loads(workflow.read_text("utf-8"))
    wanted["6"]["inputs"]["weight"] = 3
    wanted["7"]["inputs"]["reliabilities"] = "0.75, 0.25"
    assert written == wanted
    saver, = (node["inputs"] for node in wanted.values() if node["class_type"] == "SaveImage")
    saver["filename_prefix"] = "after"      # the host keeps the sheet, and does not tell of it again
    workflow.write_text(json.dumps(json.loads(workflow.read_text("utf-8")) | {
        key: node for key, node in wanted.items() if node["class_type"] == "SaveImage"}), "utf-8")
    again = sweep(workflow, "--apply", 3, *here)
    assert again.returncode == 0, again.stderr
    assert json.loads(Path(again.stdout.strip()).read_text("utf-8")) == wanted
    refused = sweep(workflow, "--apply", 5, *here)
    assert refused.returncode == 1 and "the cells 1, 2, 3, 4, and 5 is none of them" in refused.stderr


@pytest.mark.parametrize("case, words", [
    ("no server", ["No ComfyUI answers at http://127.0.0.1:9 ", "--server"]),
    ("no file", ["nothing.json cannot be read"]),
    ("a drawing", ["scene.json has no ReliabilityMixer", "API"]),
    ("no mixer", ["one_expert_stock_ksampler.json has no ReliabilityMixer"]),
    ("refused", ["nowhere.safetensors", "node"]),
    ("fails", ["1 numbers for 2 experts"]),
])
def test_sweep_says_in_a_sentence_what_is_wrong(host, tmp_path, case, words):
    here = ["--server", host.url + "/", "--out", tmp_path / "out"]
    scene = API / "scene_from_class_and_text.json"
    run = sweep(*{
        "no server": ["--server", "127.0.0.1:9", "--out", tmp_path / "out"],
        "no file": [tmp_path / "nothing.json", *here],
        "a drawing": [WORKFLOWS / f"{prompts.TITLES[scene.stem]}.json", *here],
        "no mixer": [API / "one_expert_stock_ksampler.json", *here],
        "refused": [quick(scene, tmp_path, LoadExpert={"expert": "nowhere.safetensors"}), *here],
        "fails": [scene, "--reliabilities", "1", *here],
    }[case])
    assert run.returncode == 1 and not run.stdout and not (tmp_path / "out").exists()
    assert len(run.stderr.splitlines()) == 1 and all(word in run.stderr for word in words), run.stderr


def test_the_template_browser_sees_workflows_and_nothing_else(host):
    names, = host.get_json("/workflow_templates").values()
    assert sorted(names) == sorted(prompts.TITLES.values())
    assert sorted(prompts.names()) == sorted(path.stem for path in API.glob("*.json"))
