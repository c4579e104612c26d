"""The pack over HTTP, as a user's queue meets it.

Pictures, refusals, errors, interrupts, and the next prompt after each.
"""
import json
import pickle
import struct

import numpy as np
import pytest
import torch

from support.mistakes import MISTAKES
from support.tensors import pixels
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import edited, face, node, prompt
from unite_and_conquer.devtools.server import Refused
from unite_and_conquer.devtools.versions import fits_empty_latents, tells_every_step


def works(host, seed):
    """The next prompt runs and gives a picture."""
    picture, = host.images(host.run(face(seed=seed)))
    assert pixels(picture).shape == (64, 64, 3)
    return picture


def fails(host, workflow):
    entry = host.wait(host.post_prompt(workflow))
    sentence = error_of(entry)
    assert entry["status"]["status_str"] == "error", "it should have failed"
    assert "Traceback" not in sentence and len(sentence) < 900
    return sentence


def test_a_picture_twice_with_progress_and_previews(host):
    first, = host.images(host.run(face(seed=5)))
    prompt_id = host.post_prompt(edited(face(seed=5), {"save": {"filename_prefix": "again"}}))
    entry = host.wait(prompt_id)
    assert entry["status"]["status_str"] == "success"
    host.run(face(seed=6))              # something else in between: nothing is cached
    again, = host.images(host.run(face(seed=5)))
    assert np.array_equal(pixels(first), pixels(again))
    prompt_id = host.post_prompt(face(seed=7, steps=4))
    host.wait(prompt_id)
    steps = [data for _, data in host.events_of(prompt_id, "progress") if data["max"] == 4]
    told = [s["value"] for s in steps]
    assert told == [1, 2, 3, 4] if tells_every_step() else told == sorted({1, 4, *told})
    assert any(kind == "binary" for kind, _ in host.events)


def test_an_expert_in_another_place_gives_the_same_picture(host):
    here, = host.images(host.run(face(seed=5)))
    placed = node("PlaceExpert", expert=["a", 0], place="cpu")
    elsewhere, = host.images(host.run(edited(face(seed=5) | {"placed": placed}, {"mix": {"expert_1": ["placed", 0]}})))
    assert np.array_equal(pixels(elsewhere), pixels(here))


def test_bands_cures_and_automatic_masks_in_one_prompt(host):
    graph = face() | {
        "cured": node("MixtureOptions", mixture=["mix", 0], apg=True, apg_eta=0.5, cfg_zero=True, zero_init=0.01),
        "found": node("AutomaticMasks", mixture=["cured", 0]),
    }
    changes = {"sample": {"mixture": ["found", 0]}, "a": {"bands": "1 1 0.5"}}
    picture, = host.images(host.run(edited(graph, changes)))
    plain, = host.images(host.run(face()))
    assert pixels(picture).shape == (64, 64, 3) and not np.array_equal(pixels(picture), pixels(plain))
    assert "give three numbers" in fails(host, edited(graph, changes | {"a": {"bands": "1 1"}}))
    works(host, 10)


def corrected(seed=5, **inputs):
    """Two pictures of three particles, image to image under a mask, by MCDM Corrected with cures or without."""
    left = {"mask": ["half", 0]}
    graph = face() | {
        "half": node("SolidMask", value=0.5, width=64, height=64),
        "six": node("EmptyExpertLatent", mixture=["mix", 0], width=64, height=64, batch_size=6),
        "guider": node("MCDMGuider", mixture=["mix", 0]),
        "corrected": node("MCDMCorrected", particles=3, **inputs),
        "noise": node("RandomNoise", noise_seed=seed),
        "sigmas": node("BasicScheduler", model=["text", 0], scheduler="karras", steps=4, denoise=0.7),
        "walked": node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["corrected", 0],
                       sigmas=["sigmas", 0], latent_image=["six", 0]),
    }
    return edited({k: v for k, v in graph.items() if k != "sample"}, {"a": left, "decode": {"samples": ["walked", 0]}})


