"""What a picture becomes before a network sees it as a map: a region or edges, in training and in the graph, to the pixel."""
from torch.nn import functional as F


def edges(pixels):
    """What a sketch is here: Canny's edges [B, 1, H, W] in {0, 1} of pictures [B, 1 or 3, H, W] in [0, 1]."""
    from kornia.filters import canny
    return canny(pixels)[1]


def fit(pixels, height, width):
    """The middle of pictures [B, C, H, W] at another size, by area: what the host's common_upscale gives for "area" and "center"."""
    h, w = pixels.shape[-2:]
    old, new = w / h, width / height
    x, y = round((w - w * (new / old)) / 2) if old > new else 0, round((h - h * (old / new)) / 2) if old < new else 0
    return F.interpolate(pixels[..., y:h - y, x:w - x], size=(height, width), mode="area")


def binary(pixels, height, width):
    """What a binary map is here: [B, 1, height, width] in {0, 1} of pictures in [0, 1], bright where the region is."""
    return (fit((pixels.amax(1, keepdim=True) >= 0.5).float(), height, width) >= 0.5).float()
