"""The verdict on fresh seeds, against scipy-free closed forms, and its words."""
import math
import statistics

import pytest
import torch

from unite_and_conquer.mcdm.tuning.verdict import T, in_words, paired


def quantile(df):
    """Student's t at 97.5 %, by integrating its density in float64."""
    x = torch.linspace(0, 60, 600001, dtype=torch.float64)
    log = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    density = torch.exp(log - (df + 1) / 2 * torch.log1p(x * x / df))
    mass = torch.cumulative_trapezoid(density, x)
    return float(x[1:][torch.searchsorted(mass, 0.475)])


@pytest.mark.parametrize("df", [1, 2, 5, 9, 30])
def test_the_table_is_students(df):
    assert T[df - 1] == pytest.approx(quantile(df), abs=2e-3)


def test_paired_differences():
    before = [0.1, 0.4, 0.2, 0.9]
    after = [0.3, 0.5, 0.5, 1.1]
    found = paired(before, after)
    differences = [b - a for a, b in zip(before, after, strict=True)]
    assert found.mean == pytest.approx(0.2)
    assert found.high - found.mean == pytest.approx(3.182 * statistics.stdev(differences) / 2)
    assert paired([0.1, math.nan, 0.3], [0.2, 0.5, 0.5]).pairs == 2
    assert paired([0.1], [0.2]) is None


@pytest.mark.parametrize("before, after, words", [
    ([0.0, 0.1, 0.0], [0.5, 0.6, 0.52], "better."),
    ([0.5, 0.6, 0.52], [0.0, 0.1, 0.0], "worse."),
    ([0.0, 0.5, 0.2], [0.1, 0.4, 0.3], "cannot tell."),
])
def test_it_says_what_the_interval_says(before, after, words):
    assert words in in_words(paired(before, after), improved=True, constant=False)


def test_it_says_what_is_not_known():
    assert "cannot tell one from another" in in_words(None, True, constant=True)
    assert "Nothing better" in in_words(None, False, False)
    assert "without fresh seeds" in in_words(None, True, False)
