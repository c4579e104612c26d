"""Numbers as texts of mixers: a mixture made of them has the same numbers to the last bit."""
import math
import random

import pytest

from unite_and_conquer.mcdm.chaining import joined
from unite_and_conquer.mcdm.mixture import Expert, Mixture
from unite_and_conquer.mcdm.parsing import parse_reliabilities
from unite_and_conquer.mcdm.writing import between, settled, texts_of


def made(texts, chain):
    """What the nodes make of the texts, by their own code."""
    mixture = None
    for text, count in reversed(list(zip(texts, chain, strict=True))):
        slots = range(1, count + 1)
        experts = {slot: Expert(None, [], name=str(slot)) for slot in slots}
        numbers = parse_reliabilities(text, slots, mixture=len(mixture.experts) if mixture else 0)
        if mixture is None:
            mixture = Mixture(tuple(experts.values()), numbers)
        else:
            mixture = joined(experts, numbers, mixture, False, "reliabilities")
    return mixture


@pytest.mark.parametrize("seed", range(300))
def test_the_nodes_read_what_was_written(seed):
    chance = random.Random(seed)
    chain = (*(chance.randint(0, 4) for _ in range(chance.randint(0, 3))), chance.randint(1, 5))
    numbers = [chance.choice([0, chance.random(), chance.random() ** 6]) for _ in range(sum(chain))]
    numbers[-1] += 0.01
    numbers = [number / math.fsum(numbers) for number in numbers]
    mixture = made(texts_of(numbers, chain), chain)
    assert mixture.numbers == settled(numbers, chain) == pytest.approx(numbers, abs=1e-11)
    assert made(texts_of(mixture.numbers, chain), chain).numbers == mixture.numbers
    assert len(chain) == 1 or mixture.chain == chain


@pytest.mark.parametrize("numbers, chain, texts", [
    ((0.25, 0.75), (2,), ("0.25, 0.75",)),
    ((0.1, 0.45, 0.45), (1, 2), ("0.1, 0.9", "0.5, 0.5")),
    ((1.0, 0.0, 0.0), (1, 2), ("1, 0", "0.5, 0.5")),
    ((1 / 3, 1 / 3, 1 / 3), (3,), ("0.333333333334, 0.333333333333, 0.333333333333",)),
])
def test_texts_are_as_short_as_they_can_be(numbers, chain, texts):
    assert texts_of(numbers, chain) == texts


def test_the_numbers_of_bypassed_slots_stay():
    assert between("0.25, 0.75", "1, 2, 3", [1, 3], False) == "0.25, 0.5, 0.75"
    assert parse_reliabilities("0.25, 0.5, 0.75", [1, 3]) == (0.25, 0.75)
    assert between("0.5, 0.3, 0.2", "1 1 2 1", [1, 3], True) == "0.5, 0.25, 0.3, 0.2"
    assert between("0.5, 0.5", "", [1, 2], False) == "0.5, 0.5"
