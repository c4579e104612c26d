"""example_workflows/api/tune.py: a search by a number that a node of the graph says, over HTTP."""
import importlib.util
import json
import math
import subprocess
import sys

import pytest

from unite_and_conquer.devtools.paths import WORKFLOWS
from unite_and_conquer.devtools.prompts import face, node
from unite_and_conquer.devtools.terminal import clean_env

SCRIPT = WORKFLOWS / "api" / "tune.py"


@pytest.fixture
def graph():
    """Its node `said` shows a JSON whose first "weight" is that of the first expert."""
    prompt = face(steps=1)
    sampler = prompt.pop("sample")["inputs"]
    for key in ("vae", "decode", "save"):
        del prompt[key]
    return prompt | {"report": node("MixtureReport", **sampler), "said": node("PreviewAny", source=["report", 2])}


def tuned(host, tmp_path, graph, *more):
    (tmp_path / "graph.json").write_text(json.dumps(graph), "utf-8")
    command = [sys.executable, SCRIPT, tmp_path / "graph.json", "--server", host.url, "--trials", "9",
               "--candidates", "4", "--out", tmp_path / "tuned.json", *more]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=clean_env(), timeout=200)


def test_it_follows_a_number_of_the_graph(host, tmp_path, graph):
    """The most: a larger weight of the first expert. Again with the same seed: the same."""
    found = tuned(host, tmp_path, graph, "--score", "said", "--key", "weight")
    assert found.returncode == 0, found.stdout + found.stderr
    made = json.loads((tmp_path / "tuned.json").read_text("utf-8"))
    assert made["a"]["inputs"]["weight"] > graph["a"]["inputs"]["weight"]
    assert made["mix"]["inputs"]["meaning"] == "shares"
    assert len(found.stdout.splitlines()) == 9 + 1
    again = tuned(host, tmp_path, graph, "--score", "said", "--key", "weight")
    assert again.stdout == found.stdout
    host.run(made)


@pytest.mark.parametrize("node_id, key, words", [
    ("nobody", "", "has no node nobody"), ("said", "beauty", "No run had a score"),
])
def test_what_cannot_be_followed_is_told(host, tmp_path, graph, node_id, key, words):
    found = tuned(host, tmp_path, graph, "--score", node_id, "--key", key)
    assert found.returncode == 1 and words in found.stderr + found.stdout and "Traceback" not in found.stderr


def test_a_chain_and_a_weight_over_a_wire(monkeypatch):
    """Twelve experts by two mixers: the second has the first as one part. A wired weight is no number of the search."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("tuning_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    experts = {f"e{i}": node("ConditionExpert", weight=2.0) for i in range(12)}
    experts["e3"]["inputs"]["weight"] = ["number", 0]
    wires = [{f"expert_{slot}": [f"e{i}", 0] for slot, i in enumerate(part, 1)} for part in (range(8), range(8, 12))]
    first = node("ReliabilityMixer", **wires[0], reliabilities="")
    last = node("ReliabilityMixer", **wires[1], mixture=["first", 0], reliabilities="")
    space = script.Space(experts | {"first": first, "last": last})
    assert space.start == [math.log(2.0)] * 11 + [0.0] * (8 + 5)
    made = space.applied([0.0] * len(space.start))
    assert made["e3"]["inputs"]["weight"] == ["number", 0] and made["e4"]["inputs"]["weight"] == 1.0
    assert [len(made[key]["inputs"]["reliabilities"].split()) for key in ("first", "last")] == [8, 5]
