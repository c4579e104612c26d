"""The paper's experiments, in small: `python3 dev.py reproduce [--quick]`.

Tables 1 to 4 and figures 6 to 12, 25 and 26 of Unite and Conquer with the embedded experts, through the pack's own nodes.
Writes tables.md, figures as JPEG and results.json into bench/paper/ (--quick: bench/paper/quick/). Pictures that are done are kept in
output/reproduce/: an interrupted run goes on where it stopped, and --fresh begins anew. Every core draws, one thread each,
so that the figures are the same on one core and on many.
"""
import argparse
import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from kornia.metrics import ssim
from tqdm import tqdm

from ...devtools.pictures.readme import sheet, to_image, words_image
from ...training.datasets import faces, scenes
from ...training.judges import faces as parser
from ...training.judges import scenes as judge
from .. import faces as bench

PAPER = Path(__file__).resolve().parent
ROOT = PAPER.parents[1]
KEPT = ROOT / "output" / "reproduce"
SIZE = 16                   # pictures in one batch
MAPS = ("hair", "skin")
FILES = {"hair": "faces_hair", "skin": "faces_skin", "text": "faces_text", "class": "scenes_class", "scene": "scenes_text"}
ALL = {"hair": 1.5, "skin": 1.5, "text": 2.5}


@dataclasses.dataclass
class Unit:
    """Pictures [N, 3, 64, 64] in [-1, 1] that one setting draws, and the forwards a picture that they cost."""
    key: str
    stamp: str              # changes with the setting and with the weights of its experts
    count: int
    forwards: int
    draw: Callable          # rows -> pictures


class Lab:
    """The experts, loaded once, and what they draw, kept in files."""

    def __init__(self, comfy, out=PAPER, kept=KEPT, real=2000):
        self.comfy, self.out, self.kept, self.real = comfy, out, kept, real          # real: drawings to compare with, of each kind
        files = {name: f"{file}.safetensors" for name, file in FILES.items()}
        self.models = {name: comfy.call("LoadExpert", expert=f"builtin/{file}")[0] for name, file in files.items()}
        self.models["combined"] = comfy.module("mcdm.experts.load").load_expert(str(PAPER / "combined.safetensors"), "combined")
        paths = {name: ROOT / "mcdm" / "builtin" / file for name, file in files.items()} | {"combined": PAPER / "combined.safetensors"}
        self.weights = {name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for name, path in paths.items()}
        self.faces, self.scenes, self.parser, self.judge = faces, scenes, parser, judge
        self.edges = comfy.module("mcdm.conditions.maps").edges
        self.face_net = self.parser.load_parser(parser.FILE)
        self.scene_net = self.judge.load_judge(judge.FILE)
        self.units: dict[str, Unit] = {}
        self.pictures: dict[str, torch.Tensor] = {}

    def bags(self, model, texts):
        """The words of some texts as TextCondition understands them, [N, V]."""
        key = self.comfy.module("mcdm.experts.modality").CONDITION
        return torch.cat([self.comfy.call("TextCondition", model=self.models[model], text=t)[0][0][1][key]["labels"] for t in texts])

    def plan(self, key, experts, count, steps=24, sampler="euler", reliabilities="", clip=False, seed=0):
        """Plans one setting: experts are (model, {input of its network: [N, ...]}, w). Returns its key."""
        conditioning = self.comfy.module("mcdm.experts.modality").conditioning

        def draw(rows, steps=steps):
            wires = {f"expert_{k + 1}": self.comfy.call("ConditionExpert", model=self.models[m], weight=w, name=m,
                                                        condition=conditioning({name: t[rows] for name, t in given.items()}))[0]
                     for k, (m, given, w) in enumerate(experts)}
            mixture = self.comfy.call("ReliabilityMixer", **wires, reliabilities=reliabilities)[0]
            latent = self.comfy.call("EmptyExpertLatent", mixture=mixture, width=64, height=64, batch_size=len(rows))[0] | {"batch_index": rows.tolist()}
            return self.comfy.call("MCDMSampler", mixture=mixture, seed=seed, steps=steps, sampler_name=sampler, scheduler="karras", latent_image=latent,
                                   clip_denoised=clip)[1]["samples"].clamp(-1, 1)
        networks = len({m for m, _, _ in experts}) if len(experts) > 1 or experts[0][2] != 1 else 0
        inputs = [(self.weights[m], w, [(name, hashlib.sha256(t.numpy().tobytes()).hexdigest()) for name, t in given.items()]) for m, given, w in experts]
        stamp = hashlib.sha256(repr((inputs, steps, sampler, reliabilities, clip, seed)).encode()).hexdigest()[:20]
        self.units[key] = Unit(key, stamp, count, steps * (len(experts) + networks), draw)
        return key

    def run(self, worker=0, workers=1, others=()):
        """Draws what is planned and not yet kept: the leader (worker 0) all that the other processes of this very plan leave."""
        chunks = [(unit, rows, self.kept / f"{unit.stamp}-{rows[0]}-{rows[-1]}.npy") for unit in self.units.values()
                  for rows in torch.arange(unit.count).split(SIZE)]
        self.kept.mkdir(parents=True, exist_ok=True)
        total = sum(len(rows) * unit.forwards for unit, rows, _ in chunks)
        with tqdm(total=total, unit="forward", desc="reproduce", smoothing=0.05, disable=worker > 0) as bar:
            def draw(some):
                for unit, rows, path in some:
                    if not path.is_file():
                        part = path.with_suffix(f".{worker}.npy")
                        np.save(part, unit.draw(rows).numpy())
                        part.replace(path)
                    show(unit.key)

            def show(key):
                bar.set_postfix_str(key, refresh=False)
                bar.update(sum(len(rows) * unit.forwards for unit, rows, path in chunks if path.is_file()) - bar.n)
            draw(chunks[worker::workers])
            while any(other.poll() is None for other in others):
                time.sleep(1)
                show("the last ones")
            if not worker:
                draw(chunks)        # what another has left, if it failed
                self.pictures = {unit.key: torch.cat([torch.from_numpy(np.load(path)) for u, _, path in chunks if u is unit]) for unit in self.units.values()}


