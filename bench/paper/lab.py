"""The laboratory of the paper's experiments: the experts, the settings to draw, and the pictures, kept in files.

An experiment plans its units first; then `Lab.run` draws all of them on every core. Drawn pictures are kept, so that an
interrupted run goes on where it stopped. Each process draws with one thread, so that the figures are the same on one
core and on many.
"""
from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from ...devtools import portraits
from ...devtools.inprocess import InProcess
from ...devtools.paths import ROOT
from ...training.judges import faces as parser
from ...training.judges import scenes as judge

PAPER = Path(__file__).resolve().parent
KEPT = ROOT / "output" / "reproduce"
BUILTIN = ROOT / "mcdm" / "builtin"
COMBINED = PAPER / "combined.safetensors"       # one network trained on the datasets of hair, skin and text in turn
FILES = {
    "hair": "faces_hair", "skin": "faces_skin", "text": "faces_text",
    "class": "scenes_class", "scene": "scenes_text",
}

Inputs = dict[str, torch.Tensor]                # what a network is given besides the noise, each [N, ...]


class SettingExpert(NamedTuple):
    """One expert of a setting."""
    model: str              # a key of Lab.models
    given: Inputs
    weight: float


@dataclasses.dataclass(frozen=True)
class Setting:
    """All that decides what is drawn."""
    parts: Sequence[SettingExpert]
    steps: int = portraits.STEPS
    sampler: str = portraits.SAMPLER
    reliabilities: str = ""
    meaning: str = "reliabilities"      # or "shares": what the numbers are
    clip: bool = False
    seed: int = 0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)    # inputs of Mixture Options

    @property
    def forwards(self) -> int:
        """What one picture costs: per step one forward per condition and one per network for its null.

        A single expert at w = 1 needs no null.
        """
        nulls = {part.model for part in self.parts}
        if len(self.parts) == 1 and self.parts[0].weight == 1:
            nulls = set()
        return self.steps * (len(self.parts) + len(nulls))


@dataclasses.dataclass
class Unit:
    """`count` pictures [N, 3, 64, 64] in [-1, 1] of one setting."""
    key: str
    stamp: str              # changes with the setting and with the weights of its experts
    count: int
    setting: Setting


class Chunk(NamedTuple):
    """One batch of a unit and the file that keeps its pictures."""
    unit: Unit
    rows: torch.Tensor
    path: Path

    @property
    def forwards(self) -> int:
        return len(self.rows) * self.unit.setting.forwards


