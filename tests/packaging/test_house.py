"""The order of the house.

Arrows between rooms point down, no import runs in a circle; rooms, files and lines stay short and easy to read.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from support.house import House, nested, written_out
from unite_and_conquer.devtools.paths import ROOT

# The rooms that each room may use; besides these, itself. A file of mcdm/ that lies in no folder there is pure maths.
ARROWS = {
    "mcdm/*.py": [],
    "mcdm/*/": ["mcdm/*.py"],
    "nodes": ["mcdm/*/", "mcdm/*.py"],
    "training": ["mcdm/*/", "mcdm/*.py"],
    "devtools": ["training", "mcdm/*/", "mcdm/*.py"],
    "bench": ["devtools", "training", "mcdm/*/", "mcdm/*.py"],
    "tests": ["dev.py", "bench", "devtools", "training", "nodes", "mcdm/*/", "mcdm/*.py"],
    "examples": ["mcdm/*.py"],
    "example_workflows": [],
    "__init__.py": ["nodes", "mcdm/*/"],
    "dev.py": ["devtools"],
}
HOST = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "latent_preview",
        "node_helpers", "nodes", "server"}
SAMPLER = {"mcdm/ancestral.py": ("comfy.k_diffusion", "comfy.model_sampling")}  # a sampler, as the host's own are
MOST_LINES = 250                # of a file
MOST_FILES = 9                  # of a room of mcdm/host/, besides its __init__.py
NESTED = {"tests": 0.5}         # {folder: comprehensions in comprehensions per 1,000 lines}, none in other folders
TUPLES = {"tests": 1.0}         # {folder: assignments of written-out tuples per 1,000 lines}, none in other folders
LOOSE = 20.0                    # most uses of `Any` per 1,000 lines of mcdm/host/, import lines aside
# What is not in order yet; a file leaves its list with what is wrong in it.
WITH_TUPLES = ["mcdm/workers/session.py"]


def room(name: str) -> str:
    """The room of a file, as ARROWS names it."""
    folder, *rest = name.split("/")
    if folder == "mcdm":
        return "mcdm/*/" if len(rest) > 1 else "mcdm/*.py"
    return folder


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """The names along a circle of arrows, if there is one."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return [" <- ".join(error.args[1])]
    return []


# ---------------------------------------------------------------------------------- each rule lists what breaks it

def circles_of_files(house: House) -> list[str]:
    return circle(house.imports)


def circles_of_folders(house: House) -> list[str]:
    folders: dict[str, set[str]] = {}
    for name, targets in house.imports.items():
        folder = Path(name).parent.as_posix()
        others = {Path(target).parent.as_posix() for target in targets}
        folders.setdefault(folder, set()).update(others - {folder})
    return circle(folders)


def arrows_that_point_up(house: House) -> list[str]:
    found = []
    for name, targets in house.imports.items():
        allowed = [room(name), *ARROWS[room(name)]]
        found += [f"{name} imports {target}" for target in sorted(targets) if room(target) not in allowed]
    return found


def pure_files_that_know_the_host(house: House) -> list[str]:
    found = []
    for name, names in house.names.items():
        if room(name) == "mcdm/*.py":
            known = {module for level, module in names if not level and module.split(".")[0] in HOST}
            known = {module for module in known if not module.startswith(SAMPLER.get(name, ()))}
            found += [f"{name} imports {module}" for module in sorted(known)]
    return found


def imported_tests(house: House) -> list[str]:
    found = []
    for name, targets in house.imports.items():
        tests = sorted(target for target in targets if Path(target).name.startswith(("test_", "conftest")))
        found += [f"{name} imports {test}" for test in tests]
    return found


def long_files(house: House) -> list[str]:
    found = []
    for name, text in house.files.items():
        limit = 179 if name == "mcdm/host/sampling/guider.py" else MOST_LINES
        length = len(text.splitlines())
        if not name.startswith("tests/") and length > limit:
            found.append(f"{name} has {length} lines")
    return found


def long_tests(house: House) -> list[str]:
    found = []
    for name, text in house.files.items():
        length = len(text.splitlines())
        if name.startswith("tests/") and length > MOST_LINES:
            found.append(f"{name} has {length} lines")
    return found


def crowded_rooms(house: House) -> list[str]:
    rooms: dict[str, int] = {}
    for name in house.files:
        folder, file = name.rsplit("/", 1) if "/" in name else ("", name)
        if f"{folder}/".startswith("mcdm/host/") and file != "__init__.py":
            rooms[folder] = rooms.get(folder, 0) + 1
    return [f"{folder} has {count} files" for folder, count in rooms.items() if count > MOST_FILES]


def nested_comprehensions(house: House) -> list[str]:
    return [f"{place} has a comprehension in a comprehension" for place in house.dense(nested, NESTED)]


def assigned_tuples(house: House) -> list[str]:
    places = house.dense(written_out, TUPLES)
    files = {place.partition(":")[0] for place in places}
    found = [f"{place} assigns a tuple, where one name a line reads better" for place in places
             if place.partition(":")[0] not in WITH_TUPLES]
    for name in WITH_TUPLES:
        if name in house.files and name not in files:
            found.append(f"{name} is in order and leaves its list")
    return found


