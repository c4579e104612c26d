"""Where each expert draws, by *Expert Regions*: `python3 dev.py bench regions`.

Two descriptions of a face, by the embedded text expert twice, left and right: hair, background and shirt, read as the
nearest colour in patches of each half. And objects of the class expert, which `centred` moves, in a box at the left or
the right of a scene of the text expert: named by the judge of objects of any size; what differs from the scene alone,
from the same noise, should lie in the box. Beside each, the same by a mask, and without. Writes regions.json and .jpg.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..devtools.enlarging import enlarge
from ..devtools.inprocess import InProcess
from ..devtools.pictures.sheets import images, sheet, texts
from ..devtools.portraits import BATCH, SAMPLER, SCHEDULER, STEPS, DrawingExpert, draw
from ..training.datasets import faces, scenes
from ..training.judges import placed
from ..training.judges import scenes as judge
from ..training.pixels import to_tensor
from .paper.pairs import asked_of_experts, asked_scenes, titles_of, wanted

HERE = Path(__file__).resolve().parent
SEED = 1                                        # of the noise; settings were chosen on other pairs and noise
FEATHER = 0.05
FACES = 2.5, 2.5                                # weights
SCENES = 3.0, 3.0
LATER = 0.3                                     # start of the object's window: the scene's layout is there by then
CHANGED = 0.2                                   # of a number from -1 to 1: such a pixel differs from the scene alone
PALETTES = {"hair": faces.HAIR_COLORS, "background": faces.BACKGROUNDS, "shirt": faces.SHIRTS}
# Rows and columns of a patch at the left; the one at the right is its mirror image.
PATCHES = {"hair": (14, 20, 26, 30), "background": (2, 20, 1, 8), "shirt": (58, 64, 20, 30)}
BOXES = (0.0, 1 / 3), (2 / 3, 1.0)              # left and right of a box
TOP, BOTTOM = 0.2, 0.96
FITTING = 0.6                                   # scale of a drawn object that fits into a box
ROWS = 6                                        # of the sheet


@dataclasses.dataclass(frozen=True)
class Way:
    """How experts are told where to draw: a text of regions, masks [H, W] of each, or neither."""
    name: str
    text: str = ""
    rest: str = "all"
    masks: Sequence[Any] = ()
    weights: Sequence[float] = SCENES
    start: float = 0.0          # of the first one's window


def drawn(comfy: InProcess, models: Sequence[Any], conditions: Sequence[Sequence[Any]], way: Way, rows: torch.Tensor,
          ) -> torch.Tensor:
    """Pictures [N, 3, 64, 64] of experts `a`, `b`, each with a CONDITIONING per picture. rows: of the seed's noise."""
    parts = []
    for i, (model, own) in enumerate(zip(models, conditions, strict=True)):
        mask, start = way.masks[i] if way.masks else None, 0.0 if i else way.start
        parts.append(DrawingExpert(model, joined(comfy, own, rows), way.weights[i], "ab"[i], None, mask, start))
    regions = {"regions": way.text, "rest": way.rest, "feather": FEATHER} if way.text else None
    return draw(comfy, parts, rows, SEED, regions=regions, clip=True)


def joined(comfy: InProcess, conditions: Sequence[Any], rows: torch.Tensor) -> Any:
    """One CONDITIONING of some of several, a row of the batch each."""
    module = comfy.module("mcdm.experts.modality")
    labels = torch.cat([conditions[row][0][1][module.CONDITION]["labels"] for row in rows])
    return module.conditioning({"labels": labels})


# ---------------------------------------------------------------------------------------------------- left and right

Colours = dict[str, Any]        # {attribute: colour}


def descriptions(count: int) -> list[tuple[Colours, Colours]]:
    """Pairs that differ in everything."""
    rng = np.random.default_rng(201)
    pairs = []
    for _ in range(count):
        left = {}
        right = {}
        for kind, palette in PALETTES.items():
            left[kind], right[kind] = map(str, rng.permutation(list(palette))[:2])
        pairs.append((left, right))
    return pairs


def words(colours: Colours) -> str:
    return "long hair, " + ", ".join(f"{colour} {kind}" for kind, colour in colours.items())


