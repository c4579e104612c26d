"""What workflows save stays: ids of nodes and the order of their inputs. inputs.json has them of the last release."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from support.told import nothing_is_left
from unite_and_conquer.devtools.paths import ROOT

RECORD = Path(__file__).with_name("inputs.json")
WHERE = "tests/guards/inputs.json"


def order_of(info: dict[str, Any]) -> list[str]:
    """A node's inputs in the order in which a workflow saves their values."""
    return [*info["input_order"].get("required", []), *info["input_order"].get("optional", [])]


def can_be_left_out(info: dict[str, Any], name: str) -> bool:
    """Whether a file saved without this input still runs."""
    if name in info["input"].get("optional", {}):
        return True
    kind, *told = info["input"]["required"][name]
    return bool(told and "default" in told[0])


def file_of(node_id: str) -> str:
    """Where a node is written."""
    files = [path for path in (ROOT / "nodes").glob("*.py") if f'node_id="{node_id}"' in path.read_text("utf-8")]
    return f"nodes/{files[0].name}" if files else "nodes/"


def problems(nodes: dict[str, Any], record: dict[str, list[str]], unreleased: str) -> list[str]:
    """What is left to do, a line each. record: {id of a node: its released inputs in order}."""
    to_do = []
    for node_id, released in record.items():
        if node_id not in nodes:
            to_do.append(f"nodes/__init__.py: list {node_id} again, saved workflows name it")
        elif (now := order_of(nodes[node_id]))[:len(released)] != released:
            added = [name for name in now if name not in released]
            do = f"put {', '.join(added)} last" if added else f"order them as {', '.join(released)}"
            to_do.append(f"{file_of(node_id)}: {do}, for saved workflows count the inputs of {node_id}; they are "
                         f"{', '.join(now)} now (if the next version may break workflows, write {WHERE})")
    for node_id, info in nodes.items():
        names = order_of(info)
        new = [name for name in names if name not in record.get(node_id, ())]
        line = f'"{node_id}": {json.dumps(names)}'
        if node_id in record:
            to_do += [f"{file_of(node_id)}: give {name} of {node_id} a default that changes nothing, or make it "
                      "optional" for name in new if not can_be_left_out(info, name)]
        untold = [name for name in (new if node_id in record else [node_id]) if not re.search(rf"`{name}`", unreleased)]
        to_do += [f"CHANGELOG.md: say under Unreleased what `{name}` of {node_id} does; once it is released, write "
                  f"into {WHERE}: {line}" for name in untold]
    return to_do


def test_saved_workflows_find_their_nodes_and_inputs(pack_nodes):
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## Unreleased$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    nothing_is_left(problems(pack_nodes, json.loads(RECORD.read_text("utf-8")), newest[1] if newest else ""))


def test_each_change_is_noticed():
    def info(required, optional):
        known = {name: ["INT", {"default": 1} if has else {}] for name, has in required.items()}
        return {"input": {"required": known, "optional": {name: ["INT", {}] for name in optional}},
                "input_order": {"required": list(required), "optional": optional}}

    def found(node, record=("model", "weight"), changelog=""):
        return problems({"A": node}, {"A": list(record)}, changelog)

    assert not found(info({"model": False, "weight": True}, []))
    assert not found(info({"model": False, "weight": True}, ["bands"]), changelog="- `A`: `bands`")
    gone, = problems({}, {"A": ["model"]}, "")
    moved, = found(info({"weight": True, "model": False}, []))
    unsaid, = found(info({"model": False, "weight": True}, ["bands"]))
    required, = found(info({"model": False, "weight": True, "bands": False}, []), changelog="`bands`")
    between = info({"model": False, "weight": True, "bands": True}, ["name"])
    before, = found(between, ("model", "weight", "name"), "`bands`")
    new, = problems({"A": info({"model": False}, [])}, {}, "")
    assert all(WHERE in line for line in (moved, before, unsaid, new)) and "list A again" in gone
    assert "CHANGELOG.md" in unsaid and "CHANGELOG.md" in new and "a default" in required
