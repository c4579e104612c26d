"""Networks and VAEs whose answers are formulas, for float32 in the host and for float64 by hand.

A network answers at x = alpha x0 + beta n, whatever its frame, with a posterior mean and a bend:

    D = (v alpha x + beta^2 f) / (v alpha^2 + beta^2) + 0.3 tanh(mixed(x) / sqrt(alpha^2 + beta^2) + f)

f is a field that belongs to the text, v a variance. The CONDITIONING is the number of the text.
"""
from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from support import spaces

FRAMES = "eps", "edm", "flow"
PIXELS = "pixels"
VIDEO = "video"
NESTED = "nested"
PICTURE = "picture"
SHALLOW = 10                    # of the 16 numbers of a patch, those that a lossy VAE keeps


# -------------------------------------------------------------------------------------------------------------- spaces

class Bent(spaces.Matrix):
    """A VAE that is a matrix and a bend, so that a bridge is not linear. Both ways in float64."""

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        flat = super().decode(z)
        return flat + 0.05 * torch.sin(8.0 * flat)

    def encode(self, picture: torch.Tensor) -> torch.Tensor:
        flat = super().encode(picture)
        return flat + 0.1 * torch.sin(2.0 * flat)


@dataclasses.dataclass(frozen=True)
class Space:
    """A latent space. number: spaces of two numbers differ; `lossy` ones lose 6 numbers of 16 in their VAE."""
    number: int
    kind: str = PICTURE
    lossy: bool = False

    @property
    def channels(self) -> int:
        return 3 if self.kind == PIXELS else 4

    @property
    def cell(self) -> int:
        return 1 if self.kind == PIXELS else 8

    @functools.cached_property
    def format(self) -> Any:
        import comfy.latent_formats
        if self.kind == PIXELS:
            return comfy.latent_formats.ChromaRadiance()
        made = spaces.space(self.number)
        made.latent_dimensions = 3 if self.kind == VIDEO else 2
        return made

    @functools.cached_property
    def coder(self) -> Bent:
        matrix = spaces.rotation(self.number, 1.0 + 0.5 * self.number)
        if self.lossy:
            matrix[SHALLOW:] = 0.0
        return Bent(matrix, self.format.scale_factor)

    @functools.cached_property
    def vae(self) -> Any:
        """The host's VAE; pixels need none."""
        if self.kind != PICTURE:
            return None
        import comfy.model_patcher
        made, cpu = spaces.vae(torch.eye(spaces.NUMBERS, dtype=torch.float64), self.number), torch.device("cpu")
        made.first_stage_model = self.coder
        made.patcher = comfy.model_patcher.ModelPatcher(self.coder, load_device=cpu, offload_device=cpu)
        return made

    def picture(self, estimate: torch.Tensor) -> torch.Tensor:
        """The picture of an estimate, both in float64."""
        if self.kind == PIXELS:
            return (estimate + 1.0) / 2.0
        return self.coder.decode(estimate / self.format.scale_factor)

    def estimate(self, picture: torch.Tensor) -> torch.Tensor:
        if self.kind == PIXELS:
            return 2.0 * picture - 1.0
        return self.coder.encode(picture) * self.format.scale_factor


