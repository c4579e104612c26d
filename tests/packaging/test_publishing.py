"""What is published: the registry's metadata, the Manager's requirements, the files for GitHub."""
from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from PIL import Image

from unite_and_conquer.devtools.paths import PACK, ROOT
from unite_and_conquer.devtools.setup import COMFYUI

try:
    import tomllib
except ModuleNotFoundError:         # Python 3.10
    import tomli as tomllib

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
REPOSITORY = PYPROJECT["project"]["urls"]["Repository"]
NO_CREDENTIALS = {"persist-credentials": False}
LOCAL_IMAGE = "https://raw.githubusercontent.com/"


# ------------------------------------------------------------------------------------------------------------ metadata

def test_the_host_reads_what_the_registry_asks_for(comfy):
    from comfy_config.config_parser import extract_node_configuration
    config = extract_node_configuration(str(ROOT))
    name = config.project.name
    assert re.fullmatch(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*", name) and len(name) < 100 and "comfy" not in name
    assert re.fullmatch(r"\d+\.\d+\.\d+", config.project.version)
    assert config.project.supported_os == ["OS Independent"]
    assert config.project.supported_comfyui_version == f">={COMFYUI}"       # what the tests install
    assert config.project.urls.repository == REPOSITORY and config.tool_comfy.publisher_id in REPOSITORY
    assert config.tool_comfy.display_name and not config.tool_comfy.web         # WEB_DIRECTORY serves it already


def test_the_license_is_the_one_in_the_file():
    assert PYPROJECT["project"]["license"] == "GPL-3.0-or-later"
    assert re.match(r"\s*GNU GENERAL PUBLIC LICENSE\s+Version 3, 29 June 2007\s", (ROOT / "LICENSE").read_text("utf-8"))
    assert "GPL-3.0-or-later" in README[README.index("## Licence"):]


def addresses(path: Path) -> set[str]:
    """The repositories of this pack's name, OWNER/NAME, that a file leads to."""
    address = r"github(?:usercontent)?\.com/([\w.-]+/comfyui-unite-and-conquer[\w.-]*)"
    return {found.removesuffix(".git") for found in re.findall(address, path.read_text("utf-8"))}


def test_one_address_everywhere():
    """pyproject.toml names the repository; pages only where they lead to what the registry's archive leaves out."""
    address = {REPOSITORY.removeprefix("https://github.com/")}
    assert addresses(ROOT / "pyproject.toml") == address
    pages = [*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.*ml"), *(ROOT / ".github").rglob("*.md")]
    pages += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "web").rglob("*.md")]
    assert len(pages) > 20 and not [page.name for page in pages if addresses(page) - address]


@pytest.mark.parametrize("key", ["Icon", "Banner"])
def test_icon_and_banner(key):
    owner, name, branch, path = PYPROJECT["tool"]["comfy"][key].removeprefix(LOCAL_IMAGE).split("/", 3)
    assert f"https://github.com/{owner}/{name}" == REPOSITORY and branch == "main"
    with Image.open(ROOT / path) as picture:
        assert picture.format == "PNG" and (ROOT / path).stat().st_size < 200_000
        width, height = picture.size
    assert width == height <= 400 if key == "Icon" else width * 9 == height * 21


