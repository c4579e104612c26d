"""Whole files of other values, keys and shapes than a network has."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save

from support.hostile.cases import NETWORKS, add, saved, state

# ------------------------------------------------------------------------------------------------ values of other kinds
VALUES: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a number": lambda: 3,
    "a text": lambda: "weights",
    "a list": lambda: [torch.zeros(2)],
    "a tensor": lambda: torch.zeros(3),
    "an empty dict": dict,
    "a dict of numbers": lambda: {"a": 1, "b": 2.0},
    "a dict of lists": lambda: {"a": [torch.zeros(1)]},
    "keys that are numbers": lambda: {0: torch.zeros(1), 1: torch.zeros(1)},
    "keys of both kinds": lambda: {**state(), 5: torch.zeros(1)},
    "nested seven times": lambda: {"a": {"a": {"a": {"a": {"a": {"a": {"a": state()}}}}}}},
    "two models": lambda: {"first": state(), "second": state()},
    "a number beside the tensors": lambda: {**state(), "step": 100},
    "a dict beside the tensors": lambda: {**state(), "opt": {}},
    "sparse": lambda: {k: v.to_sparse() for k, v in state().items()},
    "meta": lambda: {k: v.to("meta") for k, v in state().items()},
    "quantized": lambda: {k: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8) for k, v in state().items()},
    "expanded to 4 TB": lambda: {k: torch.zeros(1).expand(*v.shape[:-1], 1 << 40) for k, v in state().items()},
    "expanded": lambda: {k: torch.zeros(1).expand(v.shape) for k, v in state().items()},
    "of no elements": lambda: {k: v[:0] for k, v in state().items()},
    "without dimensions": lambda: {k: v.flatten()[0] for k, v in state().items()},
    "one dimension more": lambda: {k: v[None] for k, v in state().items()},
    "flattened": lambda: {k: v.flatten() for k, v in state().items()},
    "whole numbers": lambda: {k: (v * 100).to(torch.int32) for k, v in state().items()},
    "bytes": lambda: {k: v.to(torch.uint8) for k, v in state().items()},
    "true or false": lambda: {k: v > 0 for k, v in state().items()},
    "complex": lambda: {k: v.to(torch.complex64) for k, v in state().items()},
    "one int64 among floats": lambda: {k: v.long() if k == "blocks.1.mlp.fc1.bias" else v for k, v in state().items()},
    "all NaN": lambda: {k: torch.full_like(v, float("nan")) for k, v in state().items()},
    "one NaN": lambda: {
        k: v.index_fill(0, torch.tensor([7]), float("nan")) if k == "blocks.0.mlp.fc2.bias" else v
        for k, v in state().items()
    },
    "one infinity": lambda: {k: v / 0 if k == "pos_embed" else v for k, v in state().items()},
    "float64 too large": lambda: {k: v.double() * 1e300 for k, v in state().items()},
}
for name, value in VALUES.items():
    add(f"value: {name}", lambda value=value: saved(value()), file="x.pt")


# ------------------------------------------------------------------------------------------------------ keys and shapes
def without(network: str, key: str) -> bytes:
    return save({k: v for k, v in state(network).items() if k != key})


for network in NETWORKS:
    keys = sorted(state(network))
    for key in keys[::len(keys) // 9]:
        add(f"{network} without {key}", lambda network=network, key=key: without(network, key), network=network)
        add(f"{network} with another shape of {key}", lambda network=network, key=key:
            save({k: v[..., :-1].contiguous() if k == key else v for k, v in state(network).items()}), network=network)
        add(
            f"{network} with {key} doubled",
            lambda network=network, key=key: save({**state(network), key + ".copy": torch.zeros(2)}),
            network=network,
        )
for network, key in (
    ("dit", "blocks.999999999.attn.qkv.weight"),
    ("dit", "blocks.x.attn"),
    ("unc_sketch", "output_blocks.999999999.0.in_layers.0.weight"),
    ("unc_sketch", "input_blocks.999999999.0.op.weight"),
    ("glide_base", "transformer.resblocks.999999999.ln_1.weight"),
    ("glide_base", "output_blocks.99999999999999999999.0.in_layers.0.weight"),
    ("unc_face", "input_blocks.777777777.1.qkv.weight"),
):
    add(
        f"{network} with {key}",
        lambda network=network, key=key: save({**state(network), key: torch.zeros(2)}),
        network=network,
    )
for network in ("adm_oldorder_uncond", "glide_base", "unc_face", "sit", "adm_superres", "glide_upsampler"):
    for pick in (0, 30, -1):
        add(
            f"{network} without key {pick}",
            lambda network=network, pick=pick: without(network, sorted(state(network))[pick]),
            network=network,
        )
    add(
        f"{network} in vectors",
        lambda network=network: save({k: v.flatten() for k, v in state(network).items()}),
        network=network,
    )
    add(
        f"{network} as scalars",
        lambda network=network: saved({k: torch.tensor(1.0) for k in state(network)}),
        file="x.pt",
        network=network,
    )
    add(f"{network} with the sidecar of dit", lambda network=network: save(state(network)), loads=network == "sit")
add(
    "half of the keys renamed",
    lambda: save({k.replace("attn", "attention") if "blocks.1" in k else k: v for k, v in state().items()}),
)
add(
    "half converted to diffusers",
    lambda: save(
        {k.replace("blocks.", "transformer_blocks.") if "blocks.2" in k else k: v for k, v in state().items()}
    ),
)
add(
    "a position too many",
    lambda: save({k: torch.cat([v, v[:, :1]], 1) if k == "pos_embed" else v for k, v in state().items()}),
)
add("keys of another world", lambda: save({"layers.0.weight": torch.zeros(4, 4), "layers.0.bias": torch.zeros(4)}))
add(
    "a transposed weight",
    lambda: save({k: v.mT.contiguous() if k == "blocks.0.mlp.fc1.weight" else v for k, v in state().items()}),
)
add("20000 keys", lambda: save({f"transformer_blocks.{i}.x": torch.zeros(1) for i in range(20_000)}))
