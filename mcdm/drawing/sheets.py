"""Labelled contact sheets as IMAGE."""
import math
import unicodedata

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

INK, PALE, PAPER, EMPTY = (32, 33, 38), (118, 121, 130), (252, 252, 250), (240, 240, 237)
CELL, LONGEST = 192, 4096       # pixels: small pictures are enlarged to about CELL, and no side of a sheet is longer than LONGEST by its pictures


def font(size):
    return ImageFont.load_default(max(11, round(size)))


def labels(names):
    """The experts' names in letters that Pillow's own font has, no two alike: without accents, and with the expert's number where that is needed."""
    plain = [unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip() for name in names]
    return [f"expert {i}" if not p else f"{p} ({i})" if plain.count(p) > 1 else p for i, p in enumerate(plain, 1)]


def wrap(text, width, face):
    """Lines of a text, each at most `width` pixels long: broken at spaces, and cut where a single word is too long."""
    lines = [""]
    for word in text.split():
        if lines[-1] and face.getlength(f"{lines[-1]} {word}") > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    cut = [next((line[:n] + "..." for n in range(len(line), 0, -1) if face.getlength(line[:n] + "...") <= width), "...")
           if face.getlength(line) > width else line for line in lines]
    return "\n".join(cut)


def picture(pixels):
    """[H, W, 1, 3 or 4] in [0, 1] as a PIL image."""
    array = (pixels[..., :3].float().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(np.broadcast_to(array, (*array.shape[:2], 3)).copy())


def image(page):
    """A PIL image as IMAGE, [1, H, W, 3] in [0, 1]."""
    return torch.from_numpy(np.asarray(page.convert("RGB")).copy()).float()[None] / 255


def sheet(rows, columns, cells, down="", across=""):
    """A page of pictures: cells[r][c] is [H, W, C] in [0, 1], all of one size, or None where nothing is (yet).

    rows, columns: a title for each; down, across: what these are. Small pictures are enlarged by a whole factor, pixel by pixel.
    """
    height, width = next((c.shape[:2] for row in cells for c in row if c is not None), (CELL, CELL))
    room = LONGEST / max(height * len(rows), width * len(columns))
    scale = min(max(1, CELL // max(height, width)), int(room) or room)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small, bold = font(max(size) / 12), font(max(size) / 10)
    gap, line = max(4, max(size) // 32), round(small.size * 1.3)
    titles = [wrap(c, size[0], small) for c in columns]
    names = [wrap(r, max(2 * size[0] // 3, 6 * line), small) for r in rows]

    def extent(texts):
        return max((small.getlength(part) for t in texts for part in t.split("\n")), default=0)
    margin = round(1.2 * bold.size)
    left = margin + (2 * margin if down else 0) + (round(extent(names)) + 2 * gap if any(names) else 0)
    head = margin + (round(1.8 * bold.size) if across else 0) + (line * max(t.count("\n") + 1 for t in titles) + gap if any(titles) else 0)
    page = Image.new("RGB", (left + len(columns) * (size[0] + gap) - gap + margin, head + len(rows) * (size[1] + gap) - gap + margin), PAPER)
    draw = ImageDraw.Draw(page)
    middle = left + (page.width - margin - left) / 2
    if across:
        draw.text((middle, margin), wrap(across, page.width - 2 * margin, bold), INK, bold, anchor="ma")
    if down:
        text = wrap(down, page.height - 2 * margin, bold)
        strip = Image.new("RGB", (math.ceil(bold.getlength(text)) + 2, 2 * margin), PAPER)
        ImageDraw.Draw(strip).text((0, margin), text, INK, bold, anchor="lm")
        strip = strip.rotate(90, expand=True)
        page.paste(strip, (margin // 2, round(max(0, head + (page.height - margin - head - strip.height) / 2))))
    for c, title in enumerate(titles):
        spot = left + c * (size[0] + gap) + size[0] / 2, head - gap
        draw.multiline_text(spot, title, INK, small, anchor="md", align="center", spacing=line - small.size)
    for r, name in enumerate(names):
        y = head + r * (size[1] + gap)
        draw.multiline_text((left - 2 * gap, y + size[1] / 2), name, INK, small, anchor="rm", align="right", spacing=line - small.size)
        for c, cell in enumerate(cells[r]):
            x = left + c * (size[0] + gap)
            if cell is None:
                draw.rectangle((x, y, x + size[0] - 1, y + size[1] - 1), EMPTY)
            else:
                page.paste(picture(cell).resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS), (x, y))
    return page
