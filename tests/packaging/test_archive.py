"""The registry's archive, as comfy-cli packs it: nothing that the scan stops at, no dead link, all it does."""
from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from support.history import shortened
from support.tensors import pictures
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.host import Host, error_of
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.workflows import absent_files

try:
    import tomllib
except ModuleNotFoundError:         # Python 3.10
    import tomli as tomllib

RULES = json.loads((Path(__file__).parent / "registry_scan.json").read_text("utf-8"))["rules"]
MOST_BYTES = 35_000_000
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:src|href)=\"([^\"]+)\"")


def test_comfy_cli_finds_nothing_to_complain_of(cli, repository):
    answer = cli(repository, "node", "validate")
    words = answer.stdout + answer.stderr
    assert answer.returncode == 0 and not re.search("warning|error", words, re.IGNORECASE), words
    assert "All validation checks passed" in answer.stdout


def test_it_holds_what_comfyui_needs(archive):
    names = [name for name in archive.namelist() if not name.endswith("/")]
    assert {name.split("/")[0] for name in names} == {
        "CHANGELOG.md", "LICENSE", "README.md", "__init__.py", "docs", "example_workflows", "locales", "mcdm", "nodes",
        "pyproject.toml", "requirements.txt", "subgraphs", "web"}
    kinds = re.compile(r"\.(py|md|toml|txt|js|css|json|png|jpg|safetensors)$|^LICENSE$")
    assert not [name for name in names if not kinds.search(name)]
    embedded = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mcdm" / "builtin").rglob("*.safetensors")}
    assert {name for name in names if name.endswith(".safetensors")} == embedded
    assert Path(archive.filename or "").stat().st_size < MOST_BYTES


# ----------------------------------------------------------------------------------------------- the registry's scan

def findings(folder: Path) -> list[str]:
    """File, line and rule of all that the scan would stop at; comments count, for it knows no languages."""
    found = []
    for path in sorted(folder.rglob("*.*")):
        rules = [rule for rule in RULES if path.suffix.removeprefix(".") in rule["files"]]
        for number, line in enumerate(path.read_text("utf-8").splitlines() if rules else (), start=1):
            found += [f"{path.relative_to(folder).as_posix()}:{number}: {match[0]!r} ({rule['name']})"
                      for rule in rules if (match := re.search(rule["pattern"], line))]
    return found


def test_the_scan_finds_nothing(unpacked):
    found = findings(unpacked)
    assert not found, "\n".join(["Leave these out in .comfyignore, or do without them:", *found])


@pytest.mark.parametrize(("name", "line"), [
    ("a.py", "token = os.environ.get('TOKEN')"), ("a.py", "from os import getenv"),
    ("a.py", "import subprocess"), ("a.py", "os.system('ls')"),
    ("a.py", "import urllib.request"), ("a.py", "requests.get(address)"), ("a.py", "import socket"),
    ("a.js", "node.connect(0, other, 1)"), ("a.js", "// this.draw.bind(this)"), ("a.py", "from aiohttp import web"),
    ("a.py", "eval(text)"), ("a.js", "/a/.exec(text)"), ("a.py", "network.eval()"),
    ("a.py", "importlib.import_module(name)"), ("a.py", "__import__('os')"), ("a.py", "import ctypes"),
    ("a.py", "pickle.load(file)"), ("a.py", "base64.b64encode(data)"), ("a.js", 'src = "data:image/gif;base64,R0"'),
    ("a.md", "Run `pip install ray`."), ("a.json", '"python -m pip"'), ("a.py", "import zlib"),
    ("a.py", "shutil.rmtree(folder)"), ("a.py", "os.chmod(path, 0o777)"), ("a.py", "import sqlite3"),
    ("a.py", "hashlib.md5(data)"), ("a.py", "import winreg"), ("a.py", "api_key = ''"), ("a.md", "0.0.0.0"),
    ("a.py", "# curl -L https://somewhere | sh"),
])
def test_the_scan_sees_what_it_is_for(tmp_path, name, line):
    (tmp_path / name).write_text(f"\n{line}\n", "utf-8")
    assert findings(tmp_path) and all(each.startswith(f"{name}:2: ") for each in findings(tmp_path))


def test_each_rule_names_its_source():
    assert len({rule["name"] for rule in RULES}) == len(RULES) >= 20
    assert all(re.search("https://", rule["source"]) for rule in RULES)


# ------------------------------------------------------------------------------------------------------------- links

def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(folder: Path) -> list[str]:
    """Links of the pages in a folder that lead neither to a file there, nor into the part of the repository left out.

    The host serves web/docs/ alone, so that these pages lead to any other by its address.
    """
    dead = []
    for page in sorted(folder.rglob("*.md")):
        for link in filter(None, (found[1] or found[2] for found in LINK.finditer(page.read_text("utf-8")))):
            place, _, anchor = link.partition("#")
            outside = place.startswith(f"{REPOSITORY}/")
            if re.match("[a-z]+:", place) and not outside:
                continue
            kind, _, name = place.removeprefix(f"{REPOSITORY}/").partition("/main/")
            target = (ROOT / name if outside else page.parent / place) if place else page
            served = page.parent.name == "docs" and page.parents[1].name == "web"     # by the host, without the archive
            right = kind == "blob" and (served or not (folder / name).exists())
            known = target.exists() and (right or not outside)
            if not known or (anchor and anchor not in anchors(target)):
                dead.append(f"{page.relative_to(folder).as_posix()}: {link}")
    return dead


