"""Which drawn mixtures have an answer that the documents define, and that rounding does not decide."""
from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from support.eq10 import numbers
from support.eq10.drawn import EVERY, Drawn
from support.eq10.networks import sigma_of
from support.eq10.reference import NOTHING, Reference

CANCELLED = 0.2         # a sum of weights is small if it is less than this share of their sizes
NEARLY_NOTHING = 1e-3
NEARLY_NOBODY = 1e-5
NEAR_ONE = 0.02         # a sum of weights by which shares are not divided for D_0 itself


def sensible(drawn: Drawn) -> bool:
    rules = (chains_convert, functions_are_defined, masks_can_be_held, weights_count_or_not, interval_is_taken,
             sums_are_stable, references_are_defined)
    return all(rule(drawn) for rule in rules)


def chains_convert(drawn: Drawn) -> bool:
    """An inner mixer has a lead of its own, which has scale 1.

    What its numbers are in the other meaning is not defined where its weights sum to 1.
    """
    mixer = drawn.mixer
    while mixer.inner is not None:
        total = sum(m.weight for m in mixer.inner.members)
        if mixer.inner.members[0].scale != 1.0:
            return False
        if mixer.meaning != mixer.inner.meaning and abs(total - 1.0) < 0.1:
            return False
        mixer = mixer.inner
    return True


def functions_are_defined(drawn: Drawn) -> bool:
    """The host shows no null to a function at a scale of 1, unless it asks for it.

    At a weight of 0 a function acts, but whether its expert counts for what looks at several is not defined.
    """
    options = drawn.options
    several = len(drawn.groups) > 1 or options.rescale or options.apg or options.cfg_zero or drawn.automatic
    for percent in drawn.percents:
        for member, weight in zip(drawn.members, numbers.at(drawn, percent)[0], strict=True):
            unseen = abs(weight - 1.0) < NEARLY_NOTHING and not member.sees_null
            if member.function and (unseen or (several and abs(weight) < NEARLY_NOTHING)):
                return False
    return True


def masks_can_be_held(drawn: Drawn) -> bool:
    """Who takes part in a division that is held has taken part from the beginning."""
    if drawn.automatic is None or not drawn.automatic.hold:
        return True
    return not drawn.options.weights_end and all(m.start == 0.0 for m in drawn.members)


def weights_count_or_not(drawn: Drawn) -> bool:
    """On its way over the schedule no weight is all but 0."""
    weights = [w for percent in drawn.percents for w in numbers.at(drawn, percent)[0]]
    return not any(0.0 < abs(w) < NEARLY_NOTHING for w in weights)


def interval_is_taken(drawn: Drawn) -> bool:
    """Outside a guidance interval weights are divided by their sum, which is refused where they cancel."""
    options = drawn.options
    if not options.low and options.high == math.inf:
        return True
    ends = [m.weight for m in drawn.members], options.weights_end
    return all(not any(weights) or sum(weights) > CANCELLED * sum(map(abs, weights)) for weights in ends)


def sums_are_stable(drawn: Drawn) -> bool:
    """Where a sum of weights divides, it is not small; where D_0 counts at W = 1, shares do not hang on that."""
    options, reference = drawn.options, Reference(drawn)
    divides = bool(options.apg or options.cfg_zero or options.low or options.high < math.inf)
    banded = any(m.bands != EVERY for m in drawn.members)
    shown = drawn.mixer.meaning == "shares" and (shows_null(drawn) or banded)
    for percent in (0.0, *drawn.percents, 1.0):
        weights, _ = numbers.at(drawn, percent)
        if drawn.automatic is not None and (shown or (divides and min(weights) < 0.0)):
            return False
        for allowed in reference.allowed(percent):
            masked = [w * m for w, m in zip(weights, allowed, strict=True)]
            if divides and any(cancelling(own) for own in by_band(drawn, masked)):
                return False
            if shown and bool(((sum(masked) - 1.0).abs() < NEAR_ONE).any()):
                return False
    return True


def shows_null(drawn: Drawn) -> bool:
    """Whether somebody looks at D_0 itself."""
    options = drawn.options
    return any(m.function for m in drawn.members) or bool(options.apg or options.cfg_zero)


def by_band(drawn: Drawn, masked: Sequence[Tensor]) -> list[list[Tensor]]:
    """The weights w_i m_i themselves, and those of each band."""
    found = [list(masked)]
    for b in range(3):
        found.append([w * m.bands[b] for w, m in zip(masked, drawn.members, strict=True)])
    return found


def cancelling(weights: Sequence[Tensor]) -> bool:
    """Or whether they are so small, as at the end of a feather, that rounding says whether somebody acts there."""
    sizes = sum(w.abs() for w in weights)
    small = (sum(weights) < CANCELLED * sizes) | (sizes < NEARLY_NOBODY)
    return bool((small & (sizes > 0)).any())


def references_are_defined(drawn: Drawn) -> bool:
    """R is the mean of nulls that count: which do must not hang on whether D_0 is shown to somebody."""
    if len(drawn.groups) == 1:
        return True
    reference = Reference(drawn)
    return all(reference_is_defined(reference, percent) for percent in drawn.percents)


def reference_is_defined(reference: Reference, percent: float) -> bool:
    drawn, allowed = reference.drawn, reference.allowed(percent)
    weights, given = numbers.at(drawn, percent)
    level = float(drawn.lead.model.get_model_object("model_sampling").percent_to_sigma(percent))
    guided = reference.guided(sigma_of(drawn.lead.frame, level))
    cells = [reference.cells(weights, given, own, own, guided) for own in allowed]

    def counts(j: int) -> bool:
        own = [*cells[0].nulls[j], *cells[reference.group[j]].nulls[j]]
        return any(map(large, own))
    counting = set(filter(counts, reference.experts))
    for s in range(len(reference.groups)):
        members = {i for i in reference.experts if reference.group[i] == s}
        if any(weights[i] and reference.acts(i, allowed) for i in members):
            return True
        if drawn.automatic is not None:
            return False
        blended = {j for j in members if large(cells[0].blend[j]) or large(cells[s].blend[j])}
        needed = bool(counting) or (guided and shows_null(drawn))
        if needed and blended != counting & members:
            return False
        if counting & members:
            return True
    return True


def large(coefficient: Tensor) -> bool:
    return float(coefficient.abs().max()) > NOTHING
