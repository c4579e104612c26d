"""The Python files of a checkout: what each imports, and where they are hard to read."""
from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

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
        self.trees = {name: ast.parse(text) for name, text in self.files.items()}
        self.names = {name: list(imported(tree)) for name, tree in self.trees.items()}
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

    def length(self, folder: str) -> int:
        """The lines of all Python files of a folder."""
        texts = [text for name, text in self.files.items() if name.startswith(folder + "/")]
        return sum(len(text.splitlines()) for text in texts)

    def dense(self, what: Callable[[ast.AST], Iterator[int]], allowed: dict[str, float]) -> list[str]:
        """What is found in files, but in folders that have at most as much per 1,000 lines as is allowed there."""
        found = []
        for folder in FOLDERS:
            places = []
            for name, tree in self.trees.items():
                if name.startswith(folder + "/"):
                    places += [f"{name}:{line}" for line in what(tree)]
            if len(places) > allowed.get(folder, 0.0) * self.length(folder) / 1000:
                found += places
        return found

    def lines(self) -> Iterator[tuple[str, int, str]]:
        for name, text in {**self.files, **self.scripts}.items():
            for number, line in enumerate(text.splitlines(), start=1):
                yield name, number, line


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The imports of a file as (level, dotted name); a name that is imported from a module is the last word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.level, ".".join(filter(None, [node.module, alias.name]))


def nested(tree: ast.AST) -> Iterator[int]:
    """The lines of comprehensions that hold another one."""
    kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and sum(isinstance(part, kinds) for part in ast.walk(node)) > 1:
            yield node.lineno


def written_out(tree: ast.AST) -> Iterator[int]:
    """The lines that assign a written-out tuple to more than two names at once."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            names = node.targets[0]     # a single one names an enumeration: KINDS = A, B, C = "a", "b", "c"
            if isinstance(names, (ast.Tuple, ast.List)) and len(names.elts) > 2:
                yield node.lineno
