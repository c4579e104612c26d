"""What a report says beside its figures: numbers, places, times, particles, and its verdict on the embedded experts."""
import itertools
import re
import time

import numpy as np
import pytest
import torch
from PIL import Image

from support import embedded
from support.mixtures import mix, settings
from support.reports import FIELD, experts, field, report
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.prompts import face, node

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


# ------------------------------------------------------------------------------------------------------------- in words

@pytest.mark.parametrize("meaning, numbers, reliabilities, shares", [
    ("reliabilities", "1 3", (0.25, 0.75), (1.0, 0.0)),
    ("shares", "1 0", (0.25, 0.75), (1.0, 0.0)),
    ("shares", "", (0.375, 0.625), (0.5, 0.5)),
])
def test_it_says_reliabilities_and_shares(comfy, meaning, numbers, reliabilities, shares):
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8))
    _, page, found = report(comfy, mix(comfy, asked, numbers, meaning=meaning))
    assert found["meaning"] == meaning
    assert [e["reliability"] for e in found["experts"]] == list(reliabilities)
    assert [e["share"] for e in found["experts"]] == pytest.approx(shares)
    clock = comfy.module("mcdm.host.experts.lanes").Clock()
    first, _ = comfy.module("mcdm.reports.report_run").reported(mix(comfy, asked, numbers, meaning=meaning), clock)
    words = f"e1: weight 2, reliability {reliabilities[0]:g}, share {shares[0]:g}, here, 0 s per step"
    assert first.in_words("e1") == words


def test_it_says_places_and_times(comfy):
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8))
    slow = asked[1].model

    def slowly(apply_model, args):
        time.sleep(0.05)
        return apply_model(args["input"], args["timestep"], **args["c"])
    slow.set_model_unet_function_wrapper(slowly)
    asked[1], = comfy.call("PlaceExpert", expert=asked[1], place="cpu")
    _, _, found = report(comfy, mix(comfy, asked))
    assert [e["place"] for e in found["experts"]] == ["here", "cpu"]
    fast, slow = (e["seconds_a_step"] for e in found["experts"])
    assert 0 < fast < 0.05 <= slow < 0.5


@pytest.mark.parametrize("method", ["Feynman-Kac", "SuperDiff OR", "SuperDiff AND", "none"])
def test_it_says_what_the_particles_of_a_sampler_did(comfy, caplog, method):
    """Resampled at the end alone, so that rows of one ancestor are the same picture."""
    caplog.set_level("INFO", "mcdm")
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 1.0), (0.5, 0.8))
    sampler, = comfy.call("MCDMCorrected", method=method, particles=4, threshold=0.0)
    begun = {"samples": torch.zeros(8, *FIELD)}
    out, page, found = report(comfy, mix(comfy, asked), begun, sampler=sampler)
    assert report(comfy, mix(comfy, asked), begun)[2].get("particles") is None
    told = found["particles"]
    logged, = {r.message for r in caplog.records if r.message.startswith("MCDM Corrected: ")}
    assert (told["method"], told["particles"]) == (method, 4) and logged.startswith(f"MCDM Corrected: {method}, 4 ")
    assert f"ancestors of the rows: {' '.join(map(str, told['ancestors']))}." in logged
    rows = out["samples"]
    for i, j in itertools.combinations(range(8), 2):
        assert torch.equal(rows[i], rows[j]) == (told["ancestors"][i] == told["ancestors"][j])
    plain = report(comfy, mix(comfy, asked), begun)[1]
    assert page.shape[1] - plain.shape[1] >= (0 if method == "none" else 285)      # a panel
    if method == "Feynman-Kac":
        assert told["sigma"] == [*found["sigma"][1:], 0.0] and not any(map(any, told["resampled"][:-1]))
        assert all(1.0 <= size <= 4.0 + 1e-9 for sizes in told["effective_size"] for size in sizes)
        assert f"effective size at least {min(map(min, told['effective_size'])):.3g}," in logged
    elif method != "none":
        assert told["sigma"] == found["sigma"]
        assert [sum(kappa) for kappa in told["kappa"]] == pytest.approx([1.0] * len(told["kappa"]))
        assert f"kappa at the last level: 'e1' {told['kappa'][-1][0]:.2g}, 'e2' {told['kappa'][-1][1]:.2g};" in logged


def test_its_colours_are_the_pads(comfy):
    """Of the slots: with the second bypassed, the third keeps its own."""
    pad = re.findall(r'"(#[0-9a-f]{6})"', (ROOT / "web" / "js" / "experts.js").read_text("utf-8"))[:8]
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in comfy.module("mcdm.drawing.charts").EXPERTS] == pad
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8))
    mixture, = comfy.call("ReliabilityMixer", expert_1=asked[0], expert_3=asked[1])
    page = report(comfy, mixture)[1]
    colours = {tuple(c) for c in (page[0].reshape(-1, 3) * 255).round().int().tolist()}
    rgb = [tuple(bytes.fromhex(colour[1:])) for colour in pad]
    assert rgb[0] in colours and rgb[2] in colours and rgb[1] not in colours


# ------------------------------------------------------------------------------------------------ the embedded experts

def drawing(comfy, name):
    path = comfy.base / "input" / f"mcdm_face_{name}.png"
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).float()[None] / 255


@pytest.mark.parametrize("conditions, contradict", [
    ({"hair": 1.5, "bald": 2.0}, True),
    ({"red hair": 2.0, "blue hair": 2.0}, True),
    ({"hair": 1.5, "red hair, glasses, smiling, blue background": 2.5}, False),
    ({"hair": 1.5, "skin": 1.5}, False),
    ({"red hair": 2.0, "blue background": 2.0}, False),
])
def test_contradictory_and_compatible_embedded_conditions(comfy, conditions, contradict):
    asked = []
    for what, weight in conditions.items():
        if what in ("hair", "skin"):
            given = f"faces_{what}", "MapCondition", weight, what
            asked.append(embedded.expert(comfy, *given, image=drawing(comfy, what)))
        else:
            asked.append(embedded.expert(comfy, "faces_text", "TextCondition", weight, what, text=what))
    found = report(comfy, mix(comfy, asked), {"samples": torch.zeros(2, 3, 64, 64)}, steps=10)[2]
    pair, = found["pairs"]
    assert pair["contradiction"] == contradict, found["verdict"]
    assert all(f"'{name}'" in found["verdict"] for name in conditions)
    assert abs(pair["opposition"] - 0.62) > 0.08, pair["opposition"]


# ----------------------------------------------------------------------------------------------------------- over HTTP

def test_an_interrupted_run_reports_nothing_and_the_next_one_does(host):
    workflow = face(seed=8)
    for name in ("vae", "decode", "save"):
        del workflow[name]
    run = settings(8, 500, scheduler="karras", latent_image=["latent", 0])
    workflow["sample"] = node("MixtureReport", mixture=["mix", 0], **run)
    prompt_id = host.post_prompt(workflow)
    host.wait_event(prompt_id, "progress")
    host.interrupt()
    entry = host.wait(prompt_id, 60)
    assert error_of(entry) == "interrupted" and "sample" not in entry["outputs"]
    assert "sample" not in [data["node"] for _, data in host.events_of(prompt_id, "executed")]
    workflow["sample"]["inputs"]["steps"] = 8
    outputs = host.run(workflow)["outputs"]["sample"]
    assert len(outputs["images"]) == 1 and "contradict" in outputs["text"][0]
