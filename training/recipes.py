"""Which dataset with which settings makes which of the pack's own experts: `python3 dev.py train hair`."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .datasets import drawn
from .datasets.dataset import Dataset
from .expert_file import expert_metadata
from .schedule import LEARNING_RATE
from .start import BUILTIN

PAPER = Path(__file__).parents[1] / "bench" / "paper"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one of the pack's own experts is made.

    name: in the file's metadata. datasets: functions of (pictures per dataset, folder for them), for training in turn.
    start: the embedded expert that it starts from; its own name means that it is trained on. count: pictures.
    learning_rate: at its highest; less where an expert is trained on.
    """
    file: Path
    name: str
    datasets: tuple[Callable[[int, Path], Dataset], ...]
    steps: int = 8600
    start: str | None = None
    count: int = 24000
    learning_rate: float = LEARNING_RATE

    def start_file(self) -> Path | None:
        return BUILTIN / f"{self.start}.safetensors" if self.start else None

    def metadata(self, datasets: list[Dataset], command: str) -> dict[str, str]:
        """All that a user of the file must know, of several datasets together."""
        facts = expert_metadata(self.name, datasets[0], command)
        if self.start:
            facts["started_from"] = self.start
        if len(datasets) > 1:
            facts["modality"] = "combined"
            facts["data_set"] = "; ".join(dataset.metadata["data_set"] for dataset in datasets)
            for dataset in datasets:
                facts |= {key: dataset.metadata[key] for key in ("vocabulary", "synonyms") if key in dataset.metadata}
        return facts


HAIR = partial(drawn.face_map, "hair", "studio")
SKIN = partial(drawn.face_map, "skin", "halo")
AUTOENCODER = BUILTIN / "vae" / "drawings.safetensors"
WORDS = partial(drawn.face_words, "poster")

RECIPES = {
    "hair": Recipe(BUILTIN / "faces_hair.safetensors", "faces, hair", (HAIR,)),
    "skin": Recipe(BUILTIN / "faces_skin.safetensors", "faces, skin", (SKIN,)),
    "text": Recipe(
        BUILTIN / "faces_text.safetensors", "faces, text", (partial(drawn.face_words_in_company, "poster"),),
        steps=2100, start="faces_text", count=12000, learning_rate=4e-4),
    "latent_text": Recipe(
        BUILTIN / "faces_text_128.safetensors", "faces, text, latents of 128 pixels",
        (partial(drawn.face_latents, AUTOENCODER),), steps=4122, start="faces_text", count=6000),
    "sketch": Recipe(
        BUILTIN / "faces_sketch.safetensors", "faces, sketch", (drawn.face_sketch,), steps=2500, start="faces_hair"),
    "class": Recipe(
        BUILTIN / "scenes_class.safetensors", "scenes, class", (drawn.object_classes,), steps=12127,
        start="scenes_class"),
    "scene": Recipe(
        BUILTIN / "scenes_text.safetensors", "scenes, text", (drawn.scene_words,), steps=12052, start="scenes_text"),
    "embedding": Recipe(
        BUILTIN / "faces_embedding.safetensors", "faces, embedding", (drawn.face_embedding,), steps=3000,
        start="faces_text"),
    "combined": Recipe(
        PAPER / "combined.safetensors", "faces, all at once", (HAIR, partial(SKIN, channel=1), WORDS), steps=3500,
        start="faces_hair"),
}
