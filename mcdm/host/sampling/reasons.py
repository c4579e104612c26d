"""Why a prediction is asked: each reason is a predicate with a name."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import torch

from ... import bands, fusion, shares
from ...bands import Factors
from ...fusion import Coefficients
from ...mixture import Expert, MissingNull, Mixture
from ..experts.run import ExpertRun


@dataclasses.dataclass(frozen=True)
class Reasons:
    """The reasons at one noise level. Experts go by index.

    spaces: of each expert. weights: w_i. grids: the coefficients in the cells of each group's latent. guided: in the
    guidance interval. null_wanted: a sampler wants D_0. compared: answers are compared with the experts' own nulls.
    bands: see `bands.of`. divided: masks are found after the answers.
    """
    runs: Sequence[ExpertRun]
    mixture: Mixture
    spaces: Sequence[int]
    weights: Sequence[float]
    grids: Sequence[Coefficients]
    guided: bool
    null_wanted: bool
    compared: bool
    bands: tuple[Factors, ...]
    divided: bool

    # -- a condition ---------------------------------------------------------------------------------------------------

    def for_condition(self, i: int) -> bool:
        """Functions count even at weight 0, since they may do anything with the condition's estimate."""
        return self._has_functions(i) or self._has_weight(i)

    def _has_weight(self, i: int) -> bool:
        return any(not fusion.vanishes(c.weights[i]) for c in self._seen_by(i))

    def _has_functions(self, i: int) -> bool:
        acts = any(not fusion.vanishes(c.masks[i]) for c in self._seen_by(i))
        return self.guided and self.runs[i].has_cfg_hooks and acts

    def _seen_by(self, i: int) -> Iterator[Coefficients]:
        """The coefficients in the lead's cells, and in those of an expert's own latent."""
        yield self.grids[0]
        if self.spaces[i]:
            yield self.grids[self.spaces[i]]

    # -- D_0 -----------------------------------------------------------------------------------------------------------

    def for_null_blend(self, conditions: Sequence[int]) -> bool:
        """conditions: those that are asked."""
        return (
            self.null_wanted
            or self.compared
            or not conditions
            or any(self.runs[i].wants_null for i in conditions)
            or any(self._null_blend_counts(c) for c in self.grids)
            or (self.guided and self._cures_measure_from_it())
            or any(self._functions_measure_from_it(i) for i in conditions)
        )

    def _null_blend_counts(self, c: Coefficients) -> bool:
        """Whether D_0 has a coefficient. Divided weights of 1 have the sum 1, as those outside the interval."""
        if self.bands:
            every = bands.coefficients(c, self.weights, self.bands, self.guided)
            return self.divided or not all(fusion.vanishes(own.null) for own in every)
        if not self.divided or not self.guided:
            return not fusion.vanishes(c.null)
        masked = any(isinstance(m, torch.Tensor) for m in c.masks)
        return masked or any(m and not math.isclose(w, 1.0) for m, w in zip(c.masks, self.weights, strict=True))

    def _cures_measure_from_it(self) -> bool:
        """CFG-Zero* leaves weights of 1 as they are, but under masks the scale is W / M."""
        options = self.mixture.options
        masked = any(isinstance(m, torch.Tensor) for m in self.grids[0].masks)
        return options.apg is not None or (options.cfg_zero and masked)

    def _functions_measure_from_it(self, i: int) -> bool:
        return self._has_functions(i) and not math.isclose(self.weights[i], 1.0)

    # -- a null --------------------------------------------------------------------------------------------------------

    def for_null(self, j: int, conditions: Sequence[int]) -> bool:
        """Where D_0 is needed. conditions: those that are asked."""
        return (
            self._is_looked_at(j, conditions)
            or self._is_compared(j, conditions)
            or self._may_follow_from_a_share()
            or self._has_reliability(j)
        )

    def _is_looked_at(self, j: int, conditions: Sequence[int]) -> bool:
        return j in conditions and self.runs[j].looks_at_null

    def _is_compared(self, j: int, conditions: Sequence[int]) -> bool:
        return self.compared and j in conditions and self.runs[j].expert.null is not None

    def _may_follow_from_a_share(self) -> bool:
        return self.divided and self.mixture.meaning == shares.SHARES

    def _has_reliability(self, j: int) -> bool:
        return any(not fusion.vanishes(c.reliabilities[j]) for c in self._seen_by(j))


def check_nulls(mixture: Mixture) -> None:
    """Raises MissingNull if a null that is left out may be needed.

    It is not needed if its expert has no reliability, or if the weights always sum to one.
    """
    experts = mixture.experts
    everywhere = all(e.mask is None and e.start <= 0 and e.end >= 1 for e in experts)
    always_one = everywhere and not mixture.scheduled and mixture.options.apg is None
    weights = bands.by_band([e.weight for e in experts], [e.bands for e in experts])
    sums = [sum(own) for own in weights]
    if always_one and all(fusion.vanishes(1.0 - total) for total in sums):
        return
    if mixture.regions is not None or (mixture.meaning == shares.SHARES and not everywhere):
        return      # whose null such shares or regions need differs from place to place: the plans find out
    reliabilities, _ = mixture.balance()
    for expert, a in zip(experts, reliabilities, strict=True):
        if a > 0:
            require_null(expert)


def require_null(expert: Expert) -> None:
    """Raises MissingNull for an expert without a null condition."""
    if expert.null is None:
        raise MissingNull(f"Expert '{expert.name}' has no null condition, and this mixture needs it: connect the "
                          "conditioning of an empty prompt to null_condition, or set its reliability to 0.")
