"""Two graphics cards that are none: main memory that torch and the host take for the devices npu:0 and npu:1.

accelerator.cpp says how. The name is that of a kind of card for which the host knows all it asks, and torch nothing.
"""
from __future__ import annotations

import contextlib
import functools
import hashlib
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from unite_and_conquer.devtools.inprocess import InProcess
from unite_and_conquer.devtools.locks import make_once
from unite_and_conquer.devtools.paths import cache_root
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

SOURCE = Path(__file__).with_suffix(".cpp")
torch.utils.rename_privateuse1_backend("npu")
CARDS = FIRST, SECOND = torch.device("npu", 0), torch.device("npu", 1)
SIZE = 8 * 2**30        # bytes of a card
KEPT = 2**12            # bytes that may stay on one: the factors of frequency bands


def compiler() -> str | None:
    """What can build the cards here, if anything: with torch's headers, which Debian has in a package of their own."""
    from torch.utils import cpp_extension
    headers = any(Path(folder, "ATen").is_dir() for folder in cpp_extension.include_paths())
    return shutil.which("g++") if sys.platform == "linux" and headers else None


def library() -> Path:
    """The compiled cards, which are made once for each version of the source and of torch."""
    from torch.utils import cpp_extension
    version = hashlib.sha256(SOURCE.read_bytes() + torch.__version__.encode()).hexdigest()[:12]
    file = cache_root() / f"accelerator-{version}.so"

    def make() -> None:
        part = file.with_suffix(".part")
        folders = [f"-I{folder}" for folder in cpp_extension.include_paths()]
        places = [f"-L{folder}" for folder in cpp_extension.library_paths()]
        subprocess.run(["g++", "-std=c++20", "-O1", "-w", "-shared", "-fPIC", str(SOURCE), "-o", str(part), *folders,
                        *places, "-ltorch", "-ltorch_cpu", "-lc10"], check=True)
        part.rename(file)
    make_once(file, file.is_file, make)
    return file


class Cards:
    """What a test may ask of the cards, and have them do.

    synchronized: the cards that somebody has waited for, by number.
    """

    def __init__(self) -> None:
        self.synchronized: list[int] = []
        self.size = SIZE
        self._ops = torch.ops.accelerator

    @property
    def current(self) -> int:
        """The card of this thread."""
        return self._ops.current()

    def held(self, card: int) -> int:
        """Bytes in use on a card."""
        return self._ops.held(card)

    @property
    def allocations(self) -> int:
        """How many there were so far."""
        return self._ops.allocations()

    @contextlib.contextmanager
    def failing(self, number: int) -> Iterator[None]:
        """Lets the allocation of this number from now on, counted from 1, fail for want of memory."""
        self._ops.fail_at(self.allocations + number)
        try:
            yield
        finally:
            self._ops.fail_at(-1)

    @contextlib.contextmanager
    def without_float64(self) -> Iterator[None]:
        """Cards that do not know this type, as Apple's."""
        self._ops.allow_float64(False)
        try:
            yield
        finally:
            self._ops.allow_float64(True)

    @contextlib.contextmanager
    def room(self, weights: float) -> Iterator[None]:
        """Cards with so many bytes for weights beside the working memory of the host, which has nothing loaded."""
        import comfy.model_management as management
        _unload()
        self.size = int(max(self.held(0), self.held(1)) + management.minimum_inference_memory() + weights)
        try:
            yield
        finally:
            self.size = SIZE

    @property
    def unwaited(self) -> int:
        """How many copies to the processor nobody waited for, so far."""
        return self._ops.unwaited()

    def synchronize(self, device: Any = None) -> None:
        self.synchronized.append(self.current if device is None else torch.device(device).index)


@functools.cache
def cards() -> Cards:
    """Makes the cards known to torch, in this process for good."""
    torch.ops.load_library(str(library()))
    made = Cards()
    module: Any = types.ModuleType("torch.npu")
    module.is_available = module.is_initialized = lambda: True
    module.device_count = lambda: len(CARDS)
    module.current_device = lambda: made.current
    module.set_device = lambda device: made._ops.use(torch.device("npu", device).index if isinstance(device, int)
                                                     else torch.device(device).index)
    module.synchronize = made.synchronize
    module.empty_cache = lambda: None
    module.memory_stats = lambda device: dict.fromkeys(
        ["active_bytes.all.current", "reserved_bytes.all.current"], made.held(torch.device(device).index))
    module.mem_get_info = lambda device: (made.size - made.held(torch.device(device).index), made.size)
    module._is_in_bad_fork, module.manual_seed_all = lambda: False, lambda seed: None
    torch._register_device_module("npu", module)
    return made


@contextlib.contextmanager
def believed() -> Iterator[Cards]:
    """The host on these cards instead of the processor, with nothing loaded at the beginning and at the end."""
    import comfy.model_management as management
    made = cards()
    _unload()
    with patch.multiple(management, cpu_state=management.CPUState.GPU, npu_available=True,
                        vram_state=management.VRAMState.NORMAL_VRAM):
        yield made
        _unload()


def on(device: str | torch.device, seed: int) -> Any:
    """A MODEL of SD 1.5's kind that the host's loader has made for a device."""
    model = tiny_unet(seed)
    model.load_device = torch.device(device)
    return model


def placed(comfy: InProcess, expert: Any, place: str) -> Any:
    """An expert in another place."""
    return comfy.call("PlaceExpert", expert=expert, place=place)[0]


def _unload() -> None:
    import comfy.model_management as management
    for loaded in management.current_loaded_models:
        if loaded.model is not None:
            loaded.model_unload()
    management.current_loaded_models.clear()
