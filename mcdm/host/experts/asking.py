"""Asking the networks: one call of the host for everything one MODEL serves, equal nulls once, all devices at once."""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

import comfy.samplers
import torch

from ...mixture import Expert
from ..protocols import BaseModel, Cond, Options
from ..spaces.layout import Estimates
from .devices import lane_of, where
from .lanes import Clock, Lane, Lanes, unmeasured
from .patchers import deep_equal
from .run import ExpertRun, Query, log_failing_expert

logger = logging.getLogger("mcdm")

Served = tuple[int, int, tuple, int | None]     # a MODEL, its latent, its view of it, an expert that it serves alone
Shared = dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[Query, list[torch.Tensor]]]


class Asked(Protocol):
    """What an evaluation asks: the experts whose condition, whose null counts, by index."""

    @property
    def conditions(self) -> Collection[int]: ...

    @property
    def nulls(self) -> Collection[int]: ...


class Answers(NamedTuple):
    """D of every condition and of every null that counts, each in its expert's latent space."""
    denoised: Estimates
    nulls: Estimates


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of the host: everything one MODEL is asked, at one query and on one lane.

    members: the experts that it serves. conditions, nulls: those of them whose condition, whose null is asked.
    """
    members: list[int]
    conditions: list[int]
    nulls: list[int]
    query: Query
    lane: Lane

    @property
    def rows(self) -> list[int]:
        """The expert of each prediction, in the order of the answers."""
        return [*self.conditions, *self.nulls]


class Asking:
    """The calls of one sampling.

    shared: a dictionary for samplings of one noise whose mixtures differ only in numbers. It keeps the answers at their
    first evaluation, which are the same in all of them. Or None.
    clock: records how long each expert took. Or None: then time is measured only if experts are in different places.
    """

    def __init__(self, runs: Sequence[ExpertRun], shared: Shared | None = None, clock: Clock | None = None) -> None:
        self.runs = runs
        self._lane_of = [lane_of(run.expert) for run in runs]
        apart = len(set(self._lane_of)) > 1
        self.clock = clock or (Clock() if apart else None)
        self._measured = unmeasured if self.clock is None else self.clock.measured
        self._lanes = Lanes(self._lane_of[0])
        self._shared = shared           # dropped after the first evaluation
        self._groups: list[list[int]] = []      # experts that one call serves
        self._models: list[Served] = []         # for each expert, what answers for it
        self._first_equal: list[int] = []       # for each expert, the first whose null is equal to its own

    def ask(self, asked: Asked, queries: Sequence[Query]) -> Answers:
        """The answers to what is asked. Equal nulls are asked once."""
        if not self._groups:
            self._group()
        asker: dict[int, int] = {}      # {first of equal nulls: the expert in whose call it is asked}
        for i in asked.nulls:
            asker.setdefault(self._first_equal[i], i)
        calls = list(self._calls(asked.conditions, set(asker.values()), queries))
        questions = [(call.lane, functools.partial(self._answered, call)) for call in calls]
        denoised: Estimates = {}
        answers: Estimates = {}
        for call, results in zip(calls, self._lanes.ask(questions), strict=True):
            count = len(call.conditions)
            for i, d in zip(call.conditions, results[:count], strict=True):
                denoised[i] = self.runs[i].watch(d)
            for i, d in zip(call.nulls, results[count:], strict=True):
                answers[i] = self.runs[i].watch(d)
        self._shared = None
        return Answers(denoised, {i: answers[asker[self._first_equal[i]]] for i in asked.nulls})

    def _calls(self, conditions: Collection[int], nulls: Collection[int], queries: Sequence[Query]) -> Iterator[Call]:
        for members in self._groups:
            first = members[0]
            call = Call(members, [i for i in members if i in conditions], [i for i in members if i in nulls],
                        queries[first], self._lane_of[first])
            if call.rows:
                yield call

    def close(self) -> None:
        """Once all is sampled, or has failed."""
        self._lanes.close()

    @contextlib.contextmanager
    def timed(self, steps: int) -> Iterator[None]:
        """Around a sampling of `steps` steps: logs how long each expert took, if it was measured."""
        yield
        clock = self.clock
        if clock is not None:
            clock.steps = steps
            times = (f"'{run.expert.name}' ({where(run.expert)}) {clock.seconds(i):.3g} s ({clock.share(i):.0%})"
                     for i, run in enumerate(self.runs))
            logger.info(f"MCDM: a step took {', '.join(times)}.")

    def _answered(self, call: Call) -> list[torch.Tensor]:
        """The answers to a call, asked now or known from another sampling."""
        if self._shared is None or not all(self.runs[i].stateless for i in call.members):
            return self._asked_now(call)
        key = tuple(call.conditions), tuple(call.nulls)     # the last bits of a row depend on its company in the batch
        asked_at, results = self._shared.get(key, (None, []))
        if not deep_equal(asked_at, call.query):
            results = self._asked_now(call)
            x, sigma = call.query
            self._shared[key] = Query(x.clone(), sigma.clone()), results
        return results

    def refresh(self, i: int, conditions: Collection[int], query: Query) -> None:
        """Asks an expert's pair again if its MODEL has meanwhile seen another expert's null.

        Functions that look at the null keep the last one they saw, for all experts of one MODEL.
        """
        def overwrites(j: int) -> bool:
            same_model = self._models[j] == self._models[i]
            return same_model and self.runs[j].looks_at_null and self._first_equal[j] != self._first_equal[i]
        if self.runs[i].looks_at_null and any(overwrites(j) for j in conditions):
            self._asked_now(Call([i], [i], [i], query, self._lane_of[i]))

    def _asked_now(self, call: Call) -> list[torch.Tensor]:
        first = self.runs[call.members[0]]
        positive = [self.runs[i].conds["positive"] for i in call.conditions]
        negative = [self.runs[i].conds["negative"] for i in call.nulls]
        first.take_over()
        with (
            log_failing_expert(*(self.runs[i].expert for i in call.members)),
            self._measured(call.rows, first.device),
        ):
            x, level = first.moved(call.query.x), call.query.level
            calls: list[tuple[list, list]] = [(positive, negative)]
            if first.takes_one_row:
                calls = [([row], []) for row in positive] + [([], [row]) for row in negative]
            answers = [batch(first.model, *rows, x, level, first.options) for rows in calls]
            return [first.back(d) for answer in answers for d in answer]

    def regroup(self) -> None:
        """Forgets which experts belong together, because conditions have changed."""
        self._groups = []

    def _group(self) -> None:
        """Decides which experts one call of the host serves, and which nulls are equal."""
        models = self._models = [self._served_by(i) for i in range(len(self.runs))]
        groups: dict[tuple[Served, int | None], list[int]] = {}
        for i, run in enumerate(self.runs):
            # ControlNets are shown the host's numbers of the conditions instead of our labels, and functions that
            # look at the null (self-attention guidance) expect one of each in a call: calls of their own
            alone = i if run.looks_at_null or any("control" in cond for cond in _rows(run)) else None
            groups.setdefault((models[i], alone), []).append(i)
        self._groups = list(groups.values())
        nulls = [_comparable(run.conds.get("negative", [])) for run in self.runs]
        self._first_equal = []
        for i, null in enumerate(nulls):
            equal = (j for j in range(i + 1) if models[i] == models[j] and deep_equal(null, nulls[j]))
            self._first_equal.append(next(equal))

    def _served_by(self, i: int) -> Served:
        """The MODEL that serves an expert, its latent, and its index where what hooks add to the options is its own."""
        run = self.runs[i]
        hooked = "sampler_calc_cond_batch_function" in run.options or any("hooks" in cond for cond in _rows(run))
        return id(run.expert.model), run.space, run.view, i if hooked else None


def _rows(run: ExpertRun) -> list[Cond]:
    return [cond for conds in run.conds.values() for cond in conds]


def _comparable(conds: Sequence[Cond]) -> list[Cond]:
    """Conditions without the number that the host gives to each."""
    compared = []
    for cond in conds:
        compared.append({key: value for key, value in cond.items() if key != "uuid"})
    return compared


def check_finite(experts: Sequence[Expert], flags: Sequence[float]) -> None:
    """Raises ValueError that names the expert whose flag says that it returned NaN or infinite values."""
    for expert, finite in zip(experts, flags, strict=True):
        if not finite:
            raise ValueError(f"Expert '{expert.name}' returned NaN or infinite values; try weight_dtype float32, "
                             "a lower weight or another sampler.")


def batch(
    model: BaseModel, conditions: Sequence[list[Cond]], nulls: Sequence[list[Cond]], x: torch.Tensor,
    sigma: torch.Tensor, options: Options,
) -> list[torch.Tensor]:
    """The host's calc_cond_batch on any number of conditions and nulls: D of each, [B, ...].

    Patches see cond_or_uncond 0 for the conditions and 1 for the nulls.
    """
    if len(conditions) <= 1 and len(nulls) <= 1:
        return _pair(model, conditions, nulls, x, sigma, options)
    labels = [0] * len(conditions) + [1] * len(nulls)
    wrapped = options.get("model_function_wrapper")
    variances = options["transformer_options"].get("mcdm_learned_variance")

    def relabel(apply_model: Callable, args: Options) -> torch.Tensor:
        rows = args["cond_or_uncond"]
        args["cond_or_uncond"] = [labels[i] for i in rows]
        args["c"]["transformer_options"]["cond_or_uncond"] = args["cond_or_uncond"]
        if variances is not None:
            variances.rows = rows
        if wrapped:
            return wrapped(apply_model, args)
        return apply_model(args["input"], args["timestep"], **args["c"])

    own_options = {**options, "model_function_wrapper": relabel}
    return comfy.samplers.calc_cond_batch(model, [*conditions, *nulls], x, sigma, own_options)


def _pair(
    model: BaseModel, conditions: Sequence[list[Cond]], nulls: Sequence[list[Cond]], x: torch.Tensor,
    sigma: torch.Tensor, options: Options,
) -> list[torch.Tensor]:
    """At most one condition and one null, as the host itself asks them."""
    rows = [conditions[0] if conditions else None, nulls[0] if nulls else None]
    function = options.get("sampler_calc_cond_batch_function")
    if function is not None:
        out = function({"conds": rows, "input": x, "sigma": sigma, "model": model, "model_options": options})
    else:
        out = comfy.samplers.calc_cond_batch(model, rows, x, sigma, options)
    return [d for d, row in zip(out, rows, strict=True) if row is not None]
