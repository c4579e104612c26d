"""Experts on the workers of a real Ray cluster on this machine, over HTTP: the same pictures, and what goes wrong."""
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.tensors import pixels
from unite_and_conquer.devtools.cluster import LocalCluster
from unite_and_conquer.devtools.host import Host, comfy, error_of
from unite_and_conquer.devtools.places import ROOT
from unite_and_conquer.devtools.prompts import Prompt, edited, face, node


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(comfy(), tmp_path_factory.mktemp("workers")) as running:
        yield running


@pytest.fixture(scope="module")
def host(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        with Host(tmp_path_factory.mktemp("host base")) as running:
            yield running


def placed(prompt: Prompt, timeout: float = 60.0, **places: str) -> Prompt:
    """A prompt with experts of the mixture, by their slots, in other places."""
    mix = dict(prompt["mix"]["inputs"])
    nodes = {}
    for slot, place in places.items():
        nodes[f"place {slot}"] = node("PlaceExpert", expert=mix[slot], place=place, timeout=timeout)
        mix[slot] = [f"place {slot}", 0]
    return edited(prompt | nodes, {"mix": mix})


def picture(host: Host, prompt: Prompt) -> np.ndarray:
    first, = host.images(host.run(prompt, 300))
    return pixels(first)


def failure(host: Host, prompt: Prompt) -> str:
    """The sentence with which a prompt fails."""
    entry = host.wait(host.post_prompt(prompt), 300)
    assert entry["status"]["status_str"] == "error"
    return error_of(entry)


def runtimes() -> list[int]:
    """The processes that run experts."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::Worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found)


# ----------------------------------------------------------------------------------------------- the same pictures

SAMPLERS = ("euler", "dpmpp_2m", "euler_ancestral")


def test_one_and_both_experts_on_workers_give_the_same_picture(host: Host) -> None:
    here = picture(host, face(seed=5))
    assert np.array_equal(picture(host, placed(face(seed=5), expert_2="b")), here)
    assert np.array_equal(picture(host, placed(face(seed=5), expert_1="a")), here)
    assert np.array_equal(picture(host, placed(face(seed=5), expert_1="a", expert_2="b")), here)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_masks_windows_files_and_batches(host: Host, sampler: str) -> None:
    """A mask and a window on one expert, a map from an input picture, two pictures at once, image to image."""
    prompt = face(seed=6, steps=4, sampler_name=sampler, denoise=0.9) | {
        "picture": node("LoadImage", image="mcdm_face_hair.png"),
        "half": node("SolidMask", value=0.4, width=64, height=64),
    }
    prompt = edited(prompt, {
        "map": {"image": ["picture", 0]}, "latent": {"batch_size": 2}, "a": {"mask": ["half", 0], "end_percent": 0.6},
    })
    del prompt["map"]["inputs"]["mask"]
    here = picture(host, prompt)
    assert np.array_equal(picture(host, placed(prompt, expert_1="a", expert_2="b")), here)
