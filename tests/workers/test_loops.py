"""Experts that the host's own loops place on workers: nodes in a loop are copies, one for each of its rounds."""
from __future__ import annotations

from types import SimpleNamespace

import pytest

# Node 9 starts the loop and node 8 ends it; nodes 4 and 5 are in it, nodes 1 and 2 beside it.
QUEUED = {
    "1": {"class_type": "LoadExpert", "inputs": {"expert": "builtin/faces"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "start.png"}},
    "9": {"class_type": "StartLoop", "inputs": {"initial_iteration_value": ["2", 0]}},
    "4": {"class_type": "ConditionExpert", "inputs": {
        "model": ["1", 0], "weight": ["9", 0], "mask": ["9", 4], "name": ["9", 3]}},
    "5": {"class_type": "PlaceExpert", "inputs": {"expert": ["4", 0], "place": "blue", "timeout": 60.0}},
    "8": {"class_type": "EndLoop", "inputs": {"output_value": ["5", 0]}},
    "6": {"class_type": "PlaceExpert", "inputs": {"expert": ["1", 0], "place": "green"}},
}


def looped(rounds=2, item="hair"):
    """The prompt while the loop runs, as the host's own nodes expand it."""
    from comfy_execution.graph import DynamicPrompt
    prompt = DynamicPrompt(QUEUED)
    for i in range(rounds):
        carried = [f"9.0.0.{i - 1}_5", 0] if i else ["2", 0]
        inputs = {"iteration_index": i + 1, "is_first": not i, "is_last": False, "list_item": item,
                  "current_iteration_value": carried, "reuse_cache": False}
        if i:
            inputs["dependency0"] = carried
        round_, expert = f"9.0.0.iteration_{i}", f"9.0.0.{i}_4"
        prompt.add_ephemeral_node(round_, {"class_type": "LoopIteration", "inputs": inputs}, "9", "9")
        wires = {"model": ["1", 0], "weight": [round_, 0], "mask": [round_, 4], "name": [round_, 3]}
        prompt.add_ephemeral_node(expert, {"class_type": "ConditionExpert", "inputs": wires}, "9", "4")
        placed = {"expert": [expert, 0], "place": "blue", "timeout": 60.0}
        prompt.add_ephemeral_node(f"9.0.0.{i}_5", {"class_type": "PlaceExpert", "inputs": placed}, "9", "5")
    return prompt


@pytest.fixture
def told(comfy, monkeypatch):
    """What runtimes are asked, [(seat, question), ...], and those that are kept, {seat, ...}."""
    cluster = comfy.module("mcdm.workers.cluster")
    made = SimpleNamespace(asked=[], kept=set())
    monkeypatch.setattr(cluster, "ask", lambda seat, _, __, question, *___: made.asked.append((seat, question)) or [])
    monkeypatch.setattr(cluster, "dismiss", made.kept.update)
    monkeypatch.setattr(comfy.module("mcdm.workers.remote").RemoteExpert, "expert", lambda self: self)
    return made


def placed(comfy, prompt, node):
    """What Place Expert gives for a node of the running prompt."""
    kind = comfy.module("nodes.placing").PlaceExpert
    hidden = SimpleNamespace(dynprompt=prompt, unique_id=node)
    return type("Placed", (kind,), {"hidden": hidden}).execute(place="blue", timeout=60.0).args[0]


def test_the_graph_of_a_round_holds_what_the_loop_hands_on(comfy, told):
    remote = placed(comfy, looped(1), "9.0.0.0_5")
    assert remote.target == ("9.0.0.0_4", 0)
    assert remote.graph == {
        "1": QUEUED["1"], "2": QUEUED["2"], "9.0.0.0_4": {"class_type": "ConditionExpert", "inputs": {
            "model": ["1", 0], "weight": 1, "mask": ["2", 0], "name": "hair"}},
    }


def test_the_rounds_before_are_not_run_by_the_worker_unless_their_result_is_used(comfy, told):
    prompt = looped(2)
    del prompt.ephemeral_prompt["9.0.0.1_4"]["inputs"]["mask"]
    assert set(placed(comfy, prompt, "9.0.0.1_5").graph) == {"1", "9.0.0.1_4"}
    assert set(placed(comfy, looped(2), "9.0.0.1_5").graph) == {
        "1", "2", "9.0.0.0_4", "9.0.0.0_5", "9.0.0.1_4"}


def test_all_rounds_share_the_process_of_the_node_that_is_shown(comfy, told):
    Seat = comfy.module("mcdm.workers.cluster").Seat
    prompt = looped(2)
    assert [placed(comfy, prompt, f"9.0.0.{i}_5").seat for i in range(2)] == [Seat("blue", "5")] * 2
    assert told.kept >= {Seat("blue", "5"), Seat("green", "6")}
    assert placed(comfy, prompt, "5").seat == Seat("blue", "5")


def test_two_nodes_that_another_one_has_made_have_a_process_each(comfy, told):
    prompt = looped(2)
    for i in range(2):
        prompt.ephemeral_display[f"9.0.0.{i}_5"] = "9"
    assert len({placed(comfy, prompt, f"9.0.0.{i}_5").seat for i in range(2)}) == 2


def test_an_item_of_a_list_that_no_worker_can_take_is_an_error(comfy, told):
    with pytest.raises(ValueError, match="takes texts and numbers from the list of a loop, not a dict; make it in"):
        placed(comfy, looped(1, item={"samples": 0}), "9.0.0.0_5")


def test_one_process_does_not_serve_two_experts_at_once(comfy, told):
    prompt = looped(2)
    first, second = (placed(comfy, prompt, f"9.0.0.{i}_5") for i in range(2))
    for remote in (first, second):
        remote._open(None)
        remote.told = {"noise": None}
    first._begin(None)
    with pytest.raises(ValueError, match="Place Expert 5 has brought two experts into one mixture, from two rounds"):
        second._begin(None)
    first._close(None)
    second._begin(None)
    second._close(None)