def seen(picture: torch.Tensor, kind: str, side: int) -> str:
    """The colour of an attribute in a half of a picture [3, 64, 64]: the nearest to the median of its patch."""
    top, bottom, left, right = PATCHES[kind]
    whole = picture.flip(-1) if side else picture
    colour = (whole[:, top:bottom, left:right].flatten(1).median(1).values + 1.0) * 127.5
    return min(PALETTES[kind], key=lambda name: float((colour - torch.tensor(PALETTES[kind][name])).norm()))


def of_halves(pictures: torch.Tensor, pairs: Sequence[tuple[Colours, Colours]]) -> dict[str, float]:
    """In how many halves an attribute has its own colour, and in how many the neighbour's."""
    found: dict[str, list[bool]] = {}
    for picture, pair in zip(pictures, pairs, strict=True):
        for kind in PALETTES:
            for side in (0, 1):
                colour = seen(picture, kind, side)
                for what in (kind, "own"):
                    found.setdefault(what, []).append(colour == pair[side][kind])
                found.setdefault("neighbour's", []).append(colour == pair[1 - side][kind])
    return {what: round(float(np.mean(right)), 3) for what, right in found.items()}


def composed(pairs: Sequence[tuple[Colours, Colours]]) -> torch.Tensor:
    """Drawings of both descriptions, the left half of the one and the right half of the other: what can be measured."""
    rng = np.random.default_rng(203)
    pictures = []
    for pair in pairs:
        face = dataclasses.replace(faces.random_face(rng, "poster"), hairstyle="long")
        left, right = (drawing(dataclasses.replace(face, **colours)) for colours in pair)
        pictures.append(torch.cat([left[..., :32], right[..., 32:]], dim=-1))
    return torch.stack(pictures)


def drawing(face: faces.Face) -> torch.Tensor:
    return to_tensor(faces.draw(face)[0][None])[0]


def halves(comfy: InProcess, count: int) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]]:
    model, = comfy.call("LoadExpert", expert="builtin/faces_text.safetensors")
    pairs = descriptions(count)
    given = []
    for side in (0, 1):
        given.append([comfy.call("TextCondition", model=model, text=words(pair[side]))[0] for pair in pairs])
    left = (torch.arange(64) < 32).float().expand(64, -1)
    figures: dict[str, Any] = {"drawings, each its half": of_halves(composed(pairs), pairs)}
    shown = {}
    for way in (Way("no regions"), Way("a mask on the left one", masks=(left, None)),
                Way("regions", "a: box 0 0 0.5 1\nb: box 0.5 0 1 1")):
        pictures = batches(comfy, [model, model], given, dataclasses.replace(way, weights=FACES))
        figures[way.name] = of_halves(pictures, pairs)
        shown[way.name] = enlarge(comfy, pictures[:ROWS])
        print(f"{way.name:40}", figures[way.name], flush=True)
    return figures, shown, ["\n| ".join(map(words, pair)) for pair in pairs]


# ------------------------------------------------------------------------------------------------------ object in a box

def box(side: int) -> str:
    left, right = BOXES[side]
    return f"box {left:.6f} {TOP} {right:.6f} {BOTTOM}"


def within(pictures: torch.Tensor, alone: torch.Tensor, sides: Sequence[int]) -> float:
    """How many of the pixels that differ from the scene alone lie in the box, grown by the feather."""
    inside = total = 0.0
    for picture, scene, side in zip(pictures, alone, sides, strict=True):
        changed = (picture - scene).abs().amax(0) > CHANGED
        left, right = ((edge + sign * FEATHER) * 64 for edge, sign in zip(BOXES[side], (-1, 1), strict=True))
        rows = slice(int((TOP - FEATHER) * 64), None)
        inside += float(changed[rows, max(0, int(left)):int(right) + 1].sum())
        total += float(changed.sum())
    return round(inside / max(total, 1.0), 3)


def in_the_box(asked: Sequence[tuple[str, str]], sides: Sequence[int]) -> torch.Tensor:
    """Drawings of objects in the boxes of their scenes: what the judge reads of those."""
    places = [(32 * sum(BOXES[side]), 32 * (TOP + BOTTOM), FITTING) for side in sides]
    drawn = [scenes.Picture(*pair, seed=i, place=places[i]) for i, pair in enumerate(asked)]
    return to_tensor(np.stack([scenes.draw(picture) for picture in drawn]))


