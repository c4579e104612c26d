"""The densities of `dev.py bench target` against Tweedie's formula and against numbers that are known."""
import math

import torch

from unite_and_conquer.bench import target
from unite_and_conquer.bench.target import Case, Component

MODES = [Component(0.3, (-1.0, 0.5), 0.2), Component(0.7, (1.0, 2.0), 0.6)]


def test_estimates_are_tweedies():
    """D = z + sigma^2 grad log q_sigma, by autograd; the cells beside the density's own are N(0, 1)."""
    z = torch.randn(9, 4, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    noised = [part._replace(variance=part.variance + 0.49) for part in MODES]
    x = z.flatten(1).clone().requires_grad_()
    rest = [Component(1.0, (0.0, 0.0), 1.49)]
    (target.log_density(noised, x[:, :2]) + target.log_density(rest, x[:, 2:])).sum().backward()
    assert torch.allclose(target.estimate(MODES, z, 0.7).flatten(1), x.detach() + 0.49 * x.grad, atol=1e-12)


def test_the_product_of_gaussians_is_the_known_one():
    case = Case("", [([Component(1.0, (1.0,), 0.25)], 2.0)], [Component(1.0, (0.0,), 1.0)])
    found = target.moments(target.product(case), target.grid(1))
    assert math.isclose(found["mean"], 8 / 7, abs_tol=1e-3) and math.isclose(found["variance"], 1 / 7, abs_tol=2e-3)


def test_the_divergence_by_hand():
    p, q = torch.tensor([0.5, 0.5]).double(), torch.tensor([0.25, 0.75]).double()
    assert math.isclose(target.divergence(p, q, 100), 0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel_tol=1e-12)
    assert target.divergence(p, torch.tensor([1.0, 0.0]).double(), 100) > 1.5
