"""Pictures from files of any format and size."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm import tqdm

from ...mcdm.conditions.maps import center_resize
from ..support.messages import leave_out

SIZE = 64
TRANSPARENT_MODES = ("RGBA", "LA", "PA", "La", "RGBa")


class Picture(NamedTuple):
    """The middle of a picture, [1, 3, SIZE, SIZE] in [0, 1], and the size of the whole in its file."""
    pixels: torch.Tensor
    width: int
    height: int


def list_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, by their extensions, without hidden ones; sorted."""
    Image.init()
    extensions = {extension for extension, name in Image.registered_extensions().items() if name in Image.OPEN}
    return sorted(
        path for path in folder.rglob("*")
        if path.suffix.lower() in extensions and path.is_file() and not is_hidden(path.relative_to(folder))
    )


def is_hidden(path: Path) -> bool:
    """Whether the path is something that systems leave behind and nobody means."""
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def open_picture(path: Path, over_white: bool = True) -> torch.Tensor:
    """[1, 3, H, W] in [0, 1], the right way up; transparent parts over white, or as the host's LoadImage has them.

    Raises OSError, SyntaxError, ValueError and others: a broken file fails in any way.
    """
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file) or file       # None in the types of an older Pillow alone
        if image.mode.startswith("I"):
            image = from_16_bits(image)
        if over_white and (image.mode in TRANSPARENT_MODES or "transparency" in image.info):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def from_16_bits(image: Image.Image) -> Image.Image:
    """A picture of 16 bits in 8."""
    values = np.asarray(image).astype(np.float32) / 257
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def read_pictures(folder: Path, paths: Sequence[Path]) -> dict[Path, Picture]:
    """The pictures that can be read, by their paths. Says which cannot."""
    pictures: dict[Path, Picture] = {}
    broken: list[Path] = []
    for path in tqdm(paths, desc="reading pictures", disable=len(paths) < 500, mininterval=2):
        try:
            whole = open_picture(path)
            height, width = whole.shape[2:]
            pictures[path] = Picture(center_resize(whole, SIZE, SIZE), width, height)
        except Exception:                                       # see open_picture
            broken.append(path.relative_to(folder))
    leave_out(broken, len(paths), "cannot be read", "Replace or remove them")
    return pictures
