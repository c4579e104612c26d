"""Every file of support/hostile is refused in one sentence or loaded right; none of their code runs."""
import os
import re

import pytest
import torch

from support import vectors
from support.hostile import CANARY, CASES
from support.tensors import relative


def test_there_are_enough():
    assert len(CASES) >= 200
    assert sum(case.loads is True for case in CASES.values()) >= 25


@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_sentence_or_loaded_right(comfy, tmp_path, name):
    case = CASES[name]
    path = case.write(tmp_path)
    threads = torch.get_num_threads()
    load = comfy.module("mcdm.experts.load").load_expert
    if case.loads is False:
        with pytest.raises(ValueError) as caught:
            load(str(path), path.name)
        one_sentence(str(caught.value), path.name)
    else:
        try:
            model = load(str(path), path.name)
        except ValueError as error:
            assert case.loads is None
            one_sentence(str(error), path.name)
        else:
            right(model, name)
    assert CANARY not in os.environ and not os.path.exists("/tmp/mcdm_canary") and torch.get_num_threads() == threads


def one_sentence(message, name):
    assert name in message and message.endswith(".") and "\n" not in message and len(message) < 900
    assert not re.search(r"[.!?]\s", message), message


def right(model, name):
    """The network answers with numbers; from a whole file of the recorded DiT, with the recorded ones."""
    network = model.model.diffusion_model
    with torch.inference_mode():
        if name.startswith("folder"):
            assert torch.isfinite(network(torch.zeros(1, 3, 16, 16), torch.ones(1))).all()
            return
        case = vectors.cases("dit")["case1"]
        out = network(case["x"], case["t"].float(), y=case["y"])
    assert out.shape == case["x"].shape
    if name.startswith(("right", "sidecar")):
        tolerance = 0.3 if "float8" in name else 2e-2 if "float16" in name or "mixed" in name else 1e-5
        assert relative(out, case["out"][:, :4]) <= tolerance
