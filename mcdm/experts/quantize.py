"""Weights in 8 bits, as the files of the embedded experts hold them."""
from __future__ import annotations

import torch
from torch import Tensor

SCALE = ".scale"  # beside a weight in int8: the factors of its output channels
SMALLEST = 4096  # numbers; smaller tensors stay as they are


def quantize(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a small file: large weights in int8 with one scale per output channel, all else in fp16."""
    stored: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if tensor.ndim > 1 and tensor.shape[0] > 1 and tensor.numel() > SMALLEST:
            rows = tensor.float().flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            stored[key] = (rows / scale).round().to(torch.int8).view(tensor.shape)
            stored[key + SCALE] = scale[:, 0].contiguous()
        else:
            stored[key] = tensor.half().contiguous()
    return stored


def dequantize(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The reverse of `quantize`, in fp16 and in place, for the tensors of a file, quantized or not; returns `state`.

    Raises ValueError if a scale does not fit.
    """
    for scale_key in [key for key in state if key.endswith(SCALE)]:
        key = scale_key.removesuffix(SCALE)
        scale, weight = state.pop(scale_key), state.get(key)
        if weight is None or weight.ndim < 2 or scale.shape != weight.shape[:1]:
            raise ValueError(f"{scale_key} scales no weight in it")
        factors = scale.float().view(-1, *[1] * (weight.ndim - 1))
        state[key] = (weight.float() * factors).half()
    return state
