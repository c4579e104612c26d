"""Fixtures of the trainings' tests."""
from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from unite_and_conquer.training import cli, previews


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No preview worth waiting for, nothing written outside tmp_path, the threads as they were.

    Ctrl-C as in a terminal.
    """
    threads, euler = torch.get_num_threads(), previews.euler
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(previews, "euler", lambda net, noise, **condition: euler(net, noise, steps=1, **condition))
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    monkeypatch.setenv("MCDM_EXPERTS", str(tmp_path / "experts"))
    yield
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, handler)
