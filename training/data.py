"""What an expert is trained on: pictures with the labels of one modality."""
import dataclasses
import json
import os

import numpy as np
import torch
from tqdm import tqdm

from ..mcdm.conditions.maps import edges

DROPOUT = 0.12              # how often the condition is the null


@dataclasses.dataclass
class DataSet:
    """pictures [N, 3, H, W] uint8 and their condition, whose form `kind` says.

    "map": [N, H, W] in {0, 1}, given to the network's channel `channel`. "words", "class": bags [N, labels] in {0, 1}; words may
    be left out singly. "vector": [N, width], any numbers. metadata: what the expert's file says of the condition, strings.
    """
    pictures: torch.Tensor
    condition: torch.Tensor
    kind: str
    metadata: dict[str, str]
    channel: int = 0
    extra: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    mirror: bool = True         # whether the picture the other way round is as good

    def network(self):
        """The keywords of EmbeddedUNet that this condition needs."""
        return {"map_channels": self.channel + 1} if self.kind == "map" else {"labels": self.condition.shape[1]}

    def batch(self, rng, size, map_channels=0, labels=0):
        """A random batch for a network of that many inputs: clean pictures in [-1, 1], conditions mirrored and dropped at random."""
        index = torch.from_numpy(rng.integers(len(self.pictures), size=size))
        x, c = self.pictures[index].float() / 127.5 - 1, self.condition[index].float()
        mirror = torch.from_numpy(rng.random(size) < 0.5 * self.mirror)
        x[mirror] = x[mirror].flip(-1)
        keep = torch.from_numpy(rng.random(size) >= DROPOUT).float()
        inputs = {}
        if map_channels:
            inputs["condition_map"] = x.new_zeros(size, map_channels, *x.shape[2:])
        if labels:
            inputs["labels"] = x.new_zeros(size, labels)
        if self.kind == "map":
            c[mirror] = c[mirror].flip(-1)
            inputs["condition_map"][:, self.channel] = (2 * c - 1) * keep[:, None, None]
        elif self.kind == "words":
            share = np.where(rng.random(size) < 0.5, 1.0, rng.random(size))            # word dropout: partial descriptions
            words = torch.from_numpy(rng.random(c.shape) < share[:, None]).float()
            inputs["labels"] = c * words * keep[:, None]
        else:
            inputs["labels"] = c * keep[:, None]
        return x, inputs


def learn(label, parameters, steps, loss):
    """Minimises `loss(step)` for judges and encoders: AdamW and one cycle of the learning rate."""
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in tqdm(range(steps), desc=label, mininterval=10):
        value = loss(step)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()


def once(path, make):
    """The arrays that `make()` returns, kept in the file `path` (.npz) for the next time."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, *make())
        os.replace(part, path)
    with np.load(path) as arrays:
        return [torch.from_numpy(arrays[f"arr_{i}"]) for i in range(len(arrays.files))]


def tensors(pictures):
    """[N, H, W, 3] as drawn to [N, 3, H, W]."""
    return pictures.permute(0, 3, 1, 2).contiguous()


def words(vocabulary, synonyms):
    return {"modality": "text", "vocabulary": json.dumps(vocabulary), "synonyms": json.dumps(synonyms)}


def sketched(pictures):
    """The edges of pictures [N, 3, H, W] uint8: [N, H, W] in {0, 1}."""
    return torch.cat([edges(p.float() / 255)[:, 0].to(torch.uint8) for p in pictures.split(1)])       # Canny takes as long as the longest of a batch
