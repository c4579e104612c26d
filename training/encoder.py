"""Trains the dual encoder of the embedding expert on faces of all styles and their words, by the loss of CLIP (Radford et al. 2021)."""
import numpy as np
import torch
from torch.nn import functional as F

from ..mcdm.experts.networks.dual_encoder import DualEncoder
from .data import learn


def train(pictures, bags, steps=3000, size=96):
    """pictures [N, 3, 64, 64] uint8, bags [N, V] uint8 -> DualEncoder. Half of the texts leave words out, as people do."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = DualEncoder(bags.shape[1])
    temperature = torch.nn.Parameter(torch.tensor(10.0))

    def loss(step):
        rng = np.random.default_rng([13, step])
        index = torch.from_numpy(rng.integers(len(pictures), size=size))
        x, bag = pictures[index].float() / 127.5 - 1, bags[index].float()
        mirror = torch.from_numpy(rng.random(size) < 0.5)
        x[mirror] = x[mirror].flip(-1)
        share = np.where(rng.random(size) < 0.5, 1.0, rng.uniform(0.5, 1, size))
        bag = bag * torch.from_numpy(rng.random(bag.shape) < share[:, None]).float()
        images, texts = (F.normalize(v, dim=1) for v in (net.image(x), net.text(bag)))
        logits, own = temperature.clamp(1, 50) * images @ texts.T, torch.arange(size)
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2 + 2 * (1 - (images * texts).sum(1)).mean()     # and no gap between the two
    learn("dual encoder", [*net.parameters(), temperature], steps, loss)
    return net.eval()
