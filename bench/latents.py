"""One picture of 128 pixels by experts of pixels and of latents: `python3 dev.py bench latents`.

The text expert works in the latent space of the pack's autoencoder, the hair and skin experts on 64 x 64 pixels; a
bridge unites them in every step. Over the held-out conditions of `dev.py bench faces` its judge, which knows 64 x 64
pixels, reads the pictures at half their size. Writes bench/latents.json and a sheet, docs/images/latents.jpg.
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.pictures.sheets import images, maps, sheet, texts
from ..devtools.portraits import FINE, LATENT, SAMPLER, SCHEDULER, STEPS, sample_faces
from ..training.datasets import faces
from ..training.judges import faces as parser
from ..training.judges.portraits import held_out, score

HERE = Path(__file__).resolve().parent


class Setting(NamedTuple):
    """weights: {expert: w}, the lead first. shares: of the look, in that order; "" for reliabilities that are equal."""
    weights: dict[str, float]
    shares: str = ""


SETTINGS = {
    "text alone, w = 2": Setting({LATENT: 2.0}),
    "text + hair + skin, w = 2.5, 1.5, 1.5": Setting({LATENT: 2.5, "hair": 1.5, "skin": 1.5}, "0.3, 0.35, 0.35"),
}
ROWS, DRAWINGS = 6, 63      # conditions on the sheet; drawings that the autoencoder is tried with


def restored(comfy: InProcess, count: int) -> float:
    """PSNR in dB of held-out drawings that the VAE has encoded and decoded."""
    rng = np.random.default_rng(123)
    styles = faces.STYLES * (count // len(faces.STYLES))
    drawn = [faces.draw(faces.random_face(rng, style), FINE)[0] for style in styles]
    pixels = torch.from_numpy(np.stack(drawn)).float() / 255
    vae, = comfy.call("LoadExpertVAE")
    latent, = comfy.call("VAEEncode", pixels=pixels, vae=vae)
    again, = comfy.call("VAEDecode", samples=latent, vae=vae)
    return float(-10 * (again - pixels).square().mean().log10())


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    asked = options("bench latents", __doc__)
    asked.add_argument("--count", type=int, default=64, help="held-out conditions")
    args = asked.parse_args(arguments)
    net, conditions = parser.load_parser(parser.FILE), held_out(args.count)
    figures: dict[str, Any] = {}
    columns = {"hair map": maps(conditions.regions[:ROWS], "hair"), "skin map": maps(conditions.regions[:ROWS], "skin"),
               "words": texts(conditions.words[:ROWS])}
    with torch.inference_mode():
        fidelity = round(restored(comfy, DRAWINGS), 2)
        print(f"the VAE: {fidelity} dB")
        for name, (weights, shares) in SETTINGS.items():
            meaning = "shares" if shares else "reliabilities"
            pictures = sample_faces(comfy, conditions, weights, reliabilities=shares, meaning=meaning)
            found = figures[name] = score(net, conditions, F.avg_pool2d(pictures, 2))
            columns[name.replace(", ", ",\n", 1)] = images(pictures[:ROWS])
            print(f"{name:40}", *(f"{key} {found[key]:.3f}" for key in ("hair IoU", "skin IoU", "attributes")))
    settings = {"count": args.count, "steps": STEPS, "sampler": SAMPLER, "scheduler": SCHEDULER, "VAE, dB": fidelity}
    (HERE / "latents.json").write_text(json.dumps({**settings, "figures": figures}, indent=1))
    sheet([""] * ROWS, columns, HERE.parent / "docs" / "images" / "latents.jpg")
