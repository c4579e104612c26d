"""The shipped examples give the same pictures on this ComfyUI and on another one: `dev.py test --against FOLDER`.

Without that option there is nothing to compare with, and these tests are left out.
"""
from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from support.stand_ins import SIDES
from support.tensors import pixels
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.host import Host
from unite_and_conquer.devtools.places import ROOT
from unite_and_conquer.devtools.setup import comfy_in


@pytest.fixture(scope="module")
def other_host(host, stand_ins, tmp_path_factory):
    """The ComfyUI of --against, run by its own Python, with the same files."""
    base = tmp_path_factory.mktemp("base of another host")
    shutil.copytree(host.base / "models", base / "models")
    toys = ROOT / "tests" / "support" / "toy_loaders.py"
    with Host(base, beside=[toys], other=comfy_in(Path(os.environ["MCDM_AGAINST"]))) as running:
        yield running


def shown(file: bytes) -> np.ndarray:
    """The picture of a PNG, or the frames of a video, of uint8."""
    if file.startswith(b"\x89PNG"):
        return pixels(file)
    with av.open(io.BytesIO(file)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


@pytest.mark.parametrize("name", prompts.names())
def test_an_example_gives_the_same_picture_bit_for_bit(host, other_host, name):
    """With all its steps; where tiny networks stand in for released ones, the picture is small."""
    graph, side = prompts.prompt(name), SIDES.get(name, 64)
    sizes = {"EmptyExpertLatent": {"width": side, "height": side},
             "EmptyHunyuanLatentVideo": {"width": side, "height": side, "length": 5}}
    for call in graph.values():
        call["inputs"] |= sizes.get(call["class_type"], {})
    ours, theirs = ([shown(file) for file in each.images(each.run(graph, 300))] for each in (host, other_host))
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a, b)
