"""Another page for the host: a release of ComfyUI's frontend, from the package index into the cache folder."""
from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from .locks import make_once, stamped, write_stamp
from .paths import cache_root
from .setup import find_comfy, pip
from .terminal import Trouble, run

NEWEST = "1.58.1"  # the newest page that the tests were run on
PACKAGE = "comfyui-frontend-package"
FOLDER = "comfyui_frontend_package/static/"


def choose(version: str) -> None:
    """Makes the page of `version` that of this run: every host that is started from now on serves it.

    version: a release such as 1.58.1. Raises Trouble if the package index does not have it.
    """
    os.environ["MCDM_PAGE"] = str(fetch(version))


def chosen() -> str | None:
    """The folder of the page that a host should serve, None for the host's own."""
    return os.environ.get("MCDM_PAGE")


def fetch(version: str) -> Path:
    """The folder of a release, made if it is missing or half-made."""
    home = cache_root() / f"page-{version}"
    page, stamp = home / "static", home / "ready.txt"

    def ready() -> bool:
        return stamped(stamp, version) and (page / "index.html").is_file()

    def make() -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        unpack(version, page)
        write_stamp(stamp, version)

    make_once(home, ready, make)
    return page


def unpack(version: str, page: Path) -> None:
    """The page's folder out of the wheel, without the maps of its sources."""
    with tempfile.TemporaryDirectory(dir=page.parent) as folder:
        command = pip(find_comfy().python, "download", "--no-deps", "--dest", folder, f"{PACKAGE}=={version}")
        run(f"Fetching the page {version}", *command)
        wheel, = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith(FOLDER) and not name.endswith(".map")]
            if not names:
                raise Trouble(f"{wheel.name} has no {FOLDER}: check the package index in pip's settings.")
            archive.extractall(folder, names)
        (Path(folder) / FOLDER).rename(page)
