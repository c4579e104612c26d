"""Windows that begin or end on a step of the schedule: their steps by counting, whatever float32 makes of a sigma."""
from __future__ import annotations

import pytest

from support.mixtures import expert
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

PERCENTS = (0.1, 0.2, 0.25, 0.4, 0.5, 0.6, 0.75, 0.8, 0.9)
FLOWS = [("flow", 1.0), ("flow", 3.0), ("flow", 6.0), ("flow", 12.0), ("flux", 0.5), ("flux", 1.15), ("flux", 2.02)]


def flow(kind, shift):
    """A tiny MODEL with a flow's schedule, as the host's sampling nodes would set it."""
    import comfy.model_sampling as sampling
    base = {"flow": sampling.ModelSamplingDiscreteFlow, "flux": sampling.ModelSamplingFlux}[kind]
    schedule = type("Schedule", (base, sampling.CONST), {})()
    schedule.set_parameters(shift=shift)
    model = tiny_unet(0).clone()
    model.add_object_patch("model_sampling", schedule)
    return model


def steps_in_windows(comfy, model, scheduler, steps, percent):
    """Of the steps of a run, by index, those in the window [0, percent] and those in [percent, 1]."""
    import comfy.samplers as host
    first = expert(comfy, model, 0, end_percent=percent)
    second = expert(comfy, model, 1, start_percent=percent)
    levels = comfy.module("mcdm.host.models").noise_levels_of(model)
    schedule = comfy.module("mcdm.host.schedule").Schedule([first, second], model, levels)
    sigmas = host.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps)
    active = [schedule.active(level) for level in sigmas.tolist()[:-1]]
    of_the_first = [k for k, on in enumerate(active) if on[0]]
    of_the_second = [k for k, on in enumerate(active) if on[1]]
    return [of_the_first, of_the_second]


@pytest.mark.parametrize("kind, shift", FLOWS)
def test_simple_steps_of_a_flow(comfy, kind, shift):
    """`simple` takes every (count/n)th of the trained levels; a border is at the share 1 - percent of them."""
    model = flow(kind, shift)
    count = len(model.get_model_object("model_sampling").sigmas)
    for steps in range(2, 51):
        for percent in PERCENTS:
            before = [k for k in range(steps) if int(k * (count / steps)) < round(percent * count)]
            after = [k for k in range(steps) if k not in before]
            assert steps_in_windows(comfy, model, "simple", steps, percent) == [before, after], (steps, percent)


@pytest.mark.parametrize("scheduler", ["sgm_uniform"])
def test_uniform_steps_of_a_discrete_schedule(comfy, scheduler):
    """`sgm_uniform` is linear in the time-step, and so are borders: step k of n is at the share k / n."""
    model = tiny_unet(0)
    for steps in range(2, 51):
        for percent in PERCENTS:
            before = [k for k in range(steps) if round(k - percent * steps, 9) < 0]
            after = [k for k in range(steps) if k not in before]
            assert steps_in_windows(comfy, model, scheduler, steps, percent) == [before, after], (steps, percent)


@pytest.mark.parametrize("scheduler", [
    "normal", "karras", "exponential", "simple", "ddim_uniform", "beta", "kl_optimal",
])
@pytest.mark.parametrize("kind", ["eps", "flow", "flux"])
def test_two_windows_that_meet_take_each_step_once(comfy, kind, scheduler):
    model = tiny_unet(0) if kind == "eps" else flow(kind, 3.0 if kind == "flow" else 1.15)
    for steps in (2, 3, 4, 7, 20, 50):
        for percent in PERCENTS:
            before, after = steps_in_windows(comfy, model, scheduler, steps, percent)
            assert sorted(before + after) == list(range(len(before) + len(after))) and not set(before) & set(after)
