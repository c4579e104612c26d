"""Pictures of the help pages of experts and conditions, a function each; help_pages.py lists them."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from ...training.datasets import faces
from ..inprocess import InProcess
from ..prompts import edited, node
from .help_graphs import FACE, INPUTS, MIXER, TEXT, WORDS, loaded, one
from .layout import Cell, below, row
from .stage import Place, Stage


def load_expert(at: Stage) -> Image.Image:
    """A drawing of each embedded expert."""
    picture, words = {"image": ["picture", 0]}, "long red hair, smiling, blue background"
    experts: list[tuple[str, str, float, dict[str, Any], str]] = [
        ("faces_hair", "MapCondition", 1.5, picture, "face_hair"),
        ("faces_skin", "MapCondition", 1.5, picture, "face_skin"),
        ("faces_sketch", "MapCondition", 1.5, picture, "face_drawing"),
        ("faces_embedding", "EmbeddingCondition", 2.0, picture | {"file": "none"}, "face_drawing"),
        ("faces_text", "TextCondition", 2.0, {"text": words}, "face_hair"),
        ("faces_text_128", "TextCondition", 2.0, {"text": words}, "face_hair"),
        ("scenes_class", "ClassCondition", 3.0, {"label": "penguin"}, "face_hair"),
        ("scenes_text", "TextCondition", 3.0, {"text": "beach at sunset"}, "face_hair"),
    ]
    cells: list[Cell] = []
    for name, kind, weight, inputs, given in experts:
        graph = one(name, kind, weight, **inputs) | {"picture": loaded(given)}
        cells.append((name.replace("_", "\n", 1), at.drawn(graph)))
    at.stage(one("faces_text", "TextCondition", 2.0, text=words), run=False)
    half = len(cells) // 2
    return below(at.shot({"load": (0, 0, 330), "condition": (390, 0, 330, 110)}), row(cells[:half]), row(cells[half:]))


def load_expert_vae(at: Stage) -> Image.Image:
    """Two drawings, their latents in the colours of the previews, and what comes back."""
    vae, = at.comfy.call("LoadExpertVAE")
    space = at.comfy.module("mcdm.experts.vae").Drawings()
    show = at.comfy.module("mcdm.drawing.latent_colours").previewer(space).decode_latent_to_preview
    rng, cells = np.random.default_rng(5), []
    for style in faces.STYLES[:2]:
        drawing, _ = faces.draw(faces.random_face(rng, style), 128)
        latent, = at.comfy.call("VAEEncode", pixels=torch.from_numpy(drawing).float()[None] / 255, vae=vae)
        again, = at.comfy.call("VAEDecode", samples=latent, vae=vae)
        back = Image.fromarray((again[0] * 255).round().byte().numpy())
        cells += [("a drawing", Image.fromarray(drawing)), ("its latent,\n4 x 32 x 32", show(latent["samples"])),
                  ("and back", back)]
    at.stage(one("faces_text_128", "TextCondition", 2.0, text="long red hair, smiling, blue background"), run=False)
    return below(at.shot({"vae": (0, 0, 330), "decode": (390, 0, 300)}), row(cells))


def map_condition(at: Stage) -> Image.Image:
    """A hair map, the edges of a drawing, and their pictures."""
    wires = {"modality": "auto", "image": ["picture", 0]}
    hair = one("faces_hair", "MapCondition", 1.5, **wires) | {"picture": loaded("face_hair")}
    sketch = one("faces_sketch", "MapCondition", 1.5, **wires) | {"picture": loaded("face_drawing")}
    cells: list[Cell] = [
        ("the picture", Image.open(INPUTS / "face_hair.png")),
        ("its map", network_map(at.comfy, "faces_hair", "face_hair")),
        ("drawn", at.drawn(hair)),
        ("the picture", Image.open(INPUTS / "face_drawing.png")),
        ("its edges", network_map(at.comfy, "faces_sketch", "face_drawing")),
        ("drawn", at.drawn(sketch)),
    ]
    at.stage(hair)
    places: dict[str, Place] = {"load": (0, 0, 330), "picture": (0, 130, 330, 300), "condition": (390, 0, 320)}
    return below(at.shot(places), row(cells))


def network_map(comfy: InProcess, expert: str, picture: str) -> Image.Image:
    """The map that MapCondition makes of a shipped picture for an expert."""
    pixels = np.array(Image.open(INPUTS / f"{picture}.png").convert("RGB"))
    model, = comfy.call("LoadExpert", expert=f"builtin/{expert}.safetensors", weight_dtype="default")
    condition, = comfy.call("MapCondition", model=model, image=torch.from_numpy(pixels).float()[None] / 255)
    (_, options), = condition
    inputs, = options.values()
    values, = inputs.values()
    return Image.fromarray(((values[0, 0] + 1) * 127.5).byte().numpy())


def text_condition(at: Stage) -> Image.Image:
    texts = (
        "long red hair,\nglasses, smiling", "bald, beard,\nblue background", "blond curly hair,\nsunglasses",
        "serious, black bob,\nno beard", "mohawk, red hair,\nyellow background",
        "ponytail, blond hair,\npink background",
    )
    graph = one("faces_text", "TextCondition", 2.5, text="long red hair, glasses, smiling, purple elephant")
    cells = []
    for text in texts:
        cells.append((text, at.drawn(edited(graph, {"condition": {"text": text.replace("\n", " ")}}))))
    at.stage(graph)
    return below(at.shot({"load": (0, 0, 330), "condition": (390, 0, 340, 150)}), row(cells))


def class_condition(at: Stage) -> Image.Image:
    graph = one("scenes_class", "ClassCondition", 3.0, label="penguin")
    cells = []
    for label in ("penguin", "apple", "robot", "mushroom", "balloon", "duck"):
        cells.append((label, at.drawn(edited(graph, {"condition": {"label": label}}))))
    at.stage(graph, run=False)
    return below(at.shot({"load": (0, 0, 330), "condition": (390, 0, 300)}), row(cells))


def embedding_condition(at: Stage) -> Image.Image:
    graph = one("faces_embedding", "EmbeddingCondition", 2.0, file="none", image=["picture", 0])
    graph["picture"] = loaded("face_drawing")
    cells: list[Cell] = [("the picture", Image.open(INPUTS / "face_drawing.png"))]
    for seed in range(1, 6):
        cells.append((f"drawn, seed {seed}", at.drawn(edited(graph, {"sample": {"seed": seed}}))))
    at.stage(graph)
    places: dict[str, Place] = {"load": (0, 0, 330), "picture": (0, 130, 330, 300), "condition": (390, 0, 320)}
    return below(at.shot(places), row(cells))


def condition_expert(at: Stage) -> Image.Image:
    """The words at more and more weight."""
    cells = []
    for weight in (0.0, 1.0, 2.0, 3.0, 4.0, 6.0):
        cells.append((f"weight {weight:g}", at.drawn(edited(FACE, {TEXT: {"weight": weight}}))))
    at.stage(FACE, run=False)
    return below(at.shot({WORDS: (0, 0, 310, 150), TEXT: (360, 0, 350)}), row(cells))


def place_expert(at: Stage) -> Image.Image:
    """Between the words' expert and the mixer."""
    placed = node("PlaceExpert", expert=[TEXT, 0], place="cpu", timeout=120.0)
    graph = edited(FACE | {"17": placed}, {MIXER: {"expert_3": ["17", 0]}})
    at.stage(graph, run=False)
    return at.shot({TEXT: (0, 0, 330), "17": (390, 0, 290)})
