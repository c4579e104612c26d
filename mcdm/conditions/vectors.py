"""A picture, a file or another network's embedding to the one vector that an expert takes (section 7.3)."""
from __future__ import annotations

import numpy
import torch
from torch import Tensor
from torch.nn import functional as F

from ..experts import checkpoint
from ..experts.modality import Modality
from .maps import center_resize

EXTENSIONS = (".safetensors", ".pt", ".npy")


def encode(vector: Tensor | None, source: str, modality: Modality) -> dict[str, Tensor]:
    """{input of the network: [B, width]}, of length 1 if the expert wants that.

    vector: [width] or [..., width]; source: its origin in messages. Raises ValueError if it is missing, of another
    width or not finite.
    """
    width = modality.null.shape[-1]
    if vector is None:
        raise ValueError(f"Embedding Condition: {source} is missing; use CLIP Text Encode with a CLIP "
                         "whose text encoder has one.")
    vector = torch.atleast_2d(vector.float().cpu()).flatten(0, -2)
    if vector.shape[1] != width:
        raise ValueError(f"Embedding Condition: {modality.name} of this expert has {width} numbers, "
                         f"but {source} gives {vector.shape[1]}; use the CLIP that it was trained with.")
    if not torch.isfinite(vector).all():
        raise ValueError(f"Embedding Condition: {source} holds NaN or infinite values.")
    if modality.encoding == "unit":
        vector = F.normalize(vector, dim=1)
    return {modality.key: vector}


def of_picture(image: Tensor, modality: Modality, size: tuple[int, int]) -> Tensor:
    """[B, width] of pictures [B, H, W, 3 or 4] in [0, 1] by the expert's own encoder; size: (height, width) it takes.

    Raises ValueError if the expert has no encoder.
    """
    if modality.encoder is None:
        raise ValueError(f"Embedding Condition: this expert takes the {modality.name} of another encoder, which it "
                         "does not include; use CLIP Vision Encode with the CLIP that it was trained with.")
    pixels = center_resize(image[..., :3].movedim(-1, 1).float(), *size)
    return modality.encoder.image(2 * pixels.clamp(0, 1) - 1)


def of_file(path: str, name: str) -> Tensor:
    """The one tensor of numbers in a file; only plain data is read, and no code runs.

    name: of the file in messages. Raises ValueError if it cannot be read or holds another number of tensors.
    """
    try:
        if path.endswith(".npy"):
            array = numpy.array(numpy.load(path, mmap_mode="r"))  # plain arrays alone, as numpy does by itself
            held = {name: torch.from_numpy(array)}
        else:
            held, _ = checkpoint.read(path)
    except Exception as error:
        raise ValueError(f"Embedding file '{name}' cannot be read: "
                         f"it is damaged or not plain data ({error}).") from error
    tensors = [tensor for tensor in held.values() if tensor.numel() and tensor.is_floating_point()]
    if len(tensors) != 1:
        raise ValueError(f"Embedding file '{name}' holds {len(tensors)} tensors of numbers; "
                         "Embedding Condition takes a file with one.")
    return tensors[0]
