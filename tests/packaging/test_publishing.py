"""What is published: the registry's metadata and archive, the Manager's requirements, the files for GitHub, and headless runs by comfy-cli and sweep.py."""
from __future__ import annotations

import importlib.metadata
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from PIL import Image

from support.tensors import pixels
from unite_and_conquer.devtools.places import PACK, ROOT
from unite_and_conquer.devtools.setup import COMFYUI, venv_python
from unite_and_conquer.devtools.terminal import clean_env
from unite_and_conquer.devtools.tools import comfy_cli

try:
    import tomllib
except ModuleNotFoundError:         # Python 3.10
    import tomli as tomllib

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
REPOSITORY = PYPROJECT["project"]["urls"]["Repository"]
API = ROOT / "example_workflows" / "api"
EXAMPLES = sorted(path.stem for path in API.glob("*.json"))
LOCAL_IMAGE = "https://raw.githubusercontent.com/"


# ------------------------------------------------------------------------------------------------------------ metadata

def test_the_host_reads_what_the_registry_asks_for(comfy):
    from comfy_config.config_parser import extract_node_configuration
    config = extract_node_configuration(str(ROOT))
    assert re.fullmatch(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*", config.project.name) and len(config.project.name) < 100 and "comfy" not in config.project.name
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
    found = re.findall(r"github(?:usercontent)?\.com/([\w.-]+/comfyui-unite-and-conquer[\w.-]*)", path.read_text("utf-8"))
    return {address.removesuffix(".git") for address in found}


def test_one_address_everywhere():
    """pyproject.toml names the repository; the pages do not, so that they are true wherever it lies."""
    assert addresses(ROOT / "pyproject.toml") == {REPOSITORY.removeprefix("https://github.com/")}
    pages = [*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.*"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "web").rglob("*.md")]
    assert len(pages) > 20 and not [page.name for page in pages if page.is_file() and addresses(page)]


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
    released = [re.fullmatch(r"\[?(\d+)\.(\d+)\.(\d+)\]? - \d{4}-\d\d-\d\d", heading) for heading in headings if heading != "Unreleased"]
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
        assert {s.operator for s in wanted.specifier} <= {">="} and not wanted.url and not wanted.marker    # a newer one is never taken away
        assert wanted.specifier.contains(importlib.metadata.version(wanted.name))                           # the host's own list leads to it
        assert not {Requirement(r).name for r in importlib.metadata.requires(wanted.name) or () if "extra" not in r and "==" in r}
    assert not any((ROOT / name).exists() for name in ("install.py", "prestartup_script.py", "setup.py"))


# --------------------------------------------------------------------------------------------------------- for GitHub

def test_the_workflow_runs_the_readmes_command():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    command, = re.findall(r"^    (python3 dev\.py test)\b.*$", README, re.MULTILINE)
    assert command in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert workflow["permissions"] == {"contents": "read"} and not any("permissions" in job for job in workflow["jobs"].values())
    assert set(workflow[True]) == {"push", "pull_request", "workflow_dispatch"}              # YAML reads `on` as true
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step)
    assert PACK in next(step["with"]["path"] for step in workflow["jobs"]["test"]["steps"] if "actions/cache" in step.get("uses", ""))


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_issue_forms(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text("utf-8"))
    assert form["name"] and form["description"] and form["body"]
    assert len({field["id"] for field in form["body"]}) == len({field["attributes"]["label"] for field in form["body"]}) == len(form["body"])
    assert {field["type"] for field in form["body"]} <= {"textarea", "input", "dropdown", "checkboxes", "markdown"}
    required = {field["id"] for field in form["body"] if field.get("validations", {}).get("required")}
    assert required == ({"what", "workflow", "log", "comfyui", "pack"} if name == "bug_report" else {"goal"})


def test_issues_begin_with_a_form():
    config = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text("utf-8"))
    assert config["blank_issues_enabled"] is False and all({"name", "url", "about"} == set(link) for link in config["contact_links"])


# ----------------------------------------------------------------------------------------------------------- comfy-cli

@pytest.fixture(scope="module")
def cli(tmp_path_factory):
    """comfy-cli in a folder, in a home of its own, with no way out: its answer."""
    home = tmp_path_factory.mktemp("home of comfy-cli")
    comfy, nowhere = comfy_cli(), "http://127.0.0.1:9"
    env = clean_env(HOME=str(home), USERPROFILE=str(home), DO_NOT_TRACK="1", HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere, NO_PROXY="127.0.0.1", COLUMNS="500")

    def run(folder, *words):
        return subprocess.run([comfy, "--skip-prompt", "--no-json", *map(str, words)], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, encoding="utf-8", timeout=300)
    return run


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The checkout as a fresh clone would be, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("clone") / PACK
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", "output", "shared", "*_cache", "__pycache__", ".hypothesis"))
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def archive(cli, repository):
    answer = cli(repository, "node", "pack")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines() == ["Validating node configuration...", "Created zip file: node.zip"]
    return zipfile.ZipFile(repository / "node.zip")


