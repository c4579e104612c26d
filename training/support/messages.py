"""What the command line says while it reads a folder."""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO


def say(text: str, file: TextIO | None = None) -> None:
    """Prints a line on standard error, or to `file`. Of several processes only the first one prints."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=file or sys.stderr, flush=True)


def few(names: Sequence[object], most: int = 5) -> str:
    """Names as a part of a sentence, at most so many of them."""
    listed = ", ".join(map(str, names[:most]))
    more = len(names) - most
    return f"{listed} and {more} more" if more > 0 else listed


def leave_out(names: Sequence[object], total: int, fault: str, remedy: str) -> None:
    """Says which of `total` pictures are left out and why. Raises SystemExit where these are more than half."""
    if not names:
        return
    sentence = f"{len(names)} of {total} pictures {fault}: {few(names)}"
    if 2 * len(names) > total:
        raise SystemExit(f"{sentence}. {remedy}.")
    say(f"Warning: {sentence}. They are left out.")
