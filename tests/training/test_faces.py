"""The promise of the dataset faces, with real sampling: fusion beats each expert alone, and the words hold as well."""

import pytest

from unite_and_conquer.bench import faces as bench

ALONE = {"hair map alone, w = 1": {"hair": 1.0}, "skin map alone, w = 1": {"skin": 1.0}}
FUSED = "hair + skin, w = 1"
WORDS = "hair + skin + text, w = 1.5, 1.5, 2.5"
CONDITIONS, STEPS = 16, 10      # one batch; docs/results.md has more of both


@pytest.fixture(scope="module")
def figures(comfy):
    return bench.measure(comfy, CONDITIONS, ALONE | {k: bench.SETTINGS[k] for k in (FUSED, WORDS)}, steps=STEPS)[0]


@pytest.fixture(scope="module")
def ceiling(figures):
    return figures["real drawings (ceiling of the parser)"]


@pytest.mark.parametrize("region", ["hair", "skin"])
def test_two_maps_together_are_followed_better_than_either_alone(figures, ceiling, region):
    fused = figures[FUSED][f"{region} IoU"]
    assert fused > max(figures[name][f"{region} IoU"] for name in ALONE)
    assert fused >= 0.85 * ceiling[f"{region} IoU"]


@pytest.mark.parametrize("region", ["hair", "skin"])
def test_the_maps_hold_when_words_are_added(figures, ceiling, region):
    assert figures[WORDS][f"{region} IoU"] >= 0.8 * ceiling[f"{region} IoU"]


def test_the_words_are_there(figures, ceiling):
    assert ceiling["attributes"] > 0.97
    assert figures[WORDS]["attributes"] >= 0.9


def test_without_words_the_attributes_are_chance(figures):
    assert figures[FUSED]["attributes"] < 0.45
