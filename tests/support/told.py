"""Guards that say what to write where, and nothing else."""
from __future__ import annotations

from collections.abc import Iterable

import pytest


def nothing_is_left(to_do: Iterable[str]) -> None:
    """Fails with these lines alone, each of which names a file and what it lacks."""
    if lines := list(to_do):
        pytest.fail("\n".join(lines), pytrace=False)