# ------------------------------------------------------------------------------------------------------------- measures

@torch.no_grad()
def features(net, pictures):
    """The parser's 128 features of each picture."""
    return torch.cat([net.features(p) for p in pictures.split(256)])


def frechet(a, b):
    """Frechet distance of two sets of features [N, C] taken as Gaussians (Dowson and Landau 1982), in float64."""
    a, b = a.double(), b.double()
    eigenvalues = torch.linalg.eigvals(torch.cov(a.T) @ torch.cov(b.T))
    return ((a.mean(0) - b.mean(0)).square().sum() + torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * eigenvalues.real.clamp(min=0).sqrt().sum()).item()


def overlap(lab, pictures, regions):
    """(mIoU, F1) of hair and skin with the maps that were given."""
    found, _ = lab.parser.read(lab.face_net, pictures)
    ious = torch.stack([lab.parser.iou(found, regions, name) for name in MAPS])
    return ious.mean().item(), (2 * ious / (1 + ious)).mean().item()


# ----------------------------------------------------------------------------------- tables 1, 2 and 4, figure 8: faces

def face_conditions(lab, drawings):
    """What each network is given for some drawings (picture, regions, words): {name: {input: [N, ...]}}."""
    regions = torch.from_numpy(np.stack([r for _, r, _ in drawings])).long()
    maps = {name: 2 * (regions == lab.faces.REGIONS.index(name)).float()[:, None] - 1 for name in MAPS}
    bags = lab.bags("text", [", ".join(w) for _, _, w in drawings])
    both = torch.cat([maps["hair"], maps["skin"]], dim=1)
    return regions, {"hair": {"condition_map": maps["hair"]}, "skin": {"condition_map": maps["skin"]}, "text": {"labels": bags},
                     "maps": {"condition_map": both}, "all": {"condition_map": both, "labels": bags}}


