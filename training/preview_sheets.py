"""The preview sheets of a training."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..mcdm.drawing.lettering import INK, PAPER, font, wrap
from .datasets.dataset import Dataset, NetworkInputs
from .diffusion import euler
from .pixels import tiled

GIVEN, NULL = 12, 4         # pictures with a condition, and with none
COLUMNS = 8
NO_CONDITION = "no condition"


def write_preview(
    net: torch.nn.Module, dataset: Dataset, network: NetworkInputs, device: torch.device, path: Path,
) -> None:
    """Writes a sheet of 16 pictures: 12 with the condition of a random training picture, 4 with the null.

    network: the keywords of EmbeddedUNet. Under each picture is its condition in words; maps are shown above theirs.
    """
    x, inputs, *_ = dataset.batch(np.random.default_rng(0), GIVEN + NULL, **network)
    condition: dict[str, Any] = {}
    for name, values in inputs.items():
        values[GIVEN:] = 0
        condition[name] = values.to(device)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    pictures = euler(net, noise.to(device), **condition)
    if dataset.decode:
        pictures = dataset.decode(pictures.cpu())
    if dataset.kind == "map":
        maps = condition["condition_map"][:, [dataset.channel]].expand(-1, 3, -1, -1)
        pictures = torch.cat([maps, pictures], dim=2)
    _labelled(pictures, _captions(dataset, inputs)).save(path)


def _captions(dataset: Dataset, inputs: dict[str, torch.Tensor]) -> list[str]:
    """The condition of each picture in words."""
    if dataset.kind == "map":
        drawn = (inputs["condition_map"][:, dataset.channel] != 0).flatten(1).any(1).tolist()
        return [dataset.metadata["modality"] if one else NO_CONDITION for one in drawn]
    if dataset.kind == "vector":
        return ["embedding" if bag.any() else NO_CONDITION for bag in inputs["labels"]]
    names = json.loads(dataset.metadata["vocabulary"])
    captions = []
    for bag in inputs["labels"]:
        known = [name for name, weight in zip(names, bag.tolist(), strict=False) if weight > 0]
        captions.append(", ".join(known) or NO_CONDITION)
    return captions


def _labelled(pictures: torch.Tensor, captions: Sequence[str]) -> Image.Image:
    """Rows of pictures [N, 3, H, W] in [-1, 1], each row above its captions."""
    face = font(11)
    rows = [tiled([row]) for row in pictures.split(COLUMNS)]
    width = rows[0].width // COLUMNS
    texts = [wrap(caption, width - 6, face) for caption in captions]
    line = face.size + 3
    room = round((max(text.count("\n") for text in texts) + 1) * line + 8)
    page = Image.new("RGB", (rows[0].width, sum(row.height + room for row in rows)), PAPER)
    draw = ImageDraw.Draw(page)
    top = 0
    for first, row in zip(range(0, len(texts), COLUMNS), rows, strict=True):
        page.paste(row, (0, top))
        for column, text in enumerate(texts[first:first + COLUMNS]):
            draw.multiline_text((column * width + 3, top + row.height + 3), text, INK, font=face, spacing=2)
        top += row.height + room
    return page
