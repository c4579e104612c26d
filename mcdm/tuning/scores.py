"""What a search goes by: how near pictures are to examples, to words, and to all conditions at once.

Each part is larger for better, about 0 for nothing to do with each other and 1 for the best there is; `Score` adds them
with weights.
"""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ..host.sampling.ksampler import Latent
from ..mixture import Mixture
from .balance import explained
from .features import Features

MOST_EXAMPLES = 20
LEAST = 1e-3            # of a condition's explained part: less is none, even where its expert draws alone


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A finished run. pictures: IMAGE [B, H, W, C] in [0, 1]."""
    latent: Latent
    pictures: torch.Tensor


Part = Callable[[Drawn], float]


class Score:
    """The weighted sum of parts, {name: (weight, part)}; parts that weigh nothing are not asked."""

    def __init__(self, parts: Mapping[str, tuple[float, Part]]) -> None:
        self.parts = {name: part for name, part in parts.items() if part[0]}
        if not self.parts:
            raise ValueError("Nothing to search for: connect examples, or give words with clip and clip_vision, or "
                             "raise balance.")

    def __call__(self, drawn: Drawn) -> float:
        """Raises what a part raises."""
        return math.fsum(weight * part(drawn) for weight, part in self.parts.values())


def nearness(examples: torch.Tensor, features: Features) -> Part:
    """How like the examples [M, H, W, C] pictures are: the cosine of their features, from -1 to 1.

    As many examples as pictures of the batch, more than one: one for each, in order. Else each picture counts by the
    example that is nearest to it.
    """
    if len(examples) > MOST_EXAMPLES:
        raise ValueError(f"{len(examples)} examples were given; from 1 to {MOST_EXAMPLES} are taken, so choose those "
                         "that show best what you want.")
    wanted = features(examples)

    def near(drawn: Drawn) -> float:
        alike = features(drawn.pictures) @ wanted.T
        return float((alike.diagonal() if alike.shape[0] == alike.shape[1] else alike.amax(1)).mean())
    return near


def agreement(words: str, clip: Any, features: Features) -> Part:
    """How well pictures agree with words: the cosine of their embeddings in the space that a CLIP pair shares.

    features: of the pictures, by the CLIP VISION that belongs to it. Raises ValueError where they have no space in
    common.
    """
    pooled = clip.encode_from_tokens(clip.tokenize(words), return_pooled=True)[1]
    if pooled is None:
        raise ValueError("This CLIP gives no embedding of a whole text; use one that belongs to a CLIP VISION model, "
                         "such as clip_l.")
    text = F.normalize(pooled.float().cpu().reshape(1, -1), dim=1)

    def agree(drawn: Drawn) -> float:
        pictures = features(drawn.pictures)
        if pictures.shape[1] != text.shape[1]:
            raise ValueError(f"CLIP gives {text.shape[1]} numbers for a text and CLIP VISION {pictures.shape[1]} for a "
                             "picture; use two that belong together.")
        return float((pictures @ text.T).mean())
    return agree


def balance(mixture: Mixture, alone: Sequence[Latent]) -> Part:
    """How much of each expert's condition is in the pictures, r_i: 1 is as much as where it draws alone.

        -log(mean_i exp(-r_i))

    lies between their mean and the least, so that what a weak expert loses counts more than what a strong one gains.
    alone: for each expert, what it draws by itself.
    """
    reach = [_explained(mixture, latent)[i] for i, latent in enumerate(alone)]
    told = [i for i, most in enumerate(reach) if most > LEAST]
    if not told:
        raise ValueError("The score balance cannot tell: no expert's condition shows in what it draws alone; raise "
                         "its weight, or set balance to 0.")

    def balanced(drawn: Drawn) -> float:
        found = _explained(mixture, drawn.latent)
        return balance_of([found[i] / reach[i] for i in told])
    return balanced


def balance_of(parts: Sequence[float]) -> float:
    """-log(mean exp(-r)) of what each expert has in the pictures."""
    return -math.log(math.fsum(math.exp(-part) for part in parts) / len(parts))


def _explained(mixture: Mixture, latent: Latent) -> list[float]:
    """For each expert, over all levels and pictures."""
    return explained(mixture, latent).mean((0, 1)).tolist()
