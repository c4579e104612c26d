"""Breed a Mixture: each candidate is the single run of its numbers, picks lead on, and a text of the state resumes."""
import json
import math

import pytest
import torch

from support.embedded import RUN, empty, faces
from support.mixtures import Decoder, latent, sampled, united
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import face, node

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")
SMALL = RUN | {"steps": 1, "candidates": 4}


def bred(comfy, unets, **inputs):
    """(mixture of the best, state) after a generation of tiny networks; latents of the candidates with them."""
    mixture = united(comfy, unets[:2], weights=(2.0, 3.0))
    result = comfy.call("BreedMixture", mixture=mixture, **SMALL, latent_image=latent(), vae=Decoder(), **inputs)
    return result[2]["samples"], result[3], result[4]


def test_candidates_are_single_runs_the_mixture_itself_first(comfy):
    mixture = faces(comfy, 2.0, "1 1")
    run = RUN | {"latent_image": empty()}
    sheet, images, latents, best, state, _ = comfy.call("BreedMixture", mixture=mixture, **run, candidates=3)
    assert sheet.shape[0] == 1 and images.shape == (3, 64, 64, 3)
    search = comfy.module("mcdm.search_state").begun_or_resumed(mixture, None, state)
    grid = comfy.module("mcdm.grids.breeding").generation_grid(search, 1).settled()     # to twelve places
    for i, cell in enumerate(grid.cells()):
        assert torch.equal(latents["samples"][i:i + 1], sampled(comfy, cell.mixture, **run)), i
        assert cell.mixture.numbers == pytest.approx(search.candidates[i].mixture.numbers, abs=1e-11)
    assert best is mixture          # the best so far


def test_picks_lead_to_the_next_generation_and_the_state_resumes(comfy, unets):
    first, _, state = bred(comfy, unets)
    assert torch.equal(first, bred(comfy, unets)[0])
    second, best, after = bred(comfy, unets, state=state, picks="3 2")
    assert torch.equal(second[:1], first[2:3])              # the first pick leads the next generation
    again, _, same = bred(comfy, unets, state=after)        # no picks: the same generation once more
    assert torch.equal(again, second) and same == after
    other, _, _ = bred(comfy, unets, state=state, picks="2 3")
    assert not torch.equal(other[1:], second[1:])
    assert json.loads(after)["told"] == [{"good": [3, 2]}] and best.experts[0].weight != 2.0
    stays, _, _ = bred(comfy, unets, state=state, picks="none")
    assert torch.equal(stays[:1], first[:1]) and not torch.equal(stays[1:], first[1:])


@pytest.mark.parametrize("inputs, words", [
    ({"picks": "the third"}, "should be the numbers of the good candidates"),
    ({"picks": "5"}, "candidates 1 to 4, not 5"),
    ({"picks": "2 2"}, "marked twice"),
    ({"state": "3 1"}, "holds no state of a search"),
    ({"spread": float("nan")}, "spread must be a number"),
    ({"vary": "all"}, "is not one of"),
])
def test_mistakes_are_told_in_a_sentence(comfy, unets, inputs, words):
    with pytest.raises(ValueError, match=words):
        bred(comfy, unets, **inputs)


def test_a_refused_candidate_is_an_empty_cell_that_cannot_be_picked(comfy, unets):
    """Outside a guidance interval the weights may not cancel each other: some around 2 and -1.2 do."""
    mixture = united(comfy, unets[:2], weights=(2.0, -1.2))
    mixture, = comfy.call("MixtureOptions", mixture=mixture, sigma_low=0.5)
    run = SMALL | {"latent_image": latent(), "vae": Decoder(), "spread": 1.0}
    _, images, latents, _, state, told = comfy.call("BreedMixture", mixture=mixture, **run)
    search = comfy.module("mcdm.search_state").begun_or_resumed(mixture, None, state)
    refused = [i for i, candidate in enumerate(search.candidates, start=1) if candidate.mixture is None]
    assert refused and len(refused) < 3
    drawn = [cell["number"] for cell in json.loads(told)["cells"]]
    assert drawn == [i for i in range(1, 5) if i not in refused]
    assert len(images) == len(latents["samples"]) == len(drawn)
    with pytest.raises(ValueError, match=f"Candidate {refused[0]} has no picture"):
        comfy.call("BreedMixture", mixture=mixture, **run, state=state, picks=f"1 {refused[0]}")


@pytest.mark.parametrize("fault", ["nan", "error"])
def test_a_candidate_that_fails_is_an_empty_cell_and_the_others_are_drawn(comfy, unets, monkeypatch, caplog, fault):
    """All but the first: where the mixture as it is fails, the person has to know."""
    mixture = united(comfy, unets[:2], weights=(2.0, 3.0))
    asked = []
    original = type(unets[0].model).apply_model

    def apply(self, *args, **more):
        asked.append(1)
        if len(asked) in failing:
            if fault == "error":
                raise RuntimeError("an expert's own mistake")
            return original(self, *args, **more) * math.nan
        return original(self, *args, **more)
    monkeypatch.setattr(type(unets[0].model), "apply_model", apply)
    run = SMALL | {"steps": 2, "latent_image": latent(), "vae": Decoder()}
    failing = ()
    _, whole, *_ = comfy.call("BreedMixture", mixture=mixture, **run)
    each = len(asked)
    asked.clear()
    failing = each - 1, each        # the last candidate's last step
    _, images, _, _, state, told = comfy.call("BreedMixture", mixture=mixture, **run)
    assert torch.equal(images, whole[:3]) and len(json.loads(told)["cells"]) == 3
    assert "the cell '4: w" in caplog.text and json.loads(state)["told"] == []
    asked.clear()
    failing = range(1, 3)
    with pytest.raises((ValueError, RuntimeError)):
        comfy.call("BreedMixture", mixture=mixture, **run)


def test_over_http(host):
    """Two generations from a queue, the second by what the first said; a bad pick, and the run after it."""
    def graph(**inputs):
        prompt = face(steps=2)
        settings = {name: prompt["sample"]["inputs"][name] for name in RUN} | {"latent_image": ["latent", 0]}
        return {key: prompt[key] for key in ("text", "hair", "words", "disc", "map", "a", "b", "mix", "latent")} | {
            "breed": node("BreedMixture", mixture=["mix", 0], **settings, candidates=3, **inputs)}
    said = host.run(graph())["outputs"]["breed"]
    state, = said["breed"]
    assert json.loads(state)["told"] == [] and len(said["images"]) == 1
    after, = host.run(graph(state=state, picks="2"))["outputs"]["breed"]["breed"]
    assert json.loads(after)["told"] == [{"good": [2]}]
    entry = host.wait(host.post_prompt(graph(state=state, picks="7")))
    assert "candidates 1 to 3, not 7" in error_of(entry)
    host.run(graph(state=after))
