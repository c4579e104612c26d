"""`dev.py train FOLDER`: the files that come out in the host, the learning rate, a start, and the command."""
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from support.drawings import contents, drawing, folder, run
from support.mixtures import sampled, settings
from unite_and_conquer import dev
from unite_and_conquer.devtools import commands
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.setup import Comfy
from unite_and_conquer.mcdm.experts.networks.embedded import EmbeddedUNet
from unite_and_conquer.mcdm.experts.quantize import dequantize
from unite_and_conquer.training import loop
from unite_and_conquer.training.datasets import folder as folders
from unite_and_conquer.training.datasets import picture_files
from unite_and_conquer.training.start import BUILTIN, begin

pytestmark = pytest.mark.usefixtures("quick")

NODES = {"class": "ClassCondition", "text": "TextCondition", "map": "MapCondition", "sketch": "MapCondition"}


# ------------------------------------------------------------------------------------------- a file that works at once

@pytest.mark.parametrize("modality", ["class", "text", "map", "sketch"])
def test_from_a_folder_to_a_picture(comfy, tmp_path, capsys, modality):
    where = folder(tmp_path / f"my {modality}", modality)
    out = Path(comfy.base) / "models" / "experts" / f"{modality}.safetensors"
    run(where, "--out", out)
    assert str(out) in capsys.readouterr().out
    model = comfy.call("LoadExpert", expert=out.name)[0]
    picture = np.asarray(drawing(1)[0], dtype=np.float32) / 255
    given = {"class": {"label": "Square"}, "text": {"text": "some green square"}}
    inputs = given.get(modality, {"image": torch.from_numpy(picture)[None]})
    condition = comfy.call(NODES[modality], model=model, **inputs)[0]
    text = comfy.call("LoadExpert", expert="builtin/faces_text.safetensors")[0]
    words = comfy.call("TextCondition", model=text, text="red hair")[0]
    experts = [comfy.call("ConditionExpert", model=m, condition=c)[0] for m, c in ((model, condition), (text, words))]
    mixture = comfy.call("ReliabilityMixer", expert_1=experts[0], expert_2=experts[1])[0]
    latent = comfy.call("EmptyExpertLatent", mixture=mixture, width=64, height=64, batch_size=1)[0]
    with torch.inference_mode():
        samples = sampled(comfy, mixture, **settings(0, 2, scheduler="karras", latent_image=latent))
    assert samples.shape == (1, 3, 64, 64) and torch.isfinite(samples).all()


def test_what_it_was_trained_on_is_what_the_nodes_give(comfy, tmp_path):
    """The condition of every training picture, from its own label or map by the host's LoadImage and our nodes."""
    import folder_paths
    conditions = comfy.module("mcdm.experts.modality").CONDITION
    for modality, node in NODES.items():
        where = folder(tmp_path / modality, modality)
        if modality == "class":
            where.joinpath("circle").rename(where / "2")       # a name that is another class's number
            where.joinpath("square").rename(where / "0")
        out = Path(comfy.base) / "models" / "experts" / f"agrees {modality}.safetensors"
        run(where, "--out", out, steps=1)
        dataset, model = folders.folder_dataset(where), comfy.call("LoadExpert", expert=out.name)[0]
        paths = [path for path in picture_files.list_pictures(where) if "maps" not in path.parts]
        for path, wanted in zip(paths, dataset.condition.float(), strict=True):
            if node == "MapCondition":
                source = path if modality == "sketch" else where / "maps" / f"{path.stem}.jpg"
                shutil.copy(source, folder_paths.get_input_directory())
                image = comfy.call("LoadImage", image=source.name)[0]
                got = comfy.call(node, model=model, image=image)[0][0][1][conditions]["condition_map"][0, 0]
                assert torch.equal(got, 2 * wanted - 1) and 0 < wanted.mean() < 1
            else:
                said = {"label": path.parent.name}
                if modality == "text":
                    said = {"text": path.with_suffix(".txt").read_text("utf-8")}
                got = comfy.call(node, model=model, **said)[0][0][1][conditions]["labels"][0]
                assert torch.equal(got, wanted) and wanted.any()


# ---------------------------------------------------------------------------------------------------- the learning rate

