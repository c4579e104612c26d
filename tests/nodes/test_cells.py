"""The cells that a sheet offers: their places, their numbers, and the inputs of the prompt that make them."""
import json

import numpy as np
import pytest

from support.tensors import pixels
from unite_and_conquer.devtools.prompts import face, node
from unite_and_conquer.mcdm.grids.sources import Sources
from unite_and_conquer.mcdm.mixture import Expert, Mixture


def prompt(**more):
    """Two Condition Experts, one mixer, options and a sweep, as an API graph."""
    return {
        "1": node("ConditionExpert", weight=1.0), "2": node("ConditionExpert", weight=2.0),
        "3": node("ReliabilityMixer", reliabilities="1, 5, 3", expert_1=["1", 0], expert_3=["2", 0]),
        "4": node("MixtureOptions", mixture=["3", 0], weights_end="1, 1"),
        "5": node("ReliabilitySweep", mixture=["4", 0]),
    } | more


def base(*weights):
    experts = tuple(Expert(None, [], weight=weight, name=str(i)) for i, weight in enumerate(weights))
    return Mixture(experts, (1.0, 3.0), slots=(1, 3))


def test_inputs_of_a_cell():
    mixture = base(1.0, 2.0)
    inputs, troubles = Sources(prompt(), "5", mixture).inputs(mixture.varied({1: 2.5}, {0: 0.4}, "shares"))
    assert troubles == []
    assert inputs == {
        "1": {"weight": 1.0}, "2": {"weight": 2.5},
        "3": {"reliabilities": "0.4, 1.25, 0.6", "meaning": "shares"},
    }
    same, _ = Sources(prompt(), "5", mixture).inputs(mixture)
    assert same["3"] == {"reliabilities": "1, 5, 3", "meaning": "reliabilities"}


@pytest.mark.parametrize("weight, where, words", [
    (["6", 0], {"6": {"value": 2.5}}, []),
    (["7", 0], {}, ["'weight' of 'ConditionExpert'", "'FloatMath'", "2.5"]),
])
def test_wires_into_a_weight_are_followed_or_named(weight, where, words):
    mixture, graph = base(1.0, 2.0), prompt()
    graph["2"]["inputs"]["weight"] = weight
    graph |= {"6": node("PrimitiveFloat", value=2.0), "7": node("FloatMath", a=1)}
    inputs, troubles = Sources(graph, "5", mixture).inputs(mixture.varied({1: 2.5}, {}))
    assert {key: inputs[key] for key in ("2", "6") if key in inputs} == where
    assert len(troubles) == bool(words) and all(word in troubles[0] for word in words)
    assert Sources(graph, "5", mixture).inputs(mixture)[1] == [], "nothing to change, nothing to complain of"


def test_what_makes_other_numbers_is_named():
    with pytest.raises(ValueError, match="'Strange'"):
        Sources(prompt() | {"4": node("Strange", mixture=["3", 0], other=["1", 0])}, "5", base(1.0, 2.0))


@pytest.mark.parametrize("kind, more", [
    ("ReliabilitySweep", {"x_vary": "share", "x_expert": "1", "x_from": 0.1, "x_to": 0.7, "x_cells": 2,
                          "y_vary": "weight", "y_expert": "2", "y_from": 1.0, "y_to": 2.0, "y_cells": 2}),
    ("CompareExperts", {}),
])
def test_every_cell_is_the_picture_of_its_inputs(host, kind, more):
    """Over HTTP: the json's inputs, put into the graph, give the cell bit for bit."""
    graph = face(seed=3, steps=2)
    sampler = {name: value for name, value in graph["sample"]["inputs"].items() if name != "expert_previews"}
    sheet = graph | {
        "sheet": node(kind, **sampler, **more),
        "save": node("SaveImage", images=["sheet", 1], filename_prefix="cells"),
        "page": node("SaveImage", images=["sheet", 0], filename_prefix="page"),
        "told": node("PreviewAny", source=["sheet", 3]),
    }
    del sheet["decode"], sheet["sample"]
    outputs = host.run(sheet)["outputs"]
    told = json.loads(outputs["sheet"]["mcdm_cells"][0])
    assert json.loads(outputs["told"]["text"][0]) == told
    page = pixels(host.get("/view", **outputs["page"]["images"][0]))
    assert list(page.shape[1::-1]) == told["page"]
    assert [cell["number"] for cell in told["cells"]] == list(range(1, len(told["cells"]) + 1))
    for cell, saved in zip(told["cells"], outputs["save"]["images"], strict=True):
        wanted = pixels(host.get("/view", **saved))
        left, top, width, height = cell["box"]
        shown = page[top:top + height, left:left + width][::3, ::3].astype(int)
        assert np.abs(shown - wanted).max() <= 1                 # the one rounds, the other cuts
        changed = json.loads(json.dumps(graph))
        for key, inputs in cell["inputs"].items():
            changed[key]["inputs"] |= inputs
        drawn = host.run(changed)["outputs"]["save"]["images"][0]
        assert np.array_equal(pixels(host.get("/view", **drawn)), wanted), cell["label"]
