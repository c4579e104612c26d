"""examples/fuse_two_gaussians.py, run from elsewhere as a reader runs it: its samples are what it says of theory."""
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fuse_two_gaussians.py"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The numbers of each printed line.

    w1, w2, a1, a2, mean of the points (x, y), mean by equation 10 (x, y), spread
    """
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run = subprocess.run([sys.executable, EXAMPLE], cwd=elsewhere, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [list(map(float, line.split())) for line in run.stdout.splitlines()[1:]]


def test_the_points_lie_where_equation_10_says(rows):
    assert len(rows) == 5
    for *_, x, y, wanted_x, wanted_y, spread in rows:
        assert (x, y) == pytest.approx((wanted_x, wanted_y), abs=0.03)
        assert spread == pytest.approx(0.5, abs=0.01)


def test_the_theory_is_right_by_hand(rows):
    """Nulls at (0, 0) and (1, -1), conditions at (2, 0) and (1, 2)."""
    assert [row[6:8] for row in rows] == [
        [2.5, 2.5],         # (2, 0) + (1, 2) - (0.5, -0.5)
        [3.0, 2.0],         # (2, 0) + (1, 2) - (0, 0)
        [4.5, 5.5],         # 2 (2, 0) + 2 (1, 2) - 3 (0.5, -0.5)
        [3.0, 7.0],         # 2 (2, 0) + 2 (1, 2) - 3 (1, -1)
        [6.0, 0.0],         # 3 (2, 0) - 2 (0, 0)
    ]
