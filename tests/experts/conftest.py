"""Fixtures of the experts' tests."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support import vectors
from support.dit_experts import FAMILIES
from unite_and_conquer.devtools.inprocess import InProcess


@pytest.fixture(scope="module")
def load_expert(comfy: InProcess) -> Callable[..., Any]:
    """The pack's own function: (path, name, dtype) -> MODEL."""
    return comfy.module("mcdm.experts.load").load_expert


@pytest.fixture(scope="module")
def load_dit(load_expert: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """load_dit("dit" or "sit", name, weight_dtype, **changes to the sidecar) -> MODEL."""
    def load(network: str, name: str = "expert.safetensors", weight_dtype: Any = None, **changes: Any) -> Any:
        path = vectors.place(network, tmp_path_factory.mktemp(network), name, **changes)
        return load_expert(str(path), name, weight_dtype)
    return load


@pytest.fixture(scope="module")
def dits(load_dit: Callable[..., Any]) -> dict[str, Any]:
    """The recorded DiT and SiT."""
    return {family: load_dit(family) for family in FAMILIES}
