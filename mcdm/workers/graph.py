"""The part of a prompt that makes one expert, and the files that it names."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import folder_paths

Graph = dict[str, dict[str, Any]]           # {node id: {"class_type", "inputs"}}, the host's API format


def upstream(prompt: Mapping[str, Any], node_id: str) -> Graph:
    """The nodes of a prompt that a node needs, itself included, without what the host has written into them."""
    graph: Graph = {}
    waiting = [node_id]
    while waiting:
        number = waiting.pop()
        if number in graph:
            continue
        node = prompt[number]
        graph[number] = {"class_type": node["class_type"], "inputs": dict(node["inputs"])}
        waiting += [str(value[0]) for value in node["inputs"].values() if is_link(value)]
    return graph


def is_link(value: Any) -> bool:
    """Whether the value of an input is a wire: [node id, number of the output]."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str) \
        and isinstance(value[1], int)


def texts(graph: Graph) -> Iterator[tuple[str, str]]:
    """(node id, text) for every text among the inputs."""
    def within(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)) and not is_link(value):
            for part in value:
                yield from within(part)
        elif isinstance(value, Mapping):
            for part in value.values():
                yield from within(part)
    for number, node in graph.items():
        for value in node["inputs"].values():
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


def check_paths(graph: Graph, place: Path) -> None:
    """Raises ValueError where a text names a file outside the folders of this ComfyUI and of `place`, its own."""
    bases = {os.path.abspath(folder) for folders, _ in folder_paths.folder_names_and_paths.values()
             for folder in folders}
    allowed = [os.path.join(base, "") for base in (*bases, str(place))]
    bases |= {str(place / kind) for kind in ("input", "output", "temp")} | {str(place)}
    for number, text in texts(graph):
        name = folder_paths.annotated_filepath(text)[0]
        if not ("/" in name or "\\" in name) or "\0" in name or len(name) > 4096:
            continue
        for base in bases:
            path = os.path.normpath(os.path.join(base, name))
            if os.path.exists(path) and not any(os.path.join(path, "").startswith(folder) for folder in allowed):
                raise ValueError(f"node {number} ({graph[number]['class_type']}) names '{text}', which lies outside "
                                 "the worker's ComfyUI folders; put the file into one of them")
