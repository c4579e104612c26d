"""The example workflows as data, and the prompts in API format that tests, benchmarks and pictures queue."""
from __future__ import annotations

import copy
import json
from typing import Any

from .paths import WORKFLOWS

Prompt = dict[str, dict[str, Any]]

# The example workflows in the gallery's order, {name: title}. The drawing is called by its title, which the host shows;
# its twin in api/, its picture in output/ and the commands of dev.py by its name.
TITLES = {
    "start_here": "01 Start here",
    "face_from_three_experts": "02 Start here, all nodes in view",
    "face_from_sketch_and_text": "03 Sketch and words",
    "face_from_four_experts": "04 Two maps, a sketch and words",
    "scene_from_class_and_text": "05 An object in a scene",
    "reliability_sweep": "06 A sweep on one sheet",
    "contradiction_and_repair": "07 A contradiction and its repair",
    "face_mask_and_window": "08 Where and when, mask and window",
    "one_expert_stock_ksampler": "09 One expert, stock KSampler",
    "sdxl_photo_and_anime_by_region": "10 SDXL photo and anime by region",
    "sdxl_base_and_refiner": "11 SDXL base and refiner",
    "sdxl_and_pixart_sigma": "12 SDXL and PixArt-Sigma",
    "flux_and_z_image": "13 Flux and Z-Image",
    "wan22_high_and_low_noise": "14 Wan 2.2 high and low noise",
    "controlnet_on_one_expert": "15 ControlNet on one expert only",
    "two_stable_diffusion_prompts": "16 Two checkpoints, two prompts",
    "autoguidance": "17 Autoguidance, strong and weak",
    "class_with_unconditional_null": "18 A class, an unconditional null",
    "imagenet_class_and_prompt": "19 ImageNet class and a prompt",
    "class_and_text_64_to_256": "20 Class and text, 64 to 256",
    "sdxl_and_sd15_controlnet": "21 SDXL with an SD 1.5 ControlNet",
    "flux_and_sdxl": "22 Flux and SDXL",
    "pixels_and_latents": "23 Pixels and latents, 128 pixels",
    "face_automatic_masks": "24 Strong weights, automatic masks",
    "one_or_the_other": "25 One or the other, no blend",
    "compare_in_two_places": "26 Compared, in two places",
    "papers_sampler": "27 The paper's sampler, options",
    "face_from_embedding": "28 A likeness and words",
    "two_experts_by_regions": "29 Unite two experts by regions",
    "breed_a_mixture": "30 Breed a mixture",
    "tune_a_mixture": "31 Tune a mixture",
}

# What `dev.py demo` shortens, so that all its pictures are there in about a minute of two cores: {name: {key: inputs}}.
SHORTER = {
    "face_from_three_experts": {"14": {"steps": 16}},
    "face_from_sketch_and_text": {"10": {"steps": 16}},
    "face_from_four_experts": {"18": {"steps": 16}},
    "scene_from_class_and_text": {"9": {"steps": 16}},
    "reliability_sweep": {"9": {"steps": 6}},
    "contradiction_and_repair": {"10": {"steps": 16}, "11": {"steps": 16}},
    "face_mask_and_window": {"16": {"steps": 16}},
    "pixels_and_latents": {"14": {"steps": 16}},
    "face_automatic_masks": {"14": {"steps": 16}},
    "one_or_the_other": {"7": {"batch_size": 2}, "11": {"steps": 12}, "17": {"steps": 12}},
    "compare_in_two_places": {"9": {"steps": 12}},
    "papers_sampler": {"13": {"steps": 24}},
    "face_from_embedding": {"10": {"steps": 16}},
    "two_experts_by_regions": {"9": {"steps": 16}},
    "breed_a_mixture": {"14": {"steps": 4}},
    "tune_a_mixture": {"14": {"steps": 3, "trials": 2, "fresh_seeds": 1, "candidates": 2}},
}


def names() -> list[str]:
    """The example workflows."""
    return list(TITLES)


def drawing(name: str) -> dict[str, Any]:
    """An example workflow as the page saves it."""
    return json.loads((WORKFLOWS / f"{TITLES[name]}.json").read_text("utf-8"))


def prompt(name: str) -> Prompt:
    """An example workflow in API format: {key: {"class_type": ..., "inputs": {...}, ...}}."""
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text("utf-8"))


def bare(graph: Prompt) -> dict[str, tuple[str, dict[str, Any]]]:
    """A prompt without titles, which newer hosts have changed for some of their nodes: {key: (class, inputs)}."""
    return {key: (call["class_type"], call["inputs"]) for key, call in graph.items()}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """One node of a prompt. A wire is [key of the node it comes from, number of its output]."""
    return {"class_type": class_type, "inputs": inputs}


def edited(graph: Prompt, changes: dict[str, dict[str, Any]]) -> Prompt:
    """A copy with other inputs: {key: {input: value}}."""
    graph = copy.deepcopy(graph)
    for key, inputs in changes.items():
        graph[key]["inputs"] |= inputs
    return graph


def face(words: str = "red hair, glasses, blue background", steps: int = 3, seed: int = 1, **sampler: Any) -> Prompt:
    """Two embedded experts, one picture: the text expert, and the hair expert with a map that is all hair."""
    whole = {"start_percent": 0.0, "end_percent": 1.0}
    settings = {
        "mixture": ["mix", 0], "seed": seed, "steps": steps, "sampler_name": "euler", "scheduler": "karras",
        "denoise": 1.0, "latent_image": ["latent", 0], "clip_denoised": False,
    }
    return {
        "text": node("LoadExpert", expert="builtin/faces_text.safetensors", weight_dtype="default"),
        "hair": node("LoadExpert", expert="builtin/faces_hair.safetensors", weight_dtype="default"),
        "words": node("TextCondition", model=["text", 0], text=words),
        "disc": node("SolidMask", value=1.0, width=200, height=100),
        "map": node("MapCondition", model=["hair", 0], modality="auto", mask=["disc", 0]),
        "a": node("ConditionExpert", model=["text", 0], condition=["words", 0], weight=2.0, **whole, name="words"),
        "b": node("ConditionExpert", model=["hair", 0], condition=["map", 0], weight=1.0, **whole, name="hair"),
        "mix": node("ReliabilityMixer", expert_1=["a", 0], expert_2=["b", 0], reliabilities=""),
        "latent": node("EmptyExpertLatent", mixture=["mix", 0], width=64, height=64, batch_size=1),
        "sample": node("MCDMSampler", **(settings | sampler)),
        "vae": node("VAELoader", vae_name="pixel_space"),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["vae", 0]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="t"),
    }


def placed(graph: Prompt, timeout: float = 60.0, **places: str) -> Prompt:
    """A copy with experts of its mixture `mix`, by their slots, in other places."""
    mix = dict(graph["mix"]["inputs"])
    nodes = {}
    for slot, place in places.items():
        nodes[f"place {slot}"] = node("PlaceExpert", expert=mix[slot], place=place, timeout=timeout)
        mix[slot] = [f"place {slot}", 0]
    return edited(graph | nodes, {"mix": mix})
