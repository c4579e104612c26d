"""The embedded upsampler against Lanczos, and on fused pictures: `python3 dev.py bench enlarging`.

Held-out drawings of faces and of scenes with objects, 256 pixels, from their own 64: how far the enlarged ones are off,
and whether their edges lie where the drawing has them. Held-out conditions, fused at 64 pixels: what the judges read
from the enlarged picture, shrunk again; how far that is off the picture of 64 pixels; and whether checkers are left in
it. Writes bench/enlarging.json and a sheet, bench/enlarging.jpg.
"""
from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..devtools.enlarging import FILE, SCHEDULER, STEPS, enlarge
from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.pictures.sheets import image, sheet
from ..devtools.portraits import BATCH, DrawingExpert, draw, sample_faces
from ..mcdm.conditions.maps import edges
from ..mcdm.experts.networks.upsampler import FACTOR
from ..training.datasets import faces, scenes
from ..training.judges import faces as parser
from ..training.judges import portraits
from ..training.judges import scenes as judge
from ..training.pixels import to_pixels, to_tensor
from .faces import SETTINGS, SHARES, START_HERE
from .paper.pairs import asked_of_experts, asked_scenes, wanted
from .regions import joined

HERE = Path(__file__).resolve().parent
SEED = 301
CELL = 8                    # pixels along a side of the places where checkers are looked for
CALM = 0.1                  # of the places are calmer than the one that counts
AMONG = 0.95                # of the drawings have less than what counts as checkers
ROWS = 4                    # of the sheet, of each kind
SHOWN = 192                 # pixels of a cell of the sheet


# ------------------------------------------------------------------------------------------------------------ measures

def shrunk(pictures: Tensor) -> Tensor:
    """[N, 3, H, W] averaged over areas of FACTOR x FACTOR pixels."""
    return F.avg_pool2d(pictures, FACTOR)


def psnr(a: Tensor, b: Tensor) -> float:
    """Of pictures [N, 3, H, W] in [-1, 1], in dB, the mean over them."""
    error = (a.clamp(-1, 1) - b.clamp(-1, 1)).square().mean((1, 2, 3)) / 4
    return round(float((-10 * error.clamp(min=1e-10).log10()).mean()), 2)


def edges_f1(a: Tensor, b: Tensor) -> float:
    """Agreement of Canny's edges within 2 pixels, the mean over pictures [N, 3, H, W] in [-1, 1]."""
    found = []
    for one, other in zip(a.split(1), b.split(1), strict=True):
        drawn, given = edges(one.clamp(-1, 1) / 2 + 0.5), edges(other.clamp(-1, 1) / 2 + 0.5)
        found.append(portraits.edge_f1(drawn, given))
    return round(float(torch.cat(found).mean()), 4)


