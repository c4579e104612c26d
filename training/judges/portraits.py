"""What the judge of the drawn faces is asked: do pictures follow held-out maps and words?"""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...mcdm.conditions.maps import edges
from ..datasets import faces
from ..pixels import to_tensor
from . import faces as parser

HELD_OUT = 77               # seed of the conditions on which settings are chosen


@dataclasses.dataclass(frozen=True)
class Conditions:
    """N held-out conditions: the maps of some drawings and the words of others."""
    mapped: torch.Tensor        # [N, 3, 64, 64] in [-1, 1]: the drawings whose regions are given as maps
    regions: torch.Tensor       # [N, 64, 64] int64, indices into faces.REGIONS
    described: torch.Tensor     # [N, 3, 64, 64] in [-1, 1]: the drawings whose words are given
    words: list[list[str]]      # per condition: the phrases that are asked for
    wanted: torch.Tensor        # [N, groups] int64: which word of each group; -1 where none is asked for

    def pick(self, rows: Sequence[int], words: list[str] | None = None) -> Conditions:
        """Some of the conditions; all with these words instead of their own, if given."""
        index = list(rows)
        said = [self.words[i] if words is None else words for i in index]
        return Conditions(self.mapped[index], self.regions[index], self.described[index], said, self.wanted[index])


def held_out(count: int, seed: int = HELD_OUT) -> Conditions:
    """Maps of drawings of all styles, each with words of a drawing that it is never paired with in training.

    Every mapped head has hair, because there is no hair map of a bald one. The map, not the words, decides the style of
    the hair.
    """
    rng = np.random.default_rng(seed)
    hairstyle = list(parser.GROUPS).index("hairstyle")
    mapped: list[np.ndarray] = []
    described: list[np.ndarray] = []
    regions = []
    words = []
    wanted = []
    while len(mapped) < count:
        shape = faces.random_face(rng, faces.STYLES[len(mapped) % len(faces.STYLES)])
        if shape.hairstyle == "bald":
            continue
        picture, labels = faces.draw(shape)
        mapped.append(picture)
        regions.append(labels)
        said = faces.random_face(rng, "poster")
        described.append(faces.draw(said)[0])
        chosen = word_of_each_group(faces.bag(said))
        chosen[hairstyle] = -1
        wanted.append(chosen)
        words.append([word for group, word in enumerate(faces.words(said)) if group != hairstyle])
    return Conditions(
        mapped=to_tensor(np.stack(mapped)),
        regions=torch.from_numpy(np.stack(regions)).long(),
        described=to_tensor(np.stack(described)),
        words=words,
        wanted=torch.tensor(wanted),
    )


def word_of_each_group(bag: np.ndarray) -> list[int]:
    """A bag of words [V] in {0, 1} as the index within each of the judge's groups."""
    borders = np.cumsum(list(parser.GROUPS.values()))[:-1]
    return [int(np.argmax(group)) for group in np.split(bag, borders)]


def edge_f1(a: torch.Tensor, b: torch.Tensor, tolerance: int = 2) -> torch.Tensor:
    """F1 of edges a and b [N, 1, H, W] in {0, 1}, [N].

    An edge counts as found if the other picture has one within `tolerance` pixels.
    """
    reach = torch.arange(-tolerance, tolerance + 1)
    disc = (reach[:, None] ** 2 + reach ** 2 <= tolerance ** 2).float()[None, None]

    def found(these: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
        near = F.conv2d(among, disc, padding=tolerance) > 0
        return (these * near).sum((1, 2, 3)) / these.sum((1, 2, 3)).clamp(min=1)

    precision, recall = found(a, b), found(b, a)
    return 2 * precision * recall / (precision + recall).clamp(min=1e-9)


def score(net: parser.FaceParser, conditions: Conditions, pictures: torch.Tensor) -> dict[str, Any]:
    """How well pictures [N, 3, 64, 64] in [-1, 1] follow their conditions, as the judge `net` reads them.

    "hair IoU" and "skin IoU": overlap with the maps. "edges F1": agreement with the edges of the mapped drawings.
    "groups": per group of words, the share of the pictures that show the word asked for; "attributes": their mean.
    """
    regions, words = parser.read(net, pictures)
    asked = conditions.wanted >= 0
    right = ((words == conditions.wanted) & asked).float().sum(0) / asked.sum(0).clamp(min=1)
    groups = {}
    for name, share, counts in zip(parser.GROUPS, right, asked.any(0), strict=True):
        if counts:
            groups[name] = round(share.item(), 4)
    drawn, given = edges(pictures / 2 + 0.5), edges(conditions.mapped / 2 + 0.5)
    return {
        "hair IoU": round(parser.iou(regions, conditions.regions, "hair").mean().item(), 4),
        "skin IoU": round(parser.iou(regions, conditions.regions, "skin").mean().item(), 4),
        "edges F1": round(edge_f1(drawn, given).mean().item(), 4),
        "attributes": round(sum(groups.values()) / len(groups), 4),
        "groups": groups,
    }
