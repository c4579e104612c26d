"""What speaks with Ray, as ComfyUI sees it. The side of Ray is in ray/, which the registry's archive leaves out."""
from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent


class Driver(Protocol):
    """A process that speaks with Ray (entry/mcdm_driver.py)."""

    @property
    def alive(self) -> bool: ...

    def ask(self, method: str, *arguments: Any) -> Future:
        """The answer of a method of the other side, once it is there.

        Or ConnectionError: what Ray does not do, by the name of its error, or that the process has ended.
        """

    def end(self) -> None:
        """Ends the process, and so all runtimes."""


def _side_of_ray() -> Any:
    """Its module process; None where it was left out."""
    try:
        from .ray import process
    except ModuleNotFoundError:
        return None
    return process


def start() -> Driver:
    """A new process. Raises ValueError where the side of Ray, or Ray itself, is not installed."""
    side = _side_of_ray()
    if side is None:
        raise ValueError("A worker needs the pack's side of Ray, which the registry's archive leaves out: choose the "
                         f"version 'nightly' of the pack in the Manager, or copy its repository's {HERE.name}/ray into "
                         f"{HERE}.")
    return side.Process()


def address() -> str | None:
    """Of the cluster that the environment names; None, too, where the side of Ray was left out."""
    side = _side_of_ray()
    return side.address() if side else None
