"""Which pack, ComfyUI and torch this is, for two machines to compare."""
from __future__ import annotations

import re
from pathlib import Path

import torch

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def versions() -> dict[str, str]:
    """{"pack", "ComfyUI", "torch": version}."""
    from comfyui_version import __version__ as host
    found = re.search(r'^version = "(.+)"$', PROJECT.read_text("utf-8"), re.MULTILINE)
    return {"pack": found[1] if found else "unknown", "ComfyUI": host, "torch": torch.__version__}


def check(worker: str, there: dict[str, str]) -> str:
    """What differs on a worker, in words, "" for nothing. Raises ValueError where the pack itself does."""
    here = versions()
    if here["pack"] != there["pack"]:
        raise ValueError(f"Worker '{worker}' has version {there['pack']} of this pack, and here it is {here['pack']}; "
                         "bring both to the same version.")
    other = [f"{name} {there[name]} instead of {version}" for name, version in here.items() if there[name] != version]
    return f"worker '{worker}' has {' and '.join(other)}; pictures may differ in their last bits" if other else ""
