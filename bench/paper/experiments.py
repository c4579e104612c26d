"""The paper's experiments with the embedded experts: tables 1 to 4.

Each function plans in a lab the pictures that it needs. It returns a function, to be called once the lab has run, which
writes its sheets and yields (name, results).
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ...training.datasets import faces
from ...training.datasets.dataset import normalize
from ...training.judges import scenes as judge
from ...training.judges.portraits import held_out, score
from ...training.pixels import to_tensor
from . import writing
from .lab import Inputs, Lab, Setting, SettingExpert
from .measures import Reference, features, fidelity, named, shares
from .pairs import asked_scenes, scene_experts, titles_of, wanted

Results = Iterator[tuple[str, dict[str, Any]]]
Report = Callable[[], Results]

ALL = {"hair": 1.5, "skin": 1.5, "text": 2.5}           # w of each expert


def together(*reports: Report) -> Report:
    """Several reports as one."""

    def results() -> Results:
        for report_of_one in reports:
            yield from report_of_one()

    return results


# ----------------------------------------------------------------------------------- tables 1, 2 and 4, figure 8: faces

def face_conditions(lab: Lab, regions: torch.Tensor, words: Sequence[Sequence[str]]) -> dict[str, Inputs]:
    """What each network is given for some label maps [N, 64, 64] and words: {name: its inputs}.

    "maps" and "all" are for the combined network.
    """
    hair, skin = (2 * (regions == faces.REGIONS.index(name)).float()[:, None] - 1 for name in ("hair", "skin"))
    bags = lab.bags("text", [", ".join(said) for said in words])
    both = torch.cat([hair, skin], dim=1)
    return {
        "hair": {"condition_map": hair},
        "skin": {"condition_map": skin},
        "text": {"labels": bags},
        "maps": {"condition_map": both},
        "all": {"condition_map": both, "labels": bags},
    }


def ours(given: dict[str, Inputs], **weights: float) -> list[SettingExpert]:
    """The experts named, each with its own condition."""
    return [SettingExpert(name, given[name], weight) for name, weight in weights.items()]


def methods(given: dict[str, Inputs]) -> dict[str, list[SettingExpert]]:
    """{row of tables 1 and 2: experts}.

    Each expert alone, one network trained on all datasets in turn ("combined training"), and their fusion ("ours").
    """
    return {
        "hair map alone": ours(given, hair=1.0),
        "skin map alone": ours(given, skin=1.0),
        "combined training, hair + skin": [SettingExpert("combined", given["maps"], 1.0)],
        "ours, hair + skin": ours(given, hair=1.0, skin=1.0),
        "text alone": ours(given, text=2.0),
        "combined training, hair + skin + text": [SettingExpert("combined", given["all"], 1.0)],
        "ours, hair + skin + text": ours(given, hair=1.0, skin=1.0, text=1.0),
        "ours, hair + skin + text, w = 1.5, 1.5, 2.5": ours(given, **ALL),
    }


def tables_1_and_2(lab: Lab, count: int) -> Report:
    """Maps and words of held-out drawings of one dataset; two pictures of each, with different noise."""
    return together(paired_table(lab, count, 1, "studio"), paired_table(lab, count, 2, "halo"))


def paired_table(lab: Lab, count: int, number: int, style: str) -> Report:
    """Table 1 or 2: maps and words that belong to the same drawing."""
    drawings = faces_with_hair(np.random.default_rng([101, number]), style, count)
    pictures, labels = zip(*[faces.draw(face) for face in drawings], strict=True)
    regions = torch.from_numpy(np.stack(labels)).long()
    given = face_conditions(lab, regions, [faces.words(face) for face in drawings])
    rows: dict[str, list[str]] = {}
    for row, parts in methods(given).items():
        rows[row] = []
        for seed in (0, 1):
            key = f"table {number}, {count}: {row}, noise {seed}"
            rows[row].append(lab.plan(key, count, Setting(parts, seed=seed)))

    def results() -> Results:
        real = to_tensor(faces.drawings(style, lab.real, seed=102)[0])
        sources = to_tensor(np.stack(pictures))
        reference = Reference(features(lab.face_net, real), sources, regions)
        table = {"real drawings": fidelity(lab.face_net, [sources], reference)}
        for row, keys in rows.items():
            table[row] = fidelity(lab.face_net, [lab.pictures[key] for key in keys], reference)
        yield f"table {number}", {"data set": style, "conditions": count, "rows": table}

    return results


def faces_with_hair(rng: np.random.Generator, style: str, count: int) -> list[faces.Face]:
    """Random faces that have a hair map: none is bald."""
    found: list[faces.Face] = []
    while len(found) < count:
        face = faces.random_face(rng, style)
        if face.hairstyle != "bald":
            found.append(face)
    return found


def table_4(lab: Lab, count: int) -> Report:
    """Maps of one drawing, words of another: a combination that no dataset holds. Figure 8 shows some of it."""
    conditions = held_out(count)
    given = face_conditions(lab, conditions.regions, conditions.words)
    settings = {
        "one modality: hair map": ours(given, hair=1.0),
        "one modality: skin map": ours(given, skin=1.0),
        "one modality: text": ours(given, text=2.0),
        "joint training": [SettingExpert("combined", given["all"], 1.0)],
        "joint training, w = 2": [SettingExpert("combined", given["all"], 2.0)],
        "ours, w = 1": ours(given, hair=1.0, skin=1.0, text=1.0),
        "ours, w = 1.5, 1.5, 2.5": ours(given, **ALL),
    }
    keys = {row: lab.plan(f"table 4, {count}: {row}", count, Setting(parts)) for row, parts in settings.items()}

    def results() -> Results:
        pictures = {row: lab.pictures[key] for row, key in keys.items()}
        rows = {}
        for row, drawn in pictures.items():
            found = score(lab.face_net, conditions, drawn)
            rows[row] = {name: found[name] for name in ("hair IoU", "skin IoU", "attributes")}
        yield "table 4", {"conditions": count, "rows": rows}
        united = {row: drawn for row, drawn in pictures.items() if not row.startswith("one modality")}
        writing.figure_8(conditions.pick(range(5)), united, lab.out / "figure_8.jpg")

    return results


# ------------------------------------------------------------------------------------------------------ table 3: scenes

def table_3(lab: Lab, pairs: int, steps: int) -> Report:
    """An object from the class expert in a scene from the text expert, w = 5, deterministic DDIM.

    The reliability is the text expert's. The sheet also shows them at w = 2, half the look of each, by Euler's method.
    """
    asked, places = asked_scenes(np.random.default_rng(103), pairs)
    items = [item for item, _ in asked]
    object_said = {"labels": lab.bags("scene", [f"a {item}" for item in items])}
    place_said = {"labels": lab.bags("scene", places)}
    both = scene_experts(lab, asked, places, 5.0)
    prompts = [SettingExpert("scene", said, 5.0) for said in (object_said, place_said)]
    settings: dict[str, tuple[list[SettingExpert], str]] = {
        "text expert, the object named in its prompt": (both[1:], ""),
        "class expert": (both[:1], ""),
        "CompGen: two prompts, one network": (prompts, ""),
        "ours, reliability of the text expert 0": (both, "1, 0"),
        "ours, reliability of the text expert 0.5": (both, "0.5, 0.5"),
        "ours, reliability of the text expert 1": (both, "0, 1"),
    }
    keys = {}
    for row, (parts, reliabilities) in settings.items():
        setting = Setting(parts, steps, "ddim", reliabilities, clip=True)
        keys[row] = lab.plan(f"table 3, {pairs} pairs, {steps} steps: {row}", pairs, setting)
    half = Setting(scene_experts(lab, asked, places, 2.0), steps, reliabilities="0.5, 0.5", meaning="shares", clip=True)
    at_half = lab.plan(f"table 3, {pairs} pairs, {steps} steps: half the look", pairs, half)

    def results() -> Results:
        drawings, *truth = judge.drawings(lab.real // 2, seed=104)
        ceiling = named(lab.scene_net, normalize(drawings)) == torch.stack(truth, dim=1)
        rows = {"real drawings": shares(ceiling)}
        for row, key in keys.items():
            rows[row] = shares(named(lab.scene_net, lab.pictures[key]) == wanted(asked))
        yield "table 3", {"pairs": pairs, "steps": steps, "rows": rows}
        titles = titles_of(asked, places, 8)
        shown = [lab.pictures[key] for key in (*keys.values(), at_half)]
        writing.sheet_of_table_3(lab.comfy, titles, shown, lab.out / "table_3.jpg")

    return results
