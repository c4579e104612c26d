"""What differs between the versions of ComfyUI that the tests run on: each difference once, with its reason.

Everything else is tested alike on all of them. This reads the source of the tree that MCDM_COMFYUI names and imports
nothing of it, because the host must not be imported before a test asks for it.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def source(path: str) -> str:
    """A file of the host's tree."""
    return (Path(os.environ["MCDM_COMFYUI"]) / path).read_text("utf-8")


# Settings of networks without a default, which only newer hosts have: what an older network amounts to.
NEWER: dict[str, Any] = {
    "txt_ids_dims": [], "vec_in_dim": None, "use_x0": False, "use_sequential_txt_ids": False, "meanflow_sum": False,
}


def tells_every_step() -> bool:
    """Whether each step is told by /ws.

    Newer hosts leave out a step without a preview that follows the last one at once; the first and the last are told.
    """
    return "PROGRESS_THROTTLE_MIN_INTERVAL" not in source("comfy/utils.py")