class Lab:
    """The experts and the judges, loaded once, what is planned, and the pictures of it.

    out: where the sheets go. kept: where drawn pictures are kept. real: how many drawings of each kind to compare with.
    """

    def __init__(self, comfy: InProcess, out: Path = PAPER, kept: Path = KEPT, real: int = 2000) -> None:
        self.comfy = comfy
        self.out = out
        self.kept = kept
        self.real = real
        self.models: dict[str, Any] = {}
        self.weights: dict[str, str] = {}       # {model: the start of its file's SHA-256}
        for name, file in FILES.items():
            self.models[name], = comfy.call("LoadExpert", expert=f"builtin/{file}.safetensors")
            self.weights[name] = digest(BUILTIN / f"{file}.safetensors")
        self.models["combined"] = comfy.module("mcdm.experts.load").load_expert(str(COMBINED), "combined")
        self.weights["combined"] = digest(COMBINED)
        self.face_net = parser.load_parser(parser.FILE)
        self.scene_net = judge.load_judge(judge.FILE)
        self.units: dict[str, Unit] = {}
        self.pictures: dict[str, torch.Tensor] = {}             # {key of a unit: [N, 3, 64, 64]}, once all is run

    def bags(self, model: str, texts: Sequence[str]) -> torch.Tensor:
        """The words of some texts as TextCondition understands them, [N, V]."""
        return portraits.bags(self.comfy, self.models[model], texts)

    def plan(self, key: str, count: int, setting: Setting) -> str:
        """Plans `count` pictures of a setting. Returns the key, under which `pictures` has them after `run`."""
        self.units[key] = Unit(key, self.stamp(setting), count, setting)
        return key

    def stamp(self, setting: Setting) -> str:
        """Names a setting by its content: equal for equal pictures, on any machine."""
        parts = []
        for model, given, weight in setting.parts:
            inputs = [(name, hashlib.sha256(values.numpy().tobytes()).hexdigest()) for name, values in given.items()]
            parts.append((self.weights[model], weight, inputs))
        numbers = setting.reliabilities, setting.meaning
        content = parts, setting.steps, setting.sampler, numbers, setting.clip, setting.seed, setting.options
        return hashlib.sha256(repr(content).encode()).hexdigest()[:20]

    def draw(self, setting: Setting, rows: torch.Tensor) -> torch.Tensor:
        """The pictures of some rows of a setting, [N, 3, 64, 64] in [-1, 1]."""
        conditioning = self.comfy.module("mcdm.experts.modality").conditioning
        parts = []
        for model, given, weight in setting.parts:
            condition = conditioning({name: values[rows] for name, values in given.items()})
            parts.append(portraits.DrawingExpert(self.models[model], condition, weight, model))
        return portraits.draw(
            self.comfy, parts, rows, setting.seed, setting.steps, setting.sampler, setting.reliabilities, setting.clip,
            setting.meaning, setting.options,
        )

    def run(self, worker: int = 0, workers: int = 1, others: Iterable[subprocess.Popen] = ()) -> None:
        """Draws what is planned and not yet kept.

        Worker k of n draws every n-th chunk, beginning with chunk k. The leader, worker 0, then waits for the `others`,
        draws what they have left if one failed, and reads all pictures.
        """
        self.kept.mkdir(parents=True, exist_ok=True)
        chunks = self.chunks()
        with Progress(chunks, hidden=worker > 0) as progress:
            self.draw_chunks(chunks[worker::workers], worker, progress)
            if worker:
                return
            while any(other.poll() is None for other in others):
                time.sleep(1)
                progress.show("the last ones")
            self.draw_chunks(chunks, worker, progress)
        drawn: dict[str, list[torch.Tensor]] = {key: [] for key in self.units}
        for chunk in chunks:
            drawn[chunk.unit.key].append(torch.from_numpy(np.load(chunk.path)))
        self.pictures = {key: torch.cat(parts) for key, parts in drawn.items()}

    def chunks(self) -> list[Chunk]:
        """All that is planned, batch by batch."""
        found = []
        for unit in self.units.values():
            for rows in torch.arange(unit.count).split(portraits.BATCH):
                found.append(Chunk(unit, rows, self.kept / f"{unit.stamp}-{rows[0]}-{rows[-1]}.npy"))
        return found

    def draw_chunks(self, chunks: Iterable[Chunk], worker: int, progress: Progress) -> None:
        """Draws those chunks that no file keeps yet. A file is there as a whole or not at all."""
        for unit, rows, path in chunks:
            if not path.is_file():
                part = path.with_suffix(f".{worker}.npy")
                np.save(part, self.draw(unit.setting, rows).numpy())
                part.replace(path)
            progress.show(unit.key)


class Progress:
    """The bar of a run, in forwards. It counts the kept files, whichever process wrote them."""

    def __init__(self, chunks: Sequence[Chunk], hidden: bool) -> None:
        self.chunks = chunks
        total = sum(chunk.forwards for chunk in chunks)
        self.bar = tqdm(total=total, unit="forward", desc="reproduce", smoothing=0.05, disable=hidden)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, what: str) -> None:
        self.bar.set_postfix_str(what, refresh=False)
        done = sum(chunk.forwards for chunk in self.chunks if chunk.path.is_file())
        self.bar.update(done - self.bar.n)


def digest(path: Path) -> str:
    """The start of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
