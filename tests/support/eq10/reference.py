"""Eq. 10 in float64, written from docs/method.md and docs/latent_spaces.md: what a drawn mixture has to answer.

Estimates and latents are [B, C, (T,) H, W] or, where nested, [B, 1, n]; group 0 is the lead's. A coefficient is a list
with a tensor for each band, or with one for all frequencies where no expert has bands.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from support.eq10 import masks, numbers
from support.eq10.cures import Cures, rescaled
from support.eq10.drawn import EVERY, Drawn
from support.eq10.functions import called
from support.eq10.networks import bridge, sigma_of

Coefficient = list[Tensor]
NOTHING = 1e-7          # a coefficient that is smaller everywhere does not count


class Cells(NamedTuple):
    """In the cells of one group, of all experts: m_i, a_j, and the coefficients of D_i and N_j."""
    masks: list[Tensor]
    blend: list[Tensor]
    conditions: list[Coefficient]
    nulls: list[Coefficient]


class Term(NamedTuple):
    """An estimate of a group with its coefficient in the cells of that group and in those of the lead."""
    group: int
    estimate: Tensor
    own: Coefficient
    lead: Coefficient

    @property
    def counts(self) -> bool:
        return any(float(c.abs().max()) > NOTHING for c in (*self.own, *self.lead))


class Question(NamedTuple):
    """A point of the schedule: percent, the level in the lead's frame, sigma, and the latents z of all groups."""
    percent: float
    level: float
    latents: Sequence[Tensor]
    sigma: float


