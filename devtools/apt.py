"""Packages of Debian and Ubuntu."""
from __future__ import annotations

import os

from .terminal import run


def is_root() -> bool:
    """Whether this user may install packages of the system; never on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def apt_get(*names: str) -> None:
    """Installs packages. Raises Trouble if apt-get fails."""
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("Refreshing the package lists", "apt-get", "update")
    run(f"Installing {', '.join(names)}", "apt-get", "install", "-y", "--no-install-recommends", *names)