def test_particles_come_back_and_what_happened_is_shown_on_the_node(host):
    pictures = host.images(host.run(corrected()))
    assert len(pictures) == 6
    first, second = host.images(host.run(corrected(keep="one per picture")))
    assert not np.array_equal(pixels(first), pixels(second))
    words = [data for kind, data in host.events if kind == "binary" and b"Feynman-Kac, 3 particles" in data]
    assert words and b"ancestors of the rows" in words[0]
    with pytest.raises(Refused, match="method 'magic' is not one of"):
        host.post_prompt(corrected(method="magic"))
    assert "4 particles per picture do not fit" in fails(host, edited(corrected(), {"corrected": {"particles": 4}}))
    works(host, 9)


def test_unknown_words_are_named_in_the_history(host):
    entry = host.run(face("red hair and a monocle", seed=8))
    text = json.dumps(entry["outputs"])
    assert "red hair" in text and "monocle" in text


@pytest.mark.parametrize("slot, numbers", [(1, "0.5, 0.5"), (2, "0.5, 0.5"), (1, "1, 0"), (2, "")])
def test_either_expert_can_be_bypassed(host, slot, numbers):
    """As the page queues it then; the picture is that of a mixer with the other expert alone."""
    scene = prompt("scene_from_class_and_text")
    keys = {call["class_type"]: key for key, call in scene.items()}
    mixer = keys["ReliabilityMixer"]
    scene = edited(scene, {mixer: {"reliabilities": numbers}, keys["MCDMSampler"]: {"steps": 2}})
    alone = edited(scene, {mixer: {"reliabilities": "", "expert_1": scene[mixer]["inputs"][f"expert_{3 - slot}"]}})
    del scene[mixer]["inputs"][f"expert_{slot}"], alone[mixer]["inputs"]["expert_2"]
    assert np.array_equal(*[pixels(host.images(host.run(workflow))[0]) for workflow in (scene, alone)])
    del alone[mixer]["inputs"]["expert_1"]
    assert "No expert arrives" in fails(host, alone)


@pytest.mark.parametrize("node, inputs, words", [
    ("text", {"expert": "builtin/nothing.safetensors"}, ["nothing.safetensors"]),
    ("text", {"expert": "../../../etc/passwd"}, ["passwd"]),
    ("text", {"weight_dtype": "float7"}, ["float7"]),
    ("sample", {"sampler_name": "nonsense"}, ["nonsense", "sampler_name"]),
    ("sample", {"scheduler": "nonsense"}, ["nonsense", "karras"]),
    ("map", {"modality": "nonsense"}, ["nonsense", "auto"]),
    ("mix", {"meaning": "looks"}, ["looks", "reliabilities', 'shares"]),
    ("a", {"weight": float("inf")}, ["weight"]),
    ("a", {"weight": float("nan")}, ["weight", "nan"]),
    ("a", {"weight": "abc"}, ["weight", "abc"]),
    ("a", {"end_percent": 1.5}, ["end_percent"]),
])
def test_a_bad_value_is_refused_before_it_runs(host, node, inputs, words):
    with pytest.raises(Refused) as refusal:
        host.post_prompt(edited(face(), {node: inputs}))
    text = json.dumps(refusal.value.answer)
    assert all(w in text for w in words), text
    errors, = refusal.value.answer["node_errors"].values()
    assert [error["extra_info"]["input_name"] for error in errors["errors"]] == list(inputs), "once, at the culprit"


@pytest.mark.parametrize("node, inputs, words", MISTAKES)
def test_an_error_names_its_expert_and_the_next_prompt_runs(host, node, inputs, words):
    sentence = fails(host, edited(face(seed=20), {node: inputs}))
    assert all(w in sentence for w in words), sentence
    works(host, seed=hash((node, *words)) % 1000)


