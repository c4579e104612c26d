"""The part of a prompt that makes one expert, and the files that it names."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import folder_paths

Graph = dict[str, dict[str, Any]]           # {node id: {"class_type", "inputs"}}, the host's API format

# The node of one round of the host's loops, and the inputs that its outputs hand on.
ROUND, HANDED_ON = "LoopIteration", ("iteration_index", "is_first", "is_last", "list_item", "current_iteration_value")


def upstream(prompt: Mapping[str, Any], node_id: str) -> Graph:
    """The nodes of a prompt that a node needs, itself included, without what the host has written into them.

    The rounds of loops are left out, for they wait for the rounds before.
    """
    graph: Graph = {}
    waiting = [node_id]
    while waiting:
        number = waiting.pop()
        if number in graph:
            continue
        node = prompt[number]
        inputs = {name: source(prompt, value) for name, value in node["inputs"].items()}
        graph[number] = {"class_type": node["class_type"], "inputs": inputs}
        waiting += [str(value[0]) for value in inputs.values() if is_link(value)]
    return graph


def source(prompt: Mapping[str, Any], value: Any) -> Any:
    """The value of an input; where a wire comes from the round of a loop, what that hands on.

    Raises ValueError for an item of a loop's list that is not a plain value.
    """
    while is_link(value) and prompt[value[0]]["class_type"] == ROUND:
        value = prompt[value[0]]["inputs"].get(HANDED_ON[value[1]])
        if not (is_link(value) or value is None or isinstance(value, (str, int, float))):
            raise ValueError(f"A worker's expert takes texts and numbers from the list of a loop, not a "
                             f"{type(value).__name__}; make it in the loop, or place the expert here.")
    return value


def is_link(value: Any) -> bool:
    """Whether the value of an input is a wire: [node id, number of the output]."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str) \
        and isinstance(value[1], int)


def texts(graph: Graph) -> Iterator[tuple[str, str]]:
    """(node id, text) for every text among the inputs, however deep; the keys of mappings, too."""
    def within(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            for part in value:
                yield from within(part)
        elif isinstance(value, Mapping):
            for pair in value.items():
                yield from within(pair)
    for number, node in graph.items():
        for value in node["inputs"].values():
            if not is_link(value):
                for text in within(value):
                    yield number, text


# -------------------------------------------------------------------------------------------------------------- files

def input_files(graph: Graph) -> dict[str, tuple[str, str]]:
    """{path of a file here that a text of the graph names: (its place for the worker, SHA-256 of its content)}.

    Files of the host's input, output and temp folders; the place is such as "input/face.png".
    """
    found = {}
    for _, text in texts(graph):
        name, folder = folder_paths.annotated_filepath(text)
        folder = folder or folder_paths.get_input_directory()
        path = os.path.normpath(os.path.join(folder, name))
        if not path.startswith(os.path.join(os.path.abspath(folder), "")) or "\0" in path or not os.path.isfile(path):
            continue
        kind = next(kind for kind in ("input", "output", "temp") if folder_paths.get_directory_by_type(kind) == folder)
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        found[path] = f"{kind}/{Path(path).relative_to(os.path.abspath(folder)).as_posix()}", digest
    return found
