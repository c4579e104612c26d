"""A folder of pictures with labels of one modality, as a data set: `python3 dev.py train FOLDER` (docs/training.md).

    class     FOLDER/cat/*.png, FOLDER/dog/*.png: the names of the folders
    text      x.png and x.txt: free text, read by the function that Text Condition reads with
    map       FOLDER/x.png and FOLDER/maps/x.png: white where the region is, encoded as Map Condition encodes it
    sketch    pictures and nothing else: their own edges
"""
import argparse
import collections
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm import tqdm

from ..mcdm.conditions.maps import binary, center_resize, edges
from . import captions, loop, recipes
from .data import DataSet

ROOT = Path(__file__).parents[1]
SIZE = 64
STARTS = {"class": "faces_text", "text": "faces_text", "map": "faces_hair", "sketch": "faces_hair"}
NODES = {"class": "Class Condition (label: {})", "text": "Text Condition (it knows: {})", "map": "Map Condition with a map, white where the region is",
         "sketch": "Map Condition with any picture, whose edges are the sketch"}


def say(text, file=None):
    """A line on standard error, or where it is said, of many processes the first one's."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=file or sys.stderr, flush=True)


def few(names, most=5):
    """Names as a part of a sentence."""
    return ", ".join(map(str, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def leave_out(names, total, what, remedy):
    """Says which of the pictures are left out and why; raises SystemExit where these are more than half."""
    if names:
        sentence = f"{len(names)} of {total} pictures {what}: {few(names)}"
        if 2 * len(names) > total:
            raise SystemExit(f"{sentence}. {remedy}.")
        say(f"Warning: {sentence}. They are left out.")


def listing(folder):
    """All pictures below a folder, by their extensions, hidden ones left out; sorted."""
    Image.init()
    extensions = {e for e, name in Image.registered_extensions().items() if name in Image.OPEN}
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in extensions and p.is_file() and not hidden(p.relative_to(folder)))


def hidden(path):
    """Whether it is what systems leave behind and nobody means."""
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def open_picture(path, over_white=True):
    """[1, 3, H, W] in [0, 1], the right way up; transparent parts over white, or as the host's LoadImage has them.

    Raises OSError, SyntaxError, ValueError and others: a broken file fails in any way.
    """
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I"):                          # 16 bits
            image = Image.fromarray((np.asarray(image).astype(np.float32) / 257).round().clip(0, 255).astype(np.uint8))
        if over_white and (image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def read(folder, paths):
    """{path: (picture [1, 3, SIZE, SIZE] in [0, 1], (width, height))} of those that can be read; says which cannot."""
    pictures, broken = {}, []
    for path in tqdm(paths, desc="reading pictures", disable=len(paths) < 500, mininterval=2):
        try:
            picture = open_picture(path)
            pictures[path] = center_resize(picture, SIZE, SIZE), picture.shape[:1:-1]
        except Exception:                                       # see open_picture
            broken.append(path.relative_to(folder))
    leave_out(broken, len(paths), "cannot be read", "Replace or remove them")
    return pictures


def caption(path):
    """The text beside a picture, "" where there is none or an empty one."""
    file = path.with_suffix(".txt")
    raw = file.read_bytes() if file.is_file() else b""
    lines = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace").splitlines()
    return ", ".join(filter(None, map(str.strip, lines)))


def detect(folder, paths):
    """The modality that the layout of a folder speaks of. Raises SystemExit where it may be several."""
    top = [p for p in paths if p.parent == folder]
    told = sum(p.with_suffix(".txt").is_file() for p in paths)
    if (folder / "maps").is_dir():
        return "map"
    if told and (2 * told >= len(paths) or top):
        return "text"
    inner = sorted({p.relative_to(folder).parts[0] for p in paths if p.parent != folder})
    if top and inner:
        raise SystemExit(f"'{folder}' holds pictures itself and in subfolders ({few(inner)}): say what they are by --modality class (the subfolders), "
                         "text or sketch (all pictures).")
    for names, what in ((("masks", "labels", "annotations"), "Maps belong into a folder 'maps', under the names of their pictures"),
                        (("train", "val", "test"), "Give one of these folders")):
        if {n.lower() for n in inner} & {*names}:
            raise SystemExit(f"'{folder}' holds {few(inner)}, which look like no classes. {what}, or say --modality class.")
    return "class" if inner else "sketch"


def classes(folder, paths, pictures):
    """(pictures' paths, bags, names): a class for each subfolder."""
    ignored = [p.relative_to(folder) for p in paths if p.parent == folder]
    leave_out(ignored, len(paths), "lie in no subfolder, and so have no class", "Give every class a folder with its pictures")
    kept = [p for p in pictures if p.parent != folder]
    counts = collections.Counter(p.relative_to(folder).parts[0] for p in kept)
    empty = [p.name for p in sorted(folder.iterdir()) if p.is_dir() and p.name not in counts and not hidden(p.relative_to(folder))]
    if empty:
        say(f"Warning: no pictures in {few(empty)}; these are no classes.")
    names = sorted(counts, key=lambda n: (not n.isdecimal(), int(n) if n.isdecimal() else 0, n.lower()))
    if len(names) < 2:
        raise SystemExit(f"'{folder}' has one folder with pictures only ({few(names)}), but classes are at least two. For pictures without classes "
                         "give that folder itself, or --modality sketch.")
    single = [n for n in names if counts[n] == 1]
    if single:
        raise SystemExit(f"Of the class {few(single)} there is one picture only, from which nothing general can be learnt: add some, or take its folder away.")
    same = [n for n in names if sum(n.strip().lower() == m.strip().lower() for m in names) > 1]
    if same:
        raise SystemExit(f"The classes {few(same)} have the same name to Class Condition, which tells no capitals apart: rename them.")
    say("classes: " + few([f"{n} ({counts[n]})" for n in names], 20))
    bags = torch.zeros(len(kept), len(names), dtype=torch.uint8)
    for i, path in enumerate(kept):
        bags[i, names.index(path.relative_to(folder).parts[0])] = 1
    return kept, bags, [n.strip() for n in names]


def captioned(folder, pictures, most):
    """(pictures' paths, bags, vocabulary) of the texts beside pictures."""
    texts = {p: caption(p) for p in pictures}
    leave_out([p.relative_to(folder) for p, text in texts.items() if not text], len(texts), "have no text beside them",
              "Put into x.txt what x.png shows, or train on the pictures alone by --modality sketch")
    kept = [p for p in pictures if texts[p]]
    vocabulary, bags = captions.words([texts[p] for p in kept], most)
    if not vocabulary:
        raise SystemExit(f"The texts beside the pictures of '{folder}' name nothing that could be learnt (the first: '{texts[kept[0]][:80]}').")
    leave_out([p.relative_to(folder) for p, bag in zip(kept, bags, strict=True) if not bag.any()], len(kept), "have no word that others share",
              "Use the same words for the same things")
    said = bags.bool().any(1)
    say(f"{len(vocabulary)} words: {few(vocabulary, 20)}")
    return [p for p, s in zip(kept, said.tolist(), strict=True) if s], bags[said], vocabulary


def mapped(folder, pictures):
    """(pictures' paths, maps [N, SIZE, SIZE]) of the maps that lie in FOLDER/maps under the pictures' names."""
    drawn = listing(folder / "maps")
    places = {p.relative_to(folder / "maps").with_suffix(""): p for p in drawn}
    have = [p for p in pictures if p.relative_to(folder).with_suffix("") in places]
    leave_out([p.relative_to(folder) for p in pictures if p not in set(have)], len(pictures), "have no map",
              "The map of x.png is maps/x.png, that of y/x.png maps/y/x.png")
    maps, odd, dark = {}, [], 0
    for path in have:
        file = places[path.relative_to(folder).with_suffix("")]
        try:
            picture = open_picture(file, over_white=False)
        except Exception as error:                              # see open_picture
            raise SystemExit(f"The map '{file}' cannot be read ({error}): replace it, or remove it and its picture.") from None
        (h, w), (width, height) = picture.shape[2:], pictures[path][1]
        dark = max(dark, int(255 * picture.max()))
        if abs(width * h - height * w) > max(width, height, w, h):              # more than a pixel's rounding
            odd.append(f"{path.relative_to(folder)} ({width} x {height}, its map {w} x {h})")
        else:
            maps[path] = binary(picture, SIZE, SIZE)[0, 0].to(torch.uint8)
    leave_out(odd, len(have), "have another shape than their maps", "A map may be larger or smaller than its picture, but of the same proportions")
    stacked = torch.stack([*maps.values()])
    if not 0 < stacked.float().mean() < 1:
        raise SystemExit(f"The maps in '{folder / 'maps'}' are {'white' if stacked.any() else f'black (their brightest value is {dark} of 255)'} everywhere: "
                         "a map is white where the region is and black elsewhere.")
    return [*maps], stacked


def data_set(folder, modality=None, most=100, mirror=True):
    """The DataSet in a folder. modality: None where the layout tells. Raises SystemExit, one sentence, where there is none to train on."""
    if not folder.is_dir():
        raise SystemExit(f"'{folder}' is no folder.")
    paths = listing(folder)
    if modality != "class":
        paths = [p for p in paths if p.relative_to(folder).parts[0] != "maps" or modality in ("text", "sketch")]
    if not paths:
        others = collections.Counter(p.suffix.lower() or p.name for p in folder.rglob("*") if p.is_file())
        what = f"no pictures, but {few([f'{n} {e}' for e, n in others.most_common()])}" if others else "nothing"
        raise SystemExit(f"'{folder}' holds {what}: give a folder with pictures.")
    modality = modality or detect(folder, paths)
    if modality == "map" and not (folder / "maps").is_dir():
        raise SystemExit(f"'{folder}' has no folder 'maps': the map of x.png is maps/x.png.")
    pictures = read(folder, paths)
    kept = [*pictures]
    labels: list[str] = []
    facts: dict[str, str] = {}
    if modality == "class":
        kept, condition, labels = classes(folder, paths, pictures)
    elif modality == "text":
        kept, condition, labels = captioned(folder, pictures, most)
    elif modality == "map":
        kept, condition = mapped(folder, pictures)
        facts["map_encoding"] = "binary"
    else:
        condition = torch.cat([edges(pictures[p][0])[:, 0].to(torch.uint8) for p in kept])
        facts["map_encoding"] = "edges"
    if labels:
        facts |= {"vocabulary": json.dumps(labels)} | ({"synonyms": "{}"} if modality == "text" else {})
    if mirror and {"left", "right"} & {word for label in labels for word in label.lower().split()}:
        say("'left' or 'right' is among the labels: pictures are not mirrored.")
        mirror = False
    if len(kept) < 20:
        say(f"Warning: {len(kept)} pictures are few; the expert will do little but repeat them.")
    stacked = torch.cat([pictures[p][0].mul(255).round().to(torch.uint8) for p in kept])
    kind = {"class": "class", "text": "words"}.get(modality, "map")
    return DataSet(stacked, condition, kind, {"modality": modality, **facts, "data_set": f"{len(kept)} pictures of a folder '{folder.resolve().name}'"},
                   mirror=mirror)


def start_file(name, experts):
    """The file of the expert to begin with: a path, or a name as LoadExpert lists it. Raises SystemExit where there is none."""
    stem = name.removeprefix("builtin/").removesuffix(".safetensors")
    for path in (Path(name), loop.BUILTIN / f"{stem}.safetensors", experts / f"{stem}.safetensors"):
        if path.is_file():
            return path
    known = few(sorted(p.stem for p in loop.BUILTIN.glob("*.safetensors")), 20)
    raise SystemExit(f"There is no expert '{name}' to start from: give a file, none, or one of {known}.")


def positive(kind):
    """A type for argparse: a finite number above zero."""
    def number(text):
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value
    number.__name__ = f"positive {kind.__name__}"
    return number


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="dev.py train", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
                                     epilog=f"The pack's own experts: dev.py train {'|'.join(recipes.RECIPES)}, and their judges: parser, judge.")
    parser.add_argument("folder", type=Path, help="the pictures, of any size; their middle square is used")
    parser.add_argument("--modality", choices=[*STARTS], help="what they are labelled with (default: what the folder looks like)")
    parser.add_argument("--start", metavar="EXPERT", help="the expert to begin with, a name or a file, or none (default: "
                        + ", ".join(f"{m}: {e}" for m, e in STARTS.items()) + ")")
    parser.add_argument("--minutes", type=positive(float), default=15.0, help="how long to train (default: 15); the learning rate ends with them")
    parser.add_argument("--steps", type=positive(int), default=0, help="optimizer steps instead of minutes; repeats to the bit")
    parser.add_argument("--batch-size", type=positive(int), default=16, help="pictures a step (default: 16)")
    parser.add_argument("--words", type=positive(int), default=100, help="the most words to learn from texts (default: 100)")
    parser.add_argument("--no-mirror", action="store_true", help="the pictures must not be mirrored (letters, say)")
    parser.add_argument("--name", help="the expert's name (default: the folder's)")
    parser.add_argument("--out", type=Path, help="the expert's file (default: NAME.safetensors in ComfyUI's models/experts)")
    parser.add_argument("--work", type=Path, help="folder for the state and the preview sheets (default: output/training/NAME)")
    args = parser.parse_args(arguments)
    experts = Path(os.environ.get("MCDM_EXPERTS") or ROOT / "output" / "experts")
    name = re.sub(r"[^\w .-]+", "_", args.name or args.folder.resolve().name).strip(" .") or "expert"
    out, work = args.out or experts / f"{name}.safetensors", args.work or ROOT / "output" / "training" / name
    if out.is_dir() or out.suffix != ".safetensors":
        out = out / f"{name}.safetensors" if out.is_dir() else out.with_name(f"{out.name}.safetensors")
    if out.is_file() and not (work / "state.pt").is_file():
        raise SystemExit(f"{out} exists already, and is not of this training: give another --name or --out, or remove it.")
    dataset = data_set(args.folder, args.modality, args.words, not args.no_mirror)
    modality = dataset.metadata["modality"]
    start = None if args.start == "none" else start_file(args.start or STARTS[modality], experts)
    length = f"--steps {args.steps}" if args.steps else f"--minutes {args.minutes:g}"
    facts = loop.metadata(name, dataset, f"python3 dev.py train {args.folder.resolve().name} --modality {modality} {length} --batch-size {args.batch_size}")
    del facts["license"]                                        # the pictures' owner knows
    facts |= {"started_from": start.stem} if start else {}
    digest = hashlib.sha256(dataset.pictures.numpy().tobytes() + dataset.condition.numpy().tobytes()).hexdigest()
    say(f"{len(dataset.pictures)} pictures, modality {modality}, starting from {start.stem if start else 'nothing'}; state and previews in {work}")
    try:
        for place in (out.parent, work):
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                pass
    except OSError as error:
        raise SystemExit(f"Nothing can be written to {place} ({error.strerror}): give another --{'out' if place == out.parent else 'work'}.") from None
    began = time.monotonic()
    steps = loop.train(name, [dataset], args.steps, args.batch_size, start, out, work, facts, seconds=60 * 0.97 * args.minutes, data=digest)
    labels = few(json.loads(facts.get("vocabulary", "[]")), 8)
    say(f"{steps} steps, {(time.monotonic() - began) / 60:.1f} minutes in this run.")
    say(f"""{out}
In ComfyUI (R reads the lists anew): Load Expert '{out.name}' -> {NODES[modality].format(labels)} -> Condition Expert -> Reliability Mixer,
alone or with other pixel experts; then Empty Expert Latent 64 x 64, MCDM Sampler, VAE Decode with Load VAE 'pixel_space'.""", sys.stdout)
