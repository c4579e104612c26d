"""Under a noise mask, networks of one mixture that want the kept part of a picture otherwise: each gets its own."""
from __future__ import annotations

import itertools

import pytest
import torch

from unite_and_conquer.devtools.families import FAMILIES, measure

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

# Cosmos-Predict2 wants the kept part clean, Wan and Qwen as noisy as the rest.
NAMES = "CosmosT2IPredict2", "WAN21_T2V", "QwenImage"


@pytest.mark.parametrize("lead, other", list(itertools.permutations(NAMES, 2)))
def test_the_kept_part_is_as_each_network_wants_it(comfy, lead, other):
    """Eq. 10 of what the host's own guider answers for each alone under the same mask."""
    by_name = {family.name: family for family in FAMILIES}
    experts = [measure.built(by_name[name], seed) for seed, name in enumerate((lead, other), start=1)]
    shape = measure.shared(*(one.family for one in experts))
    generator = torch.Generator().manual_seed(5)
    noise, latent = (torch.randn(1, *shape, generator=generator) for _ in range(2))
    mask = torch.zeros(1, 1, *shape[1:])
    mask[..., shape[-1] // 2:] = 1.0
    kept = {"noise": noise, "latent": latent, "mask": mask}
    expected = measure.eq10(*(measure.estimates(one, shape, **kept) for one in experts))
    guider = comfy.call("MCDMGuider", mixture=measure.mixture(comfy, experts, shape))[0]
    answer = measure.asked(guider, *measure.framed(experts[0], measure.point(experts[0].family, shape)), **kept)
    drawn = mask.bool().expand(1, *shape)
    assert measure.relative(answer[drawn], expected[drawn]) <= 2e-5
