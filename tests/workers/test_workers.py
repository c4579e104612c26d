"""Experts on the workers of a real Ray cluster on this machine, over HTTP: the same pictures, and what goes wrong."""
import itertools
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.patches import write_lora_for_text
from support.tensors import pictures
from unite_and_conquer.devtools.cluster import LocalCluster, runtimes
from unite_and_conquer.devtools.host import Host, comfy, error_of
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.prompts import Prompt, edited, face, node, placed
from unite_and_conquer.devtools.server import Refused


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(comfy(), tmp_path_factory.mktemp("workers")) as running:
        yield running


RAYS_PATIENCE = 8       # seconds after which Ray ends the process that has lost its cluster; 60 by default


@pytest.fixture(scope="module")
def host(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        patch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", str(RAYS_PATIENCE))
        only_here = ROOT / "tests" / "support" / "only_here.py"
        with Host(tmp_path_factory.mktemp("host base"), beside=[only_here]) as running:
            yield running


def same(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def failure(host: Host, prompt: Prompt) -> str:
    """The sentence with which a prompt fails; of what a worker refuses, newer hosts refuse some themselves."""
    try:
        entry = host.wait(host.post_prompt(prompt), 300)
    except Refused as refused:
        return str(refused)
    assert entry["status"]["status_str"] == "error"
    return error_of(entry)


def gone(processes: list[int]) -> bool:
    """Whether processes end within seconds."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if not set(processes) & set(runtimes()):
            return True
        time.sleep(0.2)
    return False


# -------------------------------------------------------------------------------------------------- the same pictures

def test_one_and_both_experts_on_workers_give_the_same_picture(host: Host) -> None:
    there = pictures(host, placed(face(seed=5), expert_1="a", expert_2="b"))    # while nothing has been loaded here
    assert len(runtimes()) == 2
    here = pictures(host, face(seed=5))
    assert same(there, here)
    assert same(pictures(host, placed(face(seed=5), expert_1="a")), here)


def test_the_rounds_of_a_loop_share_a_process_and_give_the_same_picture(host: Host) -> None:
    prompt = placed(edited(face(seed=5), {"a": {"weight": 2.0}}), expert_1="a")
    there = pictures(host, prompt)
    before = runtimes()
    looped = prompt | {"rounds": node("Rounds", expert=["place expert_1", 0])}
    assert same(pictures(host, edited(looped, {"mix": {"expert_1": ["rounds", 1]}})), there)
    assert set(runtimes()) <= set(before)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "euler_ancestral"])
def test_loras_masks_windows_files_and_batches(host: Host, cluster: LocalCluster, sampler: str) -> None:
    """A LoRA, a mask and a window on one expert, a map from a picture, two pictures at once, image to image."""
    for base in (host.base, cluster.base):
        write_lora_for_text(base / "models")
    prompt = face(seed=6, steps=4, sampler_name=sampler, denoise=0.9) | {
        "picture": node("LoadImage", image="mcdm_face_hair.png"),
        "half": node("SolidMask", value=0.4, width=64, height=64),
        "lora": node("LoraLoaderModelOnly", model=["text", 0], lora_name="tiny.safetensors", strength_model=1.0),
    }
    prompt = edited(prompt, {
        "map": {"image": ["picture", 0]}, "latent": {"batch_size": 2},
        "b": {"bands": "1, 0.5, 0"}, "a": {"model": ["lora", 0], "mask": ["half", 0], "end_percent": 0.6},
    })
    del prompt["map"]["inputs"]["mask"]
    here = pictures(host, prompt)
    assert len(here) == 2 and not same(here, pictures(host, edited(prompt, {"a": {"model": ["text", 0]}})))
    assert same(pictures(host, placed(prompt, expert_1="a", expert_2="b")), here)


# ------------------------------------------------------------------------------------------------------ what goes wrong

BOTH = {"expert_1": "a", "expert_2": "b"}


def started(host: Host, seed: int, **more: Any) -> str:
    """The id of a long prompt on both workers that has begun to sample."""
    prompt_id = host.post_prompt(placed(face(seed=seed, steps=3000), **BOTH, **more))
    host.wait_event(prompt_id, "progress", 300)
    return prompt_id


SEEDS = itertools.count(100)        # so that newer hosts, which remember more, run what they are asked


def works(host: Host) -> None:
    assert len(pictures(host, placed(face(seed=next(SEEDS)), **BOTH))) == 1


def test_a_file_that_only_the_host_has_is_named(host: Host) -> None:
    folder = host.base / "models" / "checkpoints"
    folder.mkdir(exist_ok=True)
    (folder / "only_here.safetensors").write_bytes(b"")
    prompt = face(seed=14) | {
        "loader": node("CheckpointLoaderSimple", ckpt_name="only_here.safetensors"),
        "words": node("CLIPTextEncode", clip=["loader", 1], text="a house"),
    }
    prompt = edited(prompt, {"a": {"model": ["loader", 0], "null_condition": ["words", 0]}})
    sentence = failure(host, placed(prompt, **BOTH))
    assert sentence.startswith("Worker 'a' failed while running the nodes of its expert: node loader "
                               "(CheckpointLoaderSimple): ") and "only_here.safetensors" in sentence


def test_a_node_that_only_the_host_has_is_named(host: Host) -> None:
    prompt = face(seed=17, steps=1) | {"same": node("OnlyHere", model=["text", 0])}
    prompt = edited(prompt, {"a": {"model": ["same", 0]}})
    assert failure(host, placed(prompt, **BOTH)) == (
        "Worker 'a' failed while running the nodes of its expert: it has no node same (OnlyHere); install the missing "
        "packs there")
    assert len(pictures(host, prompt)) == 1     # here it works


def test_a_worker_reads_nothing_outside_its_folders(host: Host, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    shutil.copy(host.base / "input" / "mcdm_face_hair.png", secret)
    outside = os.path.relpath(secret, host.base / "input")
    prompt = face(seed=15) | {"picture": node("LoadImage", image=outside)}
    prompt = edited(prompt, {"map": {"image": ["picture", 0]}})
    del prompt["map"]["inputs"]["mask"]
    for name in (outside, str(secret)):
        sentence = failure(host, placed(edited(prompt, {"picture": {"image": name}}), **BOTH))
        assert "node picture (LoadImage)" in sentence, sentence


def test_a_runtime_that_dies_ends_the_run_and_is_started_again(host: Host) -> None:
    works(host)
    prompt_id = started(host, 8)
    os.kill(runtimes()[-1], signal.SIGKILL)
    entry = host.wait(prompt_id, 60)
    assert re.match("Worker '[ab]' died or was lost while asked for a step", error_of(entry))
    works(host)
    assert len(runtimes()) == 2


def test_an_interrupt_stops_the_workers(host: Host) -> None:
    works(host)
    before = runtimes()
    prompt_id = started(host, 9)
    host.interrupt()
    start = time.monotonic()
    assert error_of(host.wait(prompt_id, 60)) == "interrupted"
    assert time.monotonic() - start < 3
    works(host)
    assert runtimes() == before     # they have listened, and keep their models


def test_a_runtime_that_hangs_ends_the_run(host: Host) -> None:
    prompt_id = started(host, 10, timeout=3.0)
    hung = runtimes()[0]
    os.kill(hung, signal.SIGSTOP)
    sentence = error_of(host.wait(prompt_id, 60))
    assert re.match("Worker '[ab]' has not answered for 3 s while asked for a step", sentence)
    assert gone([hung])


def test_a_worker_that_is_not_there_is_named_and_found_when_it_has_come(host: Host, cluster: LocalCluster) -> None:
    prompt = placed(face(seed=11), expert_1="a", expert_2="late")
    assert failure(host, prompt).startswith("There is no worker 'late' in the cluster; there are a, b. Start it")
    cluster.start("late")
    assert same(pictures(host, prompt), pictures(host, face(seed=11)))
    assert len(runtimes()) == 2     # of those that this workflow does not need, none is left
    assert "late" in json.dumps(host.object_info("PlaceExpert"))
    prompt_id = host.post_prompt(placed(face(seed=12, steps=3000), expert_1="a", expert_2="late"))
    host.wait_event(prompt_id, "progress", 100)
    cluster.stop("late")            # the whole machine
    assert error_of(host.wait(prompt_id, 100)).startswith("Worker 'late' died or was lost")


def test_another_version_of_the_pack_is_refused(host: Host, cluster: LocalCluster, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("__init__.py", "pyproject.toml"):
            (pack / path.name).symlink_to(path)
    shutil.copy(ROOT / "__init__.py", pack)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (pack / "pyproject.toml").write_text(re.sub('^version = ".*"', 'version = "0.0.1"', project, flags=re.M), "utf-8")
    cluster.start("old", pack)
    sentence = failure(host, placed(face(seed=13), expert_1="a", expert_2="old"))
    assert "Worker 'old' has version 0.0.1 of this pack" in sentence
    cluster.stop("old")


def test_the_host_outlives_its_cluster(host: Host, cluster: LocalCluster) -> None:
    """The head is killed when all is idle, and later in a run; another cluster takes its place.

    The second run and the next test work there.
    """
    here = pictures(host, face(seed=18))
    for idle in (True, False):
        prompt_id = None if idle else started(host, 19)
        cluster.stop("head")
        if prompt_id:
            assert re.match("Worker '[ab]' (died|has not)", error_of(host.wait(prompt_id, 300)))
        time.sleep(2 * RAYS_PATIENCE)
        assert host.server.process.poll() is None
        assert "There is no Ray cluster at" in failure(host, placed(face(seed=next(SEEDS)), **BOTH))
        again = edited(face(seed=18), {"save": {"filename_prefix": f"again {next(SEEDS)}"}})
        assert same(pictures(host, again), here)
        cluster.__exit__()
        cluster.__enter__()


def test_no_runtime_outlives_its_host(host: Host) -> None:
    assert pictures(host, placed(face(seed=16), expert_1="a"))
    left = runtimes()
    assert left
    os.kill(host.server.process.pid, signal.SIGKILL)
    assert gone(left)
