"""Fixtures of the sampling tests."""
from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def two_unets(unets: list[Any]) -> list[Any]:
    """The first two of `unets`."""
    return unets[:2]
