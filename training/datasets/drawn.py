"""The datasets of the pack's own experts: drawn faces and scenes with the condition of one modality.

Each function draws `count` pictures, or takes them from the folder `cache`, where it keeps them for the next time.
The drawings need skia, which is imported only here, within the functions: a training on a folder does without it.
"""
from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from ...mcdm.experts.networks.autoencoder import FACTOR, read_autoencoder
from ...mcdm.experts.networks.dual_encoder import DualEncoder
from ..support.files import cached
from . import encoder
from .dataset import Dataset, channels_first, edge_maps, normalize, word_metadata

FACES = "training/datasets/faces"
FINE = 128                  # pixels along a side of the pictures behind the latents
SCENES = "training/datasets/scenes"


def face_map(region: str, style: str, count: int, cache: Path, *, channel: int = 0) -> Dataset:
    """Faces of one style with the map of one region, "hair" or "skin"."""
    from . import faces
    make = functools.partial(faces.drawings, style, count, seed=1)
    pictures, regions, _ = cached(cache / f"{style}-{count}.npz", make)
    condition = (regions == faces.REGIONS.index(region)).to(torch.uint8)
    metadata = {
        "modality": region, "map_encoding": "binary",
        "data_set": f"{count} drawn portraits, style '{style}' ({FACES}, seed 1)",
    }
    return Dataset(channels_first(pictures), condition, "map", metadata, channel)


def face_words(style: str, count: int, cache: Path) -> Dataset:
    """Faces of one style with their words."""
    from . import faces
    make = functools.partial(faces.drawings, style, count, seed=1)
    pictures, _, bags = cached(cache / f"{style}-{count}.npz", make)
    metadata = word_metadata(faces.VOCABULARY, faces.SYNONYMS)
    metadata["data_set"] = f"{count} drawn portraits, style '{style}' ({FACES}, seed 1)"
    return Dataset(channels_first(pictures), bags, "words", metadata)


def face_words_in_company(style: str, count: int, cache: Path) -> Dataset:
    """Faces of one style with their words, whole and beside other drawings, and faces in the looks of others."""
    from . import company, faces
    make = functools.partial(company.drawings, style, count, seed=6)
    pictures, bags, weights, twins, twin_bags = cached(cache / f"company-{style}-{count}.npz", make)
    metadata = word_metadata(faces.VOCABULARY, faces.SYNONYMS)
    metadata["data_set"] = f"{count} drawn portraits, style '{style}', beside others of all styles ({FACES}, seed 6)"
    return company.InCompany(
        channels_first(pictures), bags, "words", metadata,
        twins=channels_first(twins), twin_bags=twin_bags, weights=weights)


