"""Wires and words that the nodes share."""
from __future__ import annotations

from collections.abc import Collection
from typing import Any

from comfy_api.latest import io

from ..mcdm.experts.modality import Modality

CATEGORY = "unite and conquer"
ExpertWire = io.Custom("MCDM_EXPERT")
MixtureWire = io.Custom("MCDM_MIXTURE")


class Least(float):
    """The min of a Float input. The host asks `value < min`, of which NaN is not guilty; here it is.

    Python asks the right side first where that is of a subclass.
    """

    def __gt__(self, value: float) -> bool:
        return not value >= self


class Choice(io.Combo.Input):
    """A combo whose value every version of the host checks, and tells once: older ones check those that are lists.

    Newer ones, which know dynamic combos, check all, and take no list.
    """

    def get_io_type(self) -> Any:
        return super().get_io_type() if hasattr(io, "DynamicCombo") else self.options


def search(*words: str) -> dict[str, list[str]]:
    """More words by which the host's search finds a node, for its Schema; older hosts search names only."""
    return {"search_aliases": list(words)} if "search_aliases" in io.Schema.__dataclass_fields__ else {}


def modalities(model: Any) -> dict[str, Modality]:
    """The conditions that a MODEL takes, {name: Modality}; empty for the host's own models."""
    return getattr(model.model, "modalities", {})


def choice(value: Any, options: Collection[Any], what: str) -> bool | str:
    """True, or a sentence for the user: combos of V3 nodes are not checked by every version of the host.

    value None: it comes from a wire.
    """
    if value is None or value in options:
        return True
    return f"{what} '{value}' is not one of {', '.join(map(str, options))}."


def number(value: Any, lowest: float, highest: float, what: str) -> bool | str:
    """True, or a sentence for the user: the host lets a NaN through, which its history page cannot show.

    value None: it comes from a wire.
    """
    try:
        fits = value is None or lowest <= float(value) <= highest
    except (TypeError, ValueError):
        fits = False
    return fits or f"{what} must be a number from {lowest:g} to {highest:g}, not {value}."


def first_objection(*checks: bool | str) -> bool | str:
    """The first sentence among checks, True where all are passed."""
    return next((check for check in checks if check is not True), True)


def require(checked: bool | str) -> None:
    """Raises ValueError with the sentence of a check that was not passed."""
    if checked is not True:
        raise ValueError(checked)
