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

from ...mcdm.conditions.maps import edges
from ..support.messages import few, say
from . import folder_labels
from .dataset import Dataset, Kind
from .picture_files import list_pictures, read_pictures

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
    metadata = {"modality": modality}
    labels: list[str] = []
    kind: Kind
    if modality == "class":
        kind = "class"
        kept, condition, labels = folder_labels.classes(folder, paths, pictures)
        metadata["vocabulary"] = json.dumps(labels)
    elif modality == "text":
        kind = "words"
        kept, condition, labels = folder_labels.words(folder, pictures, most)
        metadata |= {"vocabulary": json.dumps(labels), "synonyms": "{}"}
    elif modality == "map":
        kind = "map"
        kept, condition = folder_labels.maps(folder, pictures)
        metadata["map_encoding"] = "binary"
    else:
        kind = "map"
        kept = [*pictures]
        condition = torch.cat([edges(pictures[path].pixels)[:, 0].to(torch.uint8) for path in kept])
        metadata["map_encoding"] = "edges"
    if mirror and tell_sides(labels):
        say("'left' or 'right' is among the labels: pictures are not mirrored.")
        mirror = False
    if len(kept) < 20:
        say(f"Warning: {len(kept)} pictures are few; the expert will do little but repeat them.")
    metadata["data_set"] = f"{len(kept)} pictures of a folder '{folder.resolve().name}'"
    stacked = torch.cat([pictures[path].pixels.mul(255).round().to(torch.uint8) for path in kept])
    return Dataset(stacked, condition, kind, metadata, mirror=mirror)


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
