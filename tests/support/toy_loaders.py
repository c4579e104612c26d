"""A custom node of the test host alone: its own loaders then take stand-ins, for networks that no test can write out.

A stand-in is a few bytes of JSON under the name of a released file: {"stand_in": kind of the family, "seed": ...}. The
network is that family at toy size, by the host's own classes (devtools/families); text encoder, VAE and ControlNet are
the small classes below. Every other file is loaded as ever.
"""
from __future__ import annotations

import json
import sys
import types
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.controlnet
import folder_paths
import nodes
import torch

# The pack lies beside this file: its devtools, without the host's way in.
package = sys.modules.setdefault("unite_and_conquer", types.ModuleType("unite_and_conquer"))
package.__path__ = [str(path) for path in Path(__file__).parent.iterdir() if (path / "devtools").is_dir()]

from unite_and_conquer.devtools import families  # noqa: E402
from unite_and_conquer.devtools.tiny_sd15 import small_vae  # noqa: E402

NODE_CLASS_MAPPINGS: dict[str, Any] = {}
MARK = b'{"stand_in": '


class Clip:
    """Words as the family takes them: random numbers from a seed that is the text."""

    def __init__(self, family: Any) -> None:
        self.family = family

    def tokenize(self, text: str, **_: Any) -> str:
        return text

    def encode_from_tokens_scheduled(self, tokens: str, add_dict: Any = None, **_: Any) -> Any:
        (text, more), = self.family.condition(zlib.crc32(tokens.encode()))
        return [[text, more | (add_dict or {})]]


class Vae:
    """The first three channels as colours, a cell as 8 x 8 pixels."""

    def throw_exception_if_invalid(self) -> None: ...

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        """[B, C, (T,) H, W] to [B, (T,) H, W, 3]."""
        return samples[:, :3].movedim(1, -1).sigmoid().repeat_interleave(8, -3).repeat_interleave(8, -2)


class ControlNet(comfy.controlnet.ControlBase):
    """Adds its picture, made small, to what comes out of the middle of a UNet."""

    def copy(self) -> ControlNet:
        copied = type(self)()
        self.copy_to(copied)
        return copied

    def pre_run(self, model: Any, percent_to_timestep_function: Any) -> None:
        super().pre_run(model, percent_to_timestep_function)
        network = model.diffusion_model
        self.channels = network.model_channels * network.channel_mult[-1]
        self.shrinks = 2 ** (len(network.channel_mult) - 1)

    def get_control(self, x_noisy: torch.Tensor, *_: Any) -> dict[str, list[torch.Tensor]]:
        size = [side // self.shrinks for side in x_noisy.shape[-2:]]
        hint = torch.nn.functional.interpolate(self.cond_hint_original[:1].mean(1, keepdim=True), size, mode="area")
        residual = hint.expand(len(x_noisy), self.channels, -1, -1).to(x_noisy)
        return self.control_merge({"middle": [residual.clone()]}, None, None)


def family(kind: str) -> Any:
    return next(family for family in families.FAMILIES if family.name == kind)


def teach(node_id: str, folder: str, built: Callable[[dict[str, Any]], tuple[Any, ...]]) -> None:
    """Has a loader of the host return what `built` makes of a stand-in; its first input names the file."""
    node = nodes.NODE_CLASS_MAPPINGS[node_id]
    file_of, known = next(iter(node.INPUT_TYPES()["required"])), getattr(node, node.FUNCTION)

    def load(self: Any, **inputs: Any) -> tuple[Any, ...]:
        path = folder_paths.get_full_path(folder, inputs[file_of])
        content = Path(path).read_bytes() if path and Path(path).stat().st_size < 1000 else b""
        return built(json.loads(content)) if content.startswith(MARK) else known(self, **inputs)
    setattr(node, node.FUNCTION, load)


def network(file: dict[str, Any]) -> Any:
    return family(file["stand_in"]).model(file["seed"])


def checkpoint(file: dict[str, Any]) -> tuple[Any, ...]:
    known = family(file["stand_in"])
    return network(file), Clip(known), small_vae(file["seed"], known.shape[0])


teach("CheckpointLoaderSimple", "checkpoints", checkpoint)
teach("UNETLoader", "diffusion_models", lambda file: (network(file),))
teach("CLIPLoader", "text_encoders", lambda file: (Clip(family(file["stand_in"])),))
teach("VAELoader", "vae", lambda _: (Vae(),))
teach("ControlNetLoader", "controlnet", lambda _: (ControlNet(),))
