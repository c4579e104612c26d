"""The order of the house: arrows between rooms point down, no import runs in a circle, files and lines stay short."""
from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

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
FOLDERS = ["mcdm", "nodes", "training", "devtools", "bench", "tests", "examples", "example_workflows"]


class House:
    """The Python files of a checkout, by their paths within it, and what each of them imports."""

    def __init__(self, root: Path) -> None:
        self.root = root
        found = [*root.glob("*.py")]
        for folder in FOLDERS:
            found += (root / folder).rglob("*.py")
        self.files = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in sorted(found)}
        self.scripts = {}
        for path in (root / "web").rglob("*.js"):
            self.scripts[path.relative_to(root).as_posix()] = path.read_text("utf-8")
        self.names = {name: list(imported(text)) for name, text in self.files.items()}
        self.imports = {name: self.resolved(name) for name in self.files}

    def resolved(self, name: str) -> set[str]:
        """The files of the checkout that a file imports, wherever in it."""
        found = set()
        for level, module in self.names[name]:
            words = module.split(".")
            if level:
                folder = Path(name).parents[level - 1]
            elif words[0] == "unite_and_conquer":
                folder, words = Path(), words[1:]
            else:
                folder = Path("tests")      # which comes first on the path of the tests
                if not name.startswith("tests/"):
                    continue
            found.update(self.file_of([*folder.parts, *words]))
        return found - {name}

    def file_of(self, words: list[str]) -> list[str]:
        """The file of a dotted name, of which the last word may be a module, a package or a name in one of them."""
        whole, parent = "/".join(words), "/".join(words[:-1])
        candidates = (f"{whole}.py", f"{whole}/__init__.py", f"{parent}.py", f"{parent}/__init__.py".lstrip("/"))
        return [name for name in candidates if name in self.files][:1]

    def lines(self) -> Iterator[tuple[str, int, str]]:
        for name, text in {**self.files, **self.scripts}.items():
            for number, line in enumerate(text.splitlines(), start=1):
                yield name, number, line


def imported(text: str) -> Iterator[tuple[int, str]]:
    """The imports of a file as (level, dotted name); a name that is imported from a module is the last word."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.level, ".".join(filter(None, [node.module, alias.name]))


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
        limit = 179 if name == "mcdm/host/sampling/guider.py" else 250
        length = len(text.splitlines())
        if name.startswith(("mcdm/", "nodes/")) and length > limit:
            found.append(f"{name} has {length} lines")
    return found


def long_lines(house: House) -> list[str]:
    return [f"{name}:{number} has {len(line)} columns" for name, number, line in house.lines() if len(line) > 120]


Rule = Callable[[House], list[str]]
RULES: list[Rule] = [circles_of_files, circles_of_folders, arrows_that_point_up, pure_files_that_know_the_host,
         imported_tests, long_files, long_lines]


@pytest.mark.parametrize("rule", RULES)
def test_the_house_is_in_order(rule: Rule) -> None:
    broken = rule(House(ROOT))
    assert not broken, "\n".join(broken)


ORDERLY = {
    "__init__.py": "from .nodes import x",
    "mcdm/fusion.py": "import torch",
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
    (long_lines, "tests/maths/test_fusion.py", "x" * 121),
    (long_lines, "web/js/pad.js", "x" * 121),
])
def test_each_rule_sees_what_breaks_it(tmp_path: Path, rule: Rule, name: str, text: str) -> None:
    others = {"mcdm/host/models.py": "", "training/loop.py": ""}
    assert len(rule(built(tmp_path, {**ORDERLY, **others, name: text}))) == 1
