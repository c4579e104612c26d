"""What is told when a prompt is queued, before anything is loaded: a null that is missing."""
from __future__ import annotations

import pytest

from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import edited, node, prompt
from unite_and_conquer.devtools.server import Refused

SD = prompt("two_stable_diffusion_prompts")
MIXER, = (key for key, call in SD.items() if call["class_type"] == "ReliabilityMixer")
FIRST, SECOND = (SD[MIXER]["inputs"][f"expert_{i}"][0] for i in (1, 2))


def without_null(*keys, **mixer):
    """The two checkpoints, some without a null; tiny pictures in one step."""
    small = {"steps": 1, "width": 64, "height": 64}
    changes = {}
    for key, call in SD.items():
        changes[key] = {name: small[name] for name in small if name in call["inputs"]}
    graph = edited(SD, changes | {MIXER: {"meaning": "reliabilities"} | mixer})
    for key in keys:
        del graph[key]["inputs"]["null_condition"]
    return graph


def refused(host, graph):
    """[(node, culprit)] of all that the host says."""
    with pytest.raises(Refused) as refusal:
        host.post_prompt(graph)
    errors = refusal.value.answer["node_errors"]
    assert all("has no null condition" in e["details"] for call in errors.values() for e in call["errors"])
    return [(key, e["extra_info"]["input_name"]) for key, call in errors.items() for e in call["errors"]]


@pytest.mark.parametrize("numbers", [{"reliabilities": ""}, {"reliabilities": "1 1"}, {"reliabilities": "0.5 0.5",
                                                                                     "meaning": "shares"}])
def test_a_missing_null_is_told_once_at_its_expert(host, stand_ins, numbers):
    assert refused(host, without_null(SECOND, **numbers)) == [(SECOND, "null_condition")]


def test_it_is_seen_behind_patches_and_in_a_chain(host, stand_ins):
    graph = without_null(FIRST)
    graph["late"] = node("ModelSamplingDiscrete", model=graph[FIRST]["inputs"]["model"], sampling="eps", zsnr=False)
    graph[FIRST]["inputs"]["model"] = ["late", 0]
    graph["inner"] = node("ReliabilityMixer", expert_1=[FIRST, 0])
    graph[MIXER]["inputs"] |= {"expert_1": [SECOND, 0], "mixture": ["inner", 0], "reliabilities": "1 1"}
    del graph[MIXER]["inputs"]["expert_2"]
    assert refused(host, graph) == [(FIRST, "null_condition")]


@pytest.mark.parametrize("case", ["reliability 0", "weights 1", "regions", "by a wire"])
def test_what_needs_none_or_cannot_be_known_is_taken(host, stand_ins, case):
    """The last needs it, and the sampler says so."""
    graph = without_null(SECOND, reliabilities="1 0" if case == "reliability 0" else "1 1")
    for key, weight in ((FIRST, 0.25), (SECOND, 0.75)) if case == "weights 1" else ():
        graph[key]["inputs"]["weight"] = weight
    if case == "regions":
        for call in graph.values():
            wired = {name: ["regions", 0] for name, value in call["inputs"].items() if value == [MIXER, 0]}
            call["inputs"] |= wired
        graph["regions"] = node("ExpertRegions", mixture=[MIXER, 0], regions="1: box 0 0 0.5 1", rest="2")
        graph[FIRST]["inputs"]["weight"] = graph[SECOND]["inputs"]["weight"] = 1.0
    if case == "by a wire":
        graph["text"] = node("PrimitiveString", value="1 1")
        graph[MIXER]["inputs"]["reliabilities"] = ["text", 0]
    entry = host.wait(host.post_prompt(graph))
    assert entry["status"]["status_str"] == ("error" if case == "by a wire" else "success"), entry["status"]


def test_a_mistake_of_the_mixer_is_not_told_at_an_expert(host, stand_ins):
    """All reliabilities are zero: the mixer tells it when it runs, though its sentence speaks of a null, too."""
    entry = host.wait(host.post_prompt(without_null(SECOND, reliabilities="0 0")))
    assert "all be zero" in error_of(entry)
