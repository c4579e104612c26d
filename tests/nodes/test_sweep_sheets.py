"""The sheets of Reliability Sweep, and the sweeps that are refused."""
import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from support.embedded import RUN, empty, faces
from support.mixtures import Decoder, expert, latent, mix, settings
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import face, node
from unite_and_conquer.devtools.server import Refused

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


# ----------------------------------------------------------------------------------------------------------- the sheet

@pytest.mark.parametrize("height, width, factor", [(64, 64, 3), (50, 20, 3), (192, 192, 1)])
def test_the_cells_are_on_the_sheet_pixel_by_pixel(comfy, height, width, factor):
    generator = torch.Generator().manual_seed(0)

    def picture():
        return torch.rand(height, width, 3, generator=generator).mul(255).round() / 255
    cells = [[picture(), picture()] for _ in range(3)]
    cells[1][0] = None
    rows, columns = ["0", "0.5", "a longer title of a row"], ["first", "second"]
    sheet = comfy.module("mcdm.drawing.sheets").sheet(rows, columns, cells, "weight of b", "reliability of a")
    page = np.asarray(sheet)
    places = {}
    for r, row in enumerate(cells):
        for c, cell in enumerate(row):
            if cell is not None:
                block = (cell * 255).to(torch.uint8).numpy().repeat(factor, 0).repeat(factor, 1)
                high, wide = block.shape[:2]
                corners = np.argwhere((page == block[0, 0]).all(-1)).tolist()
                places[r, c], = {(y, x) for y, x in corners if np.array_equal(page[y:y + high, x:x + wide], block)}
    assert (len({y for (r, _), (y, _) in places.items() if r == 0}) == 1
            and len({x for (_, c), (_, x) in places.items() if c == 1}) == 1)
    assert places[0, 0][0] < places[2, 0][0] and places[0, 0][1] < places[0, 1][1]


def test_large_pictures_make_no_huge_sheet(comfy):
    page = comfy.module("mcdm.drawing.sheets").sheet(["1"], ["1"] * 8, [[torch.zeros(640, 1024, 3)] * 8])
    assert page.width < 5000 and page.height < 1000


@pytest.mark.parametrize("names, wanted", [
    (["hair", "text"], ["hair", "text"]),
    (["text", "text"], ["text (1)", "text (2)"]),
    (["Frisur f\u00fcr zwei", "\u9aee"], ["Frisur fur zwei", "expert 2"]),
])
def test_labels_can_be_read_and_told_apart(comfy, names, wanted):
    assert comfy.module("mcdm.drawing.lettering").labels(names) == wanted


def test_a_batch_has_a_sheet_for_each_picture(comfy):
    mixture, run = faces(comfy), RUN | {"steps": 1}
    sheet, images, *_ = comfy.call("ReliabilitySweep", mixture=mixture, **run, latent_image=empty(2), x_cells=2)
    alone = comfy.call("ReliabilitySweep", mixture=mixture, **run, latent_image=empty(1), x_cells=2)[0]
    assert sheet.shape == (2, *alone.shape[1:]) and images.shape[0] == 4
    assert not torch.equal(sheet[0], sheet[1]) and (sheet[0] - alone[0]).abs().max() <= 0.02


# ----------------------------------------------------------------------------------------------------------- bad input

