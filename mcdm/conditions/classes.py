"""The number or the name of a class to the input of a network."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..experts.modality import Modality


def encode(label: str | int, modality: Modality) -> dict[str, Tensor]:
    """{input of the network: [1] int64, the class, or the bag [1, labels] that the embedded experts take}.

    Raises ValueError for a label that is neither the number nor the name of a class.
    """
    names = [name.lower() for name in modality.labels]
    text = str(label).strip().lower()
    if text in names:
        index = names.index(text)
    elif text.isascii() and text.isdecimal():
        index = int(text)
    else:
        index = -1
    if not 0 <= index < len(names):
        named = [name for name in modality.labels if not name.isdecimal()]
        if not named:
            raise ValueError(f"Class '{label}' is unknown to this expert; give a number from 0 to {len(names) - 1}.")
        raise ValueError(f"Class '{label}' is unknown to this expert; give a number from 0 to {len(names) - 1} or a "
                         f"name such as {', '.join(named[:5])}.")
    value = torch.tensor([index])
    if modality.key == "labels":  # the embedded experts sum the embeddings of a bag
        value = F.one_hot(value, len(names)).float()
    return {modality.key: value}
