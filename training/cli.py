"""The command line of `python3 dev.py train`: a folder, one of the pack's own experts, or one of their judges."""
from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import enlarging, loop
from .datasets import drawn, folder
from .datasets.dataset import Dataset
from .expert_file import expert_metadata
from .recipes import AUTOENCODER, RECIPES
from .start import BUILTIN, start_file
from .support.messages import few, say

ROOT = Path(__file__).parents[1]
JUDGES = {"parser": "faces", "judge": "scenes", "placed": "placed"}
STARTS = {"class": "faces_text", "text": "faces_text", "map": "faces_hair", "sketch": "faces_hair"}
NODES = {
    "class": "Class Condition (label: {})",
    "text": "Text Condition (it knows: {})",
    "map": "Map Condition with a map, white where the region is",
    "sketch": "Map Condition with any picture, whose edges are the sketch",
}
NEXT = """{file}
In ComfyUI (R reads the lists anew): Load Expert '{name}' -> {node} -> Condition Expert -> Reliability Mixer,
alone or with other pixel experts; then Empty Expert Latent 64 x 64, MCDM Sampler, VAE Decode \
with Load VAE 'pixel_space'."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs `dev.py train` with these arguments (default: the process's own)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    name = arguments[0] if arguments else ""
    if name in JUDGES:
        train_judge(name, arguments[1:])
    elif name == "autoencoder":
        train_autoencoder(arguments[1:])
    elif name == "upsampler":
        train_upsampler(arguments[1:])
    elif name in RECIPES:
        train_recipe(name, arguments[1:])
    else:
        train_folder(arguments)


# ------------------------------------------------------------------------------------------------ a folder of pictures
def train_folder(arguments: Sequence[str]) -> None:
    """`dev.py train FOLDER`: an expert of one's own. Raises SystemExit with one sentence where that cannot be."""
    args = folder_parser().parse_args(arguments)
    experts = Path(os.environ.get("MCDM_EXPERTS") or ROOT / "output" / "experts")
    name = re.sub(r"[^\w .-]+", "_", args.name or args.folder.resolve().name).strip(" .") or "expert"
    out = expert_path(args.out or experts / f"{name}.safetensors", name)
    work = args.work or ROOT / "output" / "training" / name
    if out.is_file() and not (work / "state.pt").is_file():
        raise SystemExit(
            f"{out} exists already, and is not of this training: give another --name or --out, or remove it.")
    dataset = folder.folder_dataset(args.folder, args.modality, args.words, not args.no_mirror)
    modality = dataset.metadata["modality"]
    start = None if args.start == "none" else start_file(args.start or STARTS[modality], experts)
    metadata = own_metadata(name, dataset, args, start)
    say(f"{len(dataset.pictures)} pictures, modality {modality}, starting from {start.stem if start else 'nothing'}; "
        f"state and previews in {work}")
    check_writable(out.parent, "--out")
    check_writable(work, "--work")
    began = time.monotonic()
    steps, now = loop.train(loop.Plan(
        label=name, datasets=[dataset], metadata=metadata, out=out, work=work, batch_size=args.batch_size,
        steps=args.steps, seconds=60 * 0.97 * args.minutes, start=start, data=dataset.digest()))
    before = f" after {steps - now} before it" if steps > now else ""
    say(f"{now} steps in {(time.monotonic() - began) / 60:.1f} minutes of this run{before}.")
    labels = few(json.loads(metadata.get("vocabulary", "[]")), 8)
    say(NEXT.format(file=out, name=out.name, node=NODES[modality].format(labels)), sys.stdout)


def folder_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev.py train", formatter_class=argparse.RawDescriptionHelpFormatter, description=folder.__doc__,
        epilog=f"The pack's own experts: dev.py train {'|'.join(RECIPES)}, and their judges: {', '.join(JUDGES)}.")
    starts = ", ".join(f"{modality}: {expert}" for modality, expert in STARTS.items())
    option = parser.add_argument
    option("folder", type=Path, help="the pictures, of any size; their middle square is used")
    option("--modality", choices=[*STARTS], help="what they are labelled with (default: what the folder looks like)")
    option("--start", metavar="EXPERT", help=f"the expert to begin with, a name or a file, or none (default: {starts})")
    option("--minutes", type=positive(float), default=15.0,
           help="how long to train (default: 15); the learning rate ends with them")
    option("--steps", type=positive(int), default=0, help="optimizer steps instead of minutes; repeats to the bit")
    option("--batch-size", type=positive(int), default=16, help="pictures a step (default: 16)")
    option("--words", type=positive(int), default=100, help="the most words to learn from texts (default: 100)")
    option("--no-mirror", action="store_true", help="the pictures must not be mirrored (letters, say)")
    option("--name", help="the expert's name (default: the folder's)")
    option("--out", type=Path, help="the expert's file (default: NAME.safetensors in ComfyUI's models/experts)")
    option("--work", type=Path, help="folder for the state and the preview sheets (default: output/training/NAME)")
    return parser


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A type for argparse: a finite number above zero."""
    what = "a whole number" if kind is int else "a number"

    def number(text: str) -> float:
        with contextlib.suppress(ValueError):
            value = kind(text)
            if 0 < value < float("inf"):
                return value
        raise argparse.ArgumentTypeError(f"'{text}' should be {what} above 0")
    return number


def expert_path(out: Path, name: str) -> Path:
    """The expert's file: `out`, or in the folder `out`."""
    if out.is_dir():
        return out / f"{name}.safetensors"
    if out.suffix != ".safetensors":
        return out.with_name(f"{out.name}.safetensors")
    return out


