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
    "start_here": "01 Start here, unite hair map, skin map and words",
    "face_from_three_experts": "02 Unite hair map, skin map and words, all nodes in view",
    "face_from_sketch_and_text": "03 Unite a sketch and words",
    "face_from_four_experts": "04 Unite four experts, two maps, a sketch and words",
    "scene_from_class_and_text": "05 Unite an object and a scene",
    "reliability_sweep": "06 Unite in many ways, a sweep on one sheet",
    "contradiction_and_repair": "07 Unite what contradicts, report and repair",
    "face_mask_and_window": "08 Unite by mask and window, where and when",
    "one_expert_stock_ksampler": "09 Not united, one expert in the stock KSampler",
    "sdxl_photo_and_anime_by_region": "10 Unite SDXL photo and SDXL anime by region",
    "sdxl_base_and_refiner": "11 Unite SDXL base and refiner by noise level",
    "sdxl_and_pixart_sigma": "12 Unite SDXL and PixArt Sigma",
    "flux_and_z_image": "13 Unite Flux and Z-Image",
    "wan22_high_and_low_noise": "14 Unite Wan 2.2 high and low noise",
    "controlnet_on_one_expert": "15 Unite two checkpoints, ControlNet on one only",
    "two_stable_diffusion_prompts": "16 Unite two Stable Diffusion prompts",
    "autoguidance": "17 Unite a strong model and a weak one, autoguidance",
    "class_with_unconditional_null": "18 Unite a class with an unconditional null",
    "imagenet_class_and_prompt": "19 Unite an ImageNet class and a prompt",
    "class_and_text_64_to_256": "20 Unite class and text at 64, enlarge to 256",
    "sdxl_and_sd15_controlnet": "21 Unite SDXL with SD 1.5 and its ControlNet",
    "flux_and_sdxl": "22 Unite Flux and SDXL",
    "pixels_and_latents": "23 Unite pixels and latents, a picture of 128",
    "face_automatic_masks": "24 Unite at strong weights by automatic masks",
    "one_or_the_other": "25 Unite as one or the other, not as a blend",
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
