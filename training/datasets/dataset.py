"""What an expert is trained on: pictures with the condition of one modality."""
from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import torch

from ...mcdm.conditions.maps import edges

DROPOUT = 0.12              # how often the condition is the null

Kind = Literal["map", "class", "words", "vector"]


class NetworkInputs(TypedDict, total=False):
    """The keywords of EmbeddedUNet that a dataset needs."""
    map_channels: int
    labels: int
    channels: int
    patch: int
    size: int


class Batch(NamedTuple):
    """B clean pictures [B, 3, H, W] in [-1, 1], and keywords for the network.

    weight [B, 1, H, W]: what an error in a pixel counts, None for 1. highest [B]: the most noise, None for any.
    """
    pictures: torch.Tensor
    inputs: dict[str, torch.Tensor]
    weight: torch.Tensor | None = None
    highest: torch.Tensor | None = None


@dataclasses.dataclass
class Dataset:
    """Pictures [N, 3, H, W] uint8, or latents [N, channels, H, W] in half precision, and their condition.

    The condition's form depends on `kind`:

        "map"       [N, H, W] in {0, 1}, for the network's channel `channel`
        "class"     bags [N, labels] in {0, 1}
        "words"     bags [N, labels] in {0, 1}, whose words may be left out one by one
        "vector"    [N, width], any numbers

    metadata: what the expert's file says about the condition. extra: further tensors for that file.
    mirror: whether a picture may be mirrored. decode: latents to pictures [N, 3, H, W] in [-1, 1].
    """
    pictures: torch.Tensor
    condition: torch.Tensor
    kind: Kind
    metadata: dict[str, str]
    channel: int = 0
    extra: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    mirror: bool = True
    decode: Callable[[torch.Tensor], torch.Tensor] | None = None

    def network(self) -> NetworkInputs:
        """The keywords of EmbeddedUNet that these pictures and this condition need."""
        if self.kind == "map":
            return {"map_channels": self.channel + 1}
        inputs: NetworkInputs = {"labels": self.condition.shape[1]}
        if self.latents():
            inputs |= {"channels": self.pictures.shape[1], "patch": 1, "size": self.pictures.shape[-1]}
        return inputs

    def latents(self) -> bool:
        return self.pictures.dtype != torch.uint8

    def batch(
        self, rng: np.random.Generator, size: int, /, map_channels: int = 0, labels: int = 0, **_: object,
    ) -> Batch:
        """A random batch for a network of that many inputs.

        Its pictures are mirrored at random; the keywords for the network are
        `condition_map` [size, map_channels, H, W] in [-1, 1] and `labels` [size, labels], zero (the null) at random.
        """
        index = torch.from_numpy(rng.integers(len(self.pictures), size=size))
        x = self.pictures[index].float() if self.latents() else normalize(self.pictures[index])
        condition = self.condition[index].float()
        mirror = torch.from_numpy(rng.random(size) < 0.5 * self.mirror)
        x[mirror] = x[mirror].flip(-1)
        keep = torch.from_numpy(rng.random(size) >= DROPOUT).float()
        inputs = {}
        if map_channels:
            inputs["condition_map"] = x.new_zeros(size, map_channels, *x.shape[2:])
        if labels:
            inputs["labels"] = x.new_zeros(size, labels)
        if self.kind == "map":
            condition[mirror] = condition[mirror].flip(-1)
            inputs["condition_map"][:, self.channel] = (2 * condition - 1) * keep[:, None, None]
        else:
            if self.kind == "words":
                condition = drop_words(condition, rng)
            inputs["labels"] = condition * keep[:, None]
        return Batch(x, inputs)

    def digest(self) -> str:
        """What tells these pictures and conditions from others."""
        return hashlib.sha256(self.pictures.numpy().tobytes() + self.condition.numpy().tobytes()).hexdigest()


def normalize(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures uint8 as networks see them, float in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def channels_first(pictures: torch.Tensor) -> torch.Tensor:
    """[N, H, W, 3] as drawn to [N, 3, H, W]."""
    return pictures.permute(0, 3, 1, 2).contiguous()


def edge_maps(pictures: torch.Tensor) -> torch.Tensor:
    """The edges of pictures [N, 3, H, W] uint8: [N, H, W] in {0, 1}."""
    # One by one: for a batch, Canny takes as long as for its slowest picture.
    return torch.cat([edges(picture.float() / 255)[:, 0].to(torch.uint8) for picture in pictures.split(1)])


def drop_words(bags: torch.Tensor, rng: np.random.Generator, least: float = 0.0) -> torch.Tensor:
    """Bags [B, V], half of them as they are; of the others a share of the words, from `least` to all, is kept."""
    share = np.where(rng.random(len(bags)) < 0.5, 1.0, rng.uniform(least, 1, len(bags)))
    return bags * torch.from_numpy(rng.random(bags.shape) < share[:, None]).float()


def word_metadata(vocabulary: Sequence[str], synonyms: Mapping[str, str]) -> dict[str, str]:
    """What the file of an expert for words says about them."""
    return {"modality": "text", "vocabulary": json.dumps(vocabulary), "synonyms": json.dumps(synonyms)}