def test_the_changelog_leads_to_the_version():
    """Newest first, each with its day; the newest is the version of pyproject.toml, unless none was released yet."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    dated = re.compile(r"\[?(\d+)\.(\d+)\.(\d+)\]? - \d{4}-\d\d-\d\d")
    released = [dated.fullmatch(heading) for heading in headings if heading != "Unreleased"]
    assert headings and all(released) and headings.count("Unreleased") <= 1 and "Unreleased" not in headings[1:]
    versions = [tuple(map(int, match.groups())) for match in released if match]
    assert versions == sorted(set(versions), reverse=True)
    assert PYPROJECT["project"]["version"] == (".".join(map(str, versions[0])) if versions else "0.1.0")


# -------------------------------------------------------------------------------------------------------- the Manager

def test_the_manager_installs_once_and_changes_nothing_that_is_there():
    """It reads requirements.txt alone, asks pip for what is missing, and runs install.py again at every update."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert lines == PYPROJECT["project"]["dependencies"]
    for line in lines:
        wanted = Requirement(line)
        # A newer one is never taken away, and the host's own list leads to it.
        assert {s.operator for s in wanted.specifier} <= {">="} and not wanted.url and not wanted.marker
        assert wanted.specifier.contains(importlib.metadata.version(wanted.name))
        needed = [need for need in importlib.metadata.requires(wanted.name) or () if "extra" not in need]
        assert not {Requirement(need).name for need in needed if "==" in need}
    assert not any((ROOT / name).exists() for name in ("install.py", "prestartup_script.py", "setup.py"))


# --------------------------------------------------------------------------------------------------------- for GitHub

def test_the_workflow_runs_the_readmes_command():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    command, = re.findall(r"^    (python3 dev\.py test)\b.*$", README, re.MULTILINE)
    step = jobs["test"]["steps"][-1]
    assert step["run"] == command + ' ${COMFYUI:+--comfyui "$COMFYUI"}'
    assert step["env"] == {"COMFYUI": "${{ matrix.comfyui }}"}
    assert jobs["test"]["strategy"]["matrix"]["comfyui"] == ["", "newest", "master"]
    fast = jobs["fast"]["strategy"]["matrix"]
    assert fast["os"] == ["ubuntu-latest", "windows-latest", "macos-latest"]
    assert fast["python"][0] == PYPROJECT["project"]["requires-python"].removeprefix(">=")
    first, last = re.findall(r"Python (\S+) to (\S+) and", README)[0]
    assert [first, last] == [fast["python"][0], fast["python"][-1]]
    assert workflow["permissions"] == {"contents": "read"} and not any("permissions" in job for job in jobs.values())
    assert set(workflow[True]) == {"push", "pull_request", "workflow_dispatch"}              # YAML reads `on` as true
    cached = next(step for step in jobs["test"]["steps"] if "actions/cache" in step.get("uses", ""))
    assert PACK in cached["with"]["path"]


def test_a_tag_publishes_the_version_by_the_registrys_own_action():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "publish.yml").read_text("utf-8"))
    assert workflow[True] == {"push": {"tags": ["v*"]}} and workflow["permissions"] == {"contents": "read"}
    job, = workflow["jobs"].values()
    checkout, check, publish = job["steps"]
    assert publish["uses"].startswith("Comfy-Org/publish-node-action@") and checkout["with"] == NO_CREDENTIALS
    assert publish["with"]["personal_access_token"] == "${{ secrets.REGISTRY_ACCESS_TOKEN }}"
    for tag, fits in ((f"v{PYPROJECT['project']['version']}", True), ("v0.0.1", False)):
        run = subprocess.run(["sh", "-e", "-c", check["run"].splitlines()[0]], cwd=ROOT, env={**os.environ, "TAG": tag})
        assert (run.returncode == 0) == fits


def test_every_action_is_pinned_by_its_commit():
    """A tag can be moved; the version stands beside it."""
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
        loose = [line for line in lines if not re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # \S", line)]
        assert lines and not loose, f"In {path.name}, pin by commit, with the version in a comment: {loose}"


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_issue_forms(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text("utf-8"))
    assert form["name"] and form["description"] and form["body"]
    fields = form["body"]
    labels = {field["attributes"]["label"] for field in fields}
    assert len({field["id"] for field in fields}) == len(labels) == len(fields)
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "checkboxes", "markdown"}
    required = {field["id"] for field in fields if field.get("validations", {}).get("required")}
    assert required == ({"what", "workflow", "log", "comfyui", "pack"} if name == "bug_report" else {"goal"})


def test_issues_begin_with_a_form():
    config = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text("utf-8"))
    assert config["blank_issues_enabled"] is False
    assert all({"name", "url", "about"} == set(link) for link in config["contact_links"])
