"""From the text of a field to one number per expert."""
from __future__ import annotations

import math


def parse_reliabilities(text: str, count: int, what: str = "Reliabilities") -> tuple[float, ...]:
    """Non-negative numbers separated by commas and/or spaces, one per expert; "" means 1/count each.

    what: they are, for an error. Raises ValueError.
    """
    return parse_numbers(text, count, what, minimum=0.0) or (1.0 / count,) * count


def parse_numbers(text: str, count: int, what: str, minimum: float = -math.inf) -> tuple[float, ...]:
    """Finite numbers separated by commas and/or spaces, one per expert; "" means none, ().

    what: the name of the field, with which an error begins. Raises ValueError.
    """
    if not text.strip():
        return ()
    example = ", ".join(["1"] * count)
    numbers = []
    for field in text.split(","):
        words = field.split()
        if not words:
            raise ValueError(f"{what} '{text}': an empty field between or beside commas; "
                             f"give {count} numbers such as '{example}'.")
        for word in words:
            number = _number(word)
            if not math.isfinite(number) or number < minimum:
                kind = "a non-negative number" if minimum == 0 else "a number"
                raise ValueError(f"{what} '{text}': '{word}' is not {kind}; give {count} numbers such as '{example}'.")
            numbers.append(number)
    if len(numbers) != count:
        raise ValueError(f"{what} '{text}': {len(numbers)} numbers for {count} experts; give one for each wired "
                         f"expert, in slot order, such as '{example}' (with a decimal point, not a decimal comma).")
    return tuple(numbers)


def _number(word: str) -> float:
    """The number that a word is, nan where it is none: Python's own 1_000 counts as none."""
    if "_" in word:
        return math.nan
    try:
        return float(word)
    except ValueError:
        return math.nan
