"""Fixtures of the sampling tests."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from support import spaces
from unite_and_conquer.devtools.inprocess import InProcess


@pytest.fixture(scope="module")
def two_unets(unets: list[Any]) -> list[Any]:
    """The first two of `unets`."""
    return unets[:2]


@pytest.fixture
def mapped_noise(
    comfy: InProcess, monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Sequence[torch.Tensor]], None]:
    """Makes the noise of foreign blocks the lead's, mapped: mapped_noise([M of each foreign group])."""
    def use(matrices: Sequence[torch.Tensor]) -> None:
        def mapped(self: Any, own: torch.Tensor) -> list[torch.Tensor]:
            return [own, *(spaces.through(m, own) for m in matrices)]
        monkeypatch.setattr(comfy.module("mcdm.host.spaces.several").SeveralSpaces, "noise", mapped)
    return use
