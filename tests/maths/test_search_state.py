"""A search by choices: it finds a known optimum, is the same for the same choices, and goes on from its text."""
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unite_and_conquer.mcdm.mixture import Expert, Mixture
from unite_and_conquer.mcdm.search_state import Settings, begun_or_resumed, numbers_of

START = Mixture(tuple(Expert(None, [], weight=1.0, name=n) for n in "abc"), (1.0, 1.0, 1.0))
BEST_WEIGHTS, BEST_SHARES = (1.5, 1.5, 2.5), (0.2, 0.1, 0.7)


def distance(mixture):
    """From a known best mixture: 0 there, a sum of squares around it."""
    weights = [math.log(e.weight / best) for e, best in zip(mixture.experts, BEST_WEIGHTS, strict=True)]
    shares = [s - best for s, best in zip(mixture.balance()[1], BEST_SHARES, strict=True)]
    return sum(w * w for w in weights) + 4 * sum(s * s for s in shares)


def order_of(search, marked=3):
    """The choices of someone who sees how far each candidate is."""
    values = [distance(candidate.mixture) for candidate in search.candidates]
    return tuple(i + 1 for i in sorted(range(len(values)), key=values.__getitem__)[:marked])


def searched(seed, generations, count=6):
    search = begun_or_resumed(START, Settings(seed=seed, count=count), "")
    for _ in range(generations):
        search.tell(order_of(search))
    return search


def by_chance(seed, trials):
    """The best of as many points drawn around the beginning, half as wide again as a search begins."""
    search = begun_or_resumed(START, Settings(), "")
    middle = np.array(search.space.point())
    rng = np.random.default_rng(seed)
    drawn = middle + 0.75 * rng.standard_normal((trials, len(middle)))
    return min(distance(search.space.mixture(search.space.numbers(list(point)))) for point in drawn)


def test_it_finds_a_known_optimum_and_beats_chance():
    """Ten seeds, sixty candidates each, the same for both."""
    found = [distance(searched(seed, 10).best.mixture) for seed in range(10)]
    chance = [by_chance(seed, 60) for seed in range(10)]
    assert max(found) < 0.25 * distance(START)
    assert sum(a < b for a, b in zip(found, chance, strict=True)) >= 9, list(zip(found, chance, strict=True))


def test_the_first_candidate_is_the_mixture_itself_and_then_the_first_choice():
    search = begun_or_resumed(START, Settings(), "")
    assert search.best.mixture is START and search.generation == 1
    chosen = search.candidates[3]
    search.tell((4, 1))
    assert search.best is chosen and search.generation == 2
    search.tell(())                     # none is good: others, around the same place
    assert search.best is chosen and search.generation == 3


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2 ** 64 - 1), st.lists(st.permutations(range(1, 7)).flatmap(
    lambda order: st.integers(0, 6).map(lambda n: order[:n])), max_size=6))
def test_resumed_equals_uninterrupted(seed, told):
    whole = begun_or_resumed(START, Settings(seed=seed), "")
    text = whole.text()
    for order in told:
        whole.tell(tuple(order))
        again = begun_or_resumed(START, Settings(), text)          # its own settings stand in the text
        again.tell(tuple(order))
        text = again.text()
        assert text == whole.text()
        assert [c.point for c in again.candidates] == [c.point for c in whole.candidates]
        assert again.spread == whole.spread


def test_another_process_has_the_same_generation():
    """Nothing hangs on what ran before: another Python, without torch's or numpy's own seeds."""
    search = searched(3, 4)
    code = (
        "import sys, types; p = types.ModuleType('unite_and_conquer'); p.__path__ = [sys.argv[1]];"
        "sys.modules['unite_and_conquer'] = p;"
        "from unite_and_conquer.mcdm.mixture import Expert, Mixture;"
        "from unite_and_conquer.mcdm.search_state import *;"
        "m = Mixture(tuple(Expert(None, [], weight=1.0, name=n) for n in 'abc'), (1.0, 1.0, 1.0));"
        "s = begun_or_resumed(m, Settings(), sys.stdin.read());"
        "print(json.dumps([numbers_of(c.mixture) for c in s.candidates]))")
    root = sys.modules["unite_and_conquer"].__path__[0]
    found = subprocess.run([sys.executable, "-c", code, root], input=search.text(), text=True, capture_output=True)
    assert json.loads(found.stdout) == [numbers_of(c.mixture) for c in search.candidates], found.stderr


W = [[0.0, 1.0]] * 3
KEPT = [
    {"weights": [3.99, 0.9262, 1.683], "shares": [0.2058, 0.1901, 0.6041], "windows": W},
    {"weights": [1.333, 0.4883, 2.011], "shares": [0.283, 0.3248, 0.3922], "windows": W},
]


def test_the_numbers_of_a_generation_stay_what_they_were():
    """What a shared text means must not change with a version of the pack or of the package behind it."""
    search = searched(7, 2)
    assert [numbers_of(c.mixture) for c in search.candidates[1:3]] == KEPT


def test_a_single_number_can_be_searched():
    one = Mixture((Expert(None, [], weight=1.0),), (1.0,))
    search = begun_or_resumed(one, Settings(vary="weights"), "")
    for _ in range(8):
        gaps = [abs(math.log(c.mixture.experts[0].weight / 3.0)) for c in search.candidates]
        search.tell(tuple(i + 1 for i in np.argsort(gaps)[:3].tolist()))
    assert search.best.mixture.experts[0].weight == pytest.approx(3.0, rel=0.15)


def state(**changes):
    return json.dumps(json.loads(searched(1, 1).text()) | changes)


@pytest.mark.parametrize("text, words", [
    ("3 1", "holds no state of a search"),
    ("[1, 2]", "holds no state of a search"),
    ("{\"version\": 1", "holds no state of a search"),
    (state(version=2), "version 2"),
    (state(told=[{"good": ["one"]}]), "missing or garbled"),
    (state(told=[{"good": [1.5]}]), "missing or garbled"),
    (state(told=3), "missing or garbled"),
    (state(told=[{"good": [9]}]), "candidates 1 to 6, not 9"),
    (state(told=[{"good": [2, 2]}]), "marked twice"),
    (state(spread=float("nan")), "missing or garbled"),
    (state(spread=-1.0), "spread must be"),
    (state(count=True), "missing or garbled"),
    (state(count=1000), "from 2 to 64"),
    (state(vary="all"), "is not one of"),
    (state(start={"weights": [1, 1]}), "other numbers than the mixture has now"),
    (state(start=None), "missing or garbled"),
])
def test_a_bad_text_is_told_in_a_sentence(text, words):
    with pytest.raises(ValueError, match=words) as told:
        begun_or_resumed(START, Settings(), text)
    assert "\n" not in str(told.value)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(ValueError, match="package cmaes") as told:
        begun_or_resumed(START, Settings(), "")
    assert "pip install" not in str(told.value)             # the registry's scan stops at it