def loose_types(house: House) -> list[str]:
    found = 0
    for name, _, line in house.lines():
        if name.startswith("mcdm/host/") and not line.startswith(("from ", "import ")):
            found += len(re.findall(r"\bAny\b", line))
    lines = house.length("mcdm/host")
    return [f"mcdm/host uses Any {found} times in {lines} lines"] if found >= LOOSE * lines / 1000 else []


def long_lines(house: House) -> list[str]:
    return [f"{name}:{number} has {len(line)} columns" for name, number, line in house.lines() if len(line) > 120]


Rule = Callable[[House], list[str]]
RULES: list[Rule] = [circles_of_files, circles_of_folders, arrows_that_point_up, pure_files_that_know_the_host,
         imported_tests, long_files, long_tests, crowded_rooms, nested_comprehensions, assigned_tuples, loose_types,
         long_lines]


@pytest.fixture(scope="module")
def this_house() -> House:
    return House(ROOT)


@pytest.mark.parametrize("rule", RULES)
def test_the_house_is_in_order(this_house: House, rule: Rule) -> None:
    broken = rule(this_house)
    assert not broken, "\n".join(broken)


ORDERLY = {
    "__init__.py": "from .nodes import x",
    "mcdm/fusion.py": "import torch\nKINDS = A, B, C = 1, 2, 3\nd, e = 1, 2\nf, g, h = KINDS\nk = [x for x in [1, 2]]",
    "mcdm/host/sampling/guider.py": "from ... import fusion",
    "mcdm/experts/load.py": "from ..host.sampling.guider import MixtureGuider",
    "nodes/__init__.py": "from . import sampling",
    "nodes/sampling.py": "from ..mcdm.host.sampling import guider",
    "bench/faces.py": "from ..devtools.host import Host",
    "devtools/host.py": "",
    "tests/support/tiny.py": "import comfy",
    "tests/maths/test_fusion.py": "from support import tiny\nfrom unite_and_conquer.mcdm import fusion",
    "tests/maths/test_other.py": "from support.tiny import unet",
    "web/js/pad.js": "app()",
}


def built(root: Path, files: dict[str, str]) -> House:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return House(root)


@pytest.mark.parametrize("rule", RULES)
def test_an_orderly_house_breaks_no_rule(tmp_path: Path, rule: Rule) -> None:
    assert rule(built(tmp_path, ORDERLY)) == []


@pytest.mark.parametrize("rule, name, text", [
    (circles_of_files, "mcdm/fusion.py", "def later():\n    from .host.sampling import guider"),
    (circles_of_folders, "mcdm/host/sampling/models.py", "from ...experts import load"),
    (arrows_that_point_up, "mcdm/fusion.py", "from .host import models"),
    (arrows_that_point_up, "mcdm/host/sampling/guider.py", "from ....training import loop"),
    (arrows_that_point_up, "devtools/host.py", "from unite_and_conquer.bench import faces"),
    (arrows_that_point_up, "bench/faces.py", "from ..tests.support import tiny"),
    (arrows_that_point_up, "nodes/sampling.py", "from ..devtools.host import Host"),
    (pure_files_that_know_the_host, "mcdm/fusion.py", "import comfy.samplers"),
    (pure_files_that_know_the_host, "mcdm/ancestral.py", "from comfy.samplers import KSAMPLER"),
    (imported_tests, "tests/maths/test_other.py", "from maths.test_fusion import x"),
    (imported_tests, "tests/maths/test_other.py", "from .test_fusion import x"),
    (imported_tests, "bench/faces.py", "from unite_and_conquer.tests.maths import test_fusion"),
    (long_files, "nodes/sampling.py", "\n" * 251),
    (long_files, "mcdm/host/sampling/guider.py", "\n" * 180),
    (long_tests, "tests/support/tiny.py", "\n" * 251),
    (crowded_rooms, "mcdm/host/crowded/tenth.py", ""),
    (nested_comprehensions, "mcdm/fusion.py", "x = [[b for b in a] for a in []]"),
    (nested_comprehensions, "training/loop.py", "x = sum(max(b for b in a) for a in [])"),
    (nested_comprehensions, "examples/one.py", "x = {a for a in [b for b in []]}"),
    (nested_comprehensions, "tests/support/tiny.py", "x = {a: (lambda: {b for b in a}) for a in []}"),
    (assigned_tuples, "mcdm/fusion.py", "a, b, c = 1, 2, 3"),
    (assigned_tuples, "nodes/sampling.py", "def f(self, a):\n    self.a, self.b, self.c = a, 1, 2"),
    (assigned_tuples, "tests/support/tiny.py", "a, b, c = d = 1, 2, 3"),
    (assigned_tuples, "mcdm/workers/session.py", "a, b = 1, 2"),     # it is in order now, and may leave its list
    (loose_types, "mcdm/host/sampling/plan.py", "from typing import Any\nx: Any = 1"),
    (long_lines, "tests/maths/test_fusion.py", "x" * 121),
    (long_lines, "web/js/pad.js", "x" * 121),
])
def test_each_rule_sees_what_breaks_it(tmp_path: Path, rule: Rule, name: str, text: str) -> None:
    others = {"mcdm/host/models.py": "", "training/loop.py": ""}
    others |= {f"mcdm/host/crowded/file_{number}.py": "" for number in range(MOST_FILES)}
    assert len(rule(built(tmp_path, {**ORDERLY, **others, name: text}))) == 1
