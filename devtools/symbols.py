"""What the pack uses of the host, read from its own source: `python3 dev.py symbols` writes docs/host.md."""
from __future__ import annotations

import ast
import collections
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import read_ahead
from .paths import ROOT

PAGE = ROOT / "docs" / "host.md"
HOST = {"comfy", "comfy_api", "comfy_execution", "execution", "folder_paths", "latent_preview", "nodes", "server"}
# Names that the pack's own host/ and workers/ give to objects of the host, and their classes there.
OBJECTS = {
    "patcher": "comfy.model_patcher.ModelPatcher", "clone": "comfy.model_patcher.ModelPatcher",
    "moved": "comfy.model_patcher.ModelPatcher", "copied": "comfy.model_patcher.ModelPatcher",
    "loaded": "comfy.model_management.LoadedModel", "vae": "comfy.sd.VAE", "control": "comfy.controlnet.ControlBase",
}
INTRODUCTION = """# What the pack uses of ComfyUI

`python3 dev.py symbols` writes this page from the source of the pack, and a test compares it with that and with the
ComfyUI that runs it: every name has to be there, and take the parameters that the pack gives it, in this order.
A name in brackets is used only where ComfyUI has it.
"""


@dataclasses.dataclass
class Use:
    """How the pack uses a name. needed: it has to be there. positional, keywords: what it is called with."""
    needed: bool = False
    files: list[str] = dataclasses.field(default_factory=list)
    positional: int = 0
    keywords: set[str] = dataclasses.field(default_factory=set)


def sources() -> list[Path]:
    """The files of the pack that ComfyUI loads."""
    return sorted(path for folder in ("mcdm", "nodes") for path in (ROOT / folder).rglob("*.py"))


def of_file(tree: ast.Module) -> Iterator[tuple[str, bool, ast.Call | None]]:
    """(dotted name, whether it has to be there, the call of it if any) of what a file uses of the host's modules."""
    modules: dict[str, str] = {}            # {name in this file: the host's}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {(alias.asname or alias.name.split(".")[0]): (alias.name if alias.asname else
                        alias.name.split(".")[0]) for alias in node.names if alias.name.split(".")[0] in HOST}
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in HOST:
            modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            yield from ((f"{node.module}.{alias.name}", True, None) for alias in node.names)
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if (asked := asked_for(node)) and (what := dotted(node.args[0], modules)):
                yield f"{what}.{asked}", False, None
            if called := dotted(node.func, modules):
                yield called, True, node
        elif isinstance(node, ast.Attribute) and node not in inner:
            inner |= {below for below in ast.walk(node.value) if isinstance(below, ast.Attribute)}
            if named := dotted(node, modules):
                yield named, True, None


def asked_for(call: ast.Call) -> str:
    """The attribute that getattr or hasattr asks for by name, "" for another call."""
    if isinstance(call.func, ast.Name) and call.func.id in ("getattr", "hasattr"):
        name = call.args[1]
        return str(name.value) if isinstance(name, ast.Constant) else ""
    return ""


def dotted(node: ast.AST, modules: dict[str, str]) -> str | None:
    """The dotted name of an expression that begins with a module of the host."""
    if isinstance(node, ast.Name):
        return modules.get(node.id)
    if isinstance(node, ast.Attribute) and (before := dotted(node.value, modules)):
        return f"{before}.{node.attr}"
    return None


def of_objects(tree: ast.Module) -> Iterator[tuple[str, bool, None]]:
    """As `of_file`, class.attribute of what a file uses of the host's objects, which it knows by their names here."""
    asked = {asked_for(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner in OBJECTS and not node.attr.startswith("__"):
                yield f"{OBJECTS[owner]}.{node.attr}", node.attr not in asked, None


def used() -> dict[str, Use]:
    """Everything, by its dotted name, for the whole pack."""
    found: dict[str, Use] = collections.defaultdict(Use)
    for path in sources():
        place, tree = path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))
        objects = of_objects(tree) if place.startswith(("mcdm/host/", "mcdm/workers/")) else ()
        for name, needed, call in (*of_file(tree), *objects):
            use = found[name]
            use.needed |= needed
            use.files = sorted({*use.files, place})
            if call is not None:
                plain = [each for each in call.args if not isinstance(each, ast.Starred)]
                use.positional = max(use.positional, len(plain))
                use.keywords |= {each.arg for each in call.keywords if each.arg}
    prefixes = tuple(f"{name}." for name, use in found.items() if not use.needed)      # of what is used if it is there
    return {name: found[name] for name in sorted(found) if not name.startswith(prefixes)}


def resolved(name: str) -> Any:
    """What a dotted name of the host stands for; None for an attribute that only objects have.

    Raises ImportError or AttributeError where it is not there.
    """
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        if inspect.ismodule(found) and not hasattr(found, part):
            importlib.import_module(".".join(parts[:i]))
        elif inspect.isclass(found) and not hasattr(found, part) and _is_of_instances(found, part):
            return None
        found = getattr(found, part)
    return found


def _is_of_instances(kind: type, name: str) -> bool:
    """Whether a class, or one made of it, sets an attribute on itself, or one made of it has that."""
    kinds = [each for each in (*kind.__mro__, *kind.__subclasses__()) if each.__module__.split(".")[0] in HOST]
    sets = re.compile(rf"\bself\.{name}\b(: [^=\n]+)? = ")
    return any(hasattr(each, name) or sets.search(inspect.getsource(each)) for each in kinds)


def parameters(found: Any) -> list[str]:
    """The names of the parameters of a function of the host, or of what makes a class."""
    if not callable(found) or (getattr(found, "__module__", None) or "").split(".")[0] not in HOST:
        return []
    if inspect.isclass(found) and issubclass(found, BaseException):
        return []
    return [name for name, each in inspect.signature(found).parameters.items()
            if name not in ("self", "cls") and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]


def given(use: Use, names: Sequence[str]) -> list[str]:
    """Those parameters of a function that the pack gives it."""
    return [name for i, name in enumerate(names) if i < use.positional or name in use.keywords]


def page() -> str:
    """docs/host.md for the host in this process."""
    lines = [INTRODUCTION.rstrip()]
    module = ""
    for name, use in used().items():
        head = ".".join(name.split(".")[:2])
        if head != module:
            module = head
            lines.append(f"\n## {module}\n\n| Name | Given | Used in |\n|---|---|---|")
        try:
            names = given(use, parameters(resolved(name)))
        except (ImportError, AttributeError):
            names = []
        shown = f"`{name}`" if use.needed else f"(`{name}`)"
        lines.append(f"| {shown} | {', '.join(names)} | {', '.join(use.files)} |")
    return "\n".join(lines) + "\n" + read_ahead.section()


def main(_: Any, _arguments: list[str]) -> None:
    """Writes the page."""
    PAGE.write_text(page(), "utf-8")
