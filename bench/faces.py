"""The promise of suite faces, measured: `python3 dev.py bench faces`.

Over held-out conditions (maps from one drawing, words from another) it samples each expert alone and their fusion through
the pack's nodes, and reads the pictures with a parser that is no diffusion network (training/judges/faces.py). Writes
bench/faces.json and a sheet, bench/faces.png.
"""
import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..training.datasets import faces
from ..training.judges import faces as parser

HERE = Path(__file__).resolve().parent
STEPS, SAMPLER, SCHEDULER = 24, "euler", "karras"
SETTINGS = {                # name: {expert: w}; reliabilities are 1/N
    "hair map alone, w = 1": {"hair": 1.0},
    "skin map alone, w = 1": {"skin": 1.0},
    "hair + skin, w = 1": {"hair": 1.0, "skin": 1.0},
    "hair + skin, w = 1.5": {"hair": 1.5, "skin": 1.5},
    "text alone, w = 2": {"text": 2.0},
    "hair + skin + text, w = 1": {"hair": 1.0, "skin": 1.0, "text": 1.0},
    "hair + skin + text, w = 1.5, 1.5, 2.5": {"hair": 1.5, "skin": 1.5, "text": 2.5},
    "sketch alone, w = 1": {"sketch": 1.0},
    "sketch + text, w = 1, 2.5": {"sketch": 1.0, "text": 2.5},
    "embedding of the words, w = 2": {"embedding": 2.0},
    "hair + skin + sketch + text, w = 1, 1, 1, 2.5": {"hair": 1.0, "skin": 1.0, "sketch": 1.0, "text": 2.5},
}


@dataclasses.dataclass
class Conditions:
    """N held-out conditions: the maps of some drawings and the words of others; drawings [N, 3, 64, 64] in [-1, 1]."""
    mapped: torch.Tensor    # the drawings whose regions [N, 64, 64] are given as maps
    regions: torch.Tensor
    described: torch.Tensor     # the drawings whose words are given
    words: list          # per condition: the phrases that are asked for
    wanted: torch.Tensor    # [N, groups], which word of each group; -1 where nothing is asked for


def to_tensor(drawn):
    """Drawings [64, 64, 3] uint8 as [N, 3, 64, 64] in [-1, 1]."""
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 127.5 - 1


def held_out(faces, parser, count, seed=77):
    """Maps of drawings of all styles (with hair: a bald head has no hair map), words of drawings never paired with them."""
    rng = np.random.default_rng(seed)
    mapped, regions, described, words, wanted = [], [], [], [], []
    while len(mapped) < count:
        shape = faces.sample(rng, faces.STYLES[len(mapped) % len(faces.STYLES)])
        if shape.hairstyle == "bald":
            continue
        picture, labels = faces.draw(shape)
        mapped.append(picture)
        regions.append(labels)
        said = faces.sample(rng, "poster")
        described.append(faces.draw(said)[0])
        groups = np.split(faces.bag(said), np.cumsum(list(parser.GROUPS.values()))[:-1])
        wanted.append([-1 if name == "hairstyle" else int(g.argmax()) for name, g in zip(parser.GROUPS, groups, strict=True)])
        words.append([w for k, w in enumerate(faces.words(said)) if k != 1])            # the map decides the style of the hair
    return Conditions(to_tensor(mapped), torch.from_numpy(np.stack(regions)).long(), to_tensor(described), words, torch.tensor(wanted))


def sample(comfy, conditions, weights, seed=0, size=16, **mixing):
    """Pictures [N, 3, 64, 64] in [-1, 1] of the experts in `weights`, fused by the pack's own nodes."""
    models = {name: comfy.call("LoadExpert", expert=f"builtin/faces_{name}.safetensors")[0] for name in weights}
    conditioning = comfy.module("mcdm.experts.modality").conditioning
    names = ("background", "hair", "skin", "clothes")
    pictures = []
    for rows in torch.arange(len(conditions.words)).split(size):
        experts = {}
        for k, (name, weight) in enumerate(weights.items()):
            if name in ("text", "embedding"):
                bags = [comfy.call("TextCondition", model=models[name], text=", ".join(conditions.words[i]))[0][0][1] for i in rows]
                key = comfy.module("mcdm.experts.modality").CONDITION
                condition = conditioning({"labels": torch.cat([b[key]["labels"] for b in bags])})
            elif name == "sketch":
                condition = comfy.call("MapCondition", model=models[name], image=conditions.mapped[rows].movedim(1, -1) / 2 + 0.5)[0]
            else:
                mask = (conditions.regions[rows] == names.index(name)).float()
                condition = comfy.call("MapCondition", model=models[name], modality="auto", mask=mask)[0]
            experts[f"expert_{k + 1}"] = comfy.call("ConditionExpert", model=models[name], condition=condition, weight=weight, name=name)[0]
        mixture = comfy.call("ReliabilityMixer", **experts, **mixing)[0]
        latent = comfy.call("EmptyExpertLatent", mixture=mixture, width=64, height=64, batch_size=len(rows))[0]
        latent["batch_index"] = rows.tolist()
        out = comfy.call("MCDMSampler", mixture=mixture, seed=seed, steps=STEPS, sampler_name=SAMPLER, scheduler=SCHEDULER, latent_image=latent)[1]
        pictures.append(out["samples"].clamp(-1, 1))
    return torch.cat(pictures)


