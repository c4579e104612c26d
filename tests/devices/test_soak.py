"""One prompt after the other through the host's own queue, while experts change places: `--prompts 300` for a long run.
"""
from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch

from support.accelerator import KEPT
from unite_and_conquer.devtools import prompts
from unite_and_conquer.devtools.prompts import node

PLACES = "here", "here", "cpu", "npu:0", "npu:1", "npu:1"
SETTINGS = "weight", "words", "seed", "reliabilities", "sampler_name"
Keep = list[torch.Tensor]


@pytest.fixture
def kept(comfy: Any) -> Iterator[Keep]:
    """What a node "Keep" of the graph was given last."""
    given: Keep = []

    class Node:
        RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "keep", "test", True

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {"samples": ("LATENT",)}}

        @classmethod
        def IS_CHANGED(cls, samples: dict[str, Any]) -> float:
            return float("nan")         # always, or a prompt as the one before would give nothing

        def keep(self, samples: dict[str, Any]) -> dict[str, Any]:
            given[:] = [samples["samples"].cpu()]
            return {"ui": {}, "result": ()}
    with patch.dict(comfy.nodes, {"Keep": Node}):
        yield given


@pytest.fixture
def queue(kept: Keep) -> Callable[[prompts.Prompt], torch.Tensor | str]:
    """Runs a prompt as the host's queue does, with all that it keeps between prompts: the latent, or an error."""
    import execution
    told: list[tuple[str, dict[str, Any]]] = []
    server = SimpleNamespace(client_id="page", last_node_id=None, sockets={}, send_progress_text=lambda *_: None,
                             send_sync=lambda event, data, _: told.append((event, data)))
    executor = execution.PromptExecutor(server, cache_args={"lru": 0, "ram": 0, "ram_inactive": 0})

    def run(graph: prompts.Prompt) -> torch.Tensor | str:
        told.clear()
        kept.clear()
        executor.execute(graph, "a prompt", {"client_id": "page"}, ["keep"])
        for event, data in told:
            if event == "execution_error":
                return "".join(data["traceback"][-3:]) + data["exception_message"]
        return kept[0]
    run.executor = executor         # type: ignore[attr-defined]
    return run


def drawn_at_random(dice: random.Random, count: int) -> Iterator[tuple[prompts.Prompt, prompts.Prompt]]:
    """Prompts and the same with experts placed; each differs from the one before in a setting and in a place."""
    changes: dict[str, Any] = {"weight": 2.0, "words": "red hair", "seed": 1, "reliabilities": "",
                               "sampler_name": "euler"}
    places = {"expert_1": "here", "expert_2": "here"}
    for _ in range(count):
        value = {"weight": dice.choice([0.0, 1.0, 2.0, 3.5]), "words": dice.choice(["glasses", "blond hair, smiling"]),
                 "seed": dice.randrange(3), "reliabilities": dice.choice(["", "1 0", "0 1", "1 3"]),
                 "sampler_name": dice.choice(["euler", "dpmpp_2m", "heun"])}
        changing = dice.choice(SETTINGS)
        changes[changing] = value[changing]
        places[dice.choice(list(places))] = dice.choice(PLACES)
        graph = prompts.face(changes["words"], 2, changes["seed"], sampler_name=changes["sampler_name"])
        graph = prompts.edited(graph, {"text": {"weight_dtype": "float32"}, "hair": {"weight_dtype": "float32"},
                                       "b": {"weight": changes["weight"]},
                                       "mix": {"reliabilities": changes["reliabilities"]}})
        graph = {key: graph[key] for key in graph if key not in ("vae", "decode", "save")}
        graph["keep"] = node("Keep", samples=["sample", 0])
        if dice.random() < 0.15:            # the host's own sampler on the same MODEL, as if the mixture was not there
            settings = {key: value for key, value in graph["sample"]["inputs"].items()
                        if key not in ("mixture", "clip_denoised")}
            graph["sample"] = node("KSampler", model=["text", 0], positive=["words", 0], negative=["words", 0],
                                   cfg=1.0, **settings)
        yield graph, prompts.placed(graph, **{slot: place for slot, place in places.items() if place != "here"})


def test_experts_that_change_places_all_the_time(comfy, cards, queue, request):
    """All pictures are the processor's, also after prompts that ran out of memory, and nothing is left on a card."""
    import comfy.model_management as management
    dice = random.Random(24)
    graphs = list(drawn_at_random(dice, request.config.getoption("--prompts")))
    with patch.object(management, "cpu_state", management.CPUState.CPU):
        pictures = [queue(plain) for plain, _ in graphs]
    queue.executor.reset()
    management.unload_all_models()
    for number, ((_, graph), picture) in enumerate(zip(graphs, pictures, strict=True)):
        if dice.random() < 0.1:
            with cards.failing(dice.randrange(1, 3000)):
                queue(prompts.edited(graph, {"sample": {"steps": 3}}))
        drawn = queue(graph)
        assert not isinstance(drawn, str), drawn
        assert torch.equal(drawn, picture), f"prompt {number} of the soak"
        gc.collect()
        of_the_pack = graph["sample"]["class_type"] == "MCDMSampler"        # only then does it look what may go
        if of_the_pack and not any("npu:1" in call["inputs"].values() for call in graph.values()):
            assert cards.held(1) <= KEPT, f"something was left on the second card by prompt {number}"
    queue.executor.reset()
    management.unload_all_models()
    gc.collect()
    assert max(cards.held(0), cards.held(1)) <= KEPT
