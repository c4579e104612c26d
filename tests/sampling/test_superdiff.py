"""SuperDiff, of MCDMCorrected, against Gaussian experts: the shares of modes, and densities in closed form."""
import math

import pytest
import torch
from torch.distributions import Normal

from support.gaussians import NULL, drawn, mixture, model, of_one_cell, off

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


@pytest.fixture
def densities(comfy, monkeypatch):
    """The log densities of the last run, {expert: [N]}."""
    module = comfy.module("mcdm.host.particles.particle_sampler")
    made = []

    class Kept(module.SuperDiff):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)
    monkeypatch.setattr(module, "SuperDiff", Kept)
    return lambda: made[-1].log_densities


def log_q(x, mean, variance):
    """log density [N] of a Gaussian of four cells at x [N, 4]."""
    return Normal(torch.tensor(mean).double(), torch.tensor(variance).double().sqrt()).log_prob(x).sum(1)


APART = of_one_cell(3.0, 0.25), of_one_cell(-3.0, 0.25)


def test_either_keeps_the_shares_of_two_modes_and_knows_its_densities(comfy, densities):
    wired = mixture(comfy, model(), [(g, 1.0) for g in APART], NULL)
    x = drawn(comfy, wired, 400, 1000, method="SuperDiff OR")
    right = (x[:, 0] > 0).double()
    assert abs(right.mean() - 0.5) <= 3 * 0.5 / math.sqrt(len(x))
    assert max(off(x[right > 0, 0], 3.0, 0.25)) <= 4.0
    own = torch.where(right > 0, densities()[0], densities()[1])
    true = torch.where(right > 0, log_q(x, *APART[0]), log_q(x, *APART[1]))
    assert (own - true).abs().mean() <= 0.1


@pytest.mark.parametrize("count", [2, 3])
def test_both_makes_log_densities_equal(comfy, densities, count):
    """Beside averaging, which eq. 10 does with weights 1 / count."""
    gaussians = [of_one_cell(1.0, 0.25), ([-0.5, 1.5, 0.5, -1.0], [1.0, 0.5, 1.0, 0.5]), of_one_cell(-1.0, 0.6)][:count]
    wired = mixture(comfy, model(), [(g, 1.0) for g in gaussians], NULL)
    averaged = mixture(comfy, model(), [(g, 1.0 / count) for g in gaussians], NULL)
    x, mean = drawn(comfy, wired, 300, 300, method="SuperDiff AND"), drawn(comfy, averaged, 300, 300, method="none")
    apart = []
    for s in (x, mean):
        apart.append(max((log_q(s, *g) - log_q(s, *gaussians[0])).abs().mean() for g in gaussians))
    assert apart[0] < 0.25 * apart[1]


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 3.0), (1.0, 2.0, 0.5)])
def test_both_keeps_its_own_log_densities_equal_whatever_the_weights(comfy, densities, weights):
    """By its own account, which the step that follows brings to zero: no other step does."""
    gaussians = [of_one_cell(1.0, 0.25), ([-0.5, 1.5, 0.5, -1.0], [1.0, 0.5, 1.0, 0.5]), of_one_cell(-1.0, 0.6)]
    wired = mixture(comfy, model(), list(zip(gaussians, weights, strict=False)), NULL)
    drawn(comfy, wired, 50, 20, method="SuperDiff AND")
    first, *others = densities().values()
    assert len(others) == len(weights) - 1
    for other in others:
        assert (other - first).abs().max() <= 1e-6 * first.abs().max()
