"""The space of a mixture's numbers: every point is a valid mixture, and the way back leads to the same numbers."""
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unite_and_conquer.mcdm.mixture import Expert, Mixture, Options
from unite_and_conquer.mcdm.search_space import DIGITS, FLOOR, VARY, SearchSpace, in_digits, log_ratios, parts

LARGE = st.floats(-40, 40)
FEW = settings(deadline=None, max_examples=60)


def mixture(weights, numbers=None, windows=None, meaning="reliabilities", **options):
    windows = windows or [(0.0, 1.0)] * len(weights)
    experts = [Expert(None, [], weight=w, start=a, end=b, name=f"e{i}")
               for i, (w, (a, b)) in enumerate(zip(weights, windows, strict=True), 1)]
    return Mixture(tuple(experts), tuple(numbers or [1.0] * len(weights)), meaning=meaning, options=Options(**options))


@FEW
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda s: sum(s) > 1e-3))
def test_parts_come_back(whole):
    total = math.fsum(whole)
    assert parts(log_ratios(whole)) == pytest.approx([part / total for part in whole], abs=1e-9)


def test_log_ratios_are_an_isometry():
    """The distance of two points is that of the centred logs: an orthonormal basis, Egozcue et al. 2003."""
    a, b = (0.2, 0.3, 0.5), (0.6, 0.3, 0.1)

    def centred(whole):
        logs = [math.log(FLOOR + (1 - len(whole) * FLOOR) * part) for part in whole]
        return [log - sum(logs) / len(logs) for log in logs]
    assert math.dist(log_ratios(a), log_ratios(b)) == pytest.approx(math.dist(centred(a), centred(b)), rel=1e-12)


@FEW
@given(st.lists(LARGE, min_size=1, max_size=7))
def test_any_numbers_are_parts_that_sum_to_one(ratios):
    whole = in_digits(parts(ratios))
    assert min(whole) >= 0 and sum(round(part * 10 ** DIGITS) for part in whole) == 10 ** DIGITS
    assert all(round(part, DIGITS) == part for part in whole)
    assert whole == pytest.approx(parts(ratios), abs=10.0 ** -DIGITS)


@FEW
@given(st.data())
def test_every_point_is_a_mixture_with_its_own_numbers(data):
    count = data.draw(st.integers(1, 5))
    weight = st.one_of(st.just(0.0), st.floats(0.01, 9), st.floats(-3, -0.01))
    start = mixture(data.draw(st.lists(weight, min_size=count, max_size=count)))
    space = SearchSpace(start, data.draw(st.sampled_from(VARY)), data.draw(st.booleans()))
    point = data.draw(st.lists(LARGE, min_size=space.size, max_size=space.size))
    found = space.mixture(space.numbers(point))
    for before, after in zip(start.experts, found.experts, strict=True):
        assert math.copysign(1, before.weight) == math.copysign(1, after.weight)
        assert (before.weight == 0) == (after.weight == 0)
    if space.divided:
        shares = space.numbers(point).shares
        assert found.numbers == pytest.approx(shares, rel=4e-16, abs=0)          # their sum is 1, but for rounding


@pytest.mark.parametrize("vary", VARY)
def test_the_mixture_itself_is_a_point(vary):
    start = mixture((1.5, 2.0, 0.7), (0.3, 0.5, 0.2), [(0.0, 1.0), (0.25, 1.0), (0.1, 0.6)])
    space = SearchSpace(start, vary, windows=True)
    found = space.mixture(space.numbers(space.point()))
    assert [e.weight for e in found.experts] == [1.5, 2.0, 0.7]
    for before, after in zip(start.experts, found.experts, strict=True):
        assert (after.start, after.end) == pytest.approx((before.start, before.end), abs=1e-4)
    assert found.balance()[0] == pytest.approx(start.balance()[0], abs=1e-3)


def test_a_share_far_outside_is_taken_for_the_nearest():
    space = SearchSpace(mixture((5.0, 5.0), (1.0, 0.0)))            # shares -4 and 5
    assert space.numbers(space.point()).shares == (0.0, 1.0)


def test_what_is_found_holds_throughout_the_schedule():
    start = mixture((1.0, 2.0), (1.0, 1.0), weights_end=(3.0, 3.0), numbers_end=(1.0, 0.0))
    space = SearchSpace(start)
    found = space.mixture(space.numbers(space.point()))
    assert found.at(0.0) == found.at(1.0)


def test_weights_alone_leave_the_numbers_and_their_meaning():
    start = mixture((1.0, 2.0), (0.3, 0.7))
    space = SearchSpace(start, "weights")
    found = space.mixture(space.numbers([1.0, 1.0]))
    assert space.size == 2 and found.numbers == start.numbers and found.meaning == start.meaning
