"""Fixtures of all tests: `comfy`, the real host inside this process; `host`, it over HTTP; `browser`, for its page.

Run by `python3 dev.py test`; README.md is the map. The pack comes in under two names, and a class of one is not the
class of the other:

- `from unite_and_conquer.mcdm import fusion` is the checkout as an ordinary package, for the maths, which needs no
  host;
- `comfy.pack` is the package that the host's own loader made, for everything that meets a node:
  `comfy.module("mcdm.mixture")`.
"""
from __future__ import annotations

import collections
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent

if not os.environ.get("MCDM_COMFYUI"):
    pytest.exit("The tests need ComfyUI: run them by `python3 dev.py test [pytest arguments]`.", returncode=4)

# A busy machine is not a defect of a test.
hypothesis.settings.register_profile("busy", suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

# The checkout as a package, without running its __init__.py, which is the host's way in.
package = sys.modules["unite_and_conquer"] = types.ModuleType("unite_and_conquer")
package.__path__ = [str(ROOT)]
sys.path.insert(0, str(TESTS))

import torch  # noqa: E402

from unite_and_conquer.devtools import inprocess  # noqa: E402  (puts the host's tree first on sys.path)

torch.set_num_threads(min(2, torch.get_num_threads()))

# First, or one process would be left alone with them.
LONGEST = ("test_workers.py", "test_mistakes.py", "test_families.py", "test_pad_texts.py", "test_frontend.py",
           "test_templates.py", "test_six_steps.py", "test_scenes.py", "test_regions.py", "test_clickable_sheets.py",
           "test_guider.py", "test_pad_slots.py", "test_pad_shares.py", "test_previews.py", "test_first_minutes.py",
           "test_faces.py", "test_help.py", "test_pad.py", "test_breeding.py", "test_tune.py", "test_archive.py")
LEFT_OUT = pytest.StashKey[dict[str, int]]()     # how many tests --no-browser left out, by file


def pytest_addoption(parser: pytest.Parser) -> None:
    help = "leave out the tests of the web page, which need a browser"
    parser.addoption("--no-browser", action="store_true", help=help)
    parser.addoption("--mixtures", type=int, default=100, help="how many mixtures test_random_mixtures.py draws")
    parser.addoption("--first", type=int, default=0, help="the seed of the first of them")
    parser.addoption("--every-example", action="store_true", help="test_archive.py runs them all, instead of two")
    parser.addoption("--prompts", type=int, default=12, help="how many prompts test_soak.py queues")


@pytest.hookimpl(trylast=True)  # after -k and -m, so that only what they leave is counted
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--no-browser"):
        left_out = [item for item in items if "browser" in getattr(item, "fixturenames", ())]
        config.stash[LEFT_OUT] = collections.Counter(item.path.name for item in left_out)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if not os.environ.get("MCDM_AGAINST"):          # there is no other ComfyUI to compare with
        config.hook.pytest_deselected(items=[item for item in items if item.path.name == "test_hosts.py"])
        items[:] = [item for item in items if item.path.name != "test_hosts.py"]
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):     # one of several processes, each of which has collected all tests
        session.config.workeroutput["left out"] = dict(session.config.stash.get(LEFT_OUT, {}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(LEFT_OUT, {}):
        count, files = sum(left_out.values()), ", ".join(f"{count} in {name}" for name, count in left_out.items())
        terminalreporter.write_line(f"--no-browser: left out {count} tests that need a browser: {files}")


@pytest.fixture(scope="session")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> inprocess.InProcess:
    return inprocess.start(tmp_path_factory.mktemp("comfy"))


@pytest.fixture(scope="module")
def unets(comfy: inprocess.InProcess) -> list[Any]:
    """Three tiny Stable Diffusions."""
    from unite_and_conquer.devtools.tiny_sd15 import tiny_unet
    return [tiny_unet(seed) for seed in range(3)]


@pytest.fixture
def as_the_host_runs_its_nodes() -> Iterator[None]:
    """Without gradients, as execution.py does: for a whole module, pytestmark = pytest.mark.usefixtures(...)."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from unite_and_conquer.devtools.host import Host
    with Host(tmp_path_factory.mktemp("host base"), beside=[TESTS / "support" / "toy_loaders.py"]) as running:
        yield running


@pytest.fixture(scope="module")
def stand_ins(comfy: inprocess.InProcess, host: Any) -> Iterator[list[Path]]:
    """Tiny checkpoints under the names that the example workflows use, in the running host: their files."""
    from support import stand_ins
    files = stand_ins.write_all(host.base / "models")
    yield files
    for file in files:
        file.unlink()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """browser.new_page().goto(host.url)"""
    from unite_and_conquer.devtools.browser import launched
    with launched() as running:
        yield running