def bridge(a: Space, b: Space, estimate: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """An estimate of space a in space b, at (height, width) in cells of b."""
    picture, pixels = a.picture(estimate), [side * b.cell for side in size]
    if list(picture.shape[-2:]) != pixels:
        picture = F.interpolate(picture, size=pixels, mode="bicubic", antialias=True)
    return b.estimate(picture)


# ------------------------------------------------------------------------------------------------------------ networks

def conditioning(text: int) -> Any:
    return [[torch.full((1, 1, 1), float(text)), {}]]


@functools.lru_cache(maxsize=512)
def field(seed: int, text: int, shape: tuple[int, ...]) -> torch.Tensor:
    """f: rough numbers on smooth hills, [1, ...] in float64."""
    generator = torch.Generator().manual_seed(1000 * seed + text)
    rough = 0.5 * torch.randn(1, *shape, generator=generator, dtype=torch.float64)
    if len(shape) < 3:
        return rough
    coarse = torch.randn(1, *shape[:-2], 3, 3, generator=generator, dtype=torch.float64)
    hills = F.interpolate(coarse.flatten(1, -3), size=shape[-2:], mode="bilinear", align_corners=True)
    return rough + hills.reshape(rough.shape)


@dataclasses.dataclass(eq=False)
class Network:
    """One MODEL. seen: the images [rows, ...] that it was asked about, in its own frame."""
    space: Space
    frame: str
    seed: int
    seen: list[torch.Tensor] = dataclasses.field(default_factory=list)

    @property
    def variance(self) -> float:
        return 0.3 + 0.2 * (self.seed % 5)

    def alpha_beta(self, level: Any) -> tuple[Any, Any]:
        return (1.0 - level, level) if self.frame == "flow" else (1.0, level)

    def answer(self, x: torch.Tensor, level: Any, text: int) -> torch.Tensor:
        """D [B, ...] at a level of its own frame: a number, or [B, ...] for broadcasting."""
        alpha, beta = self.alpha_beta(level)
        f, v = field(self.seed, text, tuple(x.shape[1:])).to(x), self.variance
        size = (alpha ** 2 + beta ** 2) ** 0.5
        mixed = (0.6 * x.roll(1, -1) + 0.4 * x.flip(1)) / size
        return (v * alpha * x + beta ** 2 * f) / (v * alpha ** 2 + beta ** 2) + 0.3 * torch.tanh(mixed + f)

    @functools.cached_property
    def model(self) -> Any:
        import comfy.conds
        import comfy.model_base
        import comfy.model_patcher
        import comfy.supported_models
        config = comfy.supported_models.SD15({"disable_unet_model_creation": True})
        config.set_inference_dtype(torch.float32, None)
        base = comfy.model_base.BaseModel(config)
        base.diffusion_model = Silent()
        base.latent_format, base.model_sampling = self.space.format, sampling(self.frame, config)
        own_conds = base.extra_conds

        def extra_conds(**told: Any) -> dict[str, Any]:                 # as networks do that take packed latents
            return {**own_conds(**told), "latent_shapes": comfy.conds.CONDConstant(told.get("latent_shapes"))}
        if self.space.kind == NESTED:
            base.extra_conds = extra_conds
        cpu = torch.device("cpu")
        made = comfy.model_patcher.ModelPatcher(base, load_device=cpu, offload_device=cpu)
        made.set_model_unet_function_wrapper(lambda _, args: self._asked(args))     # the host copies, but no lambdas
        return made

    def _asked(self, args: dict[str, Any]) -> torch.Tensor:
        images, texts = args["input"], args["c"]["c_crossattn"].flatten(1)[:, 0]
        self.seen.append(images)
        levels = args["timestep"].reshape(-1, *[1] * (images.ndim - 1))
        rows = zip(images.split(1), levels.split(1), texts.tolist(), strict=True)
        return torch.cat([self.answer(x, level, int(text)) for x, level, text in rows])


class Silent(torch.nn.Module):
    """What stands where a network would: it is never asked."""
    dtype = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1), requires_grad=False)


def sampling(frame: str, config: Any) -> Any:
    """The noise schedule of a frame."""
    import comfy.model_sampling as ms
    bases = {
        "eps": (ms.ModelSamplingDiscrete, ms.EPS),
        "edm": (ms.ModelSamplingContinuousEDM, ms.EDM),
        "flow": (ms.ModelSamplingDiscreteFlow, ms.CONST),
    }
    made: Any = type("Sampling", bases[frame], {})(config)
    if frame == "edm":
        made.set_parameters(0.02, 14.0, 0.5)      # no level of the others lies outside
    return made


def sigma_of(frame: str, level: float) -> float:
    """A level in the frame z = x0 + sigma n."""
    if frame != "flow":
        return level
    return level / (1.0 - level) if level < 1.0 else math.inf