def methods(given):
    """{row of the table: experts}: each expert alone, one network trained on all data sets in turn, and their fusion."""
    def one(name):
        return (name, given[name])
    return {
        "hair map alone": [(*one("hair"), 1.0)],
        "skin map alone": [(*one("skin"), 1.0)],
        "combined training, hair + skin": [("combined", given["maps"], 1.0)],
        "ours, hair + skin": [(*one("hair"), 1.0), (*one("skin"), 1.0)],
        "text alone": [(*one("text"), 2.0)],
        "combined training, hair + skin + text": [("combined", given["all"], 1.0)],
        "ours, hair + skin + text": [(*one(n), 1.0) for n in ("hair", "skin", "text")],
        "ours, hair + skin + text, w = 1.5, 1.5, 2.5": [(*one(n), w) for n, w in ALL.items()],
    }


def tables_1_and_2(lab, count):
    """Maps and words of held-out drawings of one data set; two pictures of each, with different noise."""
    plans = {}
    for number, style in enumerate(("studio", "halo"), start=1):
        rng, drawings = np.random.default_rng([101, number]), []
        while len(drawings) < count:
            face = lab.faces.sample(rng, style)
            if face.hairstyle != "bald":                    # there is no hair map then
                drawings.append((*lab.faces.draw(face), lab.faces.words(face)))
        regions, given = face_conditions(lab, drawings)
        plans[number] = style, drawings, regions, {
            row: [lab.plan(f"table {number}, {count}: {row}, noise {seed}", experts, count, seed=seed) for seed in (0, 1)]
            for row, experts in methods(given).items()}

    def results():
        for number, (style, drawings, regions, rows) in plans.items():
            real = bench.to_tensor(lab.faces.drawings(style, lab.real, seed=102)[0])
            known, sources = features(lab.face_net, real), bench.to_tensor([p for p, _, _ in drawings])
            spread = (known[::2] - known[1::2]).norm(dim=1).mean()
            table = {"real drawings": figures(lab, [sources], known, sources, regions, spread)}
            table |= {row: figures(lab, [lab.pictures[k] for k in keys], known, sources, regions, spread) for row, keys in rows.items()}
            yield f"table {number}", {"data set": style, "conditions": count, "rows": table}
    return results


def figures(lab, drawn, known, sources, regions, spread):
    """One row of tables 1 and 2. drawn: the pictures of one condition each, once or with two noises."""
    seen = [features(lab.face_net, p) for p in drawn]
    overlaps = [overlap(lab, p, regions) for p in drawn]
    row = {"Frechet": frechet(torch.cat(seen), known), "SSIM": np.mean([ssim(p / 2 + 0.5, sources / 2 + 0.5, 11).mean().item() for p in drawn]),
           "mIoU": np.mean([o[0] for o in overlaps]), "F1": np.mean([o[1] for o in overlaps])}
    if len(drawn) == 2:
        row["diversity"] = ((seen[0] - seen[1]).norm(dim=1).mean() / spread).item()
    return {k: round(float(v), 4) for k, v in row.items()}


