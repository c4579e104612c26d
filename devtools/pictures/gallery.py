"""Makes the thumbnails of the example workflows: `python3 dev.py pictures gallery [NAME ...]`.

At the left the conditions, at the right the picture that comes of them, both taken from the workflow itself. Workflows
whose checkpoints are not in the pack show their idea with its embedded experts, above a small drawing of their graph.
The sheet of the sweep becomes a figure of the docs as well, docs/images/sweep.jpg.
"""
from __future__ import annotations

import io
import math
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..host import Host
from ..inprocess import InProcess
from ..options import chosen
from ..paths import ROOT, WORKFLOWS
from ..prompts import TITLES, Prompt, drawing, names, node, prompt

SIZE = 512                  # pixels of a thumbnail
GAP = 12                    # pixels between its parts
MOST = 4                    # conditions that it shows
BADGE = 76                  # pixels at the top of the left side, on which newer pages put a badge
DARK = (24, 25, 29)
PAPER = (250, 250, 248)
INK = (35, 35, 40)
GREY = (150, 153, 160)
NODE = (70, 72, 78)
FRAME = (38, 54, 70)
WIRE = (120, 150, 190)
SMOOTH = Image.Resampling.LANCZOS

Part = tuple[str, str, dict[str, Any], dict[str, Any]]  # an expert, its condition node with inputs, more of the expert


# -------------------------------------------------------------------------------------- ideas, by the embedded experts

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
        "save": node("SaveImage", images=["decode", 0], filename_prefix="gallery"),
    }


def words(expert: str, text: str, **more: Any) -> Part:
    return expert, "TextCondition", {"text": text}, more


def label(name: str, **more: Any) -> Part:
    return "scenes_class", "ClassCondition", {"label": name}, more


def shape(expert: str, picture: str, **more: Any) -> Part:
    return expert, "MapCondition", {"modality": "auto", "image": picture}, more


def halves() -> Prompt:
    """Two scenes in words, one in each half of the picture."""
    graph = united(words("scenes_text", "city at night", weight=3.0, mask=["left", 0]),
                   words("scenes_text", "desert by day", weight=3.0, mask=["right", 0]))
    return graph | {
        "half": node("LoadImage", image="mcdm_left_half.png"),
        "soft": node("ImageBlur", image=["half", 0], blur_radius=24, sigma=8.0),
        "left": node("ImageToMask", image=["soft", 0], channel="red"),
        "right": node("InvertMask", mask=["left", 0]),
    }


def weak_null() -> Prompt:
    """Words against what a spoilt network makes of them."""
    strong = words("faces_text", "curly blond hair, glasses, smiling, green background", weight=3.0)
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
            shape("faces_sketch", "face_drawing", weight=0.5),
            words("faces_text", "red hair, glasses, smiling, blue background, green shirt", weight=0.5)),
        "wan22_high_and_low_noise": united(
            shape("faces_hair", "face_hair", weight=2.0, end_percent=0.35),
            words("faces_text", "blond hair, glasses, smiling, pink background", weight=2.5, start_percent=0.35)),
        "sdxl_base_and_refiner": united(
            words("faces_text", "black hair, beard, glasses, green background", weight=2.5, end_percent=0.8),
            shape("faces_sketch", "face_drawing", weight=1.0, start_percent=0.8)),
        "autoguidance": weak_null(),
        "controlnet_on_one_expert": united(
            shape("faces_sketch", "face_drawing", weight=1.0),
            words("faces_text", "blue hair, tan skin, glasses, smiling, pink background, white shirt", weight=2.5),
            numbers="0, 1"),
        "two_stable_diffusion_prompts": united(
            label("car", weight=2.0), words("scenes_text", "a car in the city at night", weight=2.0),
            numbers="0.5, 0.5"),
        "imagenet_class_and_prompt": united(
            label("mushroom", weight=2.0), words("scenes_text", "a mushroom in the forest", weight=2.0),
            numbers="0.5, 0.5"),
        "class_with_unconditional_null": united(
            label("balloon", weight=2.5), numbers="1", meaning="reliabilities"),
        "sdxl_and_sd15_controlnet": united(
            words("faces_text", "red hair, tan skin, glasses, serious, purple background", weight=2.5),
            shape("faces_sketch", "face_drawing", weight=1.0),
            numbers="1, 0"),
        "flux_and_sdxl": united(
            label("balloon", weight=2.5), words("scenes_text", "a balloon in the mountains at sunset", weight=2.5),
            numbers="0.5, 0.5"),
        "class_and_text_64_to_256": united(
            label("penguin", weight=3.0), words("scenes_text", "a penguin on a beach", weight=3.0),
            numbers="0.5, 0.5", seed=19),
    }


# ------------------------------------------------------------------------------------------------ parts of a picture

def conditions(graph: Prompt) -> list[Image.Image | str]:
    """What a prompt gives to its experts: pictures, words, names of classes, each once."""
    found: list[Image.Image | str] = []
    for call in graph.values():
        inputs = call["inputs"]
        if call["class_type"] == "LoadImage":
            name = inputs["image"].removeprefix("mcdm_")
            found.append(Image.open(WORKFLOWS / "inputs" / name).convert("RGB"))
        for key in ("text", "label"):
            if call["class_type"].endswith("Condition") and inputs.get(key, "") not in ("", *found):
                found.append(inputs[key])
    return found[:MOST]


