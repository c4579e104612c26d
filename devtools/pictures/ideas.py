"""The ideas of the workflows whose checkpoints are not in the pack, as prompts for the embedded experts."""
from __future__ import annotations

from typing import Any

from ..prompts import Prompt, node

ALIKE = "wavy hair, no beard, glasses, smiling"         # what the drawing of the sketch shows, in words

Part = tuple[str, str, dict[str, Any], dict[str, Any]]  # an expert, its condition node with inputs, more of the expert


def united(*parts: Part, numbers: str = "", meaning: str = "shares", seed: int = 7) -> Prompt:
    """A prompt that unites embedded experts as a workflow does."""
    graph: Prompt = {"vae": node("VAELoader", vae_name="pixel_space")}
    wires = {}
    for i, (expert, kind, inputs, more) in enumerate(parts, start=1):
        if "image" in inputs:
            graph[f"picture {i}"] = node("LoadImage", image=f"mcdm_{inputs['image']}.png")
            inputs = inputs | {"image": [f"picture {i}", 0]}
        graph[f"load {i}"] = node("LoadExpert", expert=f"builtin/{expert}.safetensors", weight_dtype="default")
        graph[f"condition {i}"] = node(kind, model=[f"load {i}", 0], **inputs)
        graph[f"expert {i}"] = node("ConditionExpert", model=[f"load {i}", 0], condition=[f"condition {i}", 0], **more)
        wires[f"expert_{i}"] = [f"expert {i}", 0]
    return graph | {
        "mix": node("ReliabilityMixer", reliabilities=numbers, meaning=meaning, **wires),
        "latent": node("EmptyExpertLatent", mixture=["mix", 0], width=64, height=64, batch_size=1),
        "sample": node("MCDMSampler", mixture=["mix", 0], latent_image=["latent", 0], seed=seed, steps=24,
                       sampler_name="euler", scheduler="karras", denoise=1.0, clip_denoised=True),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["vae", 0]),
        **enlarged("decode"),
        "save": node("SaveImage", images=["large", 0], filename_prefix="gallery"),
    }


def enlarged(small: str, output: int = 0) -> Prompt:
    """The nodes of the blueprint *Enlarge to 256* after an output of small pictures; the last one is `large`."""
    up = ["upsampler", 0]
    vae = ["vae", 0]
    return {
        "upsampler": node("LoadExpert", expert="builtin/upsampler_drawings.safetensors", weight_dtype="default"),
        "low": node("MapCondition", model=up, modality="auto", image=[small, output]),
        "wide": node("ImageScaleBy", image=[small, output], upscale_method="bicubic", scale_by=4.0),
        "start": node("VAEEncode", pixels=["wide", 0], vae=vae),
        "sharp": node("KSampler", model=up, positive=["low", 0], negative=["low", 0], latent_image=["start", 0], seed=0,
                      steps=1, cfg=1.0, sampler_name="euler", scheduler="simple", denoise=1.0),
        "large": node("VAEDecode", samples=["sharp", 0], vae=vae),
    }


def words(expert: str, text: str, **more: Any) -> Part:
    return expert, "TextCondition", {"text": text}, more


def label(name: str, **more: Any) -> Part:
    return "scenes_class", "ClassCondition", {"label": name}, more


def shape(expert: str, picture: str, **more: Any) -> Part:
    return expert, "MapCondition", {"modality": "auto", "image": picture}, more


def halves() -> Prompt:
    """Two scenes in words, one in each half of the picture."""
    graph = united(words("scenes_text", "city at night", weight=3.0, name="city"),
                   words("scenes_text", "desert by day", weight=3.0, name="desert"))
    text = "city: box 0 0 0.5 1\ndesert: box 0.5 0 1 1"
    graph["where"] = node("ExpertRegions", mixture=["mix", 0], regions=text, rest="all", feather=0.1, overlap="share")
    graph["sample"]["inputs"]["mixture"] = ["where", 0]
    return graph


def weak_null() -> Prompt:
    """Words against what a spoilt network makes of them."""
    text = "curly hair, blond hair, light skin, no beard, glasses, smiling, green background, blue shirt"
    strong = words("faces_text", text, weight=1.5)
    graph = united(strong, strong, numbers="0, 1", meaning="reliabilities")
    graph["other"] = node("LoadExpert", expert="builtin/scenes_text.safetensors", weight_dtype="default")
    graph["weak"] = node("ModelMergeSimple", model1=["load 1", 0], model2=["other", 0], ratio=0.95)
    graph["expert 2"]["inputs"] |= {"model": ["weak", 0], "weight": 0.0, "null_condition": ["condition 2", 0]}
    return graph


def ideas() -> dict[str, Prompt]:
    """{workflow: a prompt that shows its idea}."""
    return {
        "sdxl_photo_and_anime_by_region": halves(),
        "sdxl_and_pixart_sigma": united(
            label("umbrella", weight=2.0), words("scenes_text", "an umbrella on the beach", weight=2.0),
            numbers="0.5, 0.5"),
        "flux_and_z_image": united(
            shape("faces_sketch", "face_drawing", weight=1.0),
            words("faces_text", f"red hair, light skin, {ALIKE}, blue background, green shirt", weight=2.5),
            numbers="0.3, 0.7", seed=3),
        "wan22_high_and_low_noise": united(
            shape("faces_hair", "face_hair", weight=2.0, end_percent=0.35),
            words("faces_text", f"blond hair, {ALIKE}, pink background, blue shirt", weight=2.5, start_percent=0.35),
            seed=2),
        "sdxl_base_and_refiner": united(
            words("faces_text", f"black hair, tan skin, {ALIKE}, green background, red shirt",
                  weight=2.5, end_percent=0.8),
            shape("faces_sketch", "face_drawing", weight=1.0, start_percent=0.8),
            seed=1),
        "autoguidance": weak_null(),
        "controlnet_on_one_expert": united(
            shape("faces_sketch", "face_drawing", weight=1.0),
            words("faces_text", f"blue hair, tan skin, {ALIKE}, pink background, white shirt", weight=2.5),
            numbers="0, 1", seed=1),
        "two_stable_diffusion_prompts": united(
            label("car", weight=2.0), words("scenes_text", "a car in the city at night", weight=2.0),
            numbers="0.5, 0.5"),
        "imagenet_class_and_prompt": united(
            label("mushroom", weight=2.0), words("scenes_text", "a mushroom in the forest", weight=2.0),
            numbers="0.5, 0.5", seed=3),
        "class_with_unconditional_null": united(
            label("balloon", weight=2.5), numbers="1", meaning="reliabilities"),
        "sdxl_and_sd15_controlnet": united(
            words("faces_text", f"red hair, tan skin, {ALIKE}, purple background, yellow shirt", weight=2.5),
            shape("faces_sketch", "face_drawing", weight=1.0),
            numbers="1, 0", seed=3),
        "flux_and_sdxl": united(
            label("balloon", weight=2.5), words("scenes_text", "a balloon in the mountains at sunset", weight=2.5),
            numbers="0.5, 0.5", seed=2),
        "class_and_text_64_to_256": united(
            label("penguin", weight=3.0), words("scenes_text", "a penguin on a beach", weight=3.0),
            numbers="0.5, 0.5", seed=1),
    }