def table_4(lab, count):
    """Maps of one drawing, words of another: a combination that no data set holds. Figure 8 shows some of it."""
    conditions = bench.held_out(lab.faces, lab.parser, count)
    regions, given = face_conditions(lab, [(None, r.numpy(), w) for r, w in zip(conditions.regions, conditions.words, strict=True)])
    settings = {
        "one modality: hair map": [("hair", given["hair"], 1.0)],
        "one modality: skin map": [("skin", given["skin"], 1.0)],
        "one modality: text": [("text", given["text"], 2.0)],
        "joint training": [("combined", given["all"], 1.0)],
        "joint training, w = 2": [("combined", given["all"], 2.0)],
        "ours, w = 1": [(n, given[n], 1.0) for n in ALL],
        "ours, w = 1.5, 1.5, 2.5": [(n, given[n], w) for n, w in ALL.items()],
    }
    keys = {row: lab.plan(f"table 4, {count}: {row}", experts, count) for row, experts in settings.items()}

    def results():
        rows = {row: bench.judge(lab.parser, lab.face_net, conditions, lab.pictures[key], lab.edges) for row, key in keys.items()}
        yield "table 4", {"conditions": count, "rows": {row: {k: v for k, v in r.items() if k not in ("groups", "edges F1")} for row, r in rows.items()}}
        some, hair, skin = range(5), lab.faces.REGIONS.index("hair"), lab.faces.REGIONS.index("skin")
        cells = [[to_image((regions[i] == hair).float()), to_image((regions[i] == skin).float()), words_image(conditions.words[i]),
                  *(to_image(lab.pictures[keys[row]][i]) for row in list(settings)[3:])] for i in some]
        sheet([""] * len(cells), ["hair map", "skin map", "words", *(row.replace(", w", "\nw") for row in list(settings)[3:])], cells, lab.out / "figure_8.jpg")
    return results


# ------------------------------------------------------------------------------------------------------ table 3: scenes

