"""On the worker: whether the texts of a graph lead out of the folders of its ComfyUI."""
from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import folder_paths

from .graph import Graph, texts


def unquote(text: str) -> str:
    """A text whose escapes of URLs, such as %20, are read."""
    def read(escapes: re.Match[str]) -> str:
        return bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "replace")
    return re.sub("(%[0-9a-fA-F]{2})+", read, text)


# What nodes do to a text before they take it for a path.
READERS: tuple[Callable[[str], str], ...] = (
    str.strip,
    lambda text: text.strip("\"'`"),
    lambda text: text.replace("\\", "/"),
    lambda text: folder_paths.annotated_filepath(text)[0],          # "face.png [output]"
    lambda text: re.sub(r"(?i)^file:(//[^/]*)?", "", text),
    lambda text: re.sub(r"[^/]*[*?\[].*", "", text, flags=re.DOTALL),      # the folder of a pattern
    unquote, os.path.expanduser, os.path.expandvars,
)
DEPTH = 4       # so many of these, one after another
BETWEEN_WORDS = re.compile(r"[\s\0\"'`,:;=|<>(){}]+")


def readings(text: str) -> set[str]:
    """The paths for which a node may take a text, one of its lines, or a word of it."""
    words = (word for word in BETWEEN_WORDS.split(text) if set(word) & set("/\\%~$") and re.search(r"\w", word))
    found = {text, *text.splitlines(), *words}
    fresh = found
    for _ in range(DEPTH):
        fresh = {reader(known) for known in fresh for reader in READERS} - found
        found = found | fresh
    return {name for name in found if ("/" in name or name == "..") and "\0" not in name}


def check_paths(graph: Graph, place: Path) -> None:
    """Raises ValueError where a text names a file outside the folders of this ComfyUI and of `place`, its own."""
    bases = {os.path.abspath(folder) for folders, _ in folder_paths.folder_names_and_paths.values()
             for folder in folders}
    allowed = [os.path.join(base, "") for base in (*bases, str(place))]
    bases |= {str(place / kind) for kind in ("input", "output", "temp")} | {str(place)}
    for number, text in texts(graph):
        for name in readings(text):
            paths = {os.path.normpath(os.path.join(base, name)) for base in bases}
            if any(os.path.exists(path) and not os.path.join(path, "").startswith(tuple(allowed)) for path in paths):
                raise ValueError(f"node {number} ({graph[number]['class_type']}) names '{name}', which lies outside "
                                 "the worker's ComfyUI folders; put the file into one of them")
