"""A family of the host's networks at toy size, and how it is built: by the host's own classes, with random weights."""
from __future__ import annotations

import math
import types
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch

from ..versions import NEWER

Conditioning = list[list[Any]]
Shape = tuple[int, ...]
CPU = torch.device("cpu")
DRAWN = 65537           # so many numbers of a weight are drawn (a prime, so that no two rows are equal)


# ------------------------------------------------------------------------------------- what a condition brings besides

@dataclass(frozen=True)
class Noise:
    """Stands for a tensor of this shape, drawn from the seed of its condition."""
    shape: Shape


@dataclass(frozen=True)
class LatentNoise:
    """Stands for a tensor in the shape of the latent, of so many channels (None: its own)."""
    channels: int | None = None


@dataclass(frozen=True)
class Whole:
    """Stands for whole numbers below 100, as tokens are."""
    shape: Shape


@dataclass(frozen=True)
class Seen:
    """Stands for what a CLIP vision network says of a picture: an embedding, and the states of its tokens."""
    width: int
    tokens: int = 4


def drawn(value: Any, generator: torch.Generator, latent: Shape) -> Any:
    """A value of a condition with everything in it drawn. latent: shape without the batch."""
    if isinstance(value, Noise):
        return torch.randn(1, *value.shape, generator=generator)
    if isinstance(value, LatentNoise):
        channels = value.channels or latent[0]
        return torch.randn(1, channels, *latent[1:], generator=generator)
    if isinstance(value, Whole):
        return torch.randint(0, 100, (1, *value.shape), generator=generator)
    if isinstance(value, Seen):
        states = torch.randn(1, value.tokens, value.width, generator=generator)
        return types.SimpleNamespace(image_embeds=states[:, 0], penultimate_hidden_states=states)
    if isinstance(value, list):
        return [drawn(item, generator, latent) for item in value]
    if isinstance(value, dict):
        return {key: drawn(item, generator, latent) for key, item in value.items()}
    return value


# ------------------------------------------------------------------------------------------------------------- families

@dataclass(frozen=True)
class Family:
    """One family of the host at toy size.

    kind: its class in comfy.supported_models. settings: what the host reads from the shapes of a checkpoint, shrunk.
    shape: a latent, without the batch. words: tokens and channels of a text. extras: what its conditions bring besides.
    option: which option of the family it shows, where a kind has several entries. state: tensors of a checkpoint that
    the host reads beside the network. beside: the other parts of a nested latent, such as the sound of a video.
    """
    kind: str
    settings: dict[str, Any]
    shape: Shape
    words: tuple[int, int] = (7, 32)
    extras: dict[str, Any] = field(default_factory=dict)
    option: str = ""
    state: Callable[[], dict[str, Any]] = dict
    beside: tuple[Shape, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.option}" if self.option else self.kind

    def condition(self, seed: int, shape: Shape | None = None) -> Conditioning:
        """A CONDITIONING for a latent of this shape (None: its own)."""
        generator = torch.Generator().manual_seed(seed)
        text = torch.randn(1, *self.words, generator=generator)
        return [[text, drawn(self.extras, generator, shape or self.shape)]]

    def latent(self, shape: Shape) -> Any:
        """An empty latent of this shape, nested with the other parts where there are any."""
        if not self.beside:
            return torch.zeros(1, *shape)
        from comfy.nested_tensor import NestedTensor
        return NestedTensor([torch.zeros(1, *part) for part in (shape, *self.beside)])

    def model(self, seed: int) -> Any:
        """A MODEL with random weights, in float32 on the CPU."""
        import comfy.model_patcher
        import comfy.supported_models
        settings = known(self.settings)
        config = getattr(comfy.supported_models, self.kind)(dict(settings))
        config.unet_config |= settings     # also where the host has a fixed number for its released network
        config.set_inference_dtype(torch.float32, None)
        model = config.get_model(self.state(), device="cpu")
        randomize(model.diffusion_model, seed)
        model.eval()
        return comfy.model_patcher.ModelPatcher(model, load_device=CPU, offload_device=CPU)


def known(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as the running host's class wants them: with newer ones where it has them, without where not."""
    import comfy.ldm.chroma.model
    import comfy.ldm.chroma_radiance.model
    import comfy.ldm.flux.model
    import comfy.ldm.hunyuan_video.model
    wanted = {
        "flux": comfy.ldm.flux.model.FluxParams,
        "flux2": comfy.ldm.flux.model.FluxParams,
        "chroma": comfy.ldm.chroma.model.ChromaParams,
        "chroma_radiance": comfy.ldm.chroma_radiance.model.ChromaRadianceParams,
        "hunyuan_video": comfy.ldm.hunyuan_video.model.HunyuanVideoParams,
    }.get(settings.get("image_model", ""))
    if not is_dataclass(wanted):
        return dict(settings)
    names = {setting.name for setting in fields(wanted)}
    older = {name: value for name, value in settings.items() if name in names or name not in NEWER}
    return {name: value for name, value in NEWER.items() if name in names} | older


def randomize(network: torch.nn.Module, seed: int) -> None:
    """Weights that keep the size of what passes through; scales of norms near 1, biases near 0.

    Each is drawn by its name, so that every ComfyUI that has it gives it the same numbers. Large ones repeat theirs:
    drawing them would take most of the time.
    """
    def draw(name: str, shape: torch.Size) -> torch.Tensor:
        same_name = name.replace("_norm.scale", "_norm.weight")     # the two names of Flux's norms
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {same_name}".encode()))
        numbers = torch.randn(min(shape.numel(), DRAWN), generator=generator)
        return numbers.repeat(1 + shape.numel() // DRAWN)[:shape.numel()].reshape(shape)

    for name, parameter in network.named_parameters():
        noise = draw(name, parameter.shape)
        if parameter.ndim > 1:
            parameter.data = noise / math.sqrt(max(1, parameter[0].numel()))
        else:
            parameter.data = 0.1 * noise + (0.0 if name.endswith("bias") else 1.0)
    in_checkpoint = set(network.state_dict())
    for name, buffer in network.named_buffers():
        if name.endswith("inv_freq"):                       # the frequencies of positions
            buffer.copy_(10000.0 ** -torch.linspace(0.0, 1.0, len(buffer)))
        elif name in in_checkpoint and buffer.is_floating_point():
            buffer.copy_(draw(name, buffer.shape))
    network.requires_grad_(False)
