"""mcdm/mixture.py: what is refused, and in which words."""
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unite_and_conquer.mcdm.mixture import Expert, Mixture
from unite_and_conquer.mcdm.options import Options
from unite_and_conquer.mcdm.parsing import parse_reliabilities


def expert(**changes):
    return Expert(**({"model": None, "condition": [], "name": "hair"} | changes))


@pytest.mark.parametrize("changes, word", [
    ({"weight": math.nan}, "weight"),
    ({"weight": math.inf}, "weight"),
    ({"start": 0.5, "end": 0.5}, "window"),
    ({"start": 0.7, "end": 0.2}, "window"),
    ({"start": -0.1}, "window"),
    ({"end": 1.5}, "window"),
    ({"mask": torch.tensor([[math.nan]])}, "mask"),
    ({"scale": 0.0}, "scale"),
    ({"scale": math.inf}, "scale"),
])
def test_an_expert_that_makes_no_sense_is_named(changes, word):
    with pytest.raises(ValueError, match="Expert 'hair'") as error:
        expert(**changes)
    assert word in str(error.value)


@pytest.mark.parametrize("changes", [{"start": 0.0, "end": 1.0}, {"start": 0.99}, {"end": 0.01}, {"scale": 1e-3}])
def test_an_expert_at_the_borders_of_what_is_legal(changes):
    assert expert(**changes)


def test_a_mixture_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="at least one expert"):
        Mixture((), ())
    with pytest.raises(ValueError, match="one of reliabilities, shares, not 'votes'"):
        Mixture((expert(),), (1.0,), meaning="votes")


def test_wires_name_their_networks():
    """In their order, with the VAEs of experts of other latent spaces, if the host keeps these in a patcher."""
    hair, words = expert(model="hair net"), expert(model="word net", vae=SimpleNamespace(patcher="word vae"))
    assert expert(model="bare", vae=SimpleNamespace()).get_models() == ["bare"]
    assert Mixture((hair, words), (1.0, 1.0)).get_models() == ["hair net", "word net", "word vae"]


def test_slots_are_counted_from_one_unless_they_are_told():
    assert Mixture((expert(), expert()), (1.0, 1.0)).slots == (1, 2)
    assert Mixture((expert(), expert()), (1.0, 1.0), slots=(2, 5)).slots == (2, 5)


def test_numbers_at_the_end_of_the_schedule_are_normalised_too():
    mixture = Mixture((expert(), expert()), (1.0, 1.0), options=Options(numbers_end=(3.0, 1.0)))
    assert mixture.options.numbers_end == (0.75, 0.25)
    with pytest.raises(ValueError, match="[Rr]eliabilities"):
        Mixture((expert(), expert()), (1.0, 1.0), options=Options(numbers_end=(3.0,)))


def test_what_a_log_says_of_them_is_short():
    hair = expert(weight=1.5, mask=torch.ones(64, 64))
    words = expert(name="words", weight=-2, condition=[[torch.zeros(9), {}]])
    assert repr(hair) == "'hair' (w 1.5)"
    assert repr(Mixture((hair, words), (1, 2))) == (
        "'hair' (w 1.5, a 0.333, share 2) + 'words' (w -2, a 0.667, share -1)")


@pytest.mark.parametrize("weight", [0.0, -3.5, 1e9])
def test_any_finite_weight_is_legal(weight):
    assert expert(weight=weight).weight == weight


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8).filter(lambda a: sum(a) > 0))
def test_reliabilities_are_normalised(numbers):
    mixture = Mixture(tuple(expert() for _ in numbers), tuple(numbers))
    assert math.isclose(math.fsum(mixture.numbers), 1.0, rel_tol=1e-9)
    total = math.fsum(numbers)
    assert all(math.isclose(a * total, number, rel_tol=1e-9, abs_tol=1e-300)
               for a, number in zip(mixture.numbers, numbers, strict=True))


@pytest.mark.parametrize("numbers", [
    (0.0, 0.0), (-1.0, 2.0), (math.nan, 1.0), (math.inf, 1.0), (1.0,), (1.0, 1.0, 1.0),
])
def test_reliabilities_that_make_no_sense_are_refused(numbers):
    with pytest.raises(ValueError, match="[Rr]eliabilities"):
        Mixture((expert(), expert()), numbers)


@pytest.mark.parametrize("text, slots, wanted", [
    ("", (1, 2, 3, 4), (0.25,) * 4),
    ("  ", (1, 2), (0.5, 0.5)),
    ("1, 0.5", (1, 2), (1.0, 0.5)),
    ("1 0.5", (1, 2), (1.0, 0.5)),
    ("1,0.5", (1, 2), (1.0, 0.5)),
    (" .5 , 2 0 ", (1, 2, 3), (0.5, 2.0, 0.0)),
    ("1e-3, 1", (1, 2), (0.001, 1.0)),
    ("3", (1,), (3.0,)),
    ("1, 0.5", (2, 5), (1.0, 0.5)),                 # as many as experts: in order
    ("1, 2, 3", (2, 3), (2.0, 3.0)),                # enough for the highest slot: by slot
    ("1, 2, 3", (1, 3), (1.0, 3.0)),
    ("1, 2, 3", (1, 2), (1.0, 2.0)),
    ("1, 2, 3", (3,), (3.0,)),
    ("1 2 3 4 5", (2, 4), (2.0, 4.0)),
    ("0, 1", (1,), (1.0,)),                         # what is left is zero: equal
    ("0 0 1", (1, 2), (0.5, 0.5)),
])
def test_reliabilities_are_read(text, slots, wanted):
    assert parse_reliabilities(text, slots) == wanted


def test_numbers_that_are_passed_over_are_told(caplog):
    caplog.set_level("INFO", "mcdm")
    parse_reliabilities("1, 2", (1, 2))
    parse_reliabilities("1, 2", (3, 5))
    assert not caplog.messages
    parse_reliabilities("0.2, 0.3, 0.5", (1, 3), "Shares")
    assert caplog.messages == [
        "MCDM: Shares '0.2, 0.3, 0.5': 3 numbers, 2 in use, are read by slot; no expert arrives at 2, so the "
        "numbers there are skipped."]


@pytest.mark.parametrize("text, slots", [
    ("1, two", (1, 2)), ("1,,2", (1, 2)), (",1 2", (1, 2)), ("1, 2,", (1, 2)), ("-1, 2", (1, 2)), ("nan 1", (1, 2)),
    ("inf, 1", (1, 2)), ("1;2", (1, 2)), ("1_0, 2", (1, 2)), ("1, 2, x", (1, 2)),
    ("1", (1, 2)), ("1 2 3", (1, 4)), ("1 2", (1, 2, 3)), ("1 2", (3,)),
    ("0,5 0,5", (1, 2)), ("0,5 0.5", (1, 2)), ("0,5, 0,5", (1, 2)),     # decimal commas
])
def test_reliabilities_that_cannot_be_read_are_refused_with_an_example(text, slots):
    with pytest.raises(ValueError, match="Reliabilities") as error:
        parse_reliabilities(text, slots)
    assert text in str(error.value)
