"""Files that are either whole or not there, whenever the process is killed."""
from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` once it is complete. A failure leaves `path` as it was."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def cached(path: Path, make: Callable[[], Iterable[np.ndarray]]) -> list[torch.Tensor]:
    """The arrays that `make()` returns, kept in the file `path` (.npz) for the next time."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = make()
        with replacing(path) as file:
            np.savez(file, *arrays)
    with np.load(path) as kept:
        return [torch.from_numpy(kept[f"arr_{i}"]) for i in range(len(kept.files))]
