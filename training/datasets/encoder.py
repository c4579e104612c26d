"""Trains the dual encoder of the embedding expert by the loss of CLIP (Radford et al. 2021)."""
from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ...mcdm.experts.networks.dual_encoder import DualEncoder
from ..support.fitting import fit
from .dataset import drop_words, normalize


def train(pictures: torch.Tensor, bags: torch.Tensor, steps: int = 3000, size: int = 96) -> DualEncoder:
    """An encoder of pictures [N, 3, 64, 64] uint8 and of their words, bags [N, V] uint8; `size` of them a step.

    Half of the texts leave words out, as people do.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = DualEncoder(bags.shape[1])
    temperature = torch.nn.Parameter(torch.tensor(10.0))

    def loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng([13, step])
        index = torch.from_numpy(rng.integers(len(pictures), size=size))
        x = normalize(pictures[index])
        mirror = torch.from_numpy(rng.random(size) < 0.5)
        x[mirror] = x[mirror].flip(-1)
        images = F.normalize(net.image(x), dim=1)
        texts = F.normalize(net.text(drop_words(bags[index].float(), rng, least=0.5)), dim=1)
        logits = temperature.clamp(1, 50) * images @ texts.T
        own = torch.arange(size)
        contrast = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        gap = (1 - (images * texts).sum(1)).mean()              # between a picture and its own words
        return contrast + 2 * gap

    fit("dual encoder", [*net.parameters(), temperature], steps, loss)
    return net.eval()
