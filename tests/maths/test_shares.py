"""mcdm/shares.py against its equations by hand in float64, and eq. 10 cell by cell."""
import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unite_and_conquer.mcdm import fusion
from unite_and_conquer.mcdm.mixture import Expert, Mixture, Options
from unite_and_conquer.mcdm.shares import SHARES, complaint, reliabilities_of, shares_of

WEIGHT = st.floats(-6, 8)
PART = st.floats(0, 1)


def normalised(numbers):
    total = math.fsum(numbers)
    return [n / total for n in numbers]


def by_hand(weights, shares):
    """The reliabilities that DESIGN's rule gives, in float64; None where W = 1."""
    excess = math.fsum(weights) - 1
    if abs(excess) < 1e-9:
        return None
    return normalised([max((w - s) / excess, 0.0) for w, s in zip(weights, shares, strict=True)])


def mixture(weights, numbers, meaning=SHARES, **options):
    experts = tuple(Expert(None, [], weight=w, name=f"e{i}") for i, w in enumerate(weights, 1))
    return Mixture(experts, tuple(numbers), options=Options(**options), meaning=meaning)


def drawn(data, count=None):
    """Weights and shares of some experts."""
    n = count or data.draw(st.integers(2, 5))
    weights = data.draw(st.lists(WEIGHT, min_size=n, max_size=n))
    shares = data.draw(st.lists(PART, min_size=n, max_size=n).filter(lambda s: sum(s) > 0.01))
    return weights, normalised(shares)


# ------------------------------------------------------------------------------------------------ numbers

@given(st.data())
@settings(max_examples=500, deadline=None)
def test_shares_of_any_weights_over_any_schedule(data):
    """Sum, clamp, negative weights, schedules: at a point of the schedule the rule by hand, and what it promises."""
    weights, shares = drawn(data)
    weights_end, shares_end = drawn(data, len(weights))
    percent = data.draw(PART)
    made = mixture(weights, shares, weights_end=tuple(weights_end), numbers_end=tuple(shares_end))
    now = [w + (e - w) * percent for w, e in zip(weights, weights_end, strict=True)]
    asked = [s + (e - s) * percent for s, e in zip(shares, shares_end, strict=True)]
    excess = math.fsum(now) - 1
    assume(abs(excess) > 1e-3)
    for x, w, e in zip(now, weights, weights_end, strict=True):     # of a weight that crosses zero, rounding is zero
        assume(w * e >= 0 or abs(x) > 1e-5 * max(abs(w), abs(e)))

    a, met = made.balance(percent)
    assert math.fsum(a) == pytest.approx(1.0, abs=1e-12) and math.fsum(met) == pytest.approx(1.0, abs=1e-9)
    assert all(0 <= number <= 1 for number in a)
    assert a == pytest.approx(by_hand(now, asked), abs=1e-7)
    possible = all((w - s) / excess >= 0 for w, s in zip(now, asked, strict=True))
    if possible:
        assert met == pytest.approx(asked, abs=1e-6)
    for w, s, number in zip(now, asked, a, strict=True):
        if (w - s) / excess < 0:
            assert number == 0


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_there_and_back(data):
    """Whatever reliabilities give shares in [0, 1], these shares give the reliabilities."""
    weights, a = drawn(data)
    assume(abs(math.fsum(weights) - 1) > 0.05)
    shares = shares_of(weights, a)
    assert math.fsum(shares) == pytest.approx(1.0, abs=1e-12)
    assert reliabilities_of(weights, shares) == pytest.approx(a, abs=1e-7)
    if min(shares) >= 0:
        as_shares = mixture(weights, a, "reliabilities").meaning_as(SHARES)
        assert as_shares.balance()[0] == pytest.approx(a, abs=1e-7)
        assert as_shares.meaning_as("reliabilities").numbers == pytest.approx(a, abs=1e-7)


@pytest.mark.parametrize("weights, shares, wanted", [
    ((3.0, 3.0), (0.5, 0.5), (0.5, 0.5)),
    ((3.0, 3.0), (0.0, 1.0), (0.6, 0.4)),
    ((3.0, 3.0), (1.0, 0.0), (0.4, 0.6)),
    ((2.0, 5.0), (1.0, 0.0), (1 / 6, 5 / 6)),
    ((2.0, 5.0), (0.0, 1.0), (1 / 3, 2 / 3)),
    ((1.5, 1.5, 2.5), (0.0, 0.0, 1.0), (1 / 3, 1 / 3, 1 / 3)),     # "all equal" of the first workflow
    ((5.0, 5.0), (0.5, 0.5), (0.5, 0.5)),       # the paper's w
    ((0.5, 3.0), (1.0, 0.0), (0.0, 1.0)),       # 1 > w_1: clamped
    ((0.5, 0.3), (0.2, 0.8), (0.0, 1.0)),       # W < 1: 0.2 < w_1 is the far side
    ((0.0, 0.0), (0.3, 0.7), (0.3, 0.7)),       # nothing but nulls
    ((4.0,), (1.0,), (1.0,)),
])
def test_known_settings(weights, shares, wanted):
    assert reliabilities_of(weights, shares) == pytest.approx(wanted, abs=1e-12)