def test_the_registry_finds_nothing_to_complain_of(cli, repository):
    answer = cli(repository, "node", "validate")
    assert answer.returncode == 0 and not re.search("warning|error", answer.stdout + answer.stderr, re.IGNORECASE), answer.stdout + answer.stderr
    assert "All validation checks passed" in answer.stdout


def test_the_archive_holds_what_comfyui_needs(archive):
    names = [name for name in archive.namelist() if not name.endswith("/")]
    assert {name.split("/")[0] for name in names} == {"CHANGELOG.md", "LICENSE", "README.md", "__init__.py", "docs", "example_workflows", "locales", "mcdm",
                                                      "nodes", "pyproject.toml", "requirements.txt", "subgraphs", "web"}
    assert not [name for name in names if not re.search(r"\.(py|md|toml|txt|js|css|json|png|jpg|safetensors)$|^LICENSE$", name)]
    assert {name for name in names if name.endswith(".safetensors")} == {f"mcdm/builtin/{path.name}" for path in (ROOT / "mcdm" / "builtin").iterdir()}
    assert sum(archive.getinfo(name).compress_size for name in names) < 45e6


LOAD = """
import json, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import inprocess
inprocess.ROOT = Path(sys.argv[2])
comfy = inprocess.start(Path(tempfile.mkdtemp()))
model, = comfy.call("LoadExpert", expert="builtin/scenes_text.safetensors")
comfy.call("TextCondition", model=model, text="beach")
print(json.dumps(sorted(node for node, kind in comfy.nodes.items() if getattr(kind, "RELATIVE_PYTHON_MODULE", "").startswith("custom_nodes."))))
"""


