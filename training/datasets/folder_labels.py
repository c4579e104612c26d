"""The labels of a folder of pictures: classes from subfolders, words from texts, maps from a folder of maps, or edges.

Each function says what it leaves out, and returns the paths of the pictures that are kept with their condition.
It raises SystemExit, one sentence, where there is nothing to train on.
"""
from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from ...mcdm.conditions.maps import binary, edges
from ..support.messages import few, leave_out, say
from .captions import vocabulary_of
from .picture_files import SIZE, Picture, is_hidden, list_pictures, open_picture


# ------------------------------------------------------------------------------------------------------------- classes
def classes(
    folder: Path, paths: Sequence[Path], readable: Iterable[Path],
) -> tuple[list[Path], torch.Tensor, list[str]]:
    """(kept paths, bags [N, classes] uint8, names of the classes): one class per subfolder."""
    outside = [path.relative_to(folder) for path in paths if path.parent == folder]
    leave_out(outside, len(paths), "lie in no subfolder, and so have no class",
              "Give every class a folder with its pictures")
    kept = [path for path in readable if path.parent != folder]
    names = class_names(folder, kept)
    bags = torch.zeros(len(kept), len(names), dtype=torch.uint8)
    for bag, path in zip(bags, kept, strict=True):
        bag[names.index(subfolder(folder, path))] = 1
    return kept, bags, [name.strip() for name in names]


def subfolder(folder: Path, path: Path) -> str:
    """The name of the first folder below `folder` on the way to `path`."""
    return path.relative_to(folder).parts[0]


def class_names(folder: Path, paths: Sequence[Path]) -> list[str]:
    """The names of the subfolders that hold pictures: numbers first, in their order, then the others alphabetically."""
    counts = collections.Counter(subfolder(folder, path) for path in paths)
    empty = [
        place.name for place in sorted(folder.iterdir())
        if place.is_dir() and place.name not in counts and not is_hidden(place.relative_to(folder))
    ]
    if empty:
        say(f"Warning: no pictures in {few(empty)}; these are no classes.")
    names = sorted(counts, key=class_order)
    if len(names) < 2:
        raise SystemExit(
            f"'{folder}' has one folder with pictures only ({few(names)}), but classes are at least two. "
            "For pictures without classes give that folder itself, or --modality sketch.")
    single = [name for name in names if counts[name] == 1]
    if single:
        raise SystemExit(
            f"Of the class {few(single)} there is one picture only, from which nothing general can be learnt: "
            "add some, or take its folder away.")
    spellings = collections.Counter(name.strip().lower() for name in names)
    same = [name for name in names if spellings[name.strip().lower()] > 1]
    if same:
        raise SystemExit(
            f"The classes {few(same)} have the same name to Class Condition, which tells no capitals apart: "
            "rename them.")
    say("classes: " + few([f"{name} ({counts[name]})" for name in names], 20))
    return names


def class_order(name: str) -> tuple[bool, int, str]:
    """What classes are sorted by."""
    if name.isdecimal():
        return False, int(name), name.lower()
    return True, 0, name.lower()


# --------------------------------------------------------------------------------------------------------------- texts
def words(folder: Path, readable: Iterable[Path], most: int) -> tuple[list[Path], torch.Tensor, list[str]]:
    """(kept paths, bags [N, words] uint8, vocabulary of at most so many words) of the texts beside pictures."""
    texts = {path: caption(path) for path in readable}
    silent = [path.relative_to(folder) for path, text in texts.items() if not text]
    leave_out(silent, len(texts), "have no text beside them",
              "Put into x.txt what x.png shows, or train on the pictures alone by --modality sketch")
    told = [path for path, text in texts.items() if text]
    vocabulary, bags = vocabulary_of([texts[path] for path in told], most)
    if not vocabulary:
        raise SystemExit(
            f"The texts beside the pictures of '{folder}' name nothing that could be learnt (the first: "
            f"'{texts[told[0]][:80]}').")
    known = bags.bool().any(1)
    unknown = [path.relative_to(folder) for path, k in zip(told, known, strict=True) if not k]
    leave_out(unknown, len(told), "have no word that others share", "Use the same words for the same things")
    say(f"{len(vocabulary)} words: {few(vocabulary, 20)}")
    kept = [path for path, k in zip(told, known, strict=True) if k]
    return kept, bags[known], vocabulary


def caption(path: Path) -> str:
    """The text beside a picture, in one line; "" where there is none or an empty one."""
    file = path.with_suffix(".txt")
    raw = file.read_bytes() if file.is_file() else b""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = raw.decode(encoding, errors="replace").splitlines()
    return ", ".join(filter(None, map(str.strip, lines)))


# ------------------------------------------------------------------------------------------------- maps and sketches
def maps(folder: Path, pictures: Mapping[Path, Picture]) -> tuple[list[Path], torch.Tensor]:
    """(kept paths, maps [N, SIZE, SIZE] uint8): the maps that lie in FOLDER/maps under the pictures' names."""
    files = {path.relative_to(folder / "maps").with_suffix(""): path for path in list_pictures(folder / "maps")}
    pairs: dict[Path, Path] = {}
    without: list[Path] = []
    for path in pictures:
        name = path.relative_to(folder)
        if name.with_suffix("") in files:
            pairs[path] = files[name.with_suffix("")]
        else:
            without.append(name)
    leave_out(without, len(pictures), "have no map", "The map of x.png is maps/x.png, that of y/x.png maps/y/x.png")
    return read_maps(folder, pairs, pictures)


def read_maps(
    folder: Path, pairs: Mapping[Path, Path], pictures: Mapping[Path, Picture],
) -> tuple[list[Path], torch.Tensor]:
    """`maps`, of pairs of a picture's path and its map's."""
    found: dict[Path, torch.Tensor] = {}
    odd: list[str] = []
    brightest = 0
    for path, file in pairs.items():
        try:
            drawn = open_picture(file, over_white=False)
        except Exception as error:                              # see open_picture
            raise SystemExit(
                f"The map '{file}' cannot be read ({error}): replace it, or remove it and its picture.") from None
        brightest = max(brightest, int(255 * drawn.max()))
        height, width = drawn.shape[2:]
        picture = pictures[path]
        if same_proportions((picture.width, picture.height), (width, height)):
            found[path] = binary(drawn, SIZE, SIZE)[0, 0].to(torch.uint8)
        else:
            odd.append(f"{path.relative_to(folder)} ({picture.width} x {picture.height}, its map {width} x {height})")
    leave_out(odd, len(pairs), "have another shape than their maps",
              "A map may be larger or smaller than its picture, but of the same proportions")
    stacked = torch.stack([*found.values()])
    if not 0 < stacked.float().mean() < 1:
        colour = "white" if stacked.any() else f"black (their brightest value is {brightest} of 255)"
        raise SystemExit(
            f"The maps in '{folder / 'maps'}' are {colour} everywhere: "
            "a map is white where the region is and black elsewhere.")
    return [*found], stacked


def same_proportions(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether one (width, height) is the other enlarged, up to the rounding of one pixel."""
    return abs(b[0] * a[1] - b[1] * a[0]) <= max(*a, *b)


def sketches(pictures: Mapping[Path, Picture]) -> tuple[list[Path], torch.Tensor]:
    """(all paths, edges [N, SIZE, SIZE] uint8 of the pictures themselves)."""
    return [*pictures], torch.cat([edges(picture.pixels)[:, 0].to(torch.uint8) for picture in pictures.values()])
