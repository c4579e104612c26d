"""Where a mixture's numbers come from in a prompt: the inputs of its nodes that make another mixture of the same
experts."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..chaining import chain_of
from ..mixture import Expert, Mixture
from ..prompt import LONGEST_CHAIN, SLOTS, Prompt, is_wire
from ..writing import between, texts_of

Inputs = dict[str, dict[str, Any]]              # {node id: {input: value}}, as in the API's format

FIELDS = {"PrimitiveFloat": "value", "PrimitiveString": "value", "PrimitiveStringMultiline": "value"}
HANDS_ON = {"MixtureOptions", "AutomaticMasks", "ExpertRegions", "PlaceExpert"}


class Sources:
    """The nodes behind a node's input `mixture`. Raises ValueError if no chain of mixers is found there.

    base: the mixture that arrives. options: the id of the last Mixture Options; mixers: (id, slots, ids of the experts
    there), the last of the chain first.
    """

    def __init__(self, prompt: Prompt, node: str, base: Mixture) -> None:
        self.prompt, self.base = prompt, base
        self.options: str | None = None
        self.mixers = list(self._mixers(node))
        counts = tuple(len(slots) for _, slots, _ in self.mixers)
        if counts != chain_of(base):
            raise ValueError("The Reliability Mixer behind this node has other experts than the mixture that arrives; "
                             "type the numbers into the nodes yourself.")
        self.experts = [expert for _, _, experts in self.mixers for expert in experts]

    def inputs(self, wanted: Mixture) -> tuple[Inputs, list[str]]:
        """The inputs that make this mixture, and a sentence about each number that they cannot set."""
        writer = _Writer(self.prompt)
        for node, new, now in zip(self.experts, wanted.experts, self.base.experts, strict=True):
            for name, value, before in _numbers(new, now):
                writer.set(node, name, value, value == before)
        last, _, _ = self.mixers[-1]
        same = (wanted.numbers, wanted.meaning) == (self.base.numbers, self.base.meaning)
        for (node, slots, _), text in zip(self.mixers, self._texts(wanted, same), strict=True):
            old = writer.value(node, "reliabilities", "")
            kept = old if same else between(text, old, slots, node != last)
            writer.set(node, "reliabilities", kept, same)
            meaning = writer.value(node, "meaning", "reliabilities") if same else wanted.meaning
            writer.set(node, "meaning", meaning, same or wanted.meaning == self.base.meaning)
        if self.options is not None:
            self._set_ends(writer, wanted)
        return writer.inputs, writer.troubles

    def _texts(self, wanted: Mixture, same: bool) -> list[str]:
        if same:
            return [""] * len(self.mixers)
        return list(texts_of(wanted.numbers, chain_of(wanted)))

    def _set_ends(self, writer: _Writer, wanted: Mixture) -> None:
        """The numbers at the end of the schedule, where Mixture Options sets them."""
        new, old = wanted.options, self.base.options
        if new.weights_end != old.weights_end:
            writer.set(self.options, "weights_end", ", ".join(f"{weight!r}" for weight in new.weights_end), False)
        if new.numbers_end != old.numbers_end:
            text, = texts_of(new.numbers_end, (len(new.numbers_end),))
            writer.set(self.options, "reliabilities_end", text, False)

    def _mixers(self, node: str) -> Iterator[tuple[str, list[int], list[str]]]:
        for _ in range(LONGEST_CHAIN):
            node = self._behind(node, "mixture", "ReliabilityMixer")
            inputs = self.prompt[node]["inputs"]
            slots = [slot for slot in range(1, SLOTS + 1) if is_wire(inputs.get(f"expert_{slot}"))]
            yield node, slots, [self._behind(node, f"expert_{slot}", "ConditionExpert") for slot in slots]
            if not is_wire(inputs.get("mixture")):
                return

    def _behind(self, node: str, name: str, kind: str) -> str:
        """The node of a kind at the other end of a wire, past nodes that only hand on what it makes."""
        for _ in range(LONGEST_CHAIN):
            wire = self.prompt.get(node, {}).get("inputs", {}).get(name)
            node = str(wire[0]) if is_wire(wire) else ""
            call = self.prompt.get(node, {})
            if call.get("class_type") == kind:
                return node
            if call.get("class_type") == "MixtureOptions" and self.options is None:
                self.options = node
            wires = [key for key, value in call.get("inputs", {}).items() if is_wire(value)]
            name = "expert" if kind == "ConditionExpert" else "mixture"
            if call.get("class_type") not in HANDS_ON and len(wires) == 1:
                name = wires[0]
            elif call.get("class_type") not in HANDS_ON:
                break
        raise ValueError(f"The numbers come from '{title(self.prompt, node)}', which is neither a Condition Expert "
                         "nor a Reliability Mixer; type them yourself.")


class _Writer:
    """Gathers inputs. A field that a wire feeds is set where the wire begins, if that is a plain value."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.inputs: Inputs = {}
        self.troubles: list[str] = []

    def value(self, node: str, name: str, default: str) -> str:
        """A text as it is now; the default where only a run can tell."""
        at, field = self._place(node, name)
        value = self.prompt[at]["inputs"].get(field, default)
        return default if is_wire(value) else str(value)

    def set(self, node: str | None, name: str, value: Any, is_now: bool) -> None:
        """is_now: whether it has this value in the mixture that arrives, so that nothing is missing without it."""
        if node is None:
            return
        at, field = self._place(node, name)
        mine, known = title(self.prompt, node), self.inputs.setdefault(at, {})
        if is_wire(self.prompt[at]["inputs"].get(field)):
            if not is_now:
                source = title(self.prompt, self.prompt[at]["inputs"][field][0])
                sentence = (f"'{name}' of '{mine}' comes from '{source}', which is not a plain field; "
                            f"set it there: {value}.")
                self.troubles.append(sentence)
        elif known.setdefault(field, value) != value:
            sentence = f"'{name}' of '{mine}' shares its field with another expert, which needs another value: {value}."
            self.troubles.append(sentence)
        if not known:
            del self.inputs[at]

    def _place(self, node: str, name: str) -> tuple[str, str]:
        """(node, input) of the field that holds a value."""
        for _ in range(LONGEST_CHAIN):
            wire = self.prompt[node]["inputs"].get(name)
            source = str(wire[0]) if is_wire(wire) else ""
            field = FIELDS.get(self.prompt.get(source, {}).get("class_type", ""))
            if field is None:
                break
            node, name = source, field
        return node, name


def _numbers(new: Expert, old: Expert) -> Iterator[tuple[str, float, float]]:
    """(input of Condition Expert, value, value before); windows only where they change."""
    yield "weight", new.weight, old.weight
    if (new.start, new.end) != (old.start, old.end):
        yield "start_percent", new.start, old.start
        yield "end_percent", new.end, old.end


def title(prompt: Prompt, node: Any) -> str:
    """What a user calls a node."""
    call = prompt.get(str(node), {})
    return call.get("_meta", {}).get("title") or call.get("class_type", "nothing")
