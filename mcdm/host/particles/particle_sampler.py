"""MCDM Corrected, a sampler of the host on particles: K rows of a batch for each picture. See mcdm/corrected.py."""
from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import time
from collections.abc import Callable

import torch
from comfy.k_diffusion.sampling import trange

from ... import corrected
from ...account import Account, Record
from ...ancestral import AlphaBeta, check_falling, step
from ...fusion import Coefficient
from ...observation import Observation
from ..experts.asking import Answers
from ..protocols import Guided, Options
from ..sampling.plan import Division, Plan
from .settings import ALL, AND, DEFAULT, FEYNMAN_KAC, OR, Settings, checked
from .superdiff import ParticleState, SuperDiff

logger = logging.getLogger("mcdm")

PATIENCE = 0.5      # seconds between two messages to the page


def sample_corrected(
    model: Guided, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Options | None = None,
    callback: Callable[[Options], None] | None = None, disable: bool | None = None,
    settings: Settings = DEFAULT, tell: Callable[[str], object] | None = None,
) -> torch.Tensor:
    """A sampler of the host for the guider of a mixture. Rows come back as `settings.keep` says, all equally likely.

    tell: gets the progress in words from time to time, and the outcome at the end. guider.watch.account has the
    numbers.
    Raises ValueError for what eq. 10 alone does not describe.
    """
    particles = Particles(model, x, sigmas.tolist(), extra_args or {}, settings)
    shown = time.monotonic()
    with particles.watching():
        for k in trange(len(sigmas) - 1, disable=disable):
            denoised = particles.step(k)
            if tell is not None and time.monotonic() - shown > PATIENCE and (words := particles.account().now()):
                tell(words)
                shown = time.monotonic()
            if callback is not None:
                callback({"x": particles.x, "i": k, "sigma": sigmas[k], "sigma_hat": sigmas[k], "denoised": denoised})
    rows = particles.finish()
    account = particles.guider.watch.account = particles.account()
    words = account.in_words()
    logger.info(f"MCDM Corrected: {words}.")
    if tell is not None:
        tell(words)
    return particles.x[rows.to(particles.x.device)]