@pytest.mark.parametrize("inputs, words", [
    ({"x_expert": "3"}, ["'3'", "1 'hair'", "2 'words'"]),
    ({"x_expert": "0"}, ["'0'"]),
    ({"x_expert": "beard"}, ["'beard'", "1 'hair'"]),
    ({"x_expert": ""}, ["''"]),
    ({"x_from": -0.5}, ["-0.5", "0 to 1"]),
    ({"x_to": 1.5}, ["1.5"]),
    ({"x_vary": "weight", "x_to": math.inf}, ["inf", "finite"]),
    ({"x_to": math.nan}, ["nan"]),
    ({"y_vary": "reliability", "y_expert": "hair", "y_from": 0.0, "y_to": 1.0}, ["Both axes", "'hair'"]),
    ({"y_vary": "reliability", "y_expert": "words", "y_from": 0.0, "y_to": 1.0}, ["two experts", "weight"]),
    ({"x_vary": "share", "x_to": 1.5}, ["share", "1.5", "0 to 1"]),
    ({"x_vary": "share", "y_vary": "reliability", "y_expert": "words", "y_from": 0.0, "y_to": 1.0},
     ["a share", "a reliability"]),
    ({"x_vary": "share", "y_vary": "share", "y_expert": "words", "y_from": 0.0, "y_to": 1.0},
     ["two experts", "the share of one"]),
    ({"x_cells": 100, "y_vary": "weight", "y_cells": 100}, ["10000", "max_cells is 64"]),
    ({"x_cells": 0}, ["at least one"]),
    ({"x_vary": "colour"}, ["colour", "reliability"]),
    ({"sampler_name": "nonsense"}, ["nonsense"]),
])
def test_a_sweep_that_cannot_be_is_refused_in_words(comfy, inputs, words):
    with pytest.raises(ValueError) as error:
        comfy.call("ReliabilitySweep", **{"mixture": faces(comfy), **RUN, "latent_image": empty()} | inputs)
    assert all(w in str(error.value) for w in words), error.value


def test_two_experts_of_one_name_go_by_number(comfy):
    mixture = faces(comfy, names=("same", "same"))
    with pytest.raises(ValueError, match="names several experts.*1 'same', 2 'same'"):
        comfy.call("ReliabilitySweep", mixture=mixture, **RUN, latent_image=empty(), x_expert="same")


def test_a_single_expert_and_a_latent_space_without_vae(comfy, unets):
    single = mix(comfy, [expert(comfy, unets[0], 0)])
    with pytest.raises(ValueError, match="only expert"):
        comfy.call("ReliabilitySweep", mixture=single, **RUN, latent_image=latent(), vae=Decoder())
    with pytest.raises(ValueError, match="SD15.*VAE"):
        comfy.call("ReliabilitySweep", mixture=single, **RUN, latent_image=latent(), x_vary="weight")


# ----------------------------------------------------------------------------------------------------------- over HTTP

def sweep(seed=1, steps=2, **inputs):
    workflow = face(seed=seed)
    for name in ("sample", "vae", "decode"):
        del workflow[name]
    run = settings(seed, steps, scheduler="karras", latent_image=["latent", 0])
    workflow["sweep"] = node("ReliabilitySweep", mixture=["mix", 0], **(run | inputs))
    workflow["save"]["inputs"] = {"images": ["sweep", 1], "filename_prefix": "cells"}
    return workflow


def test_ten_thousand_cells_are_refused_at_once(host):
    start = time.monotonic()
    with pytest.raises(Refused) as refusal:
        host.post_prompt(sweep(x_cells=100, y_vary="weight", y_cells=100, max_cells=64))
    assert json.dumps(refusal.value.answer["node_errors"]).count("10000 sampling runs") == 1
    assert time.monotonic() - start < 5


def test_an_interrupt_keeps_the_cells_that_are_done(host):
    prompt_id = host.post_prompt(sweep(steps=40, x_cells=5))
    end = time.monotonic() + 120
    # in the second cell of five, 200 steps in all
    while not any(d["value"] > 60 for _, d in host.events_of(prompt_id, "progress")):
        assert time.monotonic() < end
        time.sleep(0.02)
    host.interrupt()
    entry = host.wait(prompt_id, 60)
    assert error_of(entry) == "interrupted"
    assert {d["max"] for _, d in host.events_of(prompt_id, "progress")} == {200}
    host.wait_event(prompt_id, "executed", 60)      # which may come after the end of the prompt is in the history
    shown, = [d["output"]["images"] for _, d in host.events_of(prompt_id, "executed") if d["node"] == "sweep"]
    picture = Path(host.base) / "output" / shown[0]["subfolder"] / shown[0]["filename"]
    with Image.open(picture) as kept:
        assert kept.width > 5 * 192 and "prompt" in kept.info
    entry = host.run(sweep(seed=2, x_cells=2))
    assert len(host.images(entry)) >= 2
