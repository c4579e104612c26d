"""The conditions of a network, and how they travel inside the host's CONDITIONING."""
from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

CONDITION = "mcdm_condition"  # key of a CONDITIONING's dictionary for {input of the network: tensor}
AUGMENTATION = "augmentation"  # the keyword of a network that can be told of noise on the picture it enlarges

Conditioning = list[Any]  # the host's CONDITIONING: [[tensor, {key: value}], ...]


@dataclasses.dataclass(frozen=True)
class Modality:
    """One kind of condition that a network takes.

    kind: "map", "text", "class" or "vector". key: the network's keyword. null: [1, ...], the value that stood for "no
    condition" in training. encoding: of a map, "binary" (-1 outside, +1 inside), "edges" (the same of Canny's edges),
    "picture", "low resolution" or "inpainting"; of a vector, "unit" for one of length 1. labels: words or class names.
    synonyms: {word: label}. trained_null: whether the network saw that null in training, or only its authors chose it.
    parts: further inputs that come with this one, {keyword: null}, such as the mask of a text's tokens.
    encoder: the DualEncoder whose vectors the network takes.
    """
    name: str
    kind: str
    key: str
    null: Tensor
    encoding: str = ""
    labels: tuple[str, ...] = ()
    synonyms: dict[str, str] = dataclasses.field(default_factory=dict)
    trained_null: bool = True
    parts: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    encoder: Any = None

    @property
    def nulls(self) -> dict[str, Tensor]:
        """{keyword of the network: its null}, all inputs of this modality."""
        return {self.key: self.null, **self.parts}


@dataclasses.dataclass(frozen=True)
class Given(Modality):
    """A condition that is not a wish but a picture to be enlarged or completed: the null keeps it.

    Where its null is empty, the network cannot do without the picture.
    """


def conditioning(conditions: dict[str, Tensor], into: Conditioning | None = None) -> Conditioning:
    """A CONDITIONING that holds {input of the network: tensor}, added to those of `into` if that is given."""
    if into is None:
        return [[torch.zeros(1, 1, 1), {CONDITION: conditions}]]
    return [[text, {**rest, CONDITION: {**rest.get(CONDITION, {}), **conditions}}] for text, rest in into]


def classes(count: int, null: int | None = None, trained_null: bool = True) -> Modality:
    """The modality of a network with `count` classes, given as `y` [B] int64; 1000 classes are ImageNet's.

    null: the index of its null class; None = it has none, and class 0 stands in.
    """
    labels = tuple(map(str, range(count)))
    if count == 1000:
        from torchvision.models import get_weight
        labels = tuple(get_weight("ResNet50_Weights.IMAGENET1K_V1").meta["categories"])
    return Modality("class", "class", "y", torch.tensor([null or 0]), labels=labels, trained_null=trained_null)