def objects(comfy: InProcess, count: int) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]]:
    asked, places = asked_scenes(np.random.default_rng(212), count)
    models, given = asked_of_experts(comfy, asked, places)
    wanted_objects, wanted_scenes = wanted(asked).T
    net, of_places = placed.load_judge(), judge.load_judge()
    alone = batches(comfy, models[1:], given[1:], Way("scene alone", weights=SCENES[1:]))
    sides = [number % 2 for number in range(count)]
    drawings = judge.name(net, in_the_box(asked, sides))[0]
    figures: dict[str, Any] = {"drawings, each in its box": {"object": share(drawings == wanted_objects)}}
    shown = {"scene alone": enlarge(comfy, alone[:ROWS])}
    for name in ("no regions", "a mask on the object", "regions", "regions, centred", "centred, from 0.3 on"):
        pictures = torch.zeros_like(alone)
        for side in (0, 1):
            rows = [number for number in range(count) if sides[number] == side]
            mask = torch.zeros(64, 64)
            mask[int(64 * TOP):int(64 * BOTTOM), int(64 * BOXES[side][0]):int(64 * BOXES[side][1])] = 1.0
            ways = {
                "no regions": Way(name),
                "a mask on the object": Way(name, masks=(mask, None)),
                "regions": Way(name, f"a: {box(side)}", "b"),
                "regions, centred": Way(name, f"a: {box(side)} centred", "b"),
                "centred, from 0.3 on": Way(name, f"a: {box(side)} centred", "b", start=LATER),
            }
            pictures[rows] = batches(comfy, models, given, ways[name], rows)
        named, places_named = judge.name(net, pictures)[0], judge.name(of_places, pictures)[1]
        figures[name] = {"object": share(named == wanted_objects), "scene": share(places_named == wanted_scenes),
                         "within the box": within(pictures, alone, sides)}
        shown[name] = enlarge(comfy, pictures[:ROWS])
        print(f"{name:40}", figures[name], flush=True)
    return figures, shown, titles_of(asked, places, ROWS)


def share(right: torch.Tensor) -> float:
    return round(float(right.float().mean()), 3)


def batches(comfy: InProcess, models: Sequence[Any], given: Sequence[Sequence[Any]], way: Way,
            rows: Sequence[int] | None = None) -> torch.Tensor:
    """Pictures of these rows of what is given, all by default. The same row has the same noise."""
    found = []
    for part in torch.tensor(rows or range(len(given[0]))).split(BATCH):
        found.append(drawn(comfy, models, given, way, part))
    return torch.cat(found)


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    options = argparse.ArgumentParser(prog="dev.py bench regions", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--count", type=int, default=40, help="pairs of descriptions, and objects")
    args = options.parse_args(arguments)
    with torch.inference_mode():
        of_scenes, scene_pictures, scene_titles = objects(comfy, args.count)
        of_faces, face_pictures, face_titles = halves(comfy, args.count)
    settings = {"count": args.count, "steps": STEPS, "sampler": SAMPLER, "scheduler": SCHEDULER, "feather": FEATHER}
    figures = {"left and right": of_faces, "object in a box": of_scenes}
    (HERE / "regions.json").write_text(json.dumps({**settings, "figures": figures}, indent=1))
    write_sheet(face_titles, face_pictures, scene_titles, scene_pictures)


def write_sheet(face_titles: Sequence[str], face_pictures: Mapping[str, torch.Tensor], scene_titles: Sequence[str],
                scene_pictures: Mapping[str, torch.Tensor]) -> None:
    columns = {"object, scene": texts([title.split("\n") for title in scene_titles[:ROWS]])}
    for name, pictures in scene_pictures.items():
        columns[name.replace(" on ", "\non ").replace(", ", ",\n")] = images(pictures)
    columns["left and right"] = texts([title.replace("long hair, ", "").replace("\n| ", ", ").split(", ")
                                       for title in face_titles[:ROWS]])
    for name, pictures in face_pictures.items():
        columns[name.replace(" on ", "\non ") + " "] = images(pictures)
    sheet([""] * ROWS, columns, HERE / "regions.jpg")
