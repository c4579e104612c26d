"""A card that is none: main memory that the host takes for a graphics card of a given size, and its book-keeping.

The host never unloads from torch.device("cpu"); from cpu:0, the same memory under another name, it does.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch

DEVICE = torch.device("cpu", 0)


@dataclass
class Books:
    """What the host loaded, by its own account. loads: the networks in the order in which weights went to the card."""
    peak: int = 0
    loads: list[Any] = field(default_factory=list)

    def used(self) -> int:
        """Bytes of weights that are loaded now."""
        from comfy.model_management import current_loaded_models
        return sum(loaded.model_loaded_memory() for loaded in current_loaded_models)


def on_card(model: Any) -> Any:
    """A clone of a MODEL for the card."""
    clone = model.clone()
    clone.load_device = DEVICE
    return clone


@contextlib.contextmanager
def kept_books() -> Iterator[Books]:
    """Keeps books of what the host loads, with nothing loaded at the beginning and at the end."""
    import comfy.model_management as management
    import comfy.model_patcher
    books = Books()
    load, model_load = comfy.model_patcher.ModelPatcher.load, management.LoadedModel.model_load

    def noted(patcher: Any, *args: Any, **kwargs: Any) -> Any:
        books.loads.append(patcher.model)
        return load(patcher, *args, **kwargs)

    def weighed(loaded: Any, *args: Any, **kwargs: Any) -> Any:
        result = model_load(loaded, *args, **kwargs)
        books.peak = max(books.peak, books.used() + loaded.model_loaded_memory())     # it is listed only afterwards
        return result

    _empty(management.current_loaded_models)
    with patch.object(comfy.model_patcher.ModelPatcher, "load", noted), \
            patch.object(management.LoadedModel, "model_load", weighed):
        yield books
    _empty(management.current_loaded_models)


@contextlib.contextmanager
def card(room: float) -> Iterator[Books]:
    """A card with so many bytes for weights beside the host's working memory; models come by on_card."""
    import comfy.model_management as management
    working = management.minimum_inference_memory()

    def free(device: Any = None, torch_free_too: bool = False) -> Any:
        left = room + working - books.used()
        return (left, left) if torch_free_too else left

    with kept_books() as books, patch.object(management, "get_free_memory", free), \
            patch.object(management, "is_device_cpu", lambda device: False), \
            patch.object(management, "vram_state", management.VRAMState.NORMAL_VRAM):
        yield books


def _empty(loaded_models: list[Any]) -> None:
    for loaded in loaded_models:
        if loaded.model is not None:
            loaded.model_unload()
    loaded_models.clear()
