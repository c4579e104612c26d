"""The page with the reliability pad, on the classic canvas and on the newer one ("Vue nodes")."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from unite_and_conquer.devtools.browser import opened
from unite_and_conquer.devtools.host import Host
from unite_and_conquer.devtools.pad_page import Pad


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "vue"])
def page(request: pytest.FixtureRequest, host: Host, browser: Any) -> Iterator[Pad]:
    with opened(browser, host, Pad, vue=request.param) as pad:
        assert pad.page.evaluate("() => !!LiteGraph.vueNodesMode") == request.param
        yield pad


@pytest.fixture(autouse=True)
def silence(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test of the pad may make the page complain."""
    yield
    if "page" in request.fixturenames:
        assert request.getfixturevalue("page").complaints() == []