def written(text: str, side: int) -> Image.Image:
    """Words on paper, as large as they fit."""
    cell = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(cell)
    parts = text.split(", ")
    for points in range(32, 6, -1):
        font = ImageFont.load_default(points)
        width = int(1.9 * side / points)
        lines = [line for part in parts for line in textwrap.wrap(part, width)]
        box = draw.multiline_textbbox((0, 0), "\n".join(lines), font, spacing=points // 4)
        if box[2] <= side - 16 and box[3] <= side - 16:
            break
    draw.multiline_text((side / 2, side / 2), "\n".join(lines), INK, font, "mm", points // 4, "center")
    return cell


def sketched(workflow: dict[str, Any], width: int, height: int) -> Image.Image:
    """A workflow as boxes and wires, drawn at four times its size so that lines are smooth."""
    page = Image.new("RGB", (4 * width, 4 * height), DARK)
    draw = ImageDraw.Draw(page)
    cards = {card["id"]: [*card["pos"], *card["size"][:2]] for card in workflow["nodes"]
             if card["type"] != "MarkdownNote"}
    left = min(x for x, _, _, _ in cards.values()) - 30
    top = min(y for _, y, _, _ in cards.values()) - 30
    right = max(x + w for x, _, w, _ in cards.values()) + 30
    bottom = max(y + h for _, y, _, h in cards.values()) + 30
    scale = min(4 * width / (right - left), 4 * height / (bottom - top))

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - left) * scale, (y - top) * scale
    for _, source, _, target, *_ in workflow["links"]:
        if source in cards and target in cards:
            x, y, w, _ = cards[source]
            draw.line([at(x + w, y + 15), at(cards[target][0], cards[target][1] + 15)], WIRE, 4)
    for x, y, w, h in cards.values():
        draw.rounded_rectangle((*at(x, y - 20), *at(x + w, y + h)), 10, NODE)
    return page.resize((width, height), SMOOTH)


def first_batch(host: Host, entry: dict[str, Any]) -> Image.Image:
    """What the first node of a run that saves pictures has saved; up to four of a batch as two columns."""
    saved = []
    for _, out in sorted(entry["outputs"].items(), key=lambda item: (len(item[0]), item[0])):
        images = out.get("images", ())
        if any(image["type"] == "output" for image in images):
            saved.append(len(images))
    pictures = [Image.open(io.BytesIO(png)) for png in host.images(entry)[:min(saved[0], MOST)]]
    if len(pictures) == 1:
        return pictures[0]
    width, height = pictures[0].size
    page = Image.new("RGB", (2 * width, height * math.ceil(len(pictures) / 2)), DARK)
    for i, picture in enumerate(pictures):
        page.paste(picture, (width * (i % 2), height * (i // 2)))
    return page


def thumbnail(graph: Prompt, picture: Image.Image, below: dict[str, Any] | None) -> Image.Image:
    """Conditions -> picture, and perhaps the drawing of a workflow below."""
    page = Image.new("RGB", (SIZE, SIZE), DARK)
    draw = ImageDraw.Draw(page)
    cells = conditions(graph)
    side = min(150, (SIZE - BADGE - GAP * (len(cells) + 1)) // len(cells))
    top = max(BADGE, (SIZE - len(cells) * side - (len(cells) - 1) * GAP) // 2)
    for i, cell in enumerate(cells):
        drawn = written(cell, side) if isinstance(cell, str) else cell.resize((side, side), SMOOTH)
        page.paste(drawn, (GAP, top + i * (side + GAP)))
    left = side + 3 * GAP + 20
    width = SIZE - left - GAP
    shown = ImageOps.contain(picture.convert("RGB"), (width, width), SMOOTH)
    rest = 130 + GAP if below else 0
    upper = (SIZE - shown.height - rest) // 2
    page.paste(shown, (left + (width - shown.width) // 2, upper))
    x, y = side + 2 * GAP + 2, (upper + shown.height // 2 if below else SIZE // 2)
    draw.polygon([(x, y - 14), (x + 18, y), (x, y + 14)], GREY)
    if below:
        page.paste(sketched(below, width, 130), (left, upper + shown.height + GAP))
    return page


def main(_: InProcess, arguments: Sequence[str]) -> None:
    wanted = chosen("pictures gallery", __doc__, arguments, "workflow", names())
    shown = ideas()
    with tempfile.TemporaryDirectory() as base, Host(Path(base)) as host:
        for name in wanted or names():
            graph = shown.get(name) or prompt(name)
            picture = first_batch(host, host.run(graph, 600))
            path = WORKFLOWS / f"{TITLES[name]}.jpg"
            thumbnail(graph, picture, drawing(name) if name in shown else None).save(path, quality=90)
            print(f"{path.name}: {path.stat().st_size} bytes", flush=True)
            if name == "reliability_sweep":
                picture.convert("RGB").save(ROOT / "docs" / "images" / "sweep.jpg", quality=92)
