"""web/docs/ and the README: a page with a picture for every node, and a line in it for every input and output."""
from __future__ import annotations

import re

from support.told import nothing_is_left
from unite_and_conquer.devtools.paths import ROOT

DOCS = ROOT / "web" / "docs"
IMAGE = re.compile(r"!\[(.+?)\]\((\S+?)\)")
ROW = re.compile(r"^\| (\S+)(?: \.\.\. (\S+))? \|", re.MULTILINE)


def pages():
    """{id of a node: the text of its page}"""
    return {path.stem: path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}


def test_every_node_has_a_page_and_every_page_a_node(pack_nodes):
    missing, alone = pack_nodes.keys() - pages().keys(), pages().keys() - pack_nodes.keys()
    nothing_is_left([
        *(f"web/docs/{name}.md: write this page, as web/docs/CompareExperts.md is written" for name in missing),
        *(f"web/docs/{name}.md: there is no node {name}; is it in the list of nodes/__init__.py?" for name in alone)])


def test_every_page_has_its_picture_and_every_picture_its_page():
    to_do, used = [], set()
    for name, text in pages().items():
        pictures = [file for _, file in IMAGE.findall(text)]
        used.update(pictures)
        if not pictures:
            to_do.append(f"web/docs/{name}.md: add a line such as ![The node, and what it draws]({name}.png)")
        for file in pictures:
            if not file.startswith(name):
                to_do.append(f"web/docs/{name}.md: the name of {file} should begin with {name}")
            elif not (DOCS / file).is_file():
                to_do.append(f"web/docs/{file} is not there: add {name} to PICTURES in devtools/pictures/help_pages.py "
                             f"and run `python3 dev.py pictures help_pages {name}`")
    there = {path.name for path in DOCS.iterdir() if path.suffix != ".md"}
    nothing_is_left([*to_do, *(f"web/docs/{file}: no page shows it; show it or remove it" for file in there - used)])


def test_every_input_and_output_has_a_line_in_its_page(pack_nodes):
    to_do = []
    for name in pack_nodes.keys() & pages().keys():
        info = pack_nodes[name]
        told = {word for row in ROW.findall(pages()[name]) for word in row}
        inputs = [*info["input"].get("required", {}), *info["input"].get("optional", {})]
        for word in (*inputs, *info["output_name"]):
            if word not in told and not re.fullmatch("expert_[2-7]", word):
                to_do.append(f"web/docs/{name}.md: add the line | {word} | what it is |")
    nothing_is_left(to_do)


def test_every_node_is_in_the_readme(pack_nodes):
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    told = {name for row in rows for name in row.split(", ")}
    names = [info["display_name"].split(" (")[0] for info in pack_nodes.values()]
    nothing_is_left(f"README.md: add the line | {name} | what it does | to the table of nodes"
                    for name in names if name not in told)
