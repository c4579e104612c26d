"""What the experts of a run did to each other: pulls, agreement, and conditions that contradict each other (section 6 of the paper).

    pull of i           P_i = w_i m_i (D_i - D_0)           what it adds to the fused estimate, eq. 18
    what i asks for     G_i = w_i m_i (D_i - N_i)           N_i its own null: D_0 would count differences of style between networks as disagreement

Two conditions contradict each other where they persistently ask for opposite things while the content of the picture is decided: with A_i the sum of
G_i over the noise levels of DECIDES at which both act, as means over 8 x 8 parts of the picture, their opposition is

    sum over parts of max(0, -<A_i, A_j>) / (|A_i| |A_j|)   0: never opposed, or never in the same place; 1: opposite everywhere
"""
import itertools
import math

import torch
from torch.nn import functional as F

GRID = 8
DECIDES = (0.6, 6.0)            # noise levels, in standard deviations of the picture
CONTRADICTION = 0.62            # opposition from which on two conditions contradict each other: found on the embedded face experts, see the help page
HELD = 0.4                      # opposition at one noise level above which a contradiction goes on
COMPARABLE = 0.1                # a condition that asks for less than this share of the other is overruled, it contradicts nothing


def cosine(a, b):
    """The cosine of the angle between two fields [B, ...], mean over the batch; nan where one is zero."""
    a, b = a.flatten(1), b.flatten(1)
    return ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).nanmean()


def parts(field):
    """The means of a field [B, C, (T,) H, W] over the parts of the picture, [B, C T, 8, 8]."""
    return F.adaptive_avg_pool2d(field.reshape(len(field), -1, *field.shape[-2:]), GRID)


def opposition(a, b):
    """How opposed two fields [B, C, H, W] of parts are, from 0 to 1; nan where one is zero."""
    return (-(a * b).sum(1)).clamp(min=0).sum() / (a.norm() * b.norm())


def disagreement(fields):
    """Where fields [B, C, ...] cancel each other: (sum_i |G_i| - |sum_i G_i|, sum_i |G_i|), norms over channels, [B, ...]."""
    strength = sum(g.norm(dim=1) for g in fields)
    return strength - sum(fields).norm(dim=1), strength


class Recorder:
    """An observer of a run of `count` experts whose guider evaluates all nulls. It keeps numbers, the parts, and the fields of the last evaluation."""

    def __init__(self, count):
        self.count, self.pairs = count, list(itertools.combinations(range(count), 2))
        self.sigmas: list[float] = []
        self.asked: list[torch.Tensor] = []         # G_i of the last evaluation
        self.fused: torch.Tensor
        self._numbers: list[torch.Tensor] = []      # per evaluation, on the device: the pulls, then two cosines for each pair
        self._parts: list[list[torch.Tensor]] = []

    def __call__(self, o):
        self.fused = o.fused.float()
        nothing = torch.zeros_like(self.fused)

        def of(i, estimate, null):
            return (o.contributions[i][0] * (estimate - null)).float() if i in o.contributions else nothing
        pulls = [of(i, o.contributions[i][1] if i in o.contributions else None, o.null) for i in range(self.count)]
        self.asked = [of(i, o.denoised.get(i), o.nulls.get(i, o.null)) for i in range(self.count)]
        self.sigmas.append(o.sigma)
        self._parts.append([parts(g) for g in self.asked])
        cosines = [cosine(f[i], f[j]) for i, j in self.pairs for f in (pulls, self.asked)]
        self._numbers.append(torch.stack([p.square().mean().sqrt() for p in pulls] + cosines))

    def figures(self):
        """Everything as plain numbers, nan where there is none; pairs as {(i, j): ...}.

        `opposition` of a pair is the one that decides: nan where the two do not act together while content is decided, or one asks for next to nothing.
        """
        table = torch.stack(self._numbers).double().cpu().T.tolist()
        scale = self.fused.std().item()
        low, high = (d * scale for d in DECIDES)
        deciding = [p for s, p in zip(self.sigmas, self._parts, strict=True) if low <= s <= high]
        pairs = {}
        for k, (i, j) in enumerate(self.pairs):
            together = [p for p in deciding if p[i].any() and p[j].any()]
            total = [torch.stack([p[n] for p in together]).sum(0) for n in (i, j)] if together else []
            ratio = (total[0].norm() / total[1].norm()).item() if total else math.nan
            pairs[i, j] = {"cosine": table[self.count + 2 * k], "condition_cosine": table[self.count + 2 * k + 1],
                           "opposition_at": torch.stack([opposition(p[i], p[j]) for p in self._parts]).tolist(),
                           "opposition": opposition(*total).item() if COMPARABLE <= ratio <= 1 / COMPARABLE else math.nan}
        return {"sigmas": self.sigmas, "pulls": table[:self.count], "pairs": pairs, "decides": (low, high)}


def contradictions(figures):
    """[(i, j, opposition, sigma from which on)] of the pairs that contradict each other, the worst first."""
    found = [(i, j, p["opposition"], _since(p["opposition_at"], figures)) for (i, j), p in figures["pairs"].items() if p["opposition"] >= CONTRADICTION]
    return sorted(found, key=lambda f: -f[2])


def _since(opposed, figures):
    """The highest noise level from which on two are opposed for as long as the content is decided."""
    low, high = figures["decides"]
    since = None
    for sigma, share in reversed([(s, o) for s, o in zip(figures["sigmas"], opposed, strict=True) if s >= low]):
        if not share >= HELD:
            break
        since = sigma
    return next(s for s in figures["sigmas"] if low <= s <= high) if since is None else since


def sentence(figures, names):
    """What the report says in words, for people."""
    found = contradictions(figures)
    if found:
        said = "; ".join(f"'{names[i]}' and '{names[j]}' contradict each other from sigma {sigma:.3g} on (opposition {share:.2f} of 1)"
                         for i, j, share, sigma in found)
        return (f"{said}. Neither will be met in full. Try a mask, so that each acts in a region of its own; a window, so that one is done before the other "
                "begins; a lower weight or more reliability for the one that matters less; or change one condition.")
    acting = [n for n, p in zip(names, figures["pulls"], strict=True) if any(p)]
    if len(acting) < 2:
        return f"Only '{acting[0]}' acts here: there is nothing that it could contradict." if acting else "No condition acts here: there is nothing to compare."
    low, high = figures["decides"]
    if not any(low <= s <= high for s in figures["sigmas"]):
        return (f"No verdict: this run has no step between sigma {high:.3g} and {low:.3g}, where the content of the picture is decided; "
                "give it more steps, or more denoise.")
    seen = {pair: p["opposition"] for pair, p in figures["pairs"].items() if not math.isnan(p["opposition"])}
    if not seen:
        return "No two of these conditions contradict each other: of every two, one is much stronger, or they never act together while content is decided."
    i, j = max(seen, key=lambda pair: seen[pair])
    return (f"No two of these conditions contradict each other. Most opposed are '{names[i]}' and '{names[j]}', with {seen[i, j]:.2f} of 1; "
            f"a contradiction begins at {CONTRADICTION:g}.")
