"""Tune a Mixture: a search by a score, on a score with a known optimum and on pictures."""
import json
import math
import time

import pytest

from support.embedded import RUN, faces
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import face, node

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")
BEST = 4.0, 0.8         # weights


class Numbers:
    """Runs without networks: what is drawn is the mixture itself. Few steps draw it nearly as it is."""

    def __init__(self, settings=None):
        self.settings = settings or {"seed": 3, "steps": 8}
        self.forwards, self.drawn = 0, []

    def draw(self, mixture, seed, steps):
        self.forwards += steps
        self.drawn.append((seed, steps))
        return mixture, seed, steps


def distance(drawn):
    """The best is 0."""
    mixture, *_ = drawn
    return -sum(math.log(e.weight / best) ** 2 for e, best in zip(mixture.experts, BEST, strict=True))


def tuned(comfy, score=distance, trials=60, state="", early=4, seed=3):
    search_state, run = comfy.module("mcdm.search_state"), comfy.module("mcdm.tuning.search_run")
    search = search_state.begun_or_resumed(faces(comfy, 2.0), search_state.Settings(seed=seed), state)
    tuning = run.Tuning(search, Numbers({"seed": seed, "steps": 8}), score, early, lambda _: None)
    tuning.run(trials)
    return tuning


def test_it_finds_a_known_optimum(comfy):
    tuning = tuned(comfy)
    assert tuning.best_score > -0.1 > distance((faces(comfy, 2.0),))
    assert distance((tuning.search.best.mixture,)) == tuning.best_score
    assert tuning.spent == 56                           # six, then five new ones in each generation
    assert sum(steps == 4 for _, steps in tuning.runs.drawn) == 55
    assert sum(steps == 8 for _, steps in tuning.runs.drawn) == 1 + 11 * 2      # the better half in full


def test_the_same_seed_is_the_same_search_and_resumed_is_uninterrupted(comfy):
    whole = tuned(comfy)
    assert tuned(comfy).search.text() == whole.search.text()
    assert tuned(comfy, seed=4).search.text() != whole.search.text()
    resumed = tuned(comfy, state=tuned(comfy, trials=21).search.text())
    assert resumed.search.text() == whole.search.text() and resumed.spent == whole.spent
    assert [t.score for t in resumed.trials if t.full] == [t.score for t in whole.trials if t.full]


@pytest.mark.parametrize("fault", ["nan", "infinite", "error", "refused"])
def test_a_bad_candidate_is_named_and_the_search_goes_on(comfy, fault):
    calls = []

    def score(drawn):
        calls.append(1)
        if len(calls) % 4 == 0:
            if fault == "error":
                raise KeyError("a scorer's own mistake")
            if fault == "refused":
                raise ValueError("Outside a guidance interval the weights cancel each other.")
            return math.nan if fault == "nan" else math.inf
        return distance(drawn)
    tuning = tuned(comfy, score)
    assert tuning.bad and all(told.startswith("candidate ") for told in tuning.bad)
    assert tuning.best_score > distance((faces(comfy, 2.0),)) and math.isfinite(tuning.best_score)


def test_an_interrupt_is_no_bad_candidate(comfy):
    import comfy.model_management as management
    calls = []

    def score(drawn):
        calls.append(1)
        if len(calls) == 5:
            raise management.InterruptProcessingException
        return distance(drawn)
    with pytest.raises(management.InterruptProcessingException):
        tuned(comfy, score)


def test_a_constant_score_says_that_it_cannot_tell(comfy):
    tuning = tuned(comfy, lambda drawn: 0.5, trials=12)
    assert tuning.constant and tuning.on_fresh_seeds(4) is None
    assert "cannot tell" in comfy.module("mcdm.tuning.verdict").in_words(None, True, tuning.constant)


def test_a_score_that_is_never_a_number_is_told(comfy):
    tuning = tuned(comfy, lambda drawn: math.nan, trials=12)
    tuning.choose()
    assert tuning.unscored and tuning.bad[0] == "the start: its score is nan" and not tuning.finalists
    assert "No candidate has a score" in comfy.module("mcdm.tuning.verdict").in_words(None, False, False, True)


def test_fresh_seeds_tell_luck_from_merit(comfy):
    assert tuned(comfy).on_fresh_seeds(5).low > 0
    lucky = tuned(comfy, lambda drawn: distance(drawn) if drawn[1] == 3 else math.sin(drawn[1]) + 1e-3 * drawn[2])
    fresh = lucky.on_fresh_seeds(5)
    assert fresh.low <= 0 <= fresh.high