def table_3(lab, pairs, steps):
    """An object from the class expert in a scene from the text expert, w = 5, deterministic DDIM; the reliability is the text expert's."""
    rng = np.random.default_rng(103)
    every = [(o, s) for o in lab.scenes.OBJECTS for s in lab.scenes.SCENES]
    asked = [every[i] for start in range(0, pairs, len(every)) for i in rng.permutation(len(every))[:pairs - start]]
    times = [lab.scenes.pick(rng, lab.scenes.TIMES) if s in lab.scenes.TIMED else "" for _, s in asked]
    objects = {"labels": torch.eye(len(lab.scenes.OBJECTS))[[lab.scenes.OBJECTS.index(o) for o, _ in asked]]}
    places = [f"{s} {t}" for (_, s), t in zip(asked, times, strict=True)]
    named = {"labels": lab.bags("scene", [f"a {o}, {p}" for (o, _), p in zip(asked, places, strict=True)])}
    settings = {
        "text expert, the object named in its prompt": ([("scene", named, 5.0)], ""),
        "class expert": ([("class", objects, 5.0)], ""),
        "CompGen: two prompts, one network": ([("scene", {"labels": lab.bags("scene", [f"a {o}" for o, _ in asked])}, 5.0),
                                               ("scene", {"labels": lab.bags("scene", places)}, 5.0)], ""),
        **{f"ours, reliability of the text expert {a:g}": ([("class", objects, 5.0), ("scene", named, 5.0)], f"{1 - a:g}, {a:g}") for a in (0.0, 0.5, 1.0)},
    }
    keys = {row: lab.plan(f"table 3, {pairs} pairs, {steps} steps: {row}", experts, pairs, steps, "ddim", reliabilities, clip=True)
            for row, (experts, reliabilities) in settings.items()}

    def results():
        wanted = torch.tensor([[lab.judge.OBJECTS.index(o), lab.judge.SCENES.index(s)] for o, s in asked])
        pictures, *truth = lab.judge.drawings(lab.real // 2, seed=104)
        ceiling = torch.stack(lab.judge.name(lab.scene_net, pictures.float() / 127.5 - 1), dim=1) == torch.stack(truth, dim=1)
        rows = {"real drawings": ceiling} | {row: torch.stack(lab.judge.name(lab.scene_net, lab.pictures[k]), dim=1) == wanted for row, k in keys.items()}
        yield "table 3", {"pairs": pairs, "steps": steps, "rows": {row: {"object": share(r[:, 0]), "scene": share(r[:, 1]), "both": share(r.all(1))}
                                                                 for row, r in rows.items()}}
        cells = [[to_image(lab.pictures[k][i]) for k in keys.values()] for i in range(min(8, pairs))]
        sheet([f"{o},\n{p}" for (o, _), p in zip(asked[:8], places[:8], strict=True)],
              ["text expert\nalone", "class expert\nalone", "CompGen", *(f"ours,\na = {a}" for a in ("0", "0.5", "1"))], cells, lab.out / "table_3.jpg")
    return results


def share(right):
    return round(right.float().mean().item(), 4)


# -------------------------------------------------------------------------- figures 6, 7, 9 to 12 and 25, 26: as sheets

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability_sheets(lab):
    """Figures 6, 7 and 9 to 12: from one expert's idea of a picture to the other's, same noise in a row."""
    pairs = [("cat", "forest day"), ("rocket", "beach sunset"), ("duck", "snow day"), ("car", "city night"), ("robot", "underwater"), ("mushroom", "space")]
    objects = {"labels": torch.eye(len(lab.scenes.OBJECTS))[[lab.scenes.OBJECTS.index(o) for o, _ in pairs]]}
    named = {"labels": lab.bags("scene", [f"a {o}, {p}" for o, p in pairs])}
    scenes = [lab.plan(f"reliability, scenes: {a}", [("class", objects, 2.0), ("scene", named, 2.0)], len(pairs), reliabilities=f"{1 - a}, {a}", clip=True)
              for a in SHARES]
    conditions = bench.held_out(lab.faces, lab.parser, 24)
    some = [4, 11, 6, 15]
    regions, given = face_conditions(lab, [(None, conditions.regions[i].numpy(), conditions.words[i]) for i in some])
    faces = [lab.plan(f"reliability, faces: {a}", [("skin", given["skin"], 1.5), ("text", given["text"], 2.0)], len(some), reliabilities=f"{1 - a}, {a}")
             for a in SHARES]

    def results():
        sheet([f"{o},\n{p}" for o, p in pairs], [f"class {1 - a:g}\ntext {a:g}" for a in SHARES],
              [[to_image(lab.pictures[k][i]) for k in scenes] for i in range(len(pairs))], lab.out / "reliability_scenes.jpg")
        skin = lab.faces.REGIONS.index("skin")
        sheet([""] * len(some), ["skin map", "words", *(f"skin map {1 - a:g}\ntext {a:g}" for a in SHARES)],
              [[to_image((regions[i] == skin).float()), words_image(conditions.words[some[i]]), *(to_image(lab.pictures[k][i]) for k in faces)]
               for i in range(len(some))], lab.out / "reliability_faces.jpg")
        for name, keys in (("scenes", scenes), ("faces", faces)):
            steps = torch.stack([(lab.pictures[b] - lab.pictures[a]).square().mean((1, 2, 3)).sqrt().mean() for a, b in zip(keys, keys[1:], strict=False)])
            from_start = torch.stack([(lab.pictures[k] - lab.pictures[keys[0]]).square().mean((1, 2, 3)).sqrt().mean() for k in keys])
            yield f"reliability, {name}", {"reliability": SHARES, "RMS distance to the last": [round(s.item(), 4) for s in steps],
                                           "RMS distance to the first": [round(d.item(), 4) for d in from_start]}
    return results


def contradictions(lab):
    """Figures 25 and 26: conditions that exclude each other; the method finds no compromise."""
    conditions = bench.held_out(lab.faces, lab.parser, 24)
    some = [1, 4, 7, 11]
    regions, given = face_conditions(lab, [(None, conditions.regions[i].numpy(), ["bald"]) for i in some])
    faces = [lab.plan(f"contradiction, faces: {w}", [("hair", given["hair"], 1.5), ("text", given["text"], w)], len(some)) for w in (2.0, 5.0)]
    places = [("beach day", "space"), ("forest day", "room"), ("snow day", "underwater"), ("city night", "meadow day")]
    both = [{"labels": lab.bags("scene", [f"empty {p[i]}" for p in places])} for i in (0, 1)]
    scenes = [lab.plan(f"contradiction, scenes: {name}", experts, len(places), clip=True) for name, experts in
              {"a": [("scene", both[0], 2.0)], "b": [("scene", both[1], 2.0)], "both": [("scene", both[0], 2.0), ("scene", both[1], 2.0)]}.items()]

    def results():
        hair = lab.faces.REGIONS.index("hair")
        sheet([""] * 4, ["this hair", "and 'bald',\nw of text = 2", "and 'bald',\nw of text = 5"],
              [[to_image((regions[i] == hair).float()), *(to_image(lab.pictures[k][i]) for k in faces)] for i in range(4)], lab.out / "figure_25.jpg")
        sheet([f"{a} and\n{b}" for a, b in places], ["the one", "the other", "both"], [[to_image(lab.pictures[k][i]) for k in scenes] for i in range(4)],
              lab.out / "figure_26.jpg")
        read = torch.stack(lab.judge.name(lab.scene_net, lab.pictures[scenes[2]]), dim=1)[:, 1]
        yield "contradictions", {"what the judge sees where both are asked": [lab.judge.SCENES[i] for i in read.tolist()]}
    return results


# ------------------------------------------------------------------------------------------------------------ the report

def markdown(results):
    """The tables of results as Markdown."""
    titles = {"table 1": "Table 1: hair and skin maps of drawings as the hair expert's data set has them",
              "table 2": "Table 2: the same for the skin expert's data set",
              "table 3": "Table 3: an object (class expert) in a scene (text expert), right in so many pictures",
              "table 4": "Table 4: maps of one drawing, words of another: one modality, joint training, ours"}
    lines = []
    for name, title in titles.items():
        table = results[name]["rows"]
        columns = list(dict.fromkeys(k for row in table.values() for k in row))
        settings = ", ".join(f"{v} {k}" if isinstance(v, int) else f"{k} '{v}'" for k, v in results[name].items() if k != "rows")
        lines += [f"**{title}** ({settings})", "", f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
        lines += [f"| {row} | " + " | ".join("" if k not in r else f"{100 * r[k]:.0f} %" if k in ("object", "scene", "both", "attributes") else
                                            f"{r[k]:.1f}" if k == "Frechet" else f"{r[k]:.3f}" for k in columns) + " |" for row, r in table.items()]
        lines.append("")
    return "\n".join(lines)


def main(comfy, arguments):
    options = argparse.ArgumentParser(prog="dev.py reproduce", description=__doc__.split("\n")[0], allow_abbrev=False)
    options.add_argument("--quick", action="store_true", help="few pictures: under 10 minutes instead of under 2 hours")
    options.add_argument("--pairs", type=int, help="class and text pairs of table 3 (default 150, quick 12)")
    options.add_argument("--fresh", action="store_true", help="draw everything anew")
    options.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="processes (default: one a core)")
    options.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    args = options.parse_args(arguments)
    if args.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    torch.set_num_threads(1)
    sys.modules["comfy.utils"].set_progress_bar_enabled(False)          # one bar for all is enough
    rest = [a for a in arguments if a != "--fresh"]
    again = [sys.executable, ROOT / "devtools" / "inside.py", "bench.paper.reproduce", *rest, "--workers", str(args.workers)]
    others = [subprocess.Popen([*again, "--worker", str(k)], stdout=subprocess.DEVNULL) for k in range(1, args.workers) if not args.worker]
    try:
        out = PAPER / "quick" if args.quick else PAPER
        lab = Lab(comfy, out)
        faces, unpaired, pairs, steps = (12, 12, args.pairs or 12, 50) if args.quick else (128, 64, args.pairs or 150, 100)
        reports = [tables_1_and_2(lab, faces), table_3(lab, pairs, steps), table_4(lab, unpaired), reliability_sheets(lab), contradictions(lab)]
        lab.run(args.worker, args.workers, others)
    finally:
        for other in others:
            other.terminate()
    if args.worker:
        return
    results = dict(item for report in reports for item in report())
    (out / "results.json").write_text(json.dumps({"experts": lab.weights} | results, indent=1))
    text = markdown(results)
    (out / "tables.md").write_text(text)
    print(text)
