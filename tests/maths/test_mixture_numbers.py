"""mcdm/mixture.py: weights and numbers over the schedule, as reliabilities and as shares, alone and varied."""
import dataclasses
import math

import pytest

from unite_and_conquer.mcdm.mixture import Expert, Mixture
from unite_and_conquer.mcdm.options import Options


def mixture(weights, numbers, meaning="reliabilities", slots=(), **options):
    experts = tuple(Expert(model=None, condition=[], weight=w, name=f"e{i}") for i, w in enumerate(weights))
    return Mixture(experts, numbers, options=Options(**options), meaning=meaning, slots=slots)


def close(found, wanted):
    return found == pytest.approx(wanted, abs=1e-12)


# ------------------------------------------------------------------------------------------------------ what is refused

@pytest.mark.parametrize("ends", [(1.0,), (1.0, 2.0, 3.0)])
def test_end_weights_are_one_for_each_expert(ends):
    with pytest.raises(ValueError, match=f"{len(ends)} end weights were given for 2 experts"):
        mixture((1.0, 2.0), (1.0, 1.0), weights_end=ends)


@pytest.mark.parametrize("weights, ends", [
    ((1.0, -1.0), ()), ((1.0, -2.0), ()), ((1.1, -1.0), ()), ((1.0, 1.0), (3.0, -3.0)),
])
def test_weights_that_cancel_are_refused_with_a_guidance_interval(weights, ends):
    with pytest.raises(ValueError, match="cancel each other.*Change a weight, or the interval"):
        mixture(weights, (1.0, 1.0), weights_end=ends, interval=(0.5, 3.0))
    mixture(weights, (1.0, 1.0), weights_end=ends)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (2.0, -1.0), (1.3, -1.0)])
def test_other_weights_are_not(weights):
    """No condition at all, and a sum of more than a tenth of the sizes."""
    mixture(weights, (1.0, 1.0), interval=(0.5, 3.0))


def test_ends_of_reliabilities_are_normalised_and_checked():
    assert close(mixture((1.0, 1.0), (1.0, 3.0), numbers_end=(3.0, 1.0)).options.numbers_end, (0.75, 0.25))
    with pytest.raises(ValueError, match="Reliabilities must not all be zero"):
        mixture((1.0, 1.0), (1.0, 3.0), numbers_end=(0.0, 0.0))
    with pytest.raises(ValueError, match="at least one share must be above 0"):
        mixture((1.0, 1.0), (0.0, 0.0), "shares")


# --------------------------------------------------------------------------------------------------- over the schedule

@pytest.mark.parametrize("curve, share", [("linear", 0.25), ("cosine", (1.0 - math.cos(math.pi / 4)) / 2.0)])
def test_weights_and_numbers_move_to_their_ends(curve, share):
    moving = mixture((1.0, 3.0), (1.0, 3.0), weights_end=(5.0, 1.0), numbers_end=(1.0, 0.0), curve=curve)
    weights, numbers = moving.at(0.25)
    assert close(weights, (1.0 + 4.0 * share, 3.0 - 2.0 * share))
    assert close(numbers, (0.25 + 0.75 * share, 0.75 - 0.75 * share))
    assert close(moving.at(1.0)[0], (5.0, 1.0))
    assert moving.scheduled


def test_without_ends_nothing_moves():
    still = mixture((1.0, 3.0), (1.0, 3.0))
    assert still.at(0.0) == still.at(0.7) == ((1.0, 3.0), (0.25, 0.75))
    assert not still.scheduled
    assert mixture((1.0, 3.0), (1.0, 3.0), weights_end=(1.0, 2.0)).scheduled
    assert mixture((1.0, 3.0), (1.0, 3.0), numbers_end=(1.0, 2.0)).scheduled


def test_a_weight_that_crosses_zero_is_zero_there():
    """Noise levels are float32: what rounding leaves of the place in the schedule is not a weight."""
    crossing = mixture((-0.125, 1.0), (1.0, 1.0), weights_end=(0.125, 1.0))
    assert crossing.at(0.5 + 1e-8)[0][0] == 0.0
    assert crossing.at(0.5 + 1e-3)[0][0] == pytest.approx(0.25e-3)
    assert mixture((0.0, 1.0), (1.0, 1.0), weights_end=(1.0, 1.0)).at(1e-8)[0][0] == 1e-8      # which begins there


# ----------------------------------------------------------------------------------------------------- its two meanings

