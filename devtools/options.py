"""The options of what dev.py runs by name: benchmarks, pictures, the paper's experiments."""
from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path


def options(command: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of `dev.py COMMAND`, whose --help says what a module's docstring says first."""
    return argparse.ArgumentParser(prog=f"dev.py {command}", description=first_line(doc), allow_abbrev=False)


def first_line(doc: str | None) -> str:
    """What a module does, without the command that runs it."""
    return (doc or "").split("\n")[0].split(": `")[0]


def programs(folder: Path) -> dict[str, str]:
    """{name: what it does} of the modules in a folder that have a main."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        text = path.read_text("utf-8")
        if "\ndef main(" in text:
            found[path.stem] = first_line(ast.get_docstring(ast.parse(text)))
    return found


def chosen(command: str, doc: str | None, arguments: Sequence[str], what: str, names: Sequence[str]) -> list[str]:
    """The names among the arguments of a command that takes nothing else. what: that which they name."""
    parser = options(command, doc)
    known = ", ".join(names)
    parser.add_argument("names", nargs="*", metavar=what.upper(), help=f"of {known} (default: all)")
    asked: list[str] = parser.parse_args(arguments).names
    if unknown := set(asked) - set(names):
        parser.error(f"there is no {what} {', '.join(sorted(unknown))}, but {known}")
    return asked
