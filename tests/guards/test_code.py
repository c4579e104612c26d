"""Options, nodes and families are known in every file that has to know them: "Where to add what" in architecture.md."""
from __future__ import annotations

import ast
import re

from support.told import nothing_is_left
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.mcdm import options

WHERE = ("mcdm/mixture.py, mcdm/host/sampling/reasons.py or mcdm/host/sampling/evaluation.py (docs/architecture.md, A "
         "sampler option)")
EVALUATION = "mcdm/host/sampling/evaluation.py"
CORRECTED = "mcdm/host/particles/settings.py"


def text(name):
    return (ROOT / name).read_text("utf-8")


def read_in(name):
    """The attributes that a file reads."""
    return {node.attr for node in ast.walk(ast.parse(text(name))) if isinstance(node, ast.Attribute)}


def given_to_options():
    """The arguments with which MixtureOptions makes the Options."""
    for node in ast.walk(ast.parse(text("nodes/options.py"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Options":
            return {keyword.arg for keyword in node.keywords}
    raise AssertionError("nodes/options.py makes no Options")


def texts_of_tests(folder):
    return "".join(path.read_text("utf-8") for path in (ROOT / "tests" / folder).rglob("*.py"))


def test_every_option_is_told_given_and_acts():
    told = options.Options.__doc__ or ""
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "mcdm").rglob("*.py")]
    read = {name for file in files if file != "mcdm/options.py" for name in read_in(file)}
    to_do = []
    for name in options.Options.__dataclass_fields__:
        if not re.search(rf"\b{name}\b[\w, ]*:", told):
            to_do.append(f"mcdm/options.py: say in the docstring of Options what {name} is: '{name}: ...'")
        if name not in given_to_options():
            to_do.append(f"nodes/options.py: add an input {name}, the last, and {name}={name} to Options in execute")
        if name not in read:
            to_do.append(f"mcdm/: nothing reads options.{name}; let it act in {WHERE}")
        if name in read_in(EVALUATION) and name not in read_in(CORRECTED):
            to_do.append(f"{CORRECTED}: add ('{name}', options.{name}) to `changed` in checked, so that MCDM Corrected "
                         "refuses what changes the estimate of eq. 10")
        if not re.search(rf"\b{name}\b", texts_of_tests("sampling")):
            to_do.append(f"tests/sampling/: write a test of {name}, as those of rescale in test_options.py")
    nothing_is_left(to_do)


def test_every_node_is_listed_and_tested(pack_nodes):
    tests, to_do = texts_of_tests(""), []
    for path in sorted((ROOT / "nodes").glob("*.py")):
        for node_id in re.findall(r'node_id="(\w+)"', path.read_text("utf-8")):
            if node_id not in pack_nodes:
                to_do.append(f"nodes/__init__.py: import {node_id} from .{path.stem} and add it to the list of "
                             "get_node_list")
            if not re.search(rf'"{node_id}"', tests):
                to_do.append(f"tests/nodes/: write a test that runs {node_id} over HTTP (the fixture host)")
    nothing_is_left(to_do)


def test_every_family_is_in_the_table():
    table = text("mcdm/experts/families.py")
    nothing_is_left(
        f"mcdm/experts/families.py: import {path.stem} and add *{path.stem}.FAMILIES to FAMILIES"
        for path in sorted((ROOT / "mcdm" / "experts").glob("*.py"))
        if re.search(r"^FAMILIES\b", path.read_text("utf-8"), re.MULTILINE) and path.stem != "families"
        and f"*{path.stem}.FAMILIES" not in table)
