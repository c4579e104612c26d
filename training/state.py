"""The saved state of a training, from which the same command goes on."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .support.files import replacing


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes the state, whole or not at all."""
    with replacing(path) as file:
        torch.save(state, file)


def load_state(path: Path, design: str, data: str, device: torch.device) -> dict[str, Any]:
    """The state of a training, {} where there is none.

    design: the network and its condition. data: what tells the pictures and labels from others, "" for any.
    Raises SystemExit where it is another training's or cannot be read; the file stays.
    """
    if not path.is_file():
        return {}
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        same_design = state["design"] == design
        same_data = not data or state.get("data", data) == data                 # older states do not say
        state["net"], state["average"], state["optimizer"], state["step"]
    except Exception as error:                                  # a cut or foreign file fails in any way
        raise SystemExit(
            f"{path} cannot be read as the state of a training ({type(error).__name__}); it was left as it is. "
            "Move it away to begin anew, or give another --work folder.") from None
    if not same_design:
        raise SystemExit(
            f"{path} is a training of another design; give another --work folder, or delete it to begin anew. "
            "Nothing was changed.")
    if not same_data:
        raise SystemExit(
            f"{path} is a training on other pictures or labels. Give another --name (with --start and the finished "
            "expert's file to build on it), or delete it to begin anew. Nothing was changed.")
    return state