@given(st.floats(-5, 5), st.lists(PART, min_size=2, max_size=2).filter(lambda s: sum(s) > 0.01))
def test_weights_that_sum_to_one_leave_shares_without_meaning(weight, shares):
    weights, asked = (weight, 1 - weight), normalised(shares)
    a = reliabilities_of(weights, asked)
    assert math.fsum(a) == pytest.approx(1.0) and min(a) >= 0
    met = shares_of(weights, a)
    assert met == pytest.approx(weights, abs=1e-8)
    said = complaint(["a", "b"], weights, asked, met)
    assert said == "" if abs(weight - asked[0]) < 9e-4 else abs(weight - asked[0]) < 1.1e-3 or "sum to 1" in said


def test_what_the_log_says_of_a_clamp():
    weights, asked = (0.5, 3.0), (0.9, 0.1)
    said = complaint(["hair", "words"], weights, asked, shares_of(weights, reliabilities_of(weights, asked)))
    assert "'hair' has 0.5 instead of 0.9" in said and "'words' has 0.5 instead of 0.1" in said
    assert complaint(["hair", "words"], (3.0, 3.0), (0.9, 0.1), (0.9, 0.1)) == ""


# ------------------------------------------------------------------------------------------------ cells

@given(st.integers(1, 4), st.data())
@settings(max_examples=500, deadline=None)
def test_masked_shares_are_equation_10_in_every_cell(n, data):
    """Both DESIGN's rule for shares under masks and eq. 10 by hand in float64."""
    cells = 5
    weights = data.draw(st.lists(st.floats(-4, 4, width=32), min_size=n, max_size=n))
    raw = st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n).filter(lambda s: sum(s) > 0.01)
    shares = normalised(data.draw(raw))
    in_the_mask = st.lists(st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0]), min_size=cells, max_size=cells)
    masks = [torch.tensor(data.draw(in_the_mask)).view(1, 1, 1, cells) for _ in range(n)]
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    conditions = [torch.randn(2, 3, 1, cells, generator=generator) for _ in range(n)]
    nulls = [torch.randn(2, 3, 1, cells, generator=generator) for _ in range(n)]

    c = fusion.coefficients(weights, shares, masks)
    a = reliabilities_of(c.weights, c.reliabilities)
    fused = fusion.fuse(fusion.null_blend(nulls, a), conditions, c.weights).double()

    for cell in range(cells):
        m = [mask[..., cell].item() for mask in masks]
        w = [x * k for x, k in zip(weights, m, strict=True)]
        active = [s * k for s, k in zip(shares, m, strict=True)]
        s = normalised(active) if sum(active) > 0 else shares
        by_rule = s if abs(math.fsum(w) - 1) < 1e-5 else by_hand(w, s)
        null = sum(x * d[..., cell].double() for x, d in zip(by_rule, nulls, strict=True))
        wanted = sum(x * d[..., cell].double() for x, d in zip(w, conditions, strict=True)) - (math.fsum(w) - 1) * null
        assert (fused[..., cell] - wanted).abs().max() <= 3e-5 * max(1.0, wanted.abs().max())


def test_where_an_expert_acts_alone_the_look_is_its_own_and_where_nobody_acts_it_is_as_asked():
    left, right = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 1, 3), torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 3)
    c = fusion.coefficients([3.0, 2.0], [0.25, 0.75], [left, right])
    a = reliabilities_of(c.weights, c.reliabilities)
    first, second = (share.flatten().tolist() for share in shares_of(c.weights, a))
    assert first == pytest.approx([1, 0, 0.25], abs=1e-6) and second == pytest.approx([0, 1, 0.75], abs=1e-6)


def test_a_complaint_about_a_part_of_the_picture():
    mask = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 4)
    c = fusion.coefficients([0.5, 3.0], [0.9, 0.1], [1.0, mask])
    a = reliabilities_of(c.weights, c.reliabilities)
    said = complaint(["a", "b"], c.weights, c.reliabilities, shares_of(c.weights, a))
    assert "in 25% of the picture" in said


# ------------------------------------------------------------------------------------------------ mixtures

@pytest.mark.parametrize("numbers", [(0.0, 0.0), (-1.0, 2.0), (math.nan, 1.0), (1.0,)])
def test_shares_that_make_no_sense_are_refused(numbers):
    with pytest.raises(ValueError, match="[Ss]hares"):
        mixture((1.0, 1.0), numbers)


def test_an_unknown_meaning_is_refused():
    with pytest.raises(ValueError, match="reliabilities, shares.*'looks'"):
        mixture((1.0, 1.0), (1, 1), "looks")


@given(st.data(), st.integers(0, 1), PART)
@settings(max_examples=200, deadline=None)
def test_a_share_that_is_varied_is_the_share(data, index, share):
    """From either meaning, with another weight, at both ends of the schedule."""
    weights, numbers = drawn(data, 3)
    meaning = data.draw(st.sampled_from(["reliabilities", SHARES]))
    made = mixture(weights, numbers, meaning, weights_end=(3.0, 2.0, 4.0))
    varied = made.varied({2: 4.0}, {index: share}, SHARES)
    assert varied.meaning == SHARES
    for percent in (0.0, 1.0):
        assert varied.at(percent)[1][index] == pytest.approx(share, abs=1e-9)
        assert varied.at(percent)[0][2] == 4.0
        assert math.fsum(varied.at(percent)[1]) == pytest.approx(1.0, abs=1e-9)
