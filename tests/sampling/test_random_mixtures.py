"""Random mixtures of everything that can be mixed, against eq. 10 in float64: each evaluation and the whole run.

`--mixtures 1000` draws more of them, `--first 1000` others.
"""
import pytest
import torch

from support.eq10.draw import draw
from support.eq10.drawn import Drawn, Member, Mixer, Options
from support.eq10.networks import Network, Space
from support.eq10.runs import deviations

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        first, count = (metafunc.config.getoption(name) for name in ("--first", "--mixtures"))
        metafunc.parametrize("seed", range(first, first + count))


def check(comfy, drawn):
    found = deviations(comfy, drawn)
    assert found.worst <= 5e-5, found
    assert max(found.sums, default=0.0) <= 1e-6, found
    assert not found.unseen, found


def test_a_random_mixture_is_equation_10(comfy, seed):
    check(comfy, draw(seed))


# ------------------------------------------------------------------------------------------- what luck seldom finds

def test_cfg_zero_acts_where_weights_under_a_mask_have_the_sum_1(comfy):
    """w = 2 at half strength: the null has no coefficient in eq. 10, and s = W / M = 2."""
    half = torch.full((1, 64, 64), 0.5)
    alone = Member(Network(Space(0), "eps", 3), 1, 100, 2.0, mask=half)
    check(comfy, Drawn(Mixer([alone]), [(1, 4, 8, 8)], (0.2, 0.5), Options(cfg_zero=True)))


def test_a_null_that_a_function_asks_for_may_count_in_no_band(comfy):
    lead = Member(Network(Space(0), "eps", 3), 1, 100, 2.0, bands=(1.0, 0.5, 0.0))
    other = Member(Network(Space(1), "eps", 4), 2, 101, 1.5, function="same", sees_null=True)
    check(comfy, Drawn(Mixer([lead, other], (1.0, 0.0)), [(1, 4, 8, 8)], (0.2, 0.5)))
