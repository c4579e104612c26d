"""How the pack's own experts are made: `python3 dev.py train hair`. What draws (skia) is imported where it is needed."""
import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..mcdm.experts.networks.dual_encoder import DualEncoder
from . import data
from .loop import BUILTIN, metadata, train

PAPER = Path(__file__).parents[1] / "bench" / "paper"


def face_map(region, count, cache, channel=0):
    """Faces of one style with the map of hair or of skin."""
    from .datasets import faces
    style = {"hair": "studio", "skin": "halo"}[region]
    pictures, regions, _ = data.once(cache / f"{style}-{count}.npz", lambda: faces.data_set(style, count, seed=1))
    condition = (regions == faces.REGIONS.index(region)).to(torch.uint8)
    return data.DataSet(data.tensors(pictures), condition, "map", {"modality": region, "map_encoding": "binary",
                   "data_set": f"{count} drawn portraits, style '{style}' (training/datasets/faces.py, seed 1)"}, channel)


def face_words(count, cache):
    """Faces of one style with their words."""
    from .datasets import faces
    pictures, _, bags = data.once(cache / f"poster-{count}.npz", lambda: faces.data_set("poster", count, seed=1))
    return data.DataSet(data.tensors(pictures), bags, "words", data.words(faces.VOCABULARY, faces.SYNONYMS) | {
                   "data_set": f"{count} drawn portraits, style 'poster' (training/datasets/faces.py, seed 1)"})


def face_sketch(count, cache):
    """Faces of all styles, none of another data set, with their edges."""
    from .datasets import faces

    def make():
        drawn = np.concatenate([faces.data_set(style, count // 3, seed=3)[0] for style in faces.STYLES])
        return drawn, data.sketched(data.tensors(torch.from_numpy(drawn))).numpy()
    pictures, condition = data.once(cache / f"sketch-{count}.npz", make)
    return data.DataSet(data.tensors(pictures), condition, "map", {"modality": "sketch", "map_encoding": "edges",
                   "data_set": f"{len(pictures)} drawn portraits of all styles (training/datasets/faces.py, seed 3), Canny's edges"})


def face_embedding(count, cache):
    """Faces of all styles, none of another data set, with the vectors of a dual encoder that is trained on them first."""
    from . import encoder
    from .datasets import faces

    def make():
        drawn = [faces.data_set(style, count // 3, seed=4) for style in faces.STYLES]
        pictures, bags = (np.concatenate([d[i] for d in drawn]) for i in (0, 2))
        net = encoder.train(data.tensors(torch.from_numpy(pictures)), torch.from_numpy(bags))
        with torch.no_grad():
            vectors = torch.cat([net.image(p.float() / 127.5 - 1) for p in data.tensors(torch.from_numpy(pictures)).split(256)])
        return pictures, vectors.numpy(), *(v.half().numpy() for v in net.state_dict().values())
    pictures, vectors, *weights = data.once(cache / f"embedding-{count}.npz", make)
    names = DualEncoder(len(faces.VOCABULARY)).state_dict()
    return data.DataSet(data.tensors(pictures), vectors, "vector", data.words(faces.VOCABULARY, faces.SYNONYMS) | {"modality": "embedding",
                   "data_set": f"{len(pictures)} drawn portraits of all styles (training/datasets/faces.py, seed 4), its own encoder's vectors"},
                   extra={f"encoder.{k}": v for k, v in zip(names, weights, strict=True)})


def objects(count, cache):
    """Objects on grounds without a scene, with their class."""
    from .datasets import scenes
    pictures, bags = data.once(cache / f"objects-{count}.npz", lambda: scenes.data_set("objects", count, seed=1))
    return data.DataSet(data.tensors(pictures), bags, "class", {"modality": "class", "vocabulary": json.dumps(scenes.OBJECTS),
                   "data_set": f"{count} drawn objects on plain and random grounds (training/datasets/scenes.py, seed 1)"})


def scene_words(count, cache):
    """Scenes without any of the objects, with their words."""
    from .datasets import scenes
    pictures, bags = data.once(cache / f"scenes-{count}.npz", lambda: scenes.data_set("scenes", count, seed=1))
    return data.DataSet(data.tensors(pictures), bags, "words", data.words(scenes.VOCABULARY, scenes.SYNONYMS) | {
                   "data_set": f"{count} drawn scenes without objects (training/datasets/scenes.py, seed 1)"})


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one of the pack's own experts is made: file, data sets (in turn) of (count, cache), steps, the expert it starts from (its own name: trained on)."""
    file: Path
    name: str
    sets: Callable
    steps: int = 8600
    start: str | None = None


RECIPES = {
    "hair": Recipe(BUILTIN / "faces_hair.safetensors", "faces, hair", lambda *a: [face_map("hair", *a)]),
    "skin": Recipe(BUILTIN / "faces_skin.safetensors", "faces, skin", lambda *a: [face_map("skin", *a)]),
    "text": Recipe(BUILTIN / "faces_text.safetensors", "faces, text", lambda *a: [face_words(*a)], steps=12400),
    "sketch": Recipe(BUILTIN / "faces_sketch.safetensors", "faces, sketch", lambda *a: [face_sketch(*a)], steps=2500, start="faces_hair"),
    "class": Recipe(BUILTIN / "scenes_class.safetensors", "scenes, class", lambda *a: [objects(*a)], steps=5000, start="faces_text"),
    "scene": Recipe(BUILTIN / "scenes_text.safetensors", "scenes, text", lambda *a: [scene_words(*a)], steps=6000, start="scenes_text"),
    "embedding": Recipe(BUILTIN / "faces_embedding.safetensors", "faces, embedding", lambda *a: [face_embedding(*a)], steps=3000, start="faces_text"),
    "combined": Recipe(PAPER / "combined.safetensors", "faces, all at once",
                       lambda n, c: [face_map("hair", n, c), face_map("skin", n, c, 1), face_words(n, c)], steps=3500, start="faces_hair"),
}


def main():
    parser = argparse.ArgumentParser(prog="dev.py train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("expert", choices=list(RECIPES))
    parser.add_argument("--steps", type=int, help="optimizer steps; may be changed when resuming")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--count", type=int, default=24000, help="pictures drawn for each data set")
    parser.add_argument("--out", type=Path, help="the expert's file")
    parser.add_argument("--work", type=Path, default=PAPER.parents[1] / "output" / "training", help="folder for data, state and preview sheets")
    args = parser.parse_args()
    recipe = RECIPES[args.expert]
    sets, steps = recipe.sets(args.count, args.work), args.steps or recipe.steps
    facts = metadata(recipe.name, sets[0], f"python3 dev.py train {args.expert} --steps {steps} --batch-size {args.batch_size} --count {args.count}")
    if recipe.start:
        facts["started_from"] = recipe.start
    if len(sets) > 1:
        facts |= {"modality": "combined", "data_set": "; ".join(d.metadata["data_set"] for d in sets), **{k: v for d in sets for k, v in d.metadata.items()
                  if k in ("vocabulary", "synonyms")}}
    train(args.expert, sets, steps, args.batch_size, recipe.start and BUILTIN / f"{recipe.start}.safetensors", args.out or recipe.file,
          args.work / args.expert, facts, extra=sets[0].extra)