def edge_f1(a, b, tolerance=2):
    """F1 of edges a and b [N, 1, H, W] in {0, 1}: those that have one of the other's within `tolerance` pixels count as found, [N]."""
    reach = torch.arange(-tolerance, tolerance + 1)
    disc = (reach[:, None] ** 2 + reach ** 2 <= tolerance ** 2).float()[None, None]

    def found(these, among):
        near = torch.nn.functional.conv2d(among, disc, padding=tolerance) > 0
        return (these * near).sum((1, 2, 3)) / these.sum((1, 2, 3)).clamp(min=1)
    precision, recall = found(a, b), found(b, a)
    return 2 * precision * recall / (precision + recall).clamp(min=1e-9)


def judge(parser, net, conditions, pictures, edges):
    """IoU of hair and of skin with the maps, F1 of the edges with the sketch; the share of the attributes asked for that are there, and each group's."""
    regions, words = parser.read(net, pictures)
    asked = conditions.wanted >= 0
    right = ((words == conditions.wanted) & asked).float().sum(0) / asked.sum(0).clamp(min=1)
    groups = {name: round(r.item(), 4) for name, r, a in zip(parser.GROUPS, right, asked.any(0), strict=True) if a}
    return {"hair IoU": round(parser.iou(regions, conditions.regions, "hair").mean().item(), 4),
            "skin IoU": round(parser.iou(regions, conditions.regions, "skin").mean().item(), 4),
            "edges F1": round(edge_f1(edges(pictures / 2 + 0.5), edges(conditions.mapped / 2 + 0.5)).mean().item(), 4),
            "attributes": round(sum(groups.values()) / len(groups), 4), "groups": groups}


def sheet(conditions, results, path, columns=12):
    """A row of pictures for each setting, under the drawings whose maps and whose words were given."""
    rows = [conditions.mapped, conditions.described, *results.values()]
    array = torch.cat([torch.cat(list(r[:columns]), dim=2) for r in rows], dim=1)
    array = ((array.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(array).resize((array.shape[1] * 2, array.shape[0] * 2), Image.Resampling.NEAREST).save(path)


def measure(comfy, count, settings):
    """{setting: figures}, the ceiling (the parser on the drawings themselves) first; and {setting: pictures}."""
    net, edges = parser.load_parser(parser.FILE), comfy.module("mcdm.conditions.maps").edges
    conditions = held_out(faces, parser, count)
    maps, words = judge(parser, net, conditions, conditions.mapped, edges), judge(parser, net, conditions, conditions.described, edges)
    figures = {"real drawings (ceiling of the parser)": words | {k: v for k, v in maps.items() if k not in ("attributes", "groups")}}
    pictures = {}
    for name, weights in settings.items():
        pictures[name] = sample(comfy, conditions, weights)
        figures[name] = judge(parser, net, conditions, pictures[name], edges)
    return figures, pictures, conditions


def main(comfy, arguments):
    options = argparse.ArgumentParser(prog="dev.py bench faces", description=__doc__.split("\n")[0])
    options.add_argument("--count", type=int, default=64, help="held-out conditions")
    args = options.parse_args(arguments)
    figures, pictures, conditions = measure(comfy, args.count, SETTINGS)
    print(f"{'':46} hair IoU  skin IoU  edges F1  attributes")
    for name, f in figures.items():
        print(f"{name:46} {f['hair IoU']:8.3f}  {f['skin IoU']:8.3f}  {f['edges F1']:8.3f}  {f['attributes']:10.3f}")
    settings = {"count": args.count, "steps": STEPS, "sampler": SAMPLER, "scheduler": SCHEDULER}
    (HERE / "faces.json").write_text(json.dumps({**settings, "figures": figures}, indent=1))
    sheet(conditions, pictures, HERE / "faces.png")
