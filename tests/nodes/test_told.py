"""What can be known before a run or while it goes on is told then, in words that help."""
from __future__ import annotations

import pytest
import safetensors.torch
import torch

from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import edited, face, node


@pytest.fixture(scope="module")
def sd_vae(host):
    """A file whose header is that of Stable Diffusion's VAE."""
    path = host.base / "models" / "vae" / "sd.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({"decoder.conv_in.weight": torch.zeros(512, 4, 3, 3)}, path)
    yield path.name
    path.unlink()


def failed(host, graph):
    """(node, sentence) of a run that fails."""
    entry = host.wait(host.post_prompt(graph))
    assert entry["status"]["status_str"] == "error"
    error, = (data for kind, data in entry["status"]["messages"] if kind == "execution_error")
    return error["node_id"], error_of(entry)


def latents(**vae):
    """One picture of 128 pixels in the pack's own latents."""
    graph = edited(face(), {
        "text": {"expert": "builtin/faces_text_128.safetensors"}, "latent": {"width": 128, "height": 128},
        "mix": {"reliabilities": ""}})
    del graph["mix"]["inputs"]["expert_2"]
    return graph | {"vae": node("LoadExpertVAE", vae="builtin/drawings.safetensors")} | vae


def by_guider(graph):
    """The same with MCDM Guider and the host's sampler."""
    graph = graph | {
        "guider": node("MCDMGuider", mixture=["mix", 0]),
        "noise": node("RandomNoise", noise_seed=1),
        "sampler": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node("BasicScheduler", model=["text", 0], scheduler="karras", steps=2, denoise=1.0),
        "walked": node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["sampler", 0],
                       sigmas=["sigmas", 0], latent_image=["latent", 0]),
    }
    del graph["sample"]
    return edited(graph, {"decode": {"samples": ["walked", 0]}})


def test_a_vae_that_does_not_fit_is_told_before_the_first_step(host, sd_vae):
    wrong = edited(face(), {"vae": {"vae_name": sd_vae}})
    for graph, culprit in ((wrong, "sample"), (by_guider(wrong), "guider")):
        where, sentence = failed(host, graph)
        assert where == culprit and sd_vae in sentence and "connect pixel_space from ComfyUI's Load VAE" in sentence
    where, sentence = failed(host, latents(vae=node("VAELoader", vae_name="pixel_space")))
    assert where == "sample" and "VAE 'pixel_space'" in sentence and "connect the VAE from Load Expert VAE" in sentence
    where, sentence = failed(host, edited(face(), {}) | {"vae": node("LoadExpertVAE")})
    assert where == "sample" and "pixel_space" in sentence


def test_a_vae_that_fits_is_taken(host):
    host.run(by_guider(face()))
    host.run(latents())


def test_a_wrong_vae_for_latents_in_the_cache_is_told_to_the_page_when_it_is_queued(host, sd_vae):
    """The sampler does not run again. Nothing is told of other latents, nor of a VAE that fits."""
    for right in (edited(face(seed=21), {}), by_guider(face())):
        queued = len(host.events)
        host.run(right)
        wrong = edited(right, {"vae": {"vae_name": sd_vae}})
        failed(host, wrong)
        told = [data for kind, data in host.events[queued:] if kind == "mcdm.wrong_vae"]
        (node, sentence), = told.pop()["nodes"].items()
        assert node == "decode" and sd_vae in sentence and "connect pixel_space from ComfyUI's Load VAE" in sentence
        assert told == []
    queued = len(host.events)
    where, _ = failed(host, edited(wrong, {"noise": {"noise_seed": 2}, "guider": {"clip_denoised": True}}))
    assert where == "guider"
    assert [kind for kind, _ in host.events[queued:] if kind == "mcdm.wrong_vae"] == []


def warnings(entry):
    return [text for output in entry["outputs"].values() for text in output.get("warning", ())]


def test_weights_of_zero_run_with_a_warning(host):
    graph = edited(face(seed=3), {"a": {"weight": 0.0}, "b": {"weight": 0.0}})
    sentence, = warnings(host.run(graph))
    assert sentence.startswith("All weights are 0: no condition counts")
    sentence, = warnings(host.run(by_guider(graph)))
    later = {"options": node("MixtureOptions", mixture=["mix", 0], weights_end="1, 1")}
    assert warnings(host.run(edited(graph | later, {"sample": {"mixture": ["options", 0]}}))) == []
    assert warnings(host.run(edited(graph, {"b": {"weight": 1.0}}))) == []


@pytest.mark.parametrize("changes, words", [
    ({"words": {"model": ["hair", 0]}}, ["takes hair (map), not text", "Load Expert, such as faces_text, scenes_text"]),
    ({"map": {"model": ["text", 0]}}, ["takes text (text), not map", "Load Expert, such as faces_hair, faces_skin"]),
])
def test_an_expert_of_another_kind_is_named(host, changes, words):
    _, sentence = failed(host, edited(face(), changes))
    assert all(word in sentence for word in words), sentence


def test_the_gate_names_embedded_experts_first(host, stand_ins):
    """To one who unites a Stable Diffusion with an expert in pixels, and knows none of the families of that kind."""
    checkpoint = {
        "sd": node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly-fp16.safetensors"),
        "prompt": node("CLIPTextEncode", clip=["sd", 1], text="a cat"),
    }
    b = {"model": ["sd", 0], "condition": ["prompt", 0], "null_condition": ["prompt", 0]}
    _, sentence = failed(host, edited(face() | checkpoint, {"b": b}))
    assert "for example, faces_text, faces_hair" in sentence and "PiD" not in sentence


def test_no_field_shows_a_number_for_infinity(host):
    options = host.object_info()["MixtureOptions"]["input"]["optional"]
    assert options["sigma_high"][1]["default"] == 0.0
