"""From the text of a field to numbers: one per expert, or steps of a run."""
from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence

logger = logging.getLogger("mcdm")

DECIMAL_COMMA = re.compile(r"\d,\d")


def parse_reliabilities(
    text: str, slots: Sequence[int], what: str = "Reliabilities", mixture: int = 0, quiet: bool = False,
) -> tuple[float, ...]:
    """Non-negative numbers, read as by parse_numbers; if the text is empty, or only zeros are left, all count equally.

    what: their name in an error. mixture: the number of experts of a mixture that is one additional part; the last
    number is then the mixture's. If all count equally, it counts once per expert. quiet: nothing is logged. Raises
    ValueError.
    """
    count = len(slots) + mixture
    equal = (*(1.0 / count for _ in slots), *([mixture / count] if mixture else []))
    numbers, told = _read(text, slots, what, 0.0, bool(mixture))
    if told and not any(numbers):
        told, numbers = f"{told} The remaining numbers are all zero, so they count equally.", equal
    if told and not quiet:
        logger.info(told)
    return numbers or equal


def parse_numbers(text: str, slots: Sequence[int], what: str, minimum: float = -math.inf) -> tuple[float, ...]:
    """Finite numbers separated by commas and/or spaces, one per expert; "" means none, ().

    slots: where the experts are wired, 1 the first, in rising order. As many numbers as experts are read in this order.
    More numbers, enough for the highest slot, are read by slot: those of slots without an expert, such as a bypassed
    one, are skipped, and the log says so.
    what: the name of the field, with which an error begins. Raises ValueError.
    """
    numbers, told = _read(text, slots, what, minimum)
    if told:
        logger.info(told)
    return numbers


def _read(
    text: str, slots: Sequence[int], what: str, minimum: float, mixture: bool = False,
) -> tuple[tuple[float, ...], str]:
    """The numbers of parse_numbers, and a sentence about those skipped. mixture: the last number is a mixture's."""
    count = len(slots) + mixture
    numbers = _numbers(text, count, what, minimum)
    if len(numbers) in (0, count):
        return numbers, ""
    # "0,5 0.5" is meant as two numbers, whatever its third would be.
    if len(numbers) < max(slots, default=0) + mixture or (DECIMAL_COMMA.search(text) and len(text.split()) > 1):
        if mixture:
            raise ValueError(f"{what} '{text}': {len(numbers)} numbers for {len(slots)} experts and a mixture; give "
                             "one for each wired expert, in slot order, the mixture's last, such as "
                             f"'{_example(count)}' (with a decimal point, not a decimal comma).")
        raise ValueError(f"{what} '{text}': {len(numbers)} numbers for {len(slots)} experts; give one for each wired "
                         f"expert, in slot order, such as '{_example(count)}' (with a decimal point, not a decimal "
                         "comma).")
    read = (*slots, len(numbers)) if mixture else slots
    passed = ", ".join(str(slot) for slot in range(1, len(numbers) + 1) if slot not in read)
    told = (f"MCDM: {what} '{text}': {len(numbers)} numbers, {count} in use, are read by slot; no expert arrives at "
            f"{passed}, so the numbers there are skipped.")
    return tuple(numbers[slot - 1] for slot in read), told


def _numbers(text: str, count: int, what: str, minimum: float) -> tuple[float, ...]:
    """All numbers of a text. count: how many are expected, for the example in an error."""
    if not text.strip():
        return ()
    numbers = []
    for field in text.split(","):
        words = field.split()
        if not words:
            raise ValueError(f"{what} '{text}': an empty field between or beside commas; "
                             f"give {count} numbers such as '{_example(count)}'.")
        for word in words:
            number = _number(word)
            if minimum == 0 and not 0 <= number < math.inf:
                raise ValueError(f"{what} '{text}': '{word}' is not a non-negative number; "
                                 f"give {count} numbers such as '{_example(count)}'.")
            if not math.isfinite(number):
                raise ValueError(f"{what} '{text}': '{word}' is not a number; "
                                 f"give {count} numbers such as '{_example(count)}'.")
            numbers.append(number)
    return tuple(numbers)


def _example(count: int) -> str:
    return ", ".join(["1"] * count)


def _number(word: str) -> float:
    """The number that a word stands for, nan if it is not a number: Python's own 1_000 does not count as one."""
    if "_" in word:
        return math.nan
    try:
        return float(word)
    except ValueError:
        return math.nan


def parse_steps(text: str, steps: int, what: str) -> set[int]:
    """The numbers of the steps that a text like "25%, 50%" or "1, 12" names.

    what: the name of the field, with which an error begins. Raises ValueError.
    """
    chosen = set()
    for word in text.replace(",", " ").split():
        step = _step(word, steps)
        if step is None:
            raise ValueError(f"{what} '{text}': '{word}' is not one of the {steps} steps; "
                             f"give shares such as 25%, 50%, 75%, or numbers from 1 to {steps}.")
        chosen.add(step)
    return chosen


def _step(word: str, steps: int) -> int | None:
    """The number of a step, given as a number or as a share such as 25%; None if it is neither."""
    try:
        if not word.endswith("%"):
            step = int(word)
            return step if 1 <= step <= steps else None
        share = float(word.rstrip("%"))
    except ValueError:
        return None
    return max(1, math.ceil(share * steps / 100 - 1e-9)) if 0 <= share <= 100 else None
