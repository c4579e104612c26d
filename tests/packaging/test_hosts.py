"""The shipped examples give the same pictures on this ComfyUI and on another one: `dev.py test --against FOLDER`.

Bit for bit, but for an example whose networks the host itself computes otherwise (ROUNDED).

Without that option there is nothing to compare with, and these tests are left out.
"""
from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from support.stand_ins import SIDES
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.host import Host
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.setup import comfy_in

ROUNDED = {"flux_and_z_image": 1}      # of 255: the norms of the host's Flux are computed otherwise


@pytest.fixture(scope="module")
def other_host(host, stand_ins, tmp_path_factory):
    """The ComfyUI of --against, run by its own Python, with the same files."""
    base = tmp_path_factory.mktemp("base of another host")
    shutil.copytree(host.base / "models", base / "models")
    toys = ROOT / "tests" / "support" / "toy_loaders.py"
    with Host(base, beside=[toys], other=comfy_in(Path(os.environ["MCDM_AGAINST"]))) as running:
        yield running


def shown(file: bytes) -> np.ndarray:
    """The frames of a PNG or an animated WebP: [frames, H, W, 3] uint8."""
    with Image.open(io.BytesIO(file)) as image:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])


@pytest.mark.parametrize("name", prompts.names())
def test_an_example_gives_the_same_picture(host, other_host, name):
    """With all its steps; where tiny networks stand in for released ones, the picture is small."""
    graph, side = prompts.prompt(name), SIDES.get(name, 64)
    sizes = {"EmptyExpertLatent": {"width": side, "height": side},
             "EmptyHunyuanLatentVideo": {"width": side, "height": side, "length": 5}}
    for call in graph.values():
        call["inputs"] |= sizes.get(call["class_type"], {})
    ours = [shown(file) for file in host.images(host.run(graph, 300))]
    theirs = [shown(file) for file in other_host.images(other_host.run(graph, 300))]
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert np.abs(a.astype(int) - b).max() <= ROUNDED.get(name, 0)
