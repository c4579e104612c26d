"""Which networks of a mixture are in memory: each is loaded for the first step that needs it.

It stays until its last step, so that neither masks nor intervals nor schedules load it twice. If windows do not
overlap, only the networks of one window are needed at a time.
"""
from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence

import comfy.model_management
import comfy.sampler_helpers
import torch

from ..protocols import BaseModel, Conds, Model
from ..spaces.inpainting import kept_part
from ..spaces.layout import OneSpace
from ..spaces.start import Start
from .asking import Asked
from .run import ExpertRun, LeadRun, log_failing_expert

logger = logging.getLogger("mcdm")

KEY = "mcdm"
MEMORY = torch.device("cpu")        # the one device on which the host never unloads


class Loader:
    """The loading of one sampling. Networks go by the id of their model, since several experts may share one.

    plan: what is asked at a level, with D_0 or without. models: everything loaded so far besides the lead, for the host
    to clean up.
    """

    def __init__(
        self, plan: Callable[[float, bool], Asked], lead: LeadRun, runs: Sequence[ExpertRun], layout: OneSpace,
    ) -> None:
        self._plan = plan
        self.lead = lead
        self.runs = runs
        self.layout = layout
        self.models: list[Model] = []
        self._starts: Sequence[Start] = []
        self._last: dict[int, float] = {}       # {network: the lowest level at which a step needs it}
        self._first: set[int] = set()           # the networks that come first, and the others
        self._later: set[int] = set()
        self._load: Callable[[list[ExpertRun]], list[Model]] | None = None
        self._loaded: set[int] = set()
        self._gone: set[int] = set()
        self._begun: set[int] = set()

    def foresee(self, levels: Sequence[float], null_wanted: bool) -> None:
        """Plans the steps of a run: which networks come first, and when each is done. Masks have to fit already.

        levels: the sigmas of the run, its end included. If some step needs all networks, all are loaded first.
        """
        asked = [(level, self._asked(self._plan(level, null_wanted))) for level in levels[:-1]]
        steps = [step for step in asked if step[1]]
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for number, (level, networks) in enumerate(steps):
            for network in networks:
                first.setdefault(network, number)
                last[network] = number
                self._last[network] = min(self._last.get(network, level), level)
        held = []
        for number in range(len(steps)):
            held.append({n for n in first if first[n] <= number <= last[n]})
        everything = set(first) or {id(run.model) for run in self.runs}
        self._first = everything if not held or everything in held else held[0]
        self._later = everything - self._first

    def prepare_sampling(
        self, executor: Callable, patcher: Model, noise_shape: Sequence[int], conds: Conds, *args: object,
        **kwargs: object,
    ) -> tuple[BaseModel, Conds, list[Model]]:
        """The host's prepare_sampling for the networks that come first, instead of the lead's."""
        shape_of = functools.partial(self.layout.shape_of, shape=noise_shape)
        self._load = functools.partial(load_together, executor, shape_of, args, kwargs, self.layout.vaes())
        self._bring(self._first)
        if self._later:
            logger.info(f"MCDM: {self._names(self._first)} loaded; {self._names(self._later)} when first needed.")
        return patcher.model, conds, self.models

    def begin(self, starts: Sequence[Start]) -> None:
        """Begins the runs whose networks are loaded now, and the others as soon as theirs are.

        starts: what the latent of each group begins with.
        """
        self._starts = starts
        self.lead.late = id(self.lead.model) not in self._loaded
        self._begin_loaded()

    def require(self, plan: Asked, level: float) -> bool:
        """Loads the networks that an evaluation asks and that are not loaded; says whether there were any.

        Networks that no later step asks may leave memory. If a sampler goes back and asks one again, it stays for good.
        """
        missing = self._asked(plan) - self._loaded
        if not missing:
            return False
        for network in missing & self._gone:
            self._last[network] = -math.inf
        done = {n for n in self._loaded if self._last.get(n, -math.inf) > level}
        self._release(done)
        self._bring((self._loaded - done) | missing)
        self._begin_loaded()
        logger.info(f"MCDM: {self._names(missing)} loaded now" + (f"; {self._names(done)} done." if done else "."))
        return True

    def close(self) -> None:
        """Drops the host's executor, which holds this loader: else both would stay until Python collects cycles."""
        self._load = None

    def _asked(self, plan: Asked) -> set[int]:
        return {id(self.runs[i].model) for i in (*plan.conditions, *plan.nulls)}

    def _bring(self, networks: set[int]) -> None:
        """One load by the host for all of these; on a card it unloads others if it needs their room."""
        assert self._load is not None       # the host has prepared the sampling
        loaded = self._load([run for run in self.runs if id(run.model) in networks])
        self.models += [model for model in loaded if model not in self.models and model is not self.lead.patcher]
        self._loaded = networks

    def _release(self, networks: set[int]) -> None:
        """Unloads from main memory, which the host does not do: patched weights are dropped."""
        self._gone |= networks
        for loaded in list(comfy.model_management.current_loaded_models):
            if loaded.device == MEMORY and loaded.model is not None and id(loaded.model.model) in networks:
                loaded.model_unload()
                comfy.model_management.current_loaded_models.remove(loaded)

    def _begin_loaded(self) -> None:
        for run in self.runs:
            if id(run.model) in self._loaded and id(run) not in self._begun:
                self._begun.add(id(run))
                with log_failing_expert(run.expert):
                    run.begin(self._starts[run.space])
                if run.space == self.lead.space:
                    run.kept = kept_part(run.model, self.lead.model, self._starts[run.space])

    def _names(self, networks: Collection[int]) -> str:
        return " and ".join(f"'{run.expert.name}'" for run in self.runs if id(run.model) in networks)


def load_together(
    executor: Callable, shape_of: Callable[[int], Sequence[int]], rest: Sequence[object],
    options: Mapping[str, object], companions: Sequence[Model], runs: Sequence[ExpertRun],
) -> list[Model]:
    """Loads the networks and ControlNets of runs by the host's prepare_sampling, `executor`; returns their patchers.

    shape_of: the shape of each space's latent. rest, options: further arguments of the host's. Working memory is that
    of the most demanding expert, not the sum. companions: patchers of what every step needs beside the networks, such
    as VAEs.
    """
    carriers = {id(run.model): run.patcher for run in reversed(runs)}   # the first patcher of each network

    def working_memory(run: ExpertRun) -> float:
        return comfy.sampler_helpers.estimate_memory(run.patcher, shape_of(run.space), run.conds)[0]
    hungriest = max(runs, key=working_memory)
    hungry = carriers.pop(id(hungriest.model))
    others = [*carriers.values(), *companions]
    for run in runs:
        others += run.additional_models()
    everything = {f"{kind}{i}": rows for i, run in enumerate(runs) for kind, rows in run.conds.items()}
    hungry.set_additional_models(KEY, others)
    try:
        _, _, models = executor(hungry, shape_of(hungriest.space), everything, *rest, **options)
    finally:
        hungry.remove_additional_models(KEY)
    return models
