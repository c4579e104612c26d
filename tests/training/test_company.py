"""What the words' expert learns in the company of others: own parts beside strangers, other looks, small things."""
import dataclasses

import numpy as np
import pytest
import torch

from unite_and_conquer.training.datasets import company, faces
from unite_and_conquer.training.datasets.dataset import channels_first
from unite_and_conquer.training.diffusion import SIGMA_DATA, loss

OWN, STRANGER = 255, 0                          # grey values of the pictures; 1 and -1 for the network


@pytest.mark.parametrize("attribute, values, weight", [
    ("smile", (True, False), company.MOUTH), ("glasses", ("none", "sunglasses"), company.EYES)])
def test_what_a_word_changes_counts_more(attribute, values, weight):
    rng = np.random.default_rng(5)
    for number in range(24):
        face = faces.random_face(rng, faces.STYLES[number % 3])
        one, two = (faces.draw(dataclasses.replace(face, **{attribute: value}))[0].astype(int) for value in values)
        changed = np.abs(one - two).sum(2)
        weights = company.importance(face)
        assert changed[weights >= weight].sum() > 0.97 * changed.sum()
        assert (weights >= weight).mean() < 0.1


def test_a_twin_has_the_same_lines_and_other_words():
    rng = np.random.default_rng(6)
    face = faces.random_face(rng, "poster")
    other = company.twin(face, rng)
    assert (faces.draw(face)[1] == faces.draw(other)[1]).mean() > 0.999      # the regions
    assert faces.words(face) != faces.words(other)


def grey(value, count=8):
    return torch.full((count, 3, 64, 64), value, dtype=torch.uint8)


def test_what_is_learned_is_ones_own_part_and_others_only_as_far_as_they_are_there():
    bags, twin_bags = torch.tensor([[1, 0]] * 8), torch.tensor([[0, 1]] * 8)
    dataset = company.InCompany(
        grey(OWN), bags, "words", {}, twins=grey(STRANGER), twin_bags=twin_bags, weights=torch.full((8, 64, 64), 2))
    batch = dataset.batch(np.random.default_rng(1), 400, labels=2)
    null = ~batch.inputs["labels"].any(1)       # some of them because all words were left out
    low = batch.highest == company.LAST_WORD
    assert torch.isinf(batch.highest[~low]).all() and 0.15 < low.float().mean() < 0.35
    mixed = low & (batch.pictures > -1).flatten(1).any(1)
    assert mixed.any() and null[mixed].all() and (batch.weight[mixed] == 2).all()
    other = low & ~mixed
    assert (batch.pictures[other] == -1).all()
    assert not batch.inputs["labels"][other, 0].any() and not batch.inputs["labels"][~low, 1].any()
    # Of the rest, a pixel counts by as much of it as is one's own.
    own = batch.pictures[~low, :1] / 2 + 0.5
    torch.testing.assert_close(batch.weight[~low], 2 * own, rtol=0, atol=1e-6)
    share = own.mean((1, 2, 3))
    assert (share < 1).float().mean() > 0.3 and share[share < 1].mean() == pytest.approx(0.5, abs=0.05)


def test_the_loss_counts_pixels_by_their_weight():
    rng = torch.Generator().manual_seed(0)
    x, found, weight = (torch.randn(shape, generator=rng) for shape in ((2, 3, 4, 4), (2, 3, 4, 4), (2, 1, 4, 4)))
    sigma = torch.tensor([0.1, 3.0])
    levels = [1 / 0.04 + 1 / SIGMA_DATA ** 2, 1 / 9 + 1 / SIGMA_DATA ** 2]
    wanted = sum(((found[i] - x[i]).square() * weight[i]).mean() * levels[i] for i in range(2)) / 2
    torch.testing.assert_close(loss(found, x, sigma, weight), wanted)
    torch.testing.assert_close(loss(found, x, sigma), loss(found, x, sigma, torch.ones_like(weight)))


def test_drawings_in_company_are_those_of_the_style():
    pictures, bags, weights, twins, twin_bags = company.drawings("poster", 3, seed=6)
    assert pictures.shape == twins.shape == (3, 64, 64, 3) and weights.shape == (3, 64, 64)
    assert bags.shape == twin_bags.shape and (bags.sum(1) == 8).all() and (twin_bags.sum(1) == 8).all()
    assert channels_first(torch.from_numpy(twins)).shape == (3, 3, 64, 64)