def test_no_link_is_dead(unpacked):
    dead = dead_links(unpacked)
    assert not dead, "\n".join([f"Ship these (.comfyignore), or link to {REPOSITORY}/blob/main/...:", *dead])


def test_dead_links_are_seen(unpacked, tmp_path):
    blob = f"{REPOSITORY}/blob/main"
    alive = f"[a](here.md#a-heading) [b]({blob}/CONTRIBUTING.md#releases) [c](https://docs.ray.io) [d](#here)"
    dead = ["here.md#another", "gone.md", f"{blob}/gone.md", f"{blob}/README.md"]      # the last one is in the archive
    (tmp_path / "here.md").write_text("# A heading\n", "utf-8")
    (tmp_path / "README.md").write_text("# Here\n" + alive + "".join(f" [e]({link})" for link in dead), "utf-8")
    assert dead_links(tmp_path) == [f"README.md: {link}" for link in dead]
    (tmp_path / "README.md").write_text('![a](gone.png) <img src="gone.jpg">', "utf-8")
    assert dead_links(tmp_path) == ["README.md: gone.png", "README.md: gone.jpg"]


# ------------------------------------------------------------------------------------------------- in a bare ComfyUI

FEW = ("start_here", "compare_in_two_places")       # in few steps; --every-example runs all as `demo` does


@pytest.fixture(scope="module")
def bare(unpacked, tmp_path_factory):
    """A ComfyUI, over HTTP, that has nothing but the archive."""
    with Host(tmp_path_factory.mktemp("base of a bare host"), installed=unpacked) as running:
        yield running


def of_the_pack(host):
    """{node: [its words, inputs and outputs]}, without the choices, which files may add to."""
    told = "display_name", "description", "input_order", "output_name", "output_tooltips"
    nodes = {node: info for node, info in host.object_info().items() if info["category"] == "unite and conquer"}
    return {node: [info[key] for key in told] for node, info in nodes.items()}


def test_every_node_is_there_and_says_what_the_clones_says(host, bare):
    nodes = of_the_pack(bare)
    assert "MCDMSampler" in nodes
    assert nodes == of_the_pack(host)
    assert bare.get_json("/i18n") == host.get_json("/i18n")


def test_its_pages_templates_blueprints_and_pictures_are_served(bare, unpacked):
    for file in (file for file in (unpacked / "web").rglob("*") if file.is_file()):
        address = f"/extensions/{unpacked.name}/{file.relative_to(unpacked / 'web').as_posix()}"
        assert bare.get(quote(address)) == file.read_bytes()
    templates = bare.get_json("/workflow_templates")[unpacked.name]
    assert sorted(templates) == sorted(prompts.TITLES.values())
    for title, kind in itertools.product(templates, ("json", "jpg")):
        served = bare.get(quote(f"/api/workflow_templates/{unpacked.name}/{title}.{kind}"))
        assert served == (unpacked / "example_workflows" / f"{title}.{kind}").read_bytes()
    blueprints = {entry["name"]: key for key, entry in bare.get_json("/global_subgraphs").items()
                  if entry["info"]["node_pack"] == f"custom_nodes.{unpacked.name}"}
    assert sorted(blueprints) == sorted(file.stem for file in (unpacked / "subgraphs").iterdir())
    for name, key in blueprints.items():
        drawn = (unpacked / "subgraphs" / f"{name}.json").read_text("ascii")
        assert bare.get_json(f"/global_subgraphs/{key}")["data"] == drawn
    for file in (unpacked / "example_workflows" / "inputs").iterdir():
        assert (bare.base / "input" / f"mcdm_{file.name}").read_bytes() == file.read_bytes()


def test_its_examples_give_the_clones_pixels(host, bare, unpacked, request):
    info, every = bare.object_info(), request.config.getoption("--every-example")
    same = {}
    for name in prompts.names() if every else FEW:
        graph = json.loads((unpacked / "example_workflows" / "api" / f"{name}.json").read_text("utf-8"))
        if not absent_files(graph, info):
            graph = prompts.edited(graph, prompts.SHORTER.get(name, {})) if every else shortened(graph)
            there, here = pictures(bare, graph, 600), pictures(host, graph, 600)
            same[name] = len(there) == len(here) > 0 and all(map(np.array_equal, there, here))
    print(f"{len(same)} examples: {', '.join(same)}")
    assert len(same) >= len(FEW) and all(same.values()), same


def test_it_says_what_workers_need(bare, unpacked):
    graph = prompts.edited(prompts.face(), {"mix": {"expert_1": ["placed", 0]}})
    placed = prompts.node("PlaceExpert", expert=["a", 0], place="blue")
    said = error_of(bare.wait(bare.post_prompt(graph | {"placed": placed})))
    assert re.fullmatch(r"A worker needs the pack's side of Ray, .* choose the version 'nightly' .* copy .*\.", said)
    assert str(Path("unite-and-conquer", "mcdm", "workers")) in said


def test_of_the_code_it_lacks_the_side_of_ray_alone(archive):
    names = set(archive.namelist())
    lacking = [path for room in ("mcdm", "nodes") for path in (ROOT / room).rglob("*.py")
               if path.relative_to(ROOT).as_posix() not in names]
    assert lacking and all(ROOT / "mcdm" / "workers" / "ray" in path.parents for path in lacking)
