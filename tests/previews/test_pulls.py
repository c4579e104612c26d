"""How much each expert pulls, against closed forms in float64."""
from __future__ import annotations

import pytest
import torch

from support.mixtures import mix
from support.observed import MEANS, NULLS, WEIGHTS, observed

SHARES = 0.2, 0.5, 0.3


def left_half():
    mask = torch.zeros(1, 64, 64)
    mask[..., :32] = 1.0
    return mask


def test_pulls_are_the_norms_of_the_guidance_in_float64(comfy, gaussians):
    """Three experts, one under a mask, in a batch of two: |w_i m_i (D_i - D_0)| of the first picture, in shares."""
    halves = None, left_half(), None
    experts = [gaussians[i].expert(comfy, MEANS[i], NULLS[i], WEIGHTS[i], mask=halves[i]) for i in range(3)]
    for g in gaussians:
        g.asked.clear()
    seen = observed(comfy, mix(comfy, experts, "0.2, 0.5, 0.3"), batch=2)
    assert len(seen) == 3
    inside = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    inside[..., :4] = 1.0
    masks = [1.0, inside, 1.0]
    total = sum(a * m for a, m in zip(SHARES, masks, strict=True))
    for (pulls, _), (x, sigma) in zip(seen, gaussians[0].asked, strict=True):
        null = sum(SHARES[i] * masks[i] / total * gaussians[i].denoised(x, sigma, NULLS[i]) for i in range(3))
        d = [gaussians[i].denoised(x, sigma, MEANS[i]) for i in range(3)]
        norms = [float((WEIGHTS[i] * masks[i] * (d[i] - null)).square().sum().sqrt()) for i in range(3)]
        assert pulls == pytest.approx([n / sum(norms) for n in norms], rel=1e-5)
        assert sum(pulls) == pytest.approx(1.0)
        assert min(pulls) > 0.01 and max(pulls) - min(pulls) > 0.1          # three figures that differ


def test_an_expert_outside_its_window_pulls_nothing_and_shows_nothing(comfy, gaussians):
    early = gaussians[1].expert(comfy, -2.0, 0.5, 1.0, end_percent=0.2)
    seen = observed(comfy, mix(comfy, [gaussians[0].expert(comfy, 1.0, 0.0, 2.0), early], "1, 0"))
    assert 0.0 < seen[0][0][1] < 1.0
    assert seen[-1][0] == [1.0, 0.0]
    assert list(seen[-1][1].denoised) == [0]


def test_without_a_null_the_pull_is_from_the_fused_estimate(comfy, gaussians):
    """w = 0.25, 0.75 sum to one: fused = sum w_i D_i, so |w_i (D_i - fused)| is 0.25 * 0.75 |D_0 - D_1| for both.

    Nothing is evaluated for it.
    """
    gaussians[0].asked.clear()
    experts = gaussians[0].expert(comfy, 1.0, 0.0, 0.25), gaussians[1].expert(comfy, -2.0, 0.5, 0.75)
    seen = observed(comfy, mix(comfy, experts))
    assert [o.null for _, o in seen] == [None] * 3
    assert [p for p, _ in seen] == [pytest.approx([0.5, 0.5])] * 3
    assert len(gaussians[0].asked) == 3
    alone = observed(comfy, mix(comfy, [gaussians[0].expert(comfy, 1.0, 0.0, 1.0)]))
    # nobody moves anything: whoever was asked has all of it
    assert [p for p, _ in alone] == [[1.0]] * 3
