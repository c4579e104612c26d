"""The pad's colours, for every eye, and its picture in the help."""
from __future__ import annotations

import io
import itertools
import re

import numpy as np
from PIL import Image

from unite_and_conquer.devtools.paths import PACK, ROOT


def test_the_help_page_has_its_picture(host):
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", host.get(f"/extensions/{PACK}/docs/ReliabilityMixer.md").decode())
    assert pictures
    for name in pictures:
        assert Image.open(io.BytesIO(host.get(f"/extensions/{PACK}/docs/{name}"))).size[0] >= 600


# What a red-, green- or blue-blind eye makes of linear RGB: Machado et al. 2009, severity 1.
EYES = [
    np.eye(3),
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
]
# OKLab: https://bottosson.github.io/posts/oklab/
CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def linear(colour):
    rgb = np.array([int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def test_colours_for_every_eye_and_both_themes():
    """Differences in OKLab (0.02 is just seen), and WCAG's contrast to the host's default node colours."""
    source = (ROOT / "web" / "js" / "experts.js").read_text("utf-8")
    colours = np.array([linear(colour) for colour in re.findall(r'"(#[0-9a-f]{6})"', source.split("];")[0])])
    assert colours.shape == (8, 3)
    for eye in EYES:
        seen = np.cbrt(np.clip(colours @ np.transpose(eye), 0, 1) @ np.transpose(CONES)) @ np.transpose(LAB)
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.1
    for ground in ("#353535", "#f5f5f5"):
        luminances = np.array([colours, np.broadcast_to(linear(ground), colours.shape)]) @ [0.2126, 0.7152, 0.0722]
        assert ((luminances.max(0) + 0.05) / (luminances.min(0) + 0.05)).min() > 2
