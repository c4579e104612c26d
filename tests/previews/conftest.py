"""Experts whose answers are known."""
from __future__ import annotations

import pytest

from support.observed import SPREADS, Gaussian
from unite_and_conquer.devtools.inprocess import InProcess


@pytest.fixture(scope="module")
def gaussians(comfy: InProcess) -> list[Gaussian]:
    return [Gaussian(seed, spread) for seed, spread in enumerate(SPREADS)]
