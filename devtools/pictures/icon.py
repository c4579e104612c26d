"""Makes the icon and the banner of the pack, docs/images/icon.png and banner.png: `python3 dev.py pictures icon`.

The registry wants a square of at most 400 pixels and 21:9. Three lights, in the colours in which the pad shows the
first three experts, unite to white; the banner has a drawing of each of three embedded experts, and one of all three.
"""
from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFont

from ...training.judges.portraits import held_out
from ..inprocess import InProcess
from ..options import options
from ..paths import ROOT
from ..portraits import sample_faces
from .sheets import image

FIGURES = ROOT / "docs" / "images"
DARK = (22, 24, 30)
WHITE = (250, 250, 248)
GREY = (176, 180, 190)
COLORS = ((0, 104, 255), (255, 116, 128), (0, 185, 185))    # web/js/experts.js
SETTINGS = ({"hair": 1.5}, {"skin": 1.5}, {"text": 2.0}, {"hair": 1.5, "skin": 1.5, "text": 2.5})


def lights(size: int, scale: int = 4) -> Image.Image:
    """Three overlapping discs of light on black, [size, size]."""
    n = size * scale
    radius, centres = 0.27 * n, ((0.5, 0.355), (0.336, 0.64), (0.664, 0.64))
    page = Image.new("RGB", (n, n))
    for color, (x, y) in zip(COLORS, centres, strict=True):
        disc = Image.new("RGB", (n, n))
        ImageDraw.Draw(disc).circle((x * n, y * n), radius, color)
        page = ImageChops.screen(page, disc)
    return page.resize((size, size), Image.Resampling.LANCZOS)


def icon(size: int = 400) -> Image.Image:
    """The lights on a dark square with round corners."""
    shape = Image.new("L", (4 * size, 4 * size))
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, 4 * size - 1, 4 * size - 1), 0.9 * size, 255)
    picture = ImageChops.screen(lights(size), Image.new("RGB", (size, size), DARK))
    picture.putalpha(shape.resize((size, size), Image.Resampling.LANCZOS))
    return picture


def framed(picture: Image.Image, size: int, color: tuple[int, int, int]) -> Image.Image:
    """A drawing of 64 x 64 pixels, enlarged, in a coloured frame."""
    frame = Image.new("RGB", (size + 12, size + 12), color)
    drawing = picture.resize((64, 64), Image.Resampling.NEAREST)
    frame.paste(drawing.resize((size, size), Image.Resampling.NEAREST), (6, 6))
    return frame


def banner(alone: Sequence[Image.Image], united: Image.Image) -> Image.Image:
    """1260 x 540: the name, three drawings in the colours of their lights, and the one that all three make."""
    page = Image.new("RGB", (1260, 540), DARK)
    draw = ImageDraw.Draw(page)
    page.paste(ImageChops.screen(lights(150), Image.new("RGB", (150, 150), DARK)), (36, 62))
    words = "several diffusion networks\ndraw one picture together"
    draw.text((52, 218), "Unite and Conquer", WHITE, ImageFont.load_default(58))
    draw.text((56, 306), words, GREY, ImageFont.load_default(30), spacing=12)
    draw.text((56, 430), "MCDM, CVPR 2023, for ComfyUI", GREY, ImageFont.load_default(22))
    for k, (picture, color) in enumerate(zip(alone, COLORS, strict=True)):
        top = 48 + 150 * k + 6
        draw.line([(760, top + 70), (830, 270)], color, 6)
        page.paste(framed(picture, 128, color), (620, top))
    page.paste(framed(united, 384, WHITE), (824, 72))
    return page


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    options("pictures icon", __doc__).parse_args(arguments)
    conditions = held_out(24).pick([6])
    *alone, united = (image(sample_faces(comfy, conditions, weights, seed=3)[0]) for weights in SETTINGS)
    icon().save(FIGURES / "icon.png", optimize=True)
    banner(alone, united).save(FIGURES / "banner.png", optimize=True)
