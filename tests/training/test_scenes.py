"""The promise of the dataset scenes, with real sampling: an object that one expert knows, in a scene of the other's.

Table 3 of the paper.
"""

import dataclasses

import numpy as np
import pytest
import torch

from unite_and_conquer.bench.paper import crossfade, experiments, reliabilities
from unite_and_conquer.bench.paper.lab import Lab
from unite_and_conquer.training.datasets import scenes


@pytest.fixture(scope="module")
def lab(comfy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    return Lab(comfy, folder, folder, real=200)


@pytest.fixture(scope="module")
def rows(lab):
    report = experiments.table_3(lab, pairs=12, steps=10)
    lab.run()
    return dict(report())["table 3"]["rows"]


def test_the_judge_knows_real_drawings(rows):
    assert min(rows["real drawings"][k] for k in ("object", "scene")) >= 0.97


def test_object_and_scene_are_both_right(rows):
    assert max(r["both"] for name, r in rows.items() if name.startswith("ours")) >= 0.7


@pytest.mark.parametrize("name", ["text expert, the object named in its prompt", "class expert"])
def test_neither_expert_alone_can(rows, name):
    assert rows[name]["both"] < 0.25


def test_the_reliability_leads_steadily_from_one_expert_to_the_other(lab):
    report = reliabilities.reliability_of_faces(lab)
    for unit in lab.units.values():
        unit.setting = dataclasses.replace(unit.setting, steps=8)
    lab.run()
    away = torch.tensor(dict(report())["reliability, faces"]["RMS distance to the first"])
    assert (away.diff() > 0).all(), away
    assert away[-1] > 0.05
    assert (lab.out / "reliability_faces.jpg").is_file()


def test_shares_fade_from_the_object_to_the_scene(lab):
    """More of the text expert's look: the scene is more likely, the object less so, and at half both are there."""
    report = crossfade.crossfade(lab, pairs=12, steps=8)
    lab.run()
    found = dict(report())["crossfade"]
    objects, places = torch.tensor(found["object"]), torch.tensor(found["scene"])
    assert (objects.diff() < 0.02).all() and objects[0] > 0.9 and objects[-1] < 0.7
    assert (places.diff() > -0.02).all() and places[0] < 0.4 and places[-1] > 0.9
    assert found["both right"][2] == max(found["both right"]) >= 0.75


def test_no_data_set_holds_both(comfy):
    """The class expert has seen no scene, the text expert none of the objects, and their pictures are not the same."""
    rng = np.random.default_rng(0)
    objects = [scenes.random_picture(rng, "objects") for _ in range(200)]
    places = [scenes.random_picture(rng, "scenes") for _ in range(200)]
    assert {p.scene for p in objects} == {None} and {p.item for p in objects} == set(scenes.OBJECTS)
    assert {p.item for p in places} == {"thing", None} and {p.scene for p in places} == set(scenes.SCENES)