def test_the_rate_of_a_training_counted_in_steps():
    assert [loop.rate(s, s / 1000) for s in (0, 49, 300, 650, 1000)] == pytest.approx([1e-5, 5e-4, 1e-3, 5.1e-4, 2e-5])


# ----------------------------------------------------------------------------------------------- what a start hands on

def test_a_start_hands_on_what_fits():
    file = BUILTIN / "faces_text.safetensors"
    stored, facts = contents(file)
    given = dequantize(stored)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = EmbeddedUNet(map_channels=1)
        begin(net, file)
        own = net.state_dict()
        assert all(torch.equal(own[k], given[k].float()) for k in own if k != "stem.weight")
        stem = own["stem.weight"]
        assert torch.equal(stem[:, :12], given["stem.weight"].float()) and stem[:, 12:].abs().sum() > 0
        net = EmbeddedUNet(labels=3)
        fresh = net.label_embed.weight.clone()
        begin(net, file, ("zebra", "glasses", "red hair"))
        words = net.label_embed.weight
        known = json.loads(facts["vocabulary"])
        assert torch.equal(words[:, 0], fresh[:, 0])
        assert torch.equal(words[:, 1], given["label_embed.weight"][:, known.index("glasses")].float())
        assert torch.equal(words[:, 2], given["label_embed.weight"][:, known.index("red hair")].float())


# -------------------------------------------------------------------------------------------------------------- dev.py

@pytest.mark.parametrize("gpus, own", [(0, False), (1, True), (4, False)])
def test_the_command_runs_in_the_users_folder_on_every_gpu(tmp_path, monkeypatch, gpus, own):
    calls = []
    words = [
        "drawings", "--modality", "class", "--start", "none", "--minutes", "2", "--steps", "5", "--batch-size", "4",
        "--words", "7", "--no-mirror", "--name", "n", "--out", "o", "--work", "w",
    ]

    def noted(command, **more):
        calls.append((command, more))
        return SimpleNamespace(wait=lambda: 7)
    monkeypatch.setattr(commands, "with_tools", lambda: ("python", {"MCDM_COMFYUI": "there"}))
    monkeypatch.setattr(commands, "find_comfy", lambda: Comfy(Path("python"), tmp_path / "ComfyUI", own=own))
    monkeypatch.setattr(commands, "gpu_count", lambda _: gpus)
    monkeypatch.setenv("MCDM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(commands.signal, "signal", lambda *_: None)
    monkeypatch.setattr(commands.subprocess, "Popen", noted)
    assert dev.main(["train", *words]) == 7
    (command, more), = calls
    script = ROOT / "training" / "__main__.py"
    assert command[0] == "python" and command[-len(words) - 1:] == [script, *words] and "cwd" not in more
    assert (("--multi_gpu" in command) == (gpus > 1)
            and (gpus < 2 or command[command.index("--num_processes") + 1] == "4"))
    if gpus > 1:
        from accelerate.commands.launch import launch_command_parser
        parsed = launch_command_parser().parse_args([str(word) for word in command[3:]])  # as the system hands them on
        assert (parsed.num_processes, parsed.multi_gpu, bool(parsed.module)) == (4, True, False)
        assert (parsed.training_script, parsed.training_script_args) == (str(script), words)
    models = tmp_path / "ComfyUI" / "models" if own else tmp_path / "cache" / "serve" / "models"
    assert more["env"]["MCDM_EXPERTS"] == str(models / "experts")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_training_that_is_ended_keeps_its_state(tmp_path):
    """By `kill`, which reaches dev.py alone; Ctrl-C reaches all processes of the terminal."""
    where, work = folder(tmp_path / "drawings", "class"), tmp_path / "work"
    words = ["--steps", "1000000", "--batch-size", "2", "--start", "none", "--work", work, "--out", tmp_path]
    with open(tmp_path / "told", "w+") as told:
        process = subprocess.Popen([sys.executable, ROOT / "dev.py", "train", where, *words], stderr=told)
        ends = time.monotonic() + 180
        while "it/s]" not in (tmp_path / "told").read_text() and time.monotonic() < ends:
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 1
    assert "the same command goes on from there" in (tmp_path / "told").read_text()
    assert (work / "state.pt").is_file()