class Reference:
    """The answers of one run, in the order of its steps: APG and held masks remember."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn = drawn
        self.members = drawn.members
        self.groups = drawn.groups
        self.experts = range(len(self.members))
        self.group = [drawn.group_of(m) for m in self.members]
        self.users = []
        for s in range(len(self.groups)):
            self.users.append([masks.of_user(drawn, i, s) for i in self.experts])
        self.cures = Cures(drawn.options.apg, drawn.options.cfg_zero)
        self.held: dict[int, Tensor] = {}
        self.banded = any(m.bands != EVERY for m in self.members)
        self.bands = [masks.of_bands(drawn.size(s), drawn.size(0)) if self.banded else []
                      for s in range(len(self.groups))]

    # -- one evaluation ------------------------------------------------------------------------------------------------

    def answer(self, percent: float, level: float, latents: Sequence[Tensor]) -> list[Tensor]:
        """What the latent of each group is stepped to; the first is the fused estimate."""
        options, sigma = self.drawn.options, sigma_of(self.drawn.lead.frame, level)
        if percent < options.zero_init:
            return [z / (1.0 + sigma) for z in latents]
        asked = Question(percent, level, latents, sigma)
        weights, given = numbers.at(self.drawn, percent)
        guided = self.guided(sigma)
        denoised = [self.asked(i, asked, m.text) for i, m in enumerate(self.members)]
        nulls = [self.asked(i, asked, m.null) for i, m in enumerate(self.members)]
        allowed = self.allowed(percent)
        acting = self.acting(asked, weights, allowed, denoised, nulls)
        cells = [self.cells(weights, given, allowed[s], acting[s], guided) for s in range(len(self.groups))]
        own = [cells[s] for s in self.group]
        conditions = [Term(self.group[i], denoised[i], own[i].conditions[i], cells[0].conditions[i])
                      for i in self.experts]
        unconditional = [Term(self.group[i], nulls[i], own[i].nulls[i], cells[0].nulls[i]) for i in self.experts]
        reference = self.reference(conditions, unconditional)
        blend = [Term(self.group[i], nulls[i], [own[i].blend[i]], [cells[0].blend[i]]) for i in self.experts]
        null = self.united(blend, reference)
        changes = self.functions(asked, weights, allowed, conditions, own, null) if guided else []
        fused = self.united([*conditions, *unconditional], reference, changes)
        if any(term.counts for term in conditions):
            fused = self.improved(asked, weights, conditions, cells[0], fused, null, reference, guided)
        if self.drawn.clip:
            fused = fused.clamp(-1.0, 1.0)
        return [fused, *(self.there(s, fused) for s in range(1, len(self.groups)))]

    def place(self, i: int, asked: Question) -> tuple[Tensor, float]:
        """The image and the level in the frame of an expert's network."""
        z = asked.latents[self.group[i]]
        if self.members[i].network.frame != "flow":
            return z, asked.sigma
        return z / (1.0 + asked.sigma), asked.sigma / (1.0 + asked.sigma)

    def asked(self, i: int, asked: Question, text: int) -> Tensor:
        x, level = self.place(i, asked)
        down, right = self.drawn.view(i)
        there = self.members[i].network.answer(x.roll((down, right), (-2, -1)), level, text)
        return there.roll((-down, -right), (-2, -1))

    def guided(self, sigma: float) -> bool:
        """Whether a noise level lies in the guidance interval."""
        low, high = self.drawn.options.low, self.drawn.options.high
        return (low == 0.0 or low < sigma) and sigma <= high

    def allowed(self, percent: float) -> list[list[Tensor]]:
        """The masks of users in the cells of each group, within their windows and regions."""
        active = [m.start <= percent and (percent < m.end or m.end == 1.0) for m in self.members]
        allowed = []
        for s, users in enumerate(self.users):
            own = [u * on for u, on in zip(users, active, strict=True)]
            allowed.append(masks.in_regions(self.drawn, own, active, s))
        return allowed

    def acting(self, asked: Question, weights: Sequence[float], allowed: Sequence[Sequence[Tensor]],
               denoised: Sequence[Tensor], nulls: Sequence[Tensor]) -> list[list[Tensor]]:
        """m_i of all experts in the cells of each group: what users allow, or automatic masks within it."""
        settings, found = self.drawn.automatic, [list(own) for own in allowed]
        taking_part = [i for i in self.experts if weights[i] and self.acts(i, allowed)]
        if settings is None or not taking_part:
            return found
        if asked.sigma > settings.hold or not self.held:
            differences = {i: denoised[i] - nulls[i] for i in taking_part}
            self.held = masks.automatic(settings, self.drawn, differences, dict(enumerate(allowed[0])))
        for s in range(len(self.groups)):
            for i in taking_part:
                found[s][i] = self.held[i] if s == 0 else masks.resized(self.held[i], self.drawn.size(s))
        return found

    def acts(self, i: int, masks: Sequence[Sequence[Tensor]]) -> bool:
        """Whether a mask of an expert is above 0 anywhere, in the lead's cells or in its own. masks: of each group."""
        return any(bool(masks[s][i].any()) for s in (0, self.group[i]))

    def cells(self, weights: Sequence[float], given: Sequence[float], allowed: Sequence[Tensor],
              acting: Sequence[Tensor], guided: bool) -> Cells:
        """The coefficients in the cells of one group, where users allow and experts act."""
        undivided = numbers.renormalised(given, allowed, [torch.tensor(n, dtype=torch.float64) for n in given])
        blend = numbers.renormalised(given, acting, undivided)
        masked = [w * m for w, m in zip(weights, acting, strict=True)]
        if self.drawn.mixer.meaning == "shares":
            blend = numbers.from_shares(masked, blend)
        conditions: list[Coefficient] = [[] for _ in self.experts]
        nulls: list[Coefficient] = [[] for _ in self.experts]
        for b in range(3 if self.banded else 1):
            own = [w * m.bands[b] for w, m in zip(masked, self.members, strict=True)]
            total = sum(own)
            if not guided:
                own = [w / torch.where(total == 0, 1.0, total) for w in own]
            rest = 1.0 - sum(own)
            for i in self.experts:
                conditions[i].append(own[i])
                nulls[i].append(rest * blend[i])
        return Cells(list(acting), blend, conditions, nulls)

    def functions(self, asked: Question, weights: Sequence[float], allowed: Sequence[Sequence[Tensor]],
                  conditions: Sequence[Term], own: Sequence[Cells], null: Tensor) -> list[Term]:
        """What CFG functions add: m_i (h_i - (D_0 + w_i (D_i - D_0))), in each expert's space."""
        found = []
        for i, (member, term) in enumerate(zip(self.members, conditions, strict=True)):
            if member.function and self.acts(i, allowed):
                d, w = term.estimate, weights[i]
                seen = null if term.group == 0 else self.there(term.group, null)
                change = called(member.function, *self.place(i, asked), d, seen, w) - (seen + w * (d - seen))
                coefficient = [f * own[i].masks[i] for f in (member.bands if self.banded else (1.0,))]
                found.append(Term(term.group, change, coefficient, coefficient))
        return found

    def improved(self, asked: Question, weights: Sequence[float], conditions: Sequence[Term], lead: Cells,
                 fused: Tensor, null: Tensor, reference: Tensor, guided: bool) -> Tensor:
        """Cures within the guidance interval, and rescale."""
        options = self.drawn.options
        if guided and (options.apg or options.cfg_zero):
            counting = [i for i, term in enumerate(conditions) if term.counts]
            total = sum(weights[i] * lead.masks[i] for i in counting)
            x = asked.latents[0]
            x = x / (1.0 + asked.sigma) if self.drawn.lead.frame == "flow" else x
            fused = self.cures(x, asked.level, fused, null, total, sum(lead.masks[i] for i in counting))
        return rescaled(fused, reference, options.rescale)

    # -- several latent spaces -----------------------------------------------------------------------------------------

    def there(self, s: int, estimate: Tensor) -> Tensor:
        """B(1->s)."""
        return bridge(self.groups[0][0], self.groups[s][0], estimate, self.drawn.size(s))

    def back(self, s: int, estimate: Tensor) -> Tensor:
        """B(s->1)."""
        return bridge(self.groups[s][0], self.groups[0][0], estimate, self.drawn.size(0))

    def reference(self, conditions: Sequence[Term], nulls: Sequence[Term]) -> Tensor:
        """R."""
        for s in range(len(self.groups)):
            for terms in (conditions, nulls):
                estimates = [term.estimate for term in terms if term.group == s and term.counts]
                if estimates:
                    mean = torch.stack(estimates).mean(0)
                    return mean if s == 0 else self.back(s, mean)
        raise AssertionError("somebody counts")

    def united(self, terms: Sequence[Term], reference: Tensor, changes: Sequence[Term] = ()) -> Tensor:
        """D in the lead's space. changes: what is added to the U_s, without a part in the g_s."""
        fused = torch.zeros_like(reference)
        for s in range(len(self.groups)):
            own = [term for term in terms if term.group == s and term.counts]
            added = [*own, *(term for term in changes if term.group == s)]
            estimate = sum(self.times(s, term.own, term.estimate) for term in added)
            if s == 0:
                fused = fused + estimate
            elif own:
                seen = self.there(s, reference)
                moved = seen + estimate - sum(self.times(s, term.own, seen) for term in own)
                fused = fused + sum(self.times(0, term.lead, reference) for term in own)
                fused = fused + self.back(s, moved) - self.back(s, seen)
        return fused

    def times(self, s: int, coefficient: Coefficient, field: Tensor) -> Tensor:
        """A coefficient times a field of group s: with bands, sum_b F^-1(M_b F(c_b field))."""
        if len(coefficient) == 1:
            return coefficient[0] * field
        parts = [mask * torch.fft.fft2(c * field) for mask, c in zip(self.bands[s], coefficient, strict=True)]
        return torch.fft.ifft2(sum(parts)).real


def stepped(drawn: Drawn, steps: Sequence[tuple[float, float]], latents: Sequence[Tensor]) -> list[list[Tensor]]:
    """Euler's latents z of all groups before each step and after the last. steps: (percent, the lead's level)."""
    reference, zs = Reference(drawn), [z.double() for z in latents]
    passed = [zs]
    levels = [*(level for _, level in steps), 0.0]
    for (percent, level), following in zip(steps, levels[1:], strict=True):
        sigma, next_sigma = (sigma_of(drawn.lead.frame, each) for each in (level, following))
        targets = reference.answer(percent, level, zs)
        zs = [target + next_sigma / sigma * (z - target) for z, target in zip(zs, targets, strict=True)]
        passed.append(zs)
    return passed