def test_the_archive_alone_loads_with_every_node(comfy, archive, tmp_path):
    archive.extractall(tmp_path / "unite-and-conquer")
    run = subprocess.run([sys.executable, "-c", LOAD, ROOT / "devtools", tmp_path / "unite-and-conquer"], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    ids = [node for node, kind in comfy.nodes.items() if getattr(kind, "RELATIVE_PYTHON_MODULE", "").startswith("custom_nodes.")]
    assert json.loads(run.stdout.splitlines()[-1]) == sorted(ids) and "MCDMSampler" in ids


def quick(path, folder, **changes):
    """A copy of a workflow in API format with two steps and other inputs, {class: {input: value}}."""
    workflow = json.loads(path.read_text("utf-8"))
    for node in workflow.values():
        node["inputs"] |= ({"steps": 2} if "steps" in node["inputs"] else {}) | changes.get(node["class_type"], {})
    (folder / path.name).write_text(json.dumps(workflow), "utf-8")
    return folder / path.name


@pytest.mark.parametrize("name", EXAMPLES)
def test_comfy_run_gives_the_picture(cli, host, stand_ins, tmp_path, name):
    workflow = quick(API / f"{name}.json", tmp_path, EmptyExpertLatent={"width": 64, "height": 64})
    answer = cli(tmp_path, "run", "--workflow", workflow, "--wait", "--host", "127.0.0.1", "--port", host.server.port)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    query = re.search(rf"{host.url}/view\?(\S+)", answer.stdout)
    assert query, answer.stdout
    with Image.open(io.BytesIO(host.get("/view", **dict(part.split("=") for part in query[1].split("&"))))) as picture:
        assert np.asarray(picture).std() > 5 and name in json.dumps(picture.info["prompt"])


def test_comfy_run_names_a_checkpoint_that_is_not_there(cli, host, tmp_path):
    workflow = quick(API / "two_stable_diffusion_prompts.json", tmp_path, CheckpointLoaderSimple={"ckpt_name": "nowhere.safetensors"})
    answer = cli(tmp_path, "run", "--workflow", workflow, "--wait", "--host", "127.0.0.1", "--port", host.server.port)
    assert answer.returncode == 1 and "nowhere.safetensors" in answer.stdout + answer.stderr


CONVERT = """
import json, sys
from pathlib import Path
from comfy_cli.workflow_to_api import convert_ui_to_api
info = json.loads(Path(sys.argv[1]).read_text("utf-8"))
print(json.dumps({path: convert_ui_to_api(json.loads(Path(path).read_text("utf-8")), info) for path in sys.argv[2:]}))
"""


def test_comfy_cli_converts_the_drawings_to_the_api_files(host, tmp_path):
    """By comfy-cli's own function, in its own environment: what `comfy run` queues for a file of example_workflows/ itself."""
    (tmp_path / "info.json").write_bytes(host.get("/object_info"))
    drawings = sorted((ROOT / "example_workflows").glob("*.json"))
    python = venv_python(comfy_cli().parent.parent)
    run = subprocess.run([python, "-c", CONVERT, tmp_path / "info.json", *drawings], capture_output=True, text=True, cwd=tmp_path,
                         env=clean_env(HOME=str(tmp_path), DO_NOT_TRACK="1"))
    assert run.returncode == 0, run.stderr
    bare = {path: {i: {k: node[k] for k in ("class_type", "inputs")} for i, node in graph.items()} for path, graph in json.loads(run.stdout).items()}
    for path in drawings:
        wanted = {i: {k: node[k] for k in ("class_type", "inputs")} for i, node in json.loads((API / path.name).read_text("utf-8")).items()}
        assert bare[str(path)] == wanted, path.name


# ------------------------------------------------------------------------------------------------------------ sweep.py

def sweep(*words, **env):
    return subprocess.run([sys.executable, "-I", API / "sweep.py", *map(str, words)], capture_output=True, text=True, timeout=120, env={**os.environ, **env})


def test_sweep_saves_a_picture_for_each_setting_with_its_workflow_inside(host, tmp_path):
    workflow = quick(API / "scene_from_class_and_text.json", tmp_path, ReliabilityMixer={"reliabilities": "7 7"})
    settings = ["1 0", "1, 3", "0 1"]
    run = sweep(workflow, "--server", f"127.0.0.1:{host.server.port}", "--out", tmp_path / "a" / "b", "--reliabilities", *settings,
                HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="")
    assert run.returncode == 0, run.stderr
    paths = [Path(line) for line in run.stdout.splitlines()]
    assert [path.parent for path in paths] == [tmp_path / "a" / "b"] * 3 and sorted(paths) == sorted((tmp_path / "a" / "b").iterdir())
    pictures = []
    for path, numbers in zip(paths, settings, strict=True):
        with Image.open(path) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
            inside = json.loads(picture.info["prompt"])
        mixer, = (node["inputs"] for node in inside.values() if node["class_type"] == "ReliabilityMixer")
        assert mixer["reliabilities"] == numbers
        expected, = host.images(host.run(inside))                                           # as the queue gives it
        assert np.array_equal(pictures[-1], pixels(expected))
        mixer["reliabilities"] = "7 7"
        assert {i: (n["class_type"], n["inputs"]) for i, n in inside.items()} \
            == {i: (n["class_type"], n["inputs"]) for i, n in json.loads(workflow.read_text("utf-8")).items()}      # nothing else was changed
    assert all((a != b).any() for a, b in itertools.combinations(pictures, 2))


@pytest.mark.parametrize("case, words", [
    ("no server", ["No ComfyUI answers at http://127.0.0.1:9 ", "--server"]), ("no file", ["nothing.json cannot be read"]),
    ("a drawing", ["scene_from_class_and_text.json has no ReliabilityMixer", "API"]), ("no mixer", ["one_expert_stock_ksampler.json has no ReliabilityMixer"]),
    ("refused", ["nowhere.safetensors", "node"]), ("fails", ["3 numbers for 2 experts"]),
])
def test_sweep_says_in_a_sentence_what_is_wrong(host, tmp_path, case, words):
    here = ["--server", host.url + "/", "--out", tmp_path / "out"]
    scene = API / "scene_from_class_and_text.json"
    run = sweep(*{
        "no server": ["--server", "127.0.0.1:9", "--out", tmp_path / "out"],
        "no file": [tmp_path / "nothing.json", *here],
        "a drawing": [ROOT / "example_workflows" / scene.name, *here],
        "no mixer": [API / "one_expert_stock_ksampler.json", *here],
        "refused": [quick(scene, tmp_path, LoadExpert={"expert": "nowhere.safetensors"}), *here],
        "fails": [scene, "--reliabilities", "1 2 3", *here],
    }[case])
    assert run.returncode == 1 and not run.stdout and not (tmp_path / "out").exists()
    assert len(run.stderr.splitlines()) == 1 and all(word in run.stderr for word in words), run.stderr


def test_the_template_browser_sees_workflows_and_nothing_else(host):
    names, = host.get_json("/workflow_templates").values()
    assert sorted(names) == sorted(path.stem for path in (ROOT / "example_workflows").glob("*.json"))
    assert sorted(names) == sorted(path.stem for path in API.glob("*.json"))