def test_the_middle_of_the_search_beats_a_lucky_candidate_on_other_noise(comfy):
    """On the search's own seed one of the first is lucky: it stays the best, while the search goes on."""
    full = []

    def lucky(drawn):
        mixture, seed, steps = drawn
        full.extend([mixture] * (steps == 8 and seed == 3))
        return distance(drawn) + 10.0 * (seed == 3 and len(full) > 2 and mixture is full[2])
    tuning = tuned(comfy, lucky)
    assert tuning.search.best.mixture is full[2]
    tuning.choose()
    assert math.fsum(tuning.finalists["middle"]) > math.fsum(tuning.finalists["best"])
    assert tuning.found.point == tuning.search.middle().point
    assert distance((tuning.found.mixture,)) > distance((full[2],))
    chosen = {seed for seed, _ in tuning.runs.drawn}
    assert len(tuning.finalists["best"]) == len(chosen - {3})
    tuning.runs.drawn.clear()
    tuning.on_fresh_seeds(4)
    assert not chosen & {seed for seed, _ in tuning.runs.drawn}     # the verdict has noise of its own


def test_the_best_stays_where_the_middle_is_worse_or_bad(comfy):
    def start(drawn):
        return [e.weight for e in drawn[0].experts] == [1.5, 2.0]
    for score in (lambda drawn: float(start(drawn)) + 1e-3 * distance(drawn),
                  lambda drawn: distance(drawn) if start(drawn) else math.nan):
        tuning = tuned(comfy, score, trials=21)
        tuning.choose()
        assert tuning.found is tuning.search.best and tuning.found.mixture is tuning.search.start


# -------------------------------------------------------------------------------------------------------- the node

def test_over_http(host):
    """Nearness to a picture that other weights have drawn; the verdict, the state, and a score that is missing."""
    prompt = face(steps=4)
    settings = {name: prompt["sample"]["inputs"][name] for name in RUN} | {"latent_image": ["latent", 0]}
    small = {"trials": 8, "candidates": 4, "fresh_seeds": 2}
    graph = prompt | {
        "tune": node("TuneMixture", mixture=["mix", 0], **settings, **small, examples=["decode", 0], balance=0.5),
        "json": node("PreviewAny", source=["tune", 3]),
        "state": node("PreviewAny", source=["tune", 4]),
    }
    outputs = host.run(graph)["outputs"]
    report, = (json.loads(text) for text in outputs["json"]["text"])
    assert report["candidates"] == 7 and report["forwards"] > 0 and report["bad"] == []
    assert report["verdict"] == outputs["tune"]["text"][0]
    state, = outputs["state"]["text"]
    assert len(json.loads(state)["told"]) == 2
    graph["tune"]["inputs"] |= {"state": state, "trials": 10}
    again, = (json.loads(text) for text in host.run(graph)["outputs"]["json"]["text"])
    assert again["candidates"] == 10 and again["scores"][:len(report["scores"])] == report["scores"]
    graph["tune"]["inputs"] |= {"state": "", "balance": 0.0, "like_examples": 0.0}
    assert "Nothing to search for" in error_of(host.wait(host.post_prompt(graph)))


def test_a_stopped_search_says_its_state_and_resumed_it_is_the_uninterrupted_one(host):
    prompt = face(steps=6)
    settings = {name: prompt["sample"]["inputs"][name] for name in RUN} | {"latent_image": ["latent", 0]}
    small = {"trials": 25, "candidates": 4, "fresh_seeds": 0, "examples": ["decode", 0]}
    graph = prompt | {
        "tune": node("TuneMixture", mixture=["mix", 0], **settings, **small),
        "state": node("PreviewAny", source=["tune", 4]),
    }
    prompt_id, end = host.post_prompt(graph), time.monotonic() + 120
    # a generation of four takes 27 steps at most
    while not any(d["value"] > 40 and d["node"] == "tune" for _, d in host.events_of(prompt_id, "progress")):
        assert time.monotonic() < end
        time.sleep(0.02)
    host.interrupt()
    assert error_of(host.wait(prompt_id)) == "interrupted"
    while not (told := [d["output"]["breed"] for _, d in host.events_of(prompt_id, "executed") if d["node"] == "tune"]):
        assert time.monotonic() < end               # it may come after the end of the prompt is in the history
        time.sleep(0.02)
    (state,), = told
    whole, = host.run(graph)["outputs"]["state"]["text"]
    graph["tune"]["inputs"]["state"] = state
    resumed, = host.run(graph)["outputs"]["state"]["text"]
    assert 0 < len(json.loads(state)["told"]) < len(json.loads(whole)["told"])
    assert resumed == whole
