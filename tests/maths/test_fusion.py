"""mcdm/fusion.py against eq. 10 written by hand in float64, and closed forms."""
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unite_and_conquer.mcdm import fusion

FINITE = st.floats(-4, 4, width=32)


def by_hand(conditions, nulls, weights, reliabilities, masks):
    """Eq. 10 cell by cell in float64; DESIGN's rule for masks."""
    out = torch.zeros_like(conditions[0], dtype=torch.float64)
    for cell in range(out.shape[-1]):
        m = [mask[cell].item() for mask in masks]
        shares = [a * k for a, k in zip(reliabilities, m, strict=True)]
        total = math.fsum(shares)
        a = [s / total for s in shares] if total > 0 else reliabilities
        w = [x * k for x, k in zip(weights, m, strict=True)]
        null = sum(x * d[..., cell].double() for x, d in zip(a, nulls, strict=True))
        asked = sum(x * d[..., cell].double() for x, d in zip(w, conditions, strict=True))
        out[..., cell] = asked - (math.fsum(w) - 1) * null
    return out


@given(st.integers(1, 4), st.data())
@settings(max_examples=200, deadline=None)
def test_masked_fusion_is_equation_10_in_every_cell(n, data):
    weights = data.draw(st.lists(FINITE, min_size=n, max_size=n))
    raw = data.draw(st.lists(st.floats(0, 2, width=32), min_size=n, max_size=n).filter(lambda a: sum(a) > 0.01))
    reliabilities = [a / sum(raw) for a in raw]
    cells = 5
    in_the_mask = st.lists(st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0]), min_size=cells, max_size=cells)
    masks = [torch.tensor(data.draw(in_the_mask)) for _ in range(n)]
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    conditions = [torch.randn(2, 3, 1, cells, generator=generator) for _ in range(n)]
    nulls = [torch.randn(2, 3, 1, cells, generator=generator) for _ in range(n)]

    c = fusion.coefficients(weights, reliabilities, [m.view(1, 1, 1, cells) for m in masks])
    null = None if fusion.vanishes(c.null) else fusion.null_blend(nulls, c.reliabilities)
    fused = fusion.fuse(null, conditions, c.weights)

    wanted = by_hand(conditions, nulls, weights, reliabilities, masks)
    assert (fused.double() - wanted).abs().max() <= 2e-5 * max(1.0, wanted.abs().max())


def test_a_tiny_reliability_is_all_there_is_where_nobody_else_is_active():
    off, on = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.25)
    assert [r.item() for r in fusion.coefficients([0.0, 0.0], [1.0, 1.4e-45], [off, on]).reliabilities] == [0.0, 1.0]


@given(st.lists(FINITE, min_size=1, max_size=5), st.data())
def test_numbers_and_full_masks_agree(weights, data):
    n = len(weights)
    reliabilities = [1 / n] * n
    by_number = fusion.coefficients(weights, reliabilities, [1.0] * n)
    by_mask = fusion.coefficients(weights, reliabilities, [torch.ones(1, 1, 2, 2)] * n)
    numbers, tensors = (c.weights + c.reliabilities for c in (by_number, by_mask))
    for number, tensor in zip(numbers, tensors, strict=True):
        assert torch.allclose(torch.full((1, 1, 2, 2), number), tensor, atol=1e-6)


@given(st.floats(-20, 20), st.integers(0, 1000))
def test_one_expert_is_the_hosts_guidance_to_the_last_bit(weight, seed):
    generator = torch.Generator().manual_seed(seed)
    condition, null = (torch.randn(1, 4, 8, 8, generator=generator) for _ in range(2))
    c = fusion.coefficients([weight], [1.0], [1.0])
    fused = fusion.fuse(fusion.null_blend([null], c.reliabilities), [condition], c.weights)
    assert torch.equal(fused, null + (condition - null) * weight)


def test_coefficients_sum_to_one_so_that_a_constant_picture_stays():
    constant = torch.full((1, 3, 4, 4), 0.37)
    for weights in ([1.0, 1.0], [3.0, -1.5, 0.2], [0.0]):
        n = len(weights)
        mask = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(n))
        c = fusion.coefficients(weights, [1 / n] * n, [mask] + [1.0] * (n - 1))
        fused = fusion.fuse(fusion.null_blend([constant] * n, c.reliabilities), [constant] * n, c.weights)
        assert torch.allclose(fused, constant, atol=1e-6)


