"""Fixtures of the page's tests. `page` has the canvas that the page chooses; tests of both have one of their own."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.host import Host
from unite_and_conquer.devtools.paths import PACK


@pytest.fixture(scope="module")
def pack_nodes(host: Host) -> dict[str, Any]:
    """The pack's nodes as the page sees them: {id: what /object_info says}."""
    return {name: info for name, info in host.object_info().items() if info["python_module"].endswith(PACK)}


@pytest.fixture(scope="module")
def page(stand_ins: None, host: Host, browser: Any) -> Iterator[Page]:
    """The page of a host that has all checkpoints of the example workflows, with the search that a user gets."""
    with opened(browser, host, Page, NodeSearchBoxImpl="default") as page:
        yield page
