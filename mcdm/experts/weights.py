"""Weights of a state dict to a network made of the host's layers."""
from __future__ import annotations

from typing import Any, TypeVar

import comfy.model_management
import comfy.ops
import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def dtypes(weight_dtype: torch.dtype | None, parameters: int,
           stored: torch.dtype) -> tuple[torch.dtype, torch.dtype | None]:
    """(dtype of the weights, dtype to compute in or None) on the host's device.

    weight_dtype: None leaves the choice to the host. parameters: how many there are. stored: their dtype in the file.
    """
    device = comfy.model_management.get_torch_device()
    if weight_dtype is None:
        weight_dtype = comfy.model_management.unet_dtype(device=device, model_params=parameters, weight_dtype=stored)
    return weight_dtype, comfy.model_management.unet_manual_cast(weight_dtype, device)


def count_parameters(state: dict[str, Tensor]) -> int:
    """Numbers in a state dict."""
    return sum(tensor.numel() for tensor in state.values())


def operations(dtype: torch.dtype, compute_dtype: torch.dtype | None, fast_fp8: bool = False) -> Any:
    """The host's layers, which cast their weights to the dtype to compute in.

    fast_fp8: multiply in fp8 where the device can.
    """
    return comfy.ops.pick_operations(dtype, compute_dtype, fp8_optimizations=fast_fp8)


def load_weights(network: Network, state: dict[str, Tensor], dtype: torch.dtype) -> Network:
    """Moves the tensors of `state` into a network made with device="meta", and sets network.dtype.

    Each tensor is copied once, in `dtype`, and leaves `state` at that moment. Raises ValueError, naming the first few
    keys, for keys that are missing or left over, for other shapes, and for values that are not finite in `dtype`.
    """
    wanted = _shapes(network)
    _check_keys(wanted, state)
    copied = {}
    for key in wanted:
        tensor = state.pop(key)
        _check_values(key, tensor, dtype)
        copied[key] = torch.empty(tensor.shape, dtype=dtype).copy_(tensor)
    network.load_state_dict(copied, assign=True)
    network.dtype = dtype  # type: ignore[assignment]
    return network


def _check_keys(wanted: dict[str, tuple[int, ...]], state: dict[str, Tensor]) -> None:
    wrong = {
        "missing keys": wanted.keys() - state.keys(),
        "keys left over": state.keys() - wanted.keys(),
        "keys with another shape": {key for key in wanted.keys() & state.keys() if wanted[key] != state[key].shape},
    }
    complaints = []
    for what, keys in wrong.items():
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            complaints.append(f"{what}: {', '.join(sorted(keys)[:3])}{more}")
    if complaints:
        raise ValueError("; ".join(complaints))


def _check_values(key: str, tensor: Tensor, dtype: torch.dtype) -> None:
    if not tensor.is_floating_point():
        raise ValueError(f"{key} is of the type {_name(tensor.dtype)}, but weights are floating-point numbers")
    low, high = torch.aminmax(tensor.half() if tensor.dtype.itemsize == 1 else tensor)  # fp8 has no minimum
    largest = torch.finfo(dtype).max
    if not -largest <= float(low) <= float(high) <= largest:  # NaN fails every comparison
        raise ValueError(f"{key} holds NaN, infinite values or values too large for {_name(dtype)}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """{key: shape} of a network's weights. Newer hosts make those of some layers only when they are loaded."""
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    for name, layer in network.named_modules():
        if getattr(layer, "weight", shapes) is not None:  # it has its weight, or is a layer without one
            continue
        if isinstance(layer, nn.Linear):
            shapes[f"{name}.weight"] = layer.out_features, layer.in_features
            if layer.comfy_need_lazy_init_bias:
                shapes[f"{name}.bias"] = (layer.out_features,)
        elif isinstance(layer, nn.Embedding):
            shapes[f"{name}.weight"] = layer.num_embeddings, layer.embedding_dim
    return shapes
