"""From a text to regions: a line for each expert, such as `photo: box 0 0 0.5 1 @0-24; erase 0.1 0.2,0.2`.

A line is the name or slot of an expert, a colon, and shapes with semicolons between them. mcdm/shapes.py says what the
numbers of a shape are.
"""
from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence

from .regions import ALL, EVERYBODY, Layer
from .shapes import BOX, BRUSH, ELLIPSE, ERASE, Shape

logger = logging.getLogger("mcdm")

EXAMPLES = {
    BOX: "box 0 0 0.5 1 (left, top, right, bottom)",
    ELLIPSE: "ellipse 0.5 0.5 0.2 0.3 (x, y, and the radii across and down)",
    BRUSH: "brush 0.04 0.1,0.2 0.3,0.25 (the radius, then points)",
    ERASE: "erase 0.04 0.1,0.2 0.3,0.25 (the radius, then points)",
}
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e-?\d+)?", re.IGNORECASE | re.ASCII)
FRAMES = re.compile(r"@(\d+)-(\d+)", re.ASCII)
LINE_END = re.compile(r"\r\n|\r|\n")
CROP = "crop"
CENTRED = "centred"
LONGEST = 40                # of a shape in a sentence


def parse_layers(text: str, names: Mapping[int, str], absent: Collection[str] = ()) -> tuple[Layer, ...]:
    """The layers of a text. names: the experts that are present, {slot: name}. absent: names of others.

    Shapes of others, and of slots where nobody is, are passed over, and the log says so. Raises ValueError, which names
    the line.
    """
    layers = []
    for line, words in enumerate(LINE_END.split(text), 1):
        if not words.strip():
            continue
        try:
            slot, shapes = _parse_line(words, names, absent)
        except ValueError as error:
            raise ValueError(f"regions, line {line}: {error}") from None
        if slot is None:
            logger.info(f"MCDM: regions, line {line}: no expert arrives for these shapes, so they are passed over.")
        else:
            layers.append(Layer(slot, shapes, line))
    for layer in layers:
        drawn = [shape for other in layers if other.slot == layer.slot for shape in other.shapes if shape.kind != ERASE]
        if any(shape.crop for shape in drawn) and not all(shape.crop for shape in drawn):
            raise ValueError(f"regions, line {layer.line}: '{names[layer.slot]}' has shapes with crop and others "
                             "without; write crop behind all of them, or behind none.")
        if any(shape.crop for shape in drawn) and any(shape.centred for shape in drawn):
            raise ValueError(f"regions, line {layer.line}: '{names[layer.slot]}' has both crop and centred; take one "
                             "of them out.")
    return tuple(layers)


def _parse_line(
    text: str, names: Mapping[int, str], absent: Collection[str],
) -> tuple[int | None, tuple[Shape, ...]]:
    """A slot, None if nobody is there, and its shapes."""
    who, colon, shapes = text.rpartition(":")
    if not colon:
        raise ValueError(f"'{text.strip()[:40]}' has no colon; write an expert, a colon and shapes, such as "
                         f"'{next(iter(names.values()))}: box 0 0 0.5 1'.")
    slot = _slot(who.strip(), names, absent)
    found = tuple(parse_shape(shape.strip()) for shape in shapes.split(";"))
    if found[0].kind == ERASE:
        raise ValueError("erase takes away from the shapes before it in its line, and there are none; write it behind "
                         "another shape.")
    return slot, found


def parse_rest(who: str, names: Mapping[int, str], absent: Collection[str] = ()) -> int:
    """The slot of who fills what nobody claims; EVERYBODY if that is all, or nobody is there. Raises ValueError."""
    if who.strip() in ("", ALL):
        return EVERYBODY
    try:
        return _slot(who.strip(), names, absent) or EVERYBODY
    except ValueError as error:
        raise ValueError(f"rest: {error}") from None


def _slot(who: str, names: Mapping[int, str], absent: Collection[str]) -> int | None:
    """The slot that a name or number means, None if nobody is there."""
    if who.isascii() and who.isdecimal() and int(who) > 0:
        return int(who) if int(who) in names else None
    slots = [slot for slot, name in names.items() if name == who]
    if len(slots) > 1:
        raise ValueError(f"'{who}' is the name of {len(slots)} experts; write the number of a slot instead: "
                         f"{', '.join(map(str, slots))}.")
    if not slots and (who not in absent or not who):
        known = ", ".join(f"'{name}' ({slot})" for slot, name in names.items())
        raise ValueError(f"'{who}' is not the name or the slot of an expert; these are {known}.")
    return slots[0] if slots else None


def parse_shape(text: str) -> Shape:
    """The shape that words describe, with `@0-24`, `crop` or `centred` behind its numbers. Raises ValueError."""
    if not text:
        raise ValueError(f"there is no shape behind a colon or semicolon; write one such as {EXAMPLES[BOX]}.")
    kind, *words = text.split()
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    if kind not in EXAMPLES:
        raise ValueError(f"'{shown}' does not begin with {', '.join(EXAMPLES)}; write a shape such as "
                         f"{EXAMPLES[BOX]}.")
    told = [word for word in (CROP, CENTRED) if word in words]
    frames = _frames([word for word in words if word.startswith("@")], shown)
    words = [word for word in words if not word.startswith("@") and word not in told]
    numbers = _stroke(words, kind, shown) if kind in (BRUSH, ERASE) else _four(words, kind, shown)
    if kind == ERASE and told:
        raise ValueError(f"'{shown}' erases, so it cannot have {told[0]}; take {told[0]} out.")
    return Shape(kind, numbers, frames, CROP in told, CENTRED in told)


def _frames(words: Sequence[str], shown: str) -> tuple[int, int] | None:
    if not words:
        return None
    match = FRAMES.fullmatch(words[0])
    if match is None or len(words) > 1:
        raise ValueError(f"'{shown}' has '{' '.join(words)}' for its frames; write the first and the last once, such "
                         "as @0-24.")
    first, last = map(int, match.groups())
    if first > last:
        raise ValueError(f"'{shown}' ends at frame {last}, before it begins at {first}; swap the two.")
    return first, last


def _four(words: Sequence[str], kind: str, shown: str) -> tuple[float, ...]:
    """Of a box or an ellipse."""
    a, b, c, d = numbers = _numbers(words, 4, kind, shown)
    if (a >= c or b >= d) if kind == BOX else not (c and d):
        raise ValueError(f"'{shown}' is empty; write {EXAMPLES[kind]}.")
    return numbers


def _stroke(words: Sequence[str], kind: str, shown: str) -> tuple[float, ...]:
    """Radius and points of a brush."""
    numbers = _numbers(words[:1], 1, kind, shown)
    if not (words[1:] and numbers[0]):
        raise ValueError(f"'{shown}' is empty; write {EXAMPLES[kind]}.")
    for point in words[1:]:
        if point.count(",") != 1:
            raise ValueError(f"'{shown}' has '{point}' where a point should be; write {EXAMPLES[kind]}.")
        numbers += _numbers(point.split(","), 2, kind, shown)
    return numbers


def _numbers(words: Sequence[str], count: int, kind: str, shown: str) -> tuple[float, ...]:
    for word in words:
        if not NUMBER.fullmatch(word) or float(word) > 1.0:
            raise ValueError(f"'{shown}' has '{word}' where a number from 0 to 1 should be; write {EXAMPLES[kind]}.")
    if len(words) != count:
        raise ValueError(f"'{shown}' has {len(words)} numbers instead of {count}; write {EXAMPLES[kind]}.")
    return tuple(map(float, words))
