"""Fixtures of the guards, which need no running host."""
from __future__ import annotations

from typing import Any

import pytest

from unite_and_conquer.devtools.inprocess import InProcess
from unite_and_conquer.devtools.translations import nodes_of_the_pack


@pytest.fixture(scope="session")
def pack_nodes(comfy: InProcess) -> dict[str, Any]:
    """The pack's nodes as the host would list them: {id: what /object_info says}."""
    return nodes_of_the_pack(comfy)
