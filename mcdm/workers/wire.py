"""Tensors and classes as plain data, for they cross a network where no code should."""
from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from ..experts import families  # noqa: F401  so that the classes of all networks of this pack are loaded

ROOT = __name__.rsplit(".mcdm.", 1)[0]      # the package of this pack, whatever the host calls it


def pack(tensor: torch.Tensor | None) -> dict[str, Any] | None:
    """{"dtype", "shape", "bytes": uint8 array} of a tensor on any device; None stays None."""
    if tensor is None:
        return None
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": tuple(tensor.shape),
            "bytes": flat.view(torch.uint8).numpy()}


def unpack(packed: dict[str, Any] | None) -> Any:
    """The tensor, on the CPU; None for None."""
    if packed is None:
        return None
    flat = torch.from_numpy(np.array(packed["bytes"]))
    return flat.view(getattr(torch, packed["dtype"])).reshape(packed["shape"])


def plain(value: Any) -> bool:
    """Whether a value may cross as it is."""
    if isinstance(value, (list, tuple)):
        return all(map(plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def name_class(kind: type) -> tuple[str, str] | None:
    """(module, name) under which another machine finds a class; None for one that was made in a function."""
    module = sys.modules.get(kind.__module__)
    if getattr(module, kind.__qualname__, None) is not kind:
        return None
    return kind.__module__.replace(ROOT, "", 1) if kind.__module__.startswith(ROOT) else kind.__module__, kind.__name__


def find_class(named: tuple[str, str]) -> type:
    """The class of that name in this pack, in the host, or else among the modules that are loaded here.

    Raises ValueError where there is none. The host names the modules of its own extra nodes by the path of their file.
    """
    module, name = named
    if module.startswith("."):
        module = ROOT + module
    tail = module.replace("\\", "/").replace("/", ".").rsplit("comfy_extras.", 1)[-1]
    for known, loaded in list(sys.modules.items()):
        if known == module or (tail != module and known.replace("/", ".").endswith(f"comfy_extras.{tail}")):
            found = getattr(loaded, name, None)
            if isinstance(found, type):
                return found
    raise ValueError(f"The worker's model needs {name} of {module}, which this ComfyUI does not have; "
                     "install the same nodes here.")
