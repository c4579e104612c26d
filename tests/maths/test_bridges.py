"""mcdm/bridges.py: several latent spaces against one, closed forms, and what lossy bridges must not touch."""
import math

import pytest
import torch

from unite_and_conquer.mcdm import bridges, fusion

SHAPE = 2, 3, 4, 4


def noise(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(matrix):
    """A bridge by a matrix over all channels and pixels."""
    def way(z):
        return (z.flatten(1) @ matrix.T).view(-1, *SHAPE[1:]) if matrix.shape[0] == math.prod(SHAPE[1:]) else (
            z.flatten(1) @ matrix.T)
    return way


def orthogonal(seed, scale=1.0):
    n = math.prod(SHAPE[1:])
    q, _ = torch.linalg.qr(noise(seed, (n, n)))
    return q * scale


def identity(z):
    return z


def mixture(mask=1.0):
    """Two conditions and two nulls of two experts: eq. 10 in one space, and the two groups' parts."""
    conditions, nulls = [noise(1), noise(2)], [noise(3), noise(4)]
    c = fusion.coefficients([1.5, 2.5], [0.25, 0.75], [1.0, mask])
    whole = fusion.fuse(fusion.null_blend(nulls, c.reliabilities), conditions, c.weights)
    parts = [(w * d + c.null * a * n, w + c.null * a)
             for w, a, d, n in zip(c.weights, c.reliabilities, conditions, nulls, strict=True)]
    return whole, parts, conditions


def stripes():
    return (torch.arange(4) % 2).double().expand(1, 1, 4, 4)


@pytest.mark.parametrize("mask", [1.0, stripes()], ids=["everywhere", "masked"])
def test_bridges_that_change_nothing_give_equation_10(mask):
    whole, ((own, _), (theirs, g)), conditions = mixture(mask)
    fused = bridges.fuse(own, conditions[0], [bridges.ForeignPart(identity, identity, theirs, g, g)])
    assert (fused - whole).abs().max() < 1e-12


@pytest.mark.parametrize("reference", [0, 1])
def test_orthogonal_maps_give_equation_10_in_three_spaces(reference):
    maps = [orthogonal(5, 3.0), orthogonal(6, 0.2)]
    estimates = [noise(seed) for seed in (7, 8, 9)]
    numbers = [-0.75, 1.25, 0.5]
    whole = sum(g * d for g, d in zip(numbers, estimates, strict=True))
    parts = [bridges.ForeignPart(linear(m), linear(torch.linalg.inv(m)), g * linear(m)(d), g, g)
             for m, g, d in zip(maps, numbers[1:], estimates[1:], strict=True)]
    fused = bridges.fuse(numbers[0] * estimates[0], estimates[reference], parts)
    assert (fused - whole).abs().max() < 1e-12


@pytest.mark.parametrize("g", [-2.0, 0.0, 0.4, 1.0, 3.0])
def test_what_a_space_cannot_show_is_the_leads_whatever_the_weights(g):
    """A bridge that keeps 12 of 48 numbers: the foreign expert moves these, and the rest of D is that of the lead."""
    keep = orthogonal(10)[:12]
    lead, theirs = noise(11), noise(12, (2, 12))
    part = bridges.ForeignPart(linear(keep), linear(keep.T), g * theirs, g, g)
    fused = bridges.fuse((1 - g) * lead, lead, [part])
    shown, wanted = linear(keep)(fused), (1 - g) * linear(keep)(lead) + g * theirs
    assert (shown - wanted).abs().max() < 1e-12
    hidden = fused - linear(keep.T)(shown)
    assert (hidden - (lead - linear(keep.T)(linear(keep)(lead)))).abs().max() < 1e-12


def test_an_expert_that_agrees_changes_nothing_through_any_bridge():
    """Neither map is linear, nor one the other's inverse: what the lead drew comes back to the last digit."""
    there, back = noise(13, (48, 48)), noise(14, (48, 48))
    lead = noise(15)

    def forth(z):
        return torch.tanh(linear(there)(z))

    part = bridges.ForeignPart(forth, lambda z: torch.sin(linear(back)(z)), 0.7 * forth(lead), 0.7, 0.7)
    assert (bridges.fuse(0.3 * lead, lead, [part]) - lead).abs().max() < 1e-12


def test_a_guidance_that_cancels_crosses_as_a_difference():
    """g_s = 0: the group adds only its pull, w (D - N), and its space need not know the lead's picture."""
    pull, m = noise(16), orthogonal(17, 2.0)
    part = bridges.ForeignPart(linear(m), linear(torch.linalg.inv(m)), linear(m)(pull), 0.0, 0.0)
    assert (bridges.fuse(noise(18), noise(19), [part]) - noise(18) - pull).abs().max() < 1e-12


def test_without_the_lead_the_foreign_group_draws():
    theirs, keep = noise(20, (2, 12)), orthogonal(21)[:12]
    reference = linear(keep.T)(theirs)
    part = bridges.ForeignPart(linear(keep), linear(keep.T), theirs, 1.0, 1.0)
    assert (bridges.fuse(None, reference, [part]) - reference).abs().max() < 1e-12


def test_each_picture_of_a_batch_is_fused_by_itself():
    """Through a bridge that goes both ways at once, and loses much."""
    keep = orthogonal(26)[:12]
    shape = 5, *SHAPE[1:]
    own = noise(27, shape)
    reference = noise(28, shape)
    theirs = noise(29, (5, 12))
    ways = linear(keep), linear(keep.T)
    whole = bridges.fuse(own, reference, [bridges.ForeignPart(*ways, theirs, 0.7, 0.7)])
    for i in range(5):
        row = slice(i, i + 1)
        alone = bridges.fuse(own[row], reference[row], [bridges.ForeignPart(*ways, theirs[row], 0.7, 0.7)])
        assert (whole[row] - alone).abs().max() < 1e-12


def test_gaussian_experts_in_two_spaces_meet_their_closed_form():
    """Each expert knows a Gaussian of deviation s; fused, its mean is that of eq. 10, and the flow has a solution:

        z(sigma) = mu + sqrt((s^2 + sigma^2) / (s^2 + sigma_0^2)) (z_0 - mu)
    """
    s = 0.7
    top = 20.0
    g = 1.6
    own_mean = noise(22)
    their_mean = noise(23)
    m = orthogonal(24)
    there, back = linear(m), linear(m.T)
    sigmas = torch.cat([torch.logspace(math.log10(top), -3, 2500, dtype=torch.float64), torch.zeros(1).double()])
    z = noise(25) * top
    theirs = there(z)                       # its noise is the lead's, mapped

    def expert(x, mu, sigma):
        return (sigma ** 2 * mu + s ** 2 * x) / (s ** 2 + sigma ** 2)

    def estimate(z, theirs, sigma):
        own = expert(z, own_mean, sigma)
        part = bridges.ForeignPart(there, back, g * expert(theirs, there(their_mean), sigma), g, g)
        fused = bridges.fuse((1 - g) * own, own, [part])
        return fused, there(fused)

    for sigma, after in zip(sigmas[:-1], sigmas[1:], strict=True):      # midpoints
        middle = (sigma + after) / 2
        first, first_theirs = estimate(z, theirs, sigma)
        mid = z + (middle - sigma) * (z - first) / sigma
        mid_theirs = theirs + (middle - sigma) * (theirs - first_theirs) / sigma
        d, d_theirs = estimate(mid, mid_theirs, middle)
        z = z + (after - sigma) * (mid - d) / middle
        theirs = theirs + (after - sigma) * (mid_theirs - d_theirs) / middle
    mu = (1 - g) * own_mean + g * their_mean
    wanted = mu + s / math.sqrt(s ** 2 + top ** 2) * (noise(25) * top - mu)
    assert (z - wanted).abs().max() < 1e-4
    assert (theirs - there(z)).abs().max() < 1e-9


def test_the_reference_is_the_mean_of_a_space():
    assert torch.equal(bridges.mean([noise(1)]), noise(1))
    assert torch.allclose(bridges.mean([noise(1), noise(2)]), (noise(1) + noise(2)) / 2)