def test_where_nobody_is_active_the_plain_reliabilities_decide():
    off = torch.zeros(1, 1, 1, 2)
    c = fusion.coefficients([2.0, 3.0], [0.25, 0.75], [off, off])
    nulls = [torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[5.0, 6.0]]]])]
    fused = fusion.fuse(fusion.null_blend(nulls, c.reliabilities), [torch.full((1, 1, 1, 2), 99.0)] * 2, c.weights)
    assert torch.allclose(fused, torch.tensor([[[[4.0, 5.0]]]]))


@pytest.mark.parametrize("weights, masks, needed", [
    ([1.0], [1.0], False),
    ([0.5, 0.5], [1.0, 1.0], False),
    ([2.0, -1.0], [1.0, 1.0], False),
    ([1.0, 1.0], [1.0, 1.0], True),
    ([1.0, 1.0], "halves", False),
    ([1.0, 2.0], "halves", True),
    ([1.0], [0.0], True),
])
def test_the_null_is_needed_where_the_weights_do_not_sum_to_one(weights, masks, needed):
    if masks == "halves":
        left = torch.tensor([1.0, 0.7, 0.0]).view(1, 1, 1, 3)
        masks = [left, 1 - left]
    n = len(weights)
    assert fusion.vanishes(fusion.coefficients(weights, [1 / n] * n, masks).null) is not needed


@given(st.integers(1, 4), st.booleans(), st.data())
@settings(max_examples=100, deadline=None)
def test_without_guidance_the_weights_sum_to_one_where_they_can(n, masked, data):
    """In float64: divided by their sum, but for sums that are negative or less than the rounding of the weights."""
    weights = data.draw(st.lists(FINITE, min_size=n, max_size=n))
    dice = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    masks = [torch.rand(1, 1, 1, 8, generator=dice) if masked else 1.0 for _ in range(n)]
    c = fusion.without_guidance(fusion.coefficients(weights, [1 / n] * n, masks))
    for cell in range(8):
        w = [weight * float(mask[..., cell] if masked else 1.0) for weight, mask in zip(weights, masks, strict=True)]
        total, size = math.fsum(w), math.fsum(map(abs, w))
        if abs(total - 0.1 * size) < 1e-3 or abs(total) < 1e-3:
            continue                    # so near the border that rounding decides
        expected = [x / total for x in w] if total > 0.1 * size else w
        given_ = [float(x[..., cell]) if isinstance(x, torch.Tensor) else x for x in c.weights]
        assert given_ == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("phi", [0.0, 0.3, 1.0])
def test_cfg_rescale_is_equations_15_and_16(phi):
    dice = torch.Generator().manual_seed(1)
    fused, *conditions = (torch.randn(2, 3, 4, 4, generator=dice) * size for size in (5.0, 1.0, 2.0))
    found = fusion.rescale(fused, conditions, phi)
    for row in range(2):
        mean = (conditions[0][row].double() + conditions[1][row].double()) / 2
        own = fused[row].double()
        expected = own * (phi * mean.std() / own.std() + 1 - phi)
        assert torch.allclose(found[row].double(), expected, rtol=1e-5)


def test_without_a_null_the_weighted_sum_remains():
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[5.0, 7.0]])
    assert torch.equal(fusion.fuse(None, [a, b], [0.25, 0.75]), torch.tensor([[4.0, 5.75]]))


def test_a_mask_is_averaged_over_latent_cells_and_clamped():
    mask = torch.zeros(16, 16)
    mask[:8, :4] = 3.0
    latent = fusion.latent_mask(mask, (2, 4, 2, 2))
    assert latent.shape == (1, 1, 2, 2)
    assert torch.equal(latent[0, 0], torch.tensor([[0.5, 0.0], [0.0, 0.0]]))


def test_a_batch_of_masks_goes_to_the_rows_and_is_repeated_as_the_host_does():
    masks = torch.stack([torch.zeros(8, 8), torch.ones(8, 8)])
    assert fusion.latent_mask(masks, (3, 4, 1, 1)).flatten().tolist() == [0.0, 1.0, 0.0]
    assert fusion.latent_mask(masks, (1, 4, 1, 1)).flatten().tolist() == [0.0]


def test_a_batch_of_masks_means_frames_for_video():
    masks = torch.stack([torch.full((8, 8), v) for v in (0.0, 1.0, 1.0, 0.0)])
    latent = fusion.latent_mask(masks, (1, 16, 2, 1, 1))
    assert latent.shape == (1, 1, 2, 1, 1)
    assert latent.flatten().tolist() == [0.5, 0.5]
