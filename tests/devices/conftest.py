"""Fixtures of the tests with graphics cards."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support import accelerator


@pytest.fixture(scope="module")
def cards(comfy: Any) -> Iterator[accelerator.Cards]:
    """Two cards, on the first of which the host works."""
    if accelerator.compiler() is None:
        pytest.skip("the cards of the tests are compiled by g++ on Linux, which is not here, or torch has no headers")
    with accelerator.believed() as made:
        yield made


@pytest.fixture(autouse=True)
def left_as_it_was(cards: accelerator.Cards, as_the_host_runs_its_nodes: None) -> Iterator[None]:
    """Every test finds the first card current, no float64 forbidden and nothing about to fail."""
    yield
    assert cards.current == 0