class Particles:
    """Particles on their way through the noise levels."""

    def __init__(
        self, model: Guided, x: torch.Tensor, levels: list[float], extra_args: Options, settings: Settings,
    ) -> None:
        self.model = model
        self.x = x
        self.settings = settings
        self.extra_args = extra_args
        self.guider = checked(getattr(model, "inner_model", None), settings)
        frames = self.guider.schedule.levels
        self.levels, self.sigmas = levels, [frames.sigma(level) for level in levels]
        self.places = [frames.place(level) for level in levels]
        check_falling(self.places, "MCDM Corrected")
        self.cells: Coefficient = 1.0 if extra_args.get("denoise_mask") is None else extra_args["denoise_mask"]
        self.size = settings.particles or len(x)
        if len(x) % self.size:
            raise ValueError(f"MCDM Corrected: {self.size} particles per picture do not fit a batch of {len(x)}; make "
                             "batch_size a multiple of particles.")
        self.names = [e.name for e in self.guider.mixture.experts]
        self.ancestors = torch.arange(len(x))
        self.log_weights = torch.zeros(len(x), dtype=torch.float64)
        self.records: list[Record] = []
        self.superdiff: SuperDiff | None = None
        if settings.method in (OR, AND):
            self.superdiff = SuperDiff(settings.method == AND, frames.sigma_data, self.cells)
        self._k = 0
        self._noise = x
        self._seen: Observation | None = None
        self._rate = torch.zeros(len(x), dtype=torch.float64)       # of the log weights
        self._before: torch.Tensor | None = None                # the fused estimate of the step before

    def watching(self) -> contextlib.AbstractContextManager[None]:
        """Called by the guider with every evaluation; for SuperDiff also for kappa."""
        divider = None if self.superdiff is None else self
        return self.guider.sampling.evaluation.accompanied(self._look, divider)

    def _look(self, seen: Observation) -> None:
        self._seen = seen

    def account(self) -> Account:
        """What has happened so far."""
        return Account(self.settings.method, self.size, self.names, self.records, self.ancestors.tolist())

    # -- one step ------------------------------------------------------------------------------------------------------

    def step(self, k: int) -> torch.Tensor:
        """From level k to the next one. Returns the fused estimate at level k."""
        self._k = k
        here, there = self.places[k], self.places[k + 1]
        self._noise = self._drawn(k, "step")
        denoised = self._asked()
        if self.settings.method == FEYNMAN_KAC:
            denoised = self._weighted(denoised)
        change: torch.Tensor | float = 0.0
        if self._before is not None:
            change = (denoised - self._before) * corrected.multistep_factor(*self._around())
        for i in range(self.settings.langevin_steps if k else 0):
            noise = self._drawn(k, f"langevin {i}")
            self.x = corrected.langevin(self.x, denoised, *here, self.settings.langevin_size, noise)
            denoised = self._asked()
        if self.settings.langevin_steps and self.settings.method == FEYNMAN_KAC:
            self._rate = self._measured()
        x, self.x = self.x, step(self.x, denoised + change, here, there, noise=self._noise)
        self._before = denoised
        if self.superdiff is not None and self._seen is not None:
            self.superdiff.follow(self._state(x), self._image(self.x, there), self._seen.denoised)
        return denoised

    def _around(self) -> tuple[float, float, float]:
        """The sigmas of the level before, of this and of the next one."""
        return self.sigmas[max(self._k - 1, 0)], self.sigmas[self._k], self.sigmas[self._k + 1]

    def _state(self, x: torch.Tensor) -> ParticleState:
        """Whether SuperDiff is asked for kappa."""
        sigmas, z = self._around(), self._image(x, self.places[self._k])
        more = 0.0 if self._before is None else corrected.multistep_factor(*sigmas)
        return ParticleState(z, sigmas[1], sigmas[2], self._noise, self._before, more)

    def _image(self, x: torch.Tensor, place: AlphaBeta) -> torch.Tensor:
        """x in the frame z = x0 + sigma n, exactly."""
        return corrected.exact(x) / place[0] if place[0] else x

    def compares(self, sigma: float) -> bool:
        """Whether every expert's own null is needed: not for kappa."""
        return False

    def divide(
        self, sigma: float, plan: Plan, answers: Answers, null_of: Callable[[int], torch.Tensor | None],
    ) -> Division:
        """The experts' parts by SuperDiff."""
        assert self.superdiff is not None
        kappa = self.superdiff.kappa(self._state(self.x), answers.denoised, plan.null_blend(answers.nulls), plan)
        means = {i: float(k.mean()) for i, k in kappa.items()}
        self.records.append(Record(self.sigmas[self._k], [], [], means))
        shape = [-1, *[1] * (self.x.ndim - 1)]
        masks = {i: plan.coefficients.masks[i] * k.to(self.x).reshape(shape) for i, k in kappa.items()}
        return Division([masks], looks=self.settings.method == OR)

    def _asked(self) -> torch.Tensor:
        level = self.x.new_full((len(self.x),), self.levels[self._k])
        return self.model(self.x, level, **self.extra_args)

    def _drawn(self, k: int, what: str) -> torch.Tensor:
        """Noise for all rows. A picture's noise does not depend on the other pictures of the batch."""
        pictures = range(len(self.x) // self.size)
        shape = self.size, *self.x.shape[1:]
        drawn = [torch.randn(shape, generator=self._generator(k, what, i)) for i in pictures]
        return torch.cat(drawn).to(self.x)

    def _generator(self, k: int, what: str, picture: int) -> torch.Generator:
        words = f"{self.extra_args.get('seed')} {k} {what} {picture}".encode()
        seed = int.from_bytes(hashlib.blake2b(words, digest_size=7).digest(), "big")
        return torch.Generator().manual_seed(seed)

    # -- Feynman-Kac ---------------------------------------------------------------------------------------------------

    def _measured(self) -> torch.Tensor:
        """The rate of each particle's log weight where it is."""
        parts, sigma = self._seen.parts() if self._seen else [], self.sigmas[self._k]
        if not parts or sigma == math.inf:
            return torch.zeros(len(self.x), dtype=torch.float64)
        return corrected.log_weight_rate(parts, sigma, self.cells)

    def _weighted(self, denoised: torch.Tensor) -> torch.Tensor:
        """Weighs the particles that have reached this level, and resamples if few of them count."""
        before = self._rate
        self._rate = self._measured()
        if self._k == 0:
            return denoised
        self.log_weights += corrected.log_weight_step(before, self._rate, *self._around()[:2])
        rows = []
        effective = []
        resampled = []
        for picture, weights in enumerate(self.log_weights.split(self.size)):
            effective.append(corrected.effective_size(weights))
            resampled.append(effective[-1] < self.settings.threshold * self.size)
            chosen = torch.arange(self.size)
            if resampled[-1]:
                chosen = corrected.systematic(weights, self._uniform(picture))
                weights.zero_()
            rows.append(chosen + picture * self.size)
        self.records.append(Record(self.sigmas[self._k], effective, resampled, {}))
        order = torch.cat(rows)
        if any(resampled):
            self.ancestors = self.ancestors[order]
            self._rate = self._rate[order]
            there = order.to(self.x.device)
            self.x = self.x[there]
            denoised = denoised[there]
            self._before = None if self._before is None else self._before[there]
        return denoised

    def _uniform(self, picture: int) -> float:
        return float(torch.rand((), generator=self._generator(self._k, "resampling", picture), dtype=torch.float64))

    def finish(self) -> torch.Tensor:
        """The rows to return, resampled so that all are equally likely."""
        self._k = len(self.sigmas) - 1
        if self.settings.method == FEYNMAN_KAC and self._k > 0:
            self.log_weights += corrected.log_weight_step(self._rate, self._rate, *self.sigmas[-2:])
        count = self.size if self.settings.keep == ALL else 1
        rows = []
        for picture, weights in enumerate(self.log_weights.split(self.size)):
            rows.append(corrected.systematic(weights, self._uniform(picture), count) + picture * self.size)
        order = torch.cat(rows)
        if self.settings.method == FEYNMAN_KAC:
            effective = [corrected.effective_size(weights) for weights in self.log_weights.split(self.size)]
            self.records.append(Record(self.sigmas[-1], effective, [True] * len(effective), {}))
        self.ancestors = self.ancestors[order]
        return order
