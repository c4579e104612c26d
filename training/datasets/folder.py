"""A folder of pictures with labels of one modality, as a dataset: `python3 dev.py train FOLDER` (docs/training.md).

    class     FOLDER/cat/*.png, FOLDER/dog/*.png: the names of the folders
    text      x.png and x.txt: free text, read by the function that Text Condition reads with
    map       FOLDER/x.png and FOLDER/maps/x.png: white where the region is, encoded as Map Condition encodes it
    sketch    pictures and nothing else: their own edges
"""
from __future__ import annotations

import collections
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from ..support.messages import few, say
from . import folder_labels
from .dataset import Dataset, Kind
from .picture_files import list_pictures, read_pictures

KINDS: dict[str, Kind] = {"class": "class", "text": "words", "map": "map", "sketch": "map"}
ENCODINGS = {"map": "binary", "sketch": "edges"}
NO_CLASSES = (              # names of subfolders that mean something else, and what to do about them
    (("masks", "labels", "annotations"), "Maps belong into a folder 'maps', under the names of their pictures"),
    (("train", "val", "test"), "Give one of these folders"),
)


def folder_dataset(folder: Path, modality: str | None = None, most: int = 100, mirror: bool = True) -> Dataset:
    """The dataset in a folder, with at most so many words.

    modality: "class", "text", "map" or "sketch"; None where the layout tells.
    Raises SystemExit, one sentence, where there is nothing to train on.
    """
    paths = training_pictures(folder, modality)
    modality = modality or detect(folder, paths)
    if modality == "map" and not (folder / "maps").is_dir():
        raise SystemExit(f"'{folder}' has no folder 'maps': the map of x.png is maps/x.png.")
    pictures = read_pictures(folder, paths)
    labels: list[str] = []
    if modality == "class":
        kept, condition, labels = folder_labels.classes(folder, paths, pictures)
    elif modality == "text":
        kept, condition, labels = folder_labels.words(folder, pictures, most)
    elif modality == "map":
        kept, condition = folder_labels.maps(folder, pictures)
    else:
        kept, condition = folder_labels.sketches(pictures)
    if mirror and tell_sides(labels):
        say("'left' or 'right' is among the labels: pictures are not mirrored.")
        mirror = False
    if len(kept) < 20:
        say(f"Warning: {len(kept)} pictures are few; the expert will do little but repeat them.")
    stacked = torch.cat([pictures[path].pixels.mul(255).round().to(torch.uint8) for path in kept])
    metadata = folder_metadata(modality, labels, f"{len(kept)} pictures of a folder '{folder.resolve().name}'")
    return Dataset(stacked, condition, KINDS[modality], metadata, mirror=mirror)


def folder_metadata(modality: str, labels: Sequence[str], source: str) -> dict[str, str]:
    """What the expert's file says about its condition."""
    metadata = {"modality": modality, "data_set": source}
    if labels:
        metadata["vocabulary"] = json.dumps(labels)
    if modality == "text":
        metadata["synonyms"] = "{}"
    if modality in ENCODINGS:
        metadata["map_encoding"] = ENCODINGS[modality]
    return metadata


def training_pictures(folder: Path, modality: str | None) -> list[Path]:
    """The pictures of a folder without its maps. Raises SystemExit where there are none."""
    if not folder.is_dir():
        raise SystemExit(f"'{folder}' is no folder.")
    paths = list_pictures(folder)
    if modality is None or modality == "map":
        paths = [path for path in paths if path.relative_to(folder).parts[0] != "maps"]
    if not paths:
        others = collections.Counter(path.suffix.lower() or path.name for path in folder.rglob("*") if path.is_file())
        counted = few([f"{count} {extension}" for extension, count in others.most_common()])
        content = f"no pictures, but {counted}" if others else "nothing"
        raise SystemExit(f"'{folder}' holds {content}: give a folder with pictures.")
    return paths


def detect(folder: Path, paths: Sequence[Path]) -> str:
    """The modality that the layout of a folder speaks of. Raises SystemExit where it may be several."""
    top = [path for path in paths if path.parent == folder]
    told = sum(path.with_suffix(".txt").is_file() for path in paths)
    if (folder / "maps").is_dir():
        return "map"
    if told and (2 * told >= len(paths) or top):
        return "text"
    inner = sorted({path.relative_to(folder).parts[0] for path in paths if path.parent != folder})
    if top and inner:
        raise SystemExit(
            f"'{folder}' holds pictures itself and in subfolders ({few(inner)}): say what they are by --modality class "
            "(the subfolders), text or sketch (all pictures).")
    for names, remedy in NO_CLASSES:
        if any(name.lower() in names for name in inner):
            raise SystemExit(
                f"'{folder}' holds {few(inner)}, which look like no classes. {remedy}, or say --modality class.")
    return "class" if inner else "sketch"


def tell_sides(labels: Sequence[str]) -> bool:
    """Whether labels tell left from right, so that a mirrored picture would be wrong."""
    words = {word for label in labels for word in label.lower().split()}
    return not words.isdisjoint(("left", "right"))
