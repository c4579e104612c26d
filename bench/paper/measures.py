"""What the experiments measure of pictures [N, 3, 64, 64] in [-1, 1], with judges that are not diffusion networks."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from kornia.metrics import ssim

from ...training.judges import faces as parser
from ...training.judges import scenes as judge

MAPS = ("hair", "skin")


@torch.no_grad()
def features(net: parser.FaceParser, pictures: torch.Tensor) -> torch.Tensor:
    """The parser's 128 features of each picture, [N, 128]."""
    return torch.cat([net.features(batch) for batch in pictures.split(256)])


def frechet(a: torch.Tensor, b: torch.Tensor) -> float:
    """Frechet distance of two sets of features [N, C] taken as Gaussians (Dowson and Landau 1982), in float64.

    |mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    means = (a.mean(0) - b.mean(0)).square().sum()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    return (means + cov_a.trace() + cov_b.trace() - 2 * root).item()


def overlap(net: parser.FaceParser, pictures: torch.Tensor, regions: torch.Tensor) -> tuple[float, float]:
    """(mIoU, F1) of hair and skin with the label maps [N, 64, 64] that were given."""
    found, _ = parser.read(net, pictures)
    ious = torch.stack([parser.iou(found, regions, name) for name in MAPS])
    return ious.mean().item(), (2 * ious / (1 + ious)).mean().item()


@dataclasses.dataclass(frozen=True)
class Reference:
    """What the pictures of N maps and words are compared with."""
    features: torch.Tensor      # [R, 128], of real drawings of the same dataset
    sources: torch.Tensor       # [N, 3, 64, 64], the drawings that the maps and words were taken from
    regions: torch.Tensor       # [N, 64, 64], their label maps

    @property
    def spread(self) -> torch.Tensor:
        """How far two real drawings are from each other on average, in features."""
        return (self.features[::2] - self.features[1::2]).norm(dim=1).mean()


def fidelity(net: parser.FaceParser, drawn: Sequence[torch.Tensor], reference: Reference) -> dict[str, float]:
    """One row of tables 1 and 2. drawn: the pictures of all conditions, once, or twice with different noise.

    "diversity", with two noises: how far the two pictures of a condition are from each other, in units of the spread of
    real drawings.
    """
    seen = [features(net, pictures) for pictures in drawn]
    similarities, overlaps = [], []
    for pictures in drawn:
        similarities.append(ssim(pictures / 2 + 0.5, reference.sources / 2 + 0.5, 11).mean().item())
        overlaps.append(overlap(net, pictures, reference.regions))
    row: dict[str, Any] = {
        "Frechet": frechet(torch.cat(seen), reference.features),
        "SSIM": np.mean(similarities),
        "mIoU": np.mean([miou for miou, _ in overlaps]),
        "F1": np.mean([f1 for _, f1 in overlaps]),
    }
    if len(drawn) == 2:
        row["diversity"] = ((seen[0] - seen[1]).norm(dim=1).mean() / reference.spread).item()
    return {name: round(float(value), 4) for name, value in row.items()}


def named(net: judge.SceneJudge, pictures: torch.Tensor) -> torch.Tensor:
    """What the judge of the scenes sees: [N, 2], indices into judge.OBJECTS and judge.SCENES."""
    return torch.stack(judge.name(net, pictures), dim=1)


@torch.no_grad()
def probabilities(net: judge.SceneJudge, pictures: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """How likely the judge takes it that pictures show what is wanted. wanted: [N, 2], object and scene; [N, 2]."""
    likely = [answer.softmax(1).gather(1, wanted[:, i:i + 1]) for i, answer in enumerate(net(pictures))]
    return torch.cat(likely, dim=1)


def shares(right: torch.Tensor) -> dict[str, float]:
    """In how many of the pictures the object, the scene and both are right. right: [N, 2] bool, object and scene."""
    return {"object": share(right[:, 0]), "scene": share(right[:, 1]), "both": share(right.all(1))}


def saturated(pictures: torch.Tensor) -> float:
    """The part of all numbers that lie at the ends of their range, which burnt colours do."""
    return share(pictures.abs() > 0.98)


def share(right: torch.Tensor) -> float:
    return round(right.float().mean().item(), 4)


def rms(a: torch.Tensor, b: torch.Tensor) -> float:
    """Root mean square of the difference of two pictures, the mean of N such pairs."""
    return round((b - a).square().mean((1, 2, 3)).sqrt().mean().item(), 4)
