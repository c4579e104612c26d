"""A picture to the map that a network was trained on: a region or edges, the same pixels in training and in the
graph."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..experts.modality import AUGMENTATION, Modality


def edges(pixels: Tensor) -> Tensor:
    """A sketch: Canny's edges [B, 1, H, W] in {0, 1} of pictures [B, 1 or 3, H, W] in [0, 1]."""
    from kornia.filters import canny
    return canny(pixels)[1]


def center_resize(pixels: Tensor, height: int, width: int) -> Tensor:
    """The middle of pictures [B, C, H, W] at another size, [B, C, height, width], by area.

    The result is that of the host's common_upscale for "area" and "center".
    """
    h, w = pixels.shape[-2:]
    old, new = w / h, width / height
    x = round((w - w * (new / old)) / 2) if old > new else 0
    y = round((h - h * (old / new)) / 2) if old < new else 0
    return F.interpolate(pixels[..., y:h - y, x:w - x], size=(height, width), mode="area")


def binary(pixels: Tensor, height: int, width: int) -> Tensor:
    """A region: [B, 1, height, width] in {0, 1} of pictures [B, C, H, W] in [0, 1], 1 where the region is bright."""
    bright = (pixels.amax(1, keepdim=True) >= 0.5).float()
    return (center_resize(bright, height, width) >= 0.5).float()


def encode(image: Tensor | None, mask: Tensor | None, modality: Modality,
           noise_augmentation: float = 0.0) -> dict[str, Tensor]:
    """{input of the network: map in [-1, 1]}.

    image: the host's IMAGE [B, H, W, 3 or 4], mask: its MASK [h, w] or [B, h, w], both in [0, 1]: one of the two, or
    both for inpainting, with the mask white where the network should repaint. noise_augmentation: the standard
    deviation of noise that is added to the picture, and told to the network (Ho et al. 2022, arXiv:2106.15282). Raises
    ValueError for values that are not finite, and for noise that the network cannot be told of.
    """
    region = None if mask is None else mask.reshape(-1, 1, *mask.shape[-2:]).float()  # [B, 1, h, w]
    pixels = region if image is None else image[..., :3].movedim(-1, 1).float()  # [B, 1 or 3, H, W]
    assert pixels is not None, "neither an image nor a mask"
    for given in (pixels, region):
        if given is not None and not torch.isfinite(given).all():
            raise ValueError(f"The picture for Map Condition '{modality.name}' holds NaN or infinite values; "
                             "connect another one.")
    if noise_augmentation and AUGMENTATION not in modality.parts:
        raise ValueError(f"Map Condition '{modality.name}' was given a noise_augmentation of {noise_augmentation:g}, "
                         "but only the embedded upsampler can be told of it; set it to 0.")
    channels, height, width = modality.null.shape[1:]
    if modality.encoding == "binary":
        return {modality.key: (2 * binary(pixels, height, width) - 1).expand(-1, channels, -1, -1)}
    if modality.encoding == "edges":
        drawn = edges(center_resize(pixels, height, width))
        return {modality.key: (2 * drawn - 1).expand(-1, channels, -1, -1)}
    encoded = {modality.key: 2 * pixels.clamp(0, 1).expand(-1, 3, -1, -1) - 1}
    if noise_augmentation:
        generator = torch.Generator().manual_seed(0)            # the same picture, the same condition
        noise = torch.randn(encoded[modality.key].shape, generator=generator).to(pixels)
        encoded[modality.key] = encoded[modality.key] + noise_augmentation * noise
        encoded[AUGMENTATION] = torch.tensor([noise_augmentation])
    if region is not None and modality.encoding == "inpainting":
        region = F.interpolate(region, size=pixels.shape[-2:], mode="area")
        encoded["inpaint_mask"] = (region < 0.5).float()  # 1 where the picture is known
    return encoded
