"""Numbers that are none, to every field of every node of the pack, when a prompt is queued: by the host's own check."""
from __future__ import annotations

import itertools
import json
import math

import pytest

from support.mixtures import latent, settings, united
from unite_and_conquer.devtools.inprocess import finish
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet


def widgets(node):
    """{name: [type, {"default": ...}]} of what a node class shows as fields."""
    groups = node.INPUT_TYPES()
    specs = groups.get("required", {}) | groups.get("optional", {})
    return {name: spec for name, spec in specs.items() if len(spec) > 1 and "default" in spec[1]}


def complaints(node_id, fields, field, value):
    """What the host says of one value when the node is queued; it also misses the wires, which are left out here."""
    import execution
    inputs = {name: spec[1]["default"] for name, spec in fields.items()}
    prompt = {"1": {"class_type": node_id, "inputs": inputs | {field: value}}}
    _, errors, _ = finish(execution.validate_inputs("prompt", prompt, "1", {}))
    return [error for error in errors if error["extra_info"].get("input_name") == field]


def test_no_field_takes_nan_or_infinity(comfy):
    pack = f"{comfy.pack.__name__}."
    nodes = {name: widgets(node) for name, node in comfy.nodes.items() if node.__module__.startswith(pack)}
    numbers = [(name, field) for name, fields in nodes.items() for field, spec in fields.items() if spec[0] == "FLOAT"]
    assert len(numbers) >= 14
    for (name, field), value in itertools.product(numbers, (math.nan, "nan", math.inf, -math.inf)):
        default = nodes[name][field][1]["default"]
        assert complaints(name, nodes[name], field, default) == []
        [error] = complaints(name, nodes[name], field, value)
        assert str(float(value)) in error["message"] + error["details"], (name, field, error)


def test_the_page_reads_the_limits(comfy):
    """As JSON, in which a limit is an ordinary number."""
    limits = comfy.nodes["MixtureOptions"].INPUT_TYPES()["optional"]["apg_eta"][1]
    assert json.loads(json.dumps(limits))["min"] == -10.0 and str(limits["min"]) == "-10.0"


@pytest.mark.parametrize("denoise", [math.nan, -0.5, 1.5])
def test_a_denoise_from_a_wire(comfy, denoise):
    mixture = united(comfy, [tiny_unet(0), tiny_unet(1)])
    with pytest.raises(ValueError, match="^denoise must be a number from 0 to 1, not"):
        comfy.call("MCDMSampler", mixture=mixture, denoise=denoise, **settings(latent_image=latent()))


def test_an_eta_from_a_wire(comfy):
    with pytest.raises(ValueError, match="^eta must be a number from 0 to 1, not nan"):
        comfy.call("MCDMAncestral", eta=math.nan)