def own_metadata(name: str, dataset: Dataset, args: argparse.Namespace, start: Path | None) -> dict[str, str]:
    """What the expert's file says; nothing about a license, which is for the owner of the pictures to say."""
    modality, source = dataset.metadata["modality"], args.folder.resolve().name
    length = f"--steps {args.steps}" if args.steps else f"--minutes {args.minutes:g}"
    command = f"python3 dev.py train {source} --modality {modality} {length} --batch-size {args.batch_size}"
    metadata = expert_metadata(name, dataset, command)
    del metadata["license"]
    if start:
        metadata["started_from"] = start.stem
    return metadata


def check_writable(place: Path, option: str) -> None:
    """Makes the folder. Raises SystemExit where nothing can be written to it."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise SystemExit(f"Nothing can be written to {place} ({error.strerror}): give another {option}.") from None


# ------------------------------------------------------------------------------------------- the pack's own, and judges
def train_recipe(name: str, arguments: Sequence[str]) -> None:
    """`dev.py train hair`: one of the pack's own experts."""
    recipe = RECIPES[name]
    parser = argparse.ArgumentParser(prog=f"dev.py train {name}", description=f"The expert '{recipe.name}'.")
    option = parser.add_argument
    option("--steps", type=int, default=recipe.steps, help="optimizer steps; may be changed when resuming")
    option("--batch-size", type=int, default=16)
    option("--count", type=int, default=recipe.count, help="pictures drawn for each dataset")
    option("--out", type=Path, default=recipe.file, help="the expert's file")
    option("--work", type=Path, default=ROOT / "output" / "training",
           help="folder for data, state and preview sheets")
    args = parser.parse_args(arguments)
    datasets = [make(args.count, args.work) for make in recipe.datasets]
    command = f"python3 dev.py train {name} --steps {args.steps} --batch-size {args.batch_size} --count {args.count}"
    loop.train(loop.Plan(
        label=name, datasets=datasets, metadata=recipe.metadata(datasets, command), out=args.out,
        work=args.work / name, batch_size=args.batch_size, steps=args.steps, start=recipe.start_file(),
        learning_rate=recipe.learning_rate, extra=datasets[0].extra))


def train_autoencoder(arguments: Sequence[str]) -> None:
    """`dev.py train autoencoder`: the latent space of the drawings."""
    autoencoder = importlib.import_module(".autoencoder", __package__)
    parser = argparse.ArgumentParser(prog="dev.py train autoencoder")
    option = parser.add_argument
    option("--minutes", type=positive(float), default=24.0)
    option("--count", type=int, default=6000, help="pictures drawn")
    option("--out", type=Path, default=AUTOENCODER)
    option("--work", type=Path, default=ROOT / "output" / "training")
    args = parser.parse_args(arguments)
    pictures, _ = drawn.fine_faces(args.count, args.work)
    metadata = {
        "name": "drawings", "data_set": drawn.of_fine_faces(args.count), "license": "GPL-3.0-or-later",
        "training_command": f"python3 dev.py train autoencoder --minutes {args.minutes:g} --count {args.count}",
    }
    autoencoder.train(pictures, args.out, args.work / "autoencoder", 60 * args.minutes, metadata)


def train_upsampler(arguments: Sequence[str]) -> None:
    """`dev.py train upsampler`: the embedded upsampler."""
    upsampler = importlib.import_module(".upsampler", __package__)
    parser = argparse.ArgumentParser(prog="dev.py train upsampler")
    option = parser.add_argument
    option("--minutes", type=positive(float), default=60.0)
    option("--count", type=int, default=4200, help="pictures drawn")
    option("--out", type=Path, default=BUILTIN / "upsampler_drawings.safetensors")
    option("--work", type=Path, default=ROOT / "output" / "training")
    args = parser.parse_args(arguments)
    command = f"python3 dev.py train upsampler --minutes {args.minutes:g} --count {args.count}"
    upsampler.train(enlarging.pairs(args.count, args.work), args.out, args.work / "upsampler", 60 * args.minutes,
                    upsampler.metadata(args.count, command))


def train_judge(name: str, arguments: Sequence[str]) -> None:
    """`dev.py train parser`, `judge` or `placed`. They draw with skia, which nothing else here needs."""
    judge = importlib.import_module(f".judges.{JUDGES[name]}", __package__)
    parser = argparse.ArgumentParser(prog=f"dev.py train {name}", description=(judge.__doc__ or "").split("\n")[0])
    option = parser.add_argument
    option("--steps", type=int, default=judge.STEPS)
    option("--count", type=int, default=judge.COUNT, help=f"pictures of each {judge.EACH}")
    option("--out", type=Path, default=judge.FILE)
    args = parser.parse_args(arguments)
    judge.train(args.steps, args.count, args.out)
