"""Checks of a queued prompt that need more than the value of one parameter.

The host repeats the sentence of validate_inputs for every parameter that the function names. So ours name only the
culprit, and read whatever else they need from the prompt, which the host hands to listeners before it checks it.
"""
from __future__ import annotations

import contextvars
from collections.abc import Iterator
from typing import Any

import torch

from ..mcdm.chaining import joined
from ..mcdm.host.sampling.reasons import check_nulls
from ..mcdm.mixture import Expert, MissingNull, Mixture
from ..mcdm.parsing import parse_reliabilities
from ..mcdm.prompt import LONGEST_CHAIN, SLOTS, Prompt, is_wire
from ..mcdm.shares import RELIABILITIES
from .decoders import wrong_decoders

_queued: contextvars.ContextVar[Prompt] = contextvars.ContextVar("mcdm_queued")      # by the task of each request


def listen() -> None:
    """Keeps every prompt that is queued, for the checks of its nodes."""
    from server import PromptServer
    host = getattr(PromptServer, "instance", None)
    if host is not None:
        host.add_on_prompt_handler(_keep)


def _keep(request: dict[str, Any]) -> dict[str, Any]:
    prompt = request.get("prompt")
    _queued.set(prompt if isinstance(prompt, dict) else {})
    for key, call in _queued.get().items():
        if isinstance(call, dict) and call.get("class_type") == "ConditionExpert" and missing_null(key) is not True:
            call["inputs"].setdefault("null_condition", None)   # the host names only parameters that are queued
    _tell_wrong_decoders(request)
    return request


def _tell_wrong_decoders(request: dict[str, Any]) -> None:
    """Tells the page that queues a prompt which of its VAEs cannot decode what is in the host's cache."""
    from server import PromptServer
    try:
        wrong = wrong_decoders(_queued.get())
    except (KeyError, IndexError, TypeError, RecursionError):       # what is queued is not a valid prompt
        return
    if wrong and request.get("client_id"):
        PromptServer.instance.send_sync("mcdm.wrong_vae", {"nodes": wrong}, request["client_id"])


def queued_values(node_id: str | None) -> dict[str, Any]:
    """What is queued for the parameters of a node; None for those that come through a wire."""
    inputs = _queued.get({}).get(str(node_id), {}).get("inputs", {})
    return {name: None if isinstance(value, list) else value for name, value in inputs.items()}


def missing_null(node_id: str | None) -> bool | str:
    """True, or a sentence for the user: a ConditionExpert has no null, and a mixer that it is wired to needs it.

    Only what is certain before anything has run; the sampler checks again.
    """
    prompt, node_id = _queued.get({}), str(node_id)
    inputs = prompt.get(node_id, {}).get("inputs", {})
    try:
        if is_wire(inputs.get("null_condition")) or _loader(prompt, inputs.get("model")) == "LoadExpert":
            return True
        if any(call["class_type"] == "ExpertRegions" for call in prompt.values()):
            return True         # under regions the weights may sum to 1
        for mixer in _last_mixers(prompt):
            mixture = _mixture(prompt, mixer, node_id)
            if mixture is not None and any(expert.null is None for expert in mixture.experts):
                check_nulls(mixture)
    except MissingNull as error:
        return str(error)
    except (KeyError, IndexError, TypeError):       # what is queued is not a valid prompt
        return True
    except (_NotNow, ValueError):                   # other mistakes are reported by their own nodes
        return True
    return True


class _NotNow(Exception):
    """Only a run can tell."""


def _call(prompt: Prompt, wire: Any) -> dict[str, Any]:
    """The node at the other end of a wire."""
    if not is_wire(wire) or wire[0] not in prompt:
        raise _NotNow
    return prompt[wire[0]]


def _loader(prompt: Prompt, wire: Any) -> str:
    """The class of the node that a MODEL comes from, behind LoRAs and patches."""
    from nodes import NODE_CLASS_MAPPINGS as classes
    for _ in range(LONGEST_CHAIN):
        call = _call(prompt, wire)
        models = [value for value in call["inputs"].values() if is_wire(value) and value[0] in prompt
                  and classes[prompt[value[0]]["class_type"]].RETURN_TYPES[value[1]] == "MODEL"]
        if not models:
            return call["class_type"]
        wire = models[0]
    raise _NotNow


def _last_mixers(prompt: Prompt) -> Iterator[str]:
    """The mixers whose mixture goes to something other than the next mixer of a chain."""
    goes = {(value[0], call["class_type"] == "ReliabilityMixer" and name == "mixture")
            for call in prompt.values() for name, value in call["inputs"].items() if is_wire(value)}
    for key, call in prompt.items():
        if call["class_type"] == "ReliabilityMixer" and (key, False) in goes:
            yield key


def _mixture(prompt: Prompt, key: str, node_id: str) -> Mixture | None:
    """What a mixer will make, without models; only the expert of node_id has no null. None: nothing is wired."""
    inputs = prompt[key]["inputs"]
    slots = [i for i in range(1, SLOTS + 1) if is_wire(inputs.get(f"expert_{i}"))]
    experts = {i: _expert(prompt, inputs[f"expert_{i}"], node_id) for i in slots}
    inner = _inner(prompt, inputs.get("mixture"), node_id)
    meaning, text = _value(inputs, "meaning", RELIABILITIES), _value(inputs, "reliabilities", "")
    numbers = parse_reliabilities(text, slots, mixture=len(inner.experts) if inner else 0, quiet=True)
    if inner is not None:
        return joined(experts, numbers, inner, True, meaning)
    return Mixture(tuple(experts.values()), numbers, meaning=meaning) if experts else None


def _inner(prompt: Prompt, wire: Any, node_id: str) -> Mixture | None:
    """The mixture that a mixer takes as one part."""
    if not is_wire(wire):
        return None
    if _call(prompt, wire)["class_type"] != "ReliabilityMixer":
        raise _NotNow
    return _mixture(prompt, wire[0], node_id)


def _expert(prompt: Prompt, wire: Any, node_id: str) -> Expert:
    """What a ConditionExpert will make, past nodes that only change it."""
    for _ in range(LONGEST_CHAIN):
        call, key = _call(prompt, wire), wire[0]
        if call["class_type"] == "ConditionExpert":
            break
        wire = call["inputs"].get("expert")
    inputs = call["inputs"]
    name = _value(inputs, "name", "").strip() or call.get("_meta", {}).get("title") or f"node {key}"
    return Expert(
        None, [], None if key == node_id else [],
        weight=float(_value(inputs, "weight", 1.0)), start=float(_value(inputs, "start_percent", 0.0)),
        end=float(_value(inputs, "end_percent", 1.0)), mask=torch.ones(1, 1) if "mask" in inputs else None, name=name)


def _value(inputs: dict[str, Any], name: str, default: Any) -> Any:
    """The value of a field."""
    value = inputs.get(name, default)
    if isinstance(value, list):
        raise _NotNow
    return value