def test_a_latent_of_the_wrong_kind(host):
    workflow = face(seed=21)
    workflow["picture"] = node("EmptyImage", width=64, height=64, batch_size=1, color=255)
    workflow["latent"] = node("VAEEncode", pixels=["picture", 0], vae=["vae", 0])
    host.run(workflow)                  # three channels, 64 x 64: image to image
    workflow["latent"] = node("EmptyChromaRadianceLatentImage", width=16, height=16, batch_size=1)
    sentence = fails(host, workflow)
    assert "64 x 64" in sentence and "16 x 16" in sentence
    side = 64 if fits_empty_latents() else 512      # of an empty one the channels are adapted everywhere
    workflow["latent"] = node("EmptyLatentImage", width=side, height=side, batch_size=1)
    host.run(workflow)


HOSTILE = {
    "truncated.safetensors": lambda good: good[:len(good) // 2],
    "header.safetensors": lambda good: struct.pack("<Q", 3 << 30) + b"{" * 100,
    "empty.safetensors": lambda good: b"",
    "other.safetensors": lambda good: None,
    "pickle.pt": lambda good: pickle.dumps(Bomb()),
    "torch_pickle.pt": lambda good: None,
}


class Bomb:
    def __reduce__(self):
        return eval, ("open('/tmp/mcdm_bomb', 'w').write('ran')",)


def test_hostile_expert_files_are_refused_and_nothing_runs(host, tmp_path):
    from pathlib import Path

    import safetensors.torch
    marker = Path("/tmp/mcdm_bomb")
    marker.unlink(missing_ok=True)
    folder = host.base / "models" / "experts"
    folder.mkdir(parents=True, exist_ok=True)
    good = (Path(__file__).parents[2] / "mcdm" / "builtin" / "faces_text.safetensors").read_bytes()
    for name, make in HOSTILE.items():
        data = make(good)
        if data is not None:
            (folder / name).write_bytes(data)
    safetensors.torch.save_file({"some.weight": torch.zeros(3)}, folder / "other.safetensors")
    torch.save({"model": Bomb()}, folder / "torch_pickle.pt")
    for name in HOSTILE:
        sentence = fails(host, edited(face(seed=30), {"text": {"expert": name}}))
        assert name in sentence, sentence
    assert not marker.exists()
    works(host, seed=31)


def test_a_replaced_expert_file_is_loaded_again(host):
    from pathlib import Path
    folder = host.base / "models" / "experts"
    folder.mkdir(parents=True, exist_ok=True)
    builtin = Path(__file__).parents[2] / "mcdm" / "builtin"
    target = folder / "mine.safetensors"
    target.write_bytes((builtin / "faces_text.safetensors").read_bytes())
    workflow = edited(face(seed=40), {"text": {"expert": "mine.safetensors"}})
    host.run(workflow)
    target.write_bytes((builtin / "faces_hair.safetensors").read_bytes())
    assert "hair (map)" in fails(host, workflow)


def test_an_interrupt_stops_within_a_step_and_the_next_picture_is_the_same(host):
    before = works(host, seed=50)
    prompt_id = host.post_prompt(face(seed=51, steps=2000))
    host.wait_event(prompt_id, "progress")
    host.interrupt()
    entry = host.wait(prompt_id, 30)
    assert error_of(entry) == "interrupted"
    host.run(face(seed=52))
    assert np.array_equal(pixels(before), pixels(works(host, seed=50)))


def test_every_node_is_described(host):
    info = host.object_info()
    ours = {k: v for k, v in info.items() if v["category"] == "unite and conquer"}
    assert {
        "LoadExpert", "ClassCondition", "MapCondition", "TextCondition", "ConditionExpert", "ReliabilityMixer",
        "EmptyExpertLatent", "MCDMGuider", "MCDMSampler", "MixtureOptions", "MCDMAncestral", "MCDMCorrected",
    } <= ours.keys()
    for name, described in ours.items():
        assert described["display_name"] != name and described["description"]
        for group in described["input"].values():
            for key, spec in group.items():
                if key != "unique_id" and isinstance(spec, (list, tuple)) and len(spec) == 2:
                    assert spec[1].get("tooltip"), f"{name}.{key} has no tooltip"