def test_balance_says_reliabilities_and_shares():
    """s_i = w_i - (W - 1) a_i."""
    reliabilities, shares = mixture((2.0, 5.0), (1.0, 3.0)).balance()
    assert close(reliabilities, (0.25, 0.75)) and close(shares, (2.0 - 6.0 * 0.25, 5.0 - 6.0 * 0.75))
    reliabilities, shares = mixture((2.0, 5.0), (1.0, 3.0), "shares").balance()
    assert close(shares, (0.25, 0.75)) and close(reliabilities, ((2.0 - 0.25) / 6.0, (5.0 - 0.75) / 6.0))


def test_the_other_meaning_is_the_same_mixture_at_both_ends():
    given = mixture((2.0, 3.0), (1.0, 3.0), "shares", weights_end=(4.0, 3.0))
    turned = given.meaning_as("reliabilities")
    for percent in (0.0, 1.0):
        for found, wanted in zip(turned.balance(percent), given.balance(percent), strict=True):
            assert close(found, wanted)
    assert turned.meaning == "reliabilities" and given.meaning_as("shares") is given


def test_a_share_below_zero_becomes_zero():
    turned = mixture((5.0, 5.0), (0.0, 1.0)).meaning_as("shares")       # shares 5 and -4
    assert close(turned.numbers, (1.0, 0.0))


# ------------------------------------------------------------------------------------------------------ others like it

def test_alone_an_expert_keeps_its_slot_and_its_end_weight():
    two = mixture((1.0, 2.0), (1.0, 3.0), slots=(2, 5), weights_end=(3.0, 4.0), numbers_end=(1.0, 1.0), rescale=0.5)
    one = two.alone(1)
    assert one.experts == two.experts[1:] and one.numbers == (1.0,) and one.slots == (5,)
    assert one.options == Options(weights_end=(4.0,), rescale=0.5)
    assert mixture((1.0, 2.0), (1.0, 3.0)).alone(0).options == Options()


def test_varied_reliabilities_leave_the_rest_to_the_others_in_their_proportion():
    three = mixture((1.0, 1.0, 1.0), (2.0, 1.0, 3.0), numbers_end=(1.0, 1.0, 2.0))
    varied = three.varied({0: 4.0}, {0: 0.2})
    assert [e.weight for e in varied.experts] == [4.0, 1.0, 1.0]
    assert close(varied.numbers, (0.2, 0.8 / 4.0, 0.8 * 3.0 / 4.0))
    assert close(varied.options.numbers_end, (0.2, 0.8 / 3.0, 0.8 * 2.0 / 3.0))
    assert close(three.varied({}, {0: 1.0}).numbers, (1.0, 0.0, 0.0))
    lone = mixture((1.0, 1.0, 1.0), (1.0, 0.0, 0.0)).varied({}, {0: 0.5})
    assert close(lone.numbers, (0.5, 0.25, 0.25))           # the others had none: equally


def test_varied_weights_hold_throughout_the_schedule():
    varied = mixture((1.0, 2.0), (1.0, 1.0), weights_end=(3.0, 4.0)).varied({1: 9.0}, {})
    assert varied.at(0.0)[0] == (1.0, 9.0) and varied.at(1.0)[0] == (3.0, 9.0)
    assert varied.numbers == (0.5, 0.5)


def test_varied_shares_are_of_that_meaning():
    varied = mixture((2.0, 2.0), (1.0, 1.0)).varied({}, {0: 0.9}, "shares")
    assert varied.meaning == "shares" and close(varied.numbers, (0.9, 0.1))


def test_more_than_all_is_none_and_less_than_all_of_everybody_an_error():
    two = mixture((1.0, 1.0), (1.0, 1.0))
    assert two.varied({}, {0: 0.7, 1: 0.4}) is None
    assert two.varied({}, {0: 1.5}) is None
    assert close(two.varied({}, {0: 0.7, 1: 0.3}).numbers, (0.7, 0.3))
    with pytest.raises(ValueError, match="Reliabilities must sum to 1, and there is no other expert"):
        two.varied({}, {0: 0.2, 1: 0.3})


def test_slots_are_counted_where_none_are_given():
    assert mixture((1.0, 1.0), (1.0, 1.0)).slots == (1, 2)
    assert dataclasses.replace(mixture((1.0, 1.0), (1.0, 1.0)), slots=(3, 4)).slots == (3, 4)
