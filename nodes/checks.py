"""Checks of inputs that not every version of the host makes itself."""
from __future__ import annotations

from collections.abc import Collection
from typing import Any

from comfy_api.latest import io


class LowerBound(float):
    """The min of a Float input that also refuses NaN: the host asks `value < min`, which is never true of NaN.

    Python asks the right operand first if its type is a subclass of the left one's.
    """

    def __gt__(self, value: float) -> bool:
        return not value >= self


class CheckedCombo(io.Combo.Input):
    """A combo whose value every version of the host checks and reports once: older ones check only lists.

    Newer ones, which know dynamic combos, check all combos and take no list.
    """

    def get_io_type(self) -> Any:
        return super().get_io_type() if hasattr(io, "DynamicCombo") else self.options


def check_choice(value: Any, options: Collection[Any], what: str) -> bool | str:
    """True, or a sentence for the user: not every version of the host checks the combos of V3 nodes.

    value None: it comes from a wire.
    """
    if value is None or value in options:
        return True
    return f"{what} '{value}' is not one of {', '.join(map(str, options))}."


def check_number(value: Any, lowest: float, highest: float, what: str) -> bool | str:
    """True, or a sentence for the user: the host lets a NaN through, which its history page cannot show.

    value None: it comes from a wire.
    """
    try:
        fits = value is None or lowest <= float(value) <= highest
    except (TypeError, ValueError):
        fits = False
    return fits or f"{what} must be a number from {lowest:g} to {highest:g}, not {value}."


def first_objection(*checks: bool | str) -> bool | str:
    """The first sentence among checks, True if all pass."""
    return next((check for check in checks if check is not True), True)


def require(checked: bool | str) -> None:
    """Raises ValueError with the sentence of a failed check."""
    if checked is not True:
        raise ValueError(checked)