def checkers(pictures: Tensor) -> Tensor:
    """How strong patterns of two and of four pixels are in the calm places of pictures [N, 3, 64, 64], [N].

    Of what the two highest octaves hold, the part that keeps its sign from pixel to pixel over a place of CELL x CELL
    pixels, as checkers and stripes do and edges do not: the root of its energy where a tenth of the places is calmer.
    """
    calm = F.interpolate(F.avg_pool2d(pictures, 4), pictures.shape[-2:], mode="bicubic", align_corners=False)
    total = pictures.new_zeros(1)
    for octave in (1, 2):
        fine = F.avg_pool2d(pictures - calm, octave)
        signs = 1.0 - 2.0 * (torch.arange(fine.shape[-1]) % 2)
        for pattern in (signs[:, None] * signs, signs[:, None].expand_as(fine[0, 0]), signs.expand_as(fine[0, 0])):
            total = total + F.avg_pool2d(fine * pattern, CELL // octave).square().mean(1)
    return total.flatten(1).quantile(CALM, 1).sqrt()


def lanczos(pictures: Tensor) -> Tensor:
    """Pictures [N, 3, h, w] in [-1, 1] enlarged as Pillow does it, which is what the host's Upscale Image uses."""
    large = []
    for picture in pictures:
        size = FACTOR * picture.shape[-1], FACTOR * picture.shape[-2]
        large.append(np.asarray(Image.fromarray(to_pixels(picture)).resize(size, Image.Resampling.LANCZOS)))
    return to_tensor(np.stack(large))


# ------------------------------------------------------------------------------------------------------------ drawings

def held_out(kind: str, count: int) -> Tensor:
    """Drawings [count, 3, 256, 256] of "faces", of all styles, or of "scenes", with an object in each."""
    if kind == "scenes":
        return to_tensor(scenes.drawings("together", count, SEED, 256)[0])
    rng = np.random.default_rng(SEED)
    return to_tensor(np.stack([faces.draw(faces.random_face(rng, faces.STYLES[i % len(faces.STYLES)]), 256)[0]
                               for i in range(count)]))


def of_drawings(comfy: InProcess, drawings: Tensor, steps: Sequence[int]) -> tuple[dict[str, Any], list[Tensor]]:
    """Figures of Lanczos and of the upsampler with so many steps, and the first pictures of each."""
    small = shrunk(drawings)
    figures, shown = {}, [drawings[:ROWS], stretched(small[:ROWS])]
    ways = {"Lanczos": 0} | {f"{count} steps": count for count in steps}
    for name, count in ways.items():
        began = time.monotonic()
        large = enlarge(comfy, small, count) if count else lanczos(small)
        seconds = (time.monotonic() - began) / len(small)
        figures[name] = {"PSNR": psnr(large, drawings), "edges F1": edges_f1(large, drawings),
                         "consistency": psnr(shrunk(large), small), "seconds a picture": round(seconds, 2)}
        print(f"    {name:10}", figures[name], flush=True)
        if count in (0, STEPS):
            shown.append(large[:ROWS])
    return figures, shown


def stretched(small: Tensor) -> Tensor:
    return F.interpolate(small, scale_factor=float(FACTOR), mode="nearest")


# -------------------------------------------------------------------------------------------------------------- fusions

def fused_scenes(comfy: InProcess, asked: Sequence[tuple[str, str]], places: Sequence[str]) -> Tensor:
    """Objects in scenes by the two experts, half the look of each: [N, 3, 64, 64]."""
    models, given = asked_of_experts(comfy, asked, places)
    pictures = []
    for rows in torch.arange(len(asked)).split(BATCH):
        parts = [DrawingExpert(model, joined(comfy, own, rows), 2.0, name)
                 for model, own, name in zip(models, given, ("object", "scene"), strict=True)]
        pictures.append(draw(comfy, parts, rows, reliabilities="0.5, 0.5", meaning="shares"))
    return torch.cat(pictures)


def read_scenes(pictures: Tensor, asked: Sequence[tuple[str, str]]) -> dict[str, float]:
    """In how many pictures the judge finds what was asked for."""
    right = torch.stack(judge.name(judge.load_judge(), pictures)) == wanted(asked).T
    shares = [round(float(found.float().mean()), 4) for found in (*right, right.all(0))]
    return dict(zip(("object", "scene", "both"), shares, strict=True))


def read_faces(pictures: Tensor, conditions: portraits.Conditions) -> dict[str, float]:
    found = portraits.score(parser.load_parser(parser.FILE), conditions, pictures)
    return {name: found[name] for name in ("hair IoU", "skin IoU", "edges F1", "attributes")} | found["groups"]


def of_fused(comfy: InProcess, kind: str, count: int, drawings: Tensor, noise_augmentation: float,
             ) -> tuple[dict[str, Any], list[Tensor]]:
    """What the judges read before and after, consistency, and how many pictures have checkers."""
    if kind == "faces":
        conditions = portraits.held_out(count, seed=SEED)
        shares = SHARES[START_HERE]
        small = sample_faces(comfy, conditions, SETTINGS[START_HERE], reliabilities=shares, meaning="shares")
        large = enlarge(comfy, small, noise_augmentation=noise_augmentation)
        judged = [read_faces(pictures, conditions) for pictures in (small, shrunk(large))]
    else:
        asked, places = asked_scenes(np.random.default_rng(SEED), count)
        small = fused_scenes(comfy, asked, places)
        large = enlarge(comfy, small, noise_augmentation=noise_augmentation)
        judged = [read_scenes(pictures, asked) for pictures in (small, shrunk(large))]
    usual = checkers(shrunk(drawings)).quantile(AMONG)
    figures: dict[str, Any] = {"noise augmentation": noise_augmentation, "consistency": psnr(shrunk(large), small)}
    for name, pictures, read in zip(("64 pixels", "enlarged"), (small, shrunk(large)), judged, strict=True):
        found = checkers(pictures)
        figures[name] = read | {"with checkers": round(float((found > usual).float().mean()), 4),
                                "checkers, median": round(float(found.median()), 4)}
        print(f"    {name:10}", figures[name], flush=True)
    figures["worse by at most"] = round(max(judged[0][name] - judged[1][name] for name in judged[0]), 4)
    figures["checkers of drawings"] = {"with checkers": round(1 - AMONG, 2),
                                       "median": round(float(checkers(shrunk(drawings)).median()), 4)}
    print("    worse by at most", figures["worse by at most"], "consistency", figures["consistency"], flush=True)
    return figures, [stretched(small[:ROWS]), lanczos(small[:ROWS]), large[:ROWS]]


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    parser = options("bench enlarging", __doc__)
    parser.add_argument("--count", type=int, default=200, help="held-out drawings of each kind")
    parser.add_argument("--fused", type=int, default=64, help="held-out conditions of each kind")
    parser.add_argument("--steps", type=int, nargs="+", default=[STEPS, 2, 4], help="steps of KSampler")
    parser.add_argument("--noise-augmentation", type=float, default=0.0, help="for the fused pictures")
    args = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    rows: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for kind in ("faces", "scenes"):
            print(kind, flush=True)
            drawings = held_out(kind, args.count)
            of_kind, drawn = of_drawings(comfy, drawings, sorted({*args.steps, STEPS}))
            fused, shown = of_fused(comfy, kind, args.fused, drawings, args.noise_augmentation)
            figures[kind] = {"drawings": of_kind, "fused": fused}
            rows |= {f"{kind},\ndrawn": drawn, f"{kind},\nfused": [torch.ones_like(shown[0]), *shown]}
    settings = {"expert": FILE, "count": args.count, "fused": args.fused, "steps": STEPS, "scheduler": SCHEDULER}
    (HERE / "enlarging.json").write_text(json.dumps({**settings, "figures": figures}, indent=1))
    write_sheet(rows)


def write_sheet(rows: Mapping[str, Sequence[Tensor]]) -> None:
    titles = [title for title, columns in rows.items() for _ in columns[0]]
    columns = {}
    for i, name in enumerate(("drawing, 256 pixels", "64 pixels, stretched", "Lanczos", "enlarged")):
        columns[name] = [image(picture, SHOWN) for row in rows.values() for picture in row[i]]
    sheet(titles, columns, HERE / "enlarging.jpg")