def fine_faces(count: int, cache: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Faces of all styles, FINE pixels large: [N, 3, FINE, FINE] uint8, and their bags of words [N, V] uint8."""
    from . import faces

    def make() -> tuple[np.ndarray, np.ndarray]:
        drawn = [faces.drawings(style, count // 3, seed=5, size=FINE) for style in faces.STYLES]
        return np.concatenate([part[0] for part in drawn]), np.concatenate([part[2] for part in drawn])

    pictures, bags = cached(cache / f"fine-{count}.npz", make)
    return channels_first(pictures), bags


def of_fine_faces(count: int) -> str:
    """What `fine_faces` is, for the metadata of a file."""
    return f"{count} drawn portraits of all styles ({FACES}, seed 5), {FINE} x {FINE} pixels"


def face_latents(autoencoder: Path, count: int, cache: Path) -> Dataset:
    """Faces of all styles as latents of an autoencoder, half of them mirrored, with their words."""
    from . import faces
    net = read_autoencoder(autoencoder)

    def make() -> list[np.ndarray]:
        latents = []
        for some in fine_faces(count, cache)[0].split(32):
            some[::2] = some[::2].flip(-1)
            with torch.no_grad():
                latents.append(net.encode(normalize(some)).half().numpy())
        return [np.concatenate(latents)]

    whose = hashlib.sha256(autoencoder.read_bytes()).hexdigest()[:8]
    latents, = cached(cache / f"latents-{count}-{whose}.npz", make)
    metadata = word_metadata(faces.VOCABULARY, faces.SYNONYMS) | {
        "data_set": of_fine_faces(len(latents)), "latent_space": "drawings", "patch": "1", "size": str(FINE // FACTOR)}

    def decode(z: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return net.decode(z)

    return Dataset(latents, fine_faces(count, cache)[1], "words", metadata, mirror=False, decode=decode)


def face_sketch(count: int, cache: Path) -> Dataset:
    """Faces of all styles, none of another dataset, with their edges."""
    from . import faces

    def make() -> tuple[np.ndarray, np.ndarray]:
        drawn = np.concatenate([faces.drawings(style, count // 3, seed=3)[0] for style in faces.STYLES])
        return drawn, edge_maps(channels_first(torch.from_numpy(drawn))).numpy()

    pictures, condition = cached(cache / f"sketch-{count}.npz", make)
    metadata = {
        "modality": "sketch", "map_encoding": "edges",
        "data_set": f"{len(pictures)} drawn portraits of all styles ({FACES}, seed 3), Canny's edges",
    }
    return Dataset(channels_first(pictures), condition, "map", metadata)


def face_embedding(count: int, cache: Path) -> Dataset:
    """Faces of all styles, none of another dataset, with the vectors of a dual encoder that was trained on them."""
    from . import faces

    def make() -> tuple[np.ndarray, ...]:
        drawn = [faces.drawings(style, count // 3, seed=4) for style in faces.STYLES]
        pictures = np.concatenate([part[0] for part in drawn])
        bags = np.concatenate([part[2] for part in drawn])
        tensor = channels_first(torch.from_numpy(pictures))
        net = encoder.train(tensor, torch.from_numpy(bags))
        with torch.no_grad():
            vectors = torch.cat([net.image(normalize(some)) for some in tensor.split(256)])
        weights = [weight.half().numpy() for weight in net.state_dict().values()]
        return pictures, vectors.numpy(), *weights

    pictures, vectors, *weights = cached(cache / f"embedding-{count}.npz", make)
    metadata = word_metadata(faces.VOCABULARY, faces.SYNONYMS) | {
        "modality": "embedding",
        "data_set": f"{len(pictures)} drawn portraits of all styles ({FACES}, seed 4), its own encoder's vectors",
    }
    names = DualEncoder(len(faces.VOCABULARY)).state_dict()
    extra = {f"encoder.{name}": weight for name, weight in zip(names, weights, strict=True)}
    return Dataset(channels_first(pictures), vectors, "vector", metadata, extra=extra)


def object_classes(count: int, cache: Path) -> Dataset:
    """Objects on grounds without a scene, with their class."""
    from . import scenes
    make = functools.partial(scenes.drawings, "objects", count, seed=1)
    pictures, bags = cached(cache / f"objects-{count}.npz", make)
    metadata = {
        "modality": "class", "vocabulary": json.dumps(scenes.OBJECTS),
        "data_set": f"{count} drawn objects on plain and random grounds ({SCENES}, seed 1)",
    }
    return Dataset(channels_first(pictures), bags, "class", metadata)


def scene_words(count: int, cache: Path) -> Dataset:
    """Scenes without any of the objects, with their words."""
    from . import scenes
    make = functools.partial(scenes.drawings, "scenes", count, seed=1)
    pictures, bags = cached(cache / f"scenes-{count}.npz", make)
    metadata = word_metadata(scenes.VOCABULARY, scenes.SYNONYMS)
    metadata["data_set"] = f"{count} drawn scenes without objects ({SCENES}, seed 1)"
    return Dataset(channels_first(pictures), bags, "words", metadata)
