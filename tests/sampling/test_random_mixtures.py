"""Random mixtures of everything that can be mixed, against eq. 10 in float64: each evaluation and the whole run.

`--mixtures 1000` draws more of them, `--first 1000` others.
"""
import pytest

from support.eq10.draw import draw
from support.eq10.runs import deviations

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def pytest_generate_tests(metafunc):
    first, count = (metafunc.config.getoption(name) for name in ("--first", "--mixtures"))
    metafunc.parametrize("seed", range(first, first + count))


def test_a_random_mixture_is_equation_10(comfy, seed):
    found = deviations(comfy, draw(seed))
    assert found.worst <= 5e-5, found
    assert max(found.sums, default=0.0) <= 1e-6, found
    assert not found.unseen, found
