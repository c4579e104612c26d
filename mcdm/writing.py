"""Numbers of a mixture as the texts of its mixers, which read them back as they are, to the last bit.

A text has as few places as it takes, at most twelve, and its numbers sum to 1 exactly: so writing what has been read
gives the same text again. A chain of mixers has a text each; a mixer's last number is the part of the next mixer's
experts, as `joined` in chaining.py has it.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

PLACES = (3, 6, 9, 12)
EXACT = 1e-13           # a text is the number if it is off by less


def settled(numbers: Sequence[float], chain: Sequence[int]) -> tuple[float, ...]:
    """The numbers that the mixers read from the texts of these, which have the sum 1; off by 1e-12 at most.

    chain: how many experts each mixer has of its own, the last mixer of the chain first.
    """
    return read_back(texts_of(numbers, chain), chain)


def texts_of(numbers: Sequence[float], chain: Sequence[int]) -> tuple[str, ...]:
    """A text for each mixer of a chain."""
    texts, rest = [], list(numbers)
    for count in chain[:-1]:
        own, inner = rest[:count], rest[count:]
        part = math.fsum(inner)
        texts.append(_text([*own, part]))
        rest = [number / part for number in inner] if part > 0 else [1 / len(inner)] * len(inner)
    return (*texts, _text(rest))


def read_back(texts: Sequence[str], chain: Sequence[int]) -> tuple[float, ...]:
    """What a chain of mixers makes of its texts."""
    numbers = _normalised(_read(texts[-1]))
    for text in reversed(texts[:-1]):
        *own, part = _read(text)
        numbers = _normalised([*own, *(part * number for number in numbers)])
    return numbers


def between(text: str, old: str, slots: Sequence[int], chained: bool) -> str:
    """A mixer's new text, with the old one's numbers of slots to which nothing is wired, in proportion.

    slots: where experts are wired, rising. chained: whether the last number is that of another mixture.
    """
    before, now = _read(old), _read(text)
    if len(before) <= len(now):
        return text
    read = [slot - 1 for slot in slots] + ([len(before) - 1] if chained else [])
    used = math.fsum(before[i] for i in read)
    words = [f"{number / used if used > 0 else number:.6g}" for number in before]
    for i, word in zip(read, text.split(", "), strict=True):
        words[i] = word
    return ", ".join(words)


def _read(text: str) -> list[float]:
    return [float(word) for word in text.replace(",", " ").split()]


def _normalised(numbers: Sequence[float]) -> tuple[float, ...]:
    """As Mixture does it."""
    total = math.fsum(numbers)
    return tuple(number / total for number in numbers)


def _text(numbers: Sequence[float]) -> str:
    for places in PLACES:
        rounded = [part / 10 ** places for part in _whole(numbers, 10 ** places)]
        if all(abs(r - n) < EXACT for r, n in zip(rounded, numbers, strict=True)):
            break
    return ", ".join(f"{number:.12g}" for number in rounded)


def _whole(numbers: Sequence[float], total: int) -> list[int]:
    """Whole numbers in proportion, whose sum is the total, by the method of largest remainders."""
    parts = [math.floor(number * total + 1e-6) for number in numbers]
    rests = sorted(range(len(parts)), key=lambda i: (parts[i] - numbers[i] * total, i))
    for i in rests[:max(total - sum(parts), 0)]:
        parts[i] += 1
    return parts
