"""The checkout, its name as a pack, and the folder for all that is made on this machine."""
from __future__ import annotations

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).absolute().parents[1]  # as the user reached it, which may be by a link in custom_nodes
ROOT = CHECKOUT.resolve()
PACK = "comfyui-unite-and-conquer"
WORKFLOWS = ROOT / "example_workflows"
DEMO_OUTPUT = ROOT / "output" / "demo"


def cache_root() -> Path:
    """The cache folder, outside every checkout."""
    if "MCDM_CACHE" in os.environ:
        return Path(os.environ["MCDM_CACHE"]).expanduser().absolute()
    if sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        caches = Path.home() / "Library/Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / PACK
