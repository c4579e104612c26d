"""README and docs/: short enough, links that lead somewhere, and an architecture page that names what is there."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from unite_and_conquer.devtools.families import compatibility
from unite_and_conquer.devtools.paths import ROOT

README = ROOT / "README.md"
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
PAGES += sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))
ABROAD = "https://github.com/unite-and-conquer/comfyui-unite-and-conquer/blob/main/"    # what the archive leaves out
LINK = re.compile(r"\]\(([^)\s]+)\)")
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


# ------------------------------------------------------------------------------------------------ links

def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in LINK.findall((ROOT / page).read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if name.startswith("https://"):
            target = ROOT / name.removeprefix(ABROAD)
            if not name.startswith(ABROAD):
                continue
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme():
    linked = {link.removeprefix(ABROAD) for link in LINK.findall(README.read_text("utf-8"))}
    assert [page for page in PAGES if page != "README.md" and page not in linked] == []


def test_the_readme_is_short_and_begins_with_a_picture():
    text = README.read_text("utf-8")
    assert len(text.split()) < 1100
    assert text.index("![") < text.index("\n## ")
    assert LINK.findall(text)[0] == "docs/images/effect.jpg"


# ------------------------------------------------------------------------------------------------ names

def names_in(tree: ast.Module) -> Iterator[str]:
    """Names of functions, classes and module-level values, and Class.name of methods and fields."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
    for node in ast.walk(tree):
        if isinstance(node, FUNCTION | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{part.name}" for part in node.body if isinstance(part, FUNCTION))


def known_names() -> set[str]:
    names: set[str] = set()
    for room in ("mcdm", "nodes", "training", "devtools", "bench"):
        for file in (ROOT / room).rglob("*.py"):
            names.update(names_in(ast.parse(file.read_text("utf-8"))))
    return names


def test_the_architecture_page_names_what_is_there():
    """Its words in backticks are places in the checkout or names of the code; NAME and NODE_ID are to be chosen."""
    text = re.sub(r"```[\s\S]*?```", "", (ROOT / "docs" / "architecture.md").read_text("utf-8"))
    words = [word for word in re.findall(r"`([^`\n]+)`", text) if not re.search(r"NAME|NODE_ID| |\(", word)]
    places = {word for word in words if "/" in word or word.endswith(".py")}
    assert len(places) > 20
    assert [place for place in places if not list(ROOT.glob(place.rstrip("/")))] == []
    assert set(words) - places - known_names() == set()


# ------------------------------------------------------------------------------------------------ what mixes with what

def test_the_page_of_families_is_written_from_its_figures():
    written = compatibility.page(compatibility.read())
    assert compatibility.PAGE.read_text("utf-8") == written, "edit devtools/families/compatibility.py, not the page"
