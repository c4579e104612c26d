"""Weights in 8 bits: how the files of the embedded experts hold them."""
import torch

SCALE = ".scale"            # beside a weight in int8: what to multiply each of its output channels with


def quantize(state):
    """Tensors as a small file holds them: large weights in int8 with one scale an output channel, all else in fp16."""
    stored: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        if tensor.ndim > 1 and tensor.shape[0] > 1 and tensor.numel() > 4096:
            rows = tensor.float().flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            stored |= {key: (rows / scale).round().to(torch.int8).view(tensor.shape), key + SCALE: scale[:, 0].contiguous()}
        else:
            stored[key] = tensor.half().contiguous()
    return stored


def dequantize(state):
    """`quantize` backwards, in fp16 and in place: the tensors of a file, quantized or not. Raises ValueError where a scale does not fit."""
    for key in [k for k in state if k.endswith(SCALE)]:
        scale, weight = state.pop(key), state.get(key.removesuffix(SCALE))
        if weight is None or weight.ndim < 2 or scale.shape != weight.shape[:1]:
            raise ValueError(f"{key} is the scale of no weight in it")
        state[key.removesuffix(SCALE)] = (weight.float() * scale.float().view(-1, *[1] * (weight.ndim - 1))).half()
    return state
