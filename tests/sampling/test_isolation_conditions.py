"""What hangs on one expert's CONDITIONING acts on that expert: areas, masks, ranges, hooks and ControlNets."""
import math

import pytest
import torch

from support.mixtures import (
    WEIGHTS,
    alone,
    ask,
    eq10,
    expert,
    latent,
    mix,
    parameterised,
    run,
    stock,
    stock_estimates,
    united,
)
from support.patches import chained, checkpoint, control, controlled, hooked, hung, with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]


def combine(comfy, *conditions):
    return [c for condition in conditions for c in condition]


def area(comfy, full, part):
    box = {"width": 64, "height": 64, "x": 32, "y": 64}
    return combine(comfy, full, comfy.call("ConditioningSetArea", conditioning=part, **box, strength=1.5)[0])


def percentage(comfy, full, part):
    box = {"width": 0.5, "height": 0.5, "x": 0.25, "y": 0.5}
    return combine(comfy, full, comfy.call("ConditioningSetAreaPercentage", conditioning=part, **box, strength=0.5)[0])


def spot(comfy, full, part):
    mask = torch.zeros(1, 128, 128)
    mask[:, 30:70, 20:100] = 0.8
    inputs = {"mask": mask, "strength": 2.0, "set_cond_area": "default"}
    return combine(comfy, full, comfy.call("ConditioningSetMask", conditioning=part, **inputs)[0])


def bounds(comfy, full, part):
    mask = torch.zeros(1, 128, 128)
    mask[:, 40:120, 24:104] = 1.0
    inputs = {"mask": mask, "strength": 1.0, "set_cond_area": "mask bounds"}
    return combine(comfy, full, comfy.call("ConditioningSetMask", conditioning=part, **inputs)[0])


def ranges(comfy, full, part):
    return combine(comfy, comfy.call("ConditioningSetTimestepRange", conditioning=full, start=0.0, end=0.5)[0],
                   comfy.call("ConditioningSetTimestepRange", conditioning=part, start=0.5, end=1.0)[0])


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("shape", [area, percentage, spot, bounds, ranges])
def test_areas_masks_and_ranges_of_one_expert(comfy, shape, position):
    x = latent(2, 16, seed=3)["samples"]
    models, conditions = [tiny_unet(0), tiny_unet(1)], [conditioning(0), conditioning(1)]
    plain = eq10(*stock_estimates(models, x, 1.0))
    conditions[position] = shape(comfy, conditions[position], conditioning(7))
    for sigma in (10.0, 1.0):
        wanted = eq10(*stock_estimates(models, x * sigma, sigma, conditions))
        assert relative(ask(comfy, united(comfy, models, conditions), x * sigma, sigma), wanted) <= 2e-5
    assert relative(plain, wanted) > 1e-3


def test_a_range_of_a_clamped_or_flow_expert_is_read_on_its_own_schedule(comfy):
    """At the lead's sigma 3 a flow of shift 3 is at t = 0.75, the middle of its own schedule, 0.5 in percent."""
    lead, flow = tiny_unet(0), parameterised(1, "flow")
    middle = flow.get_model_object("model_sampling").percent_to_sigma(0.5)
    assert math.isclose(middle, 0.75, rel_tol=1e-3)
    conditions = [conditioning(0), ranges(comfy, conditioning(1), conditioning(7))]
    for sigma, number in ((3.6, 1), (2.4, 7)):
        x, t = sigma * X, sigma / (1 + sigma)
        d = [alone(lead, conditioning(0), x, sigma), alone(flow, conditioning(number), x / (1 + sigma), t)]
        null = [alone(lead, conditioning(100), x, sigma), alone(flow, conditioning(101), x / (1 + sigma), t)]
        assert relative(ask(comfy, united(comfy, [lead, flow], conditions), x, sigma), eq10(d, null)) <= 1e-4


@pytest.mark.parametrize("same", [True, False], ids=["one checkpoint", "two checkpoints"])
@pytest.mark.parametrize("loras, a", [
    ((5, None), (0.25, 0.75)), ((5, None), (0.0, 1.0)), ((None, 5), (0.25, 0.75)), ((5, 6), (0.25, 0.75)),
])
def test_hooks_on_the_condition_of_one_expert(comfy, loras, a, same):
    """With a = (0, 1) the first expert's last evaluation is the one with the hook.

    The second must not find it in the weights.
    """
    models = [tiny_unet(0)] * 2 if same else [tiny_unet(0), tiny_unet(1)]
    conditions = [conditioning(i) if n is None else hooked(conditioning(i), n, 0.8) for i, n in enumerate(loras)]
    seeds = (0, 0 if same else 1)
    made = [checkpoint(s, *[(n, 0.8)] * (n is not None)) for s, n in zip(seeds, loras, strict=True)]
    d = [alone(model, conditioning(i), X, 1.0) for i, model in enumerate(made)]
    null = [alone(tiny_unet(s), conditioning(100 + i), X, 1.0) for i, s in enumerate(seeds)]
    mixture = united(comfy, models, conditions, reliabilities=f"{a[0]} {a[1]}")
    for _ in range(2):
        assert relative(ask(comfy, mixture, X, 1.0), eq10(d, null, reliabilities=a)) <= 2e-5
    assert relative(alone(models[0], conditioning(0), X, 1.0), alone(tiny_unet(0), conditioning(0), X, 1.0)) == 0.0


def test_scheduled_hooks_shared_by_two_experts_reach_both(comfy):
    """The keyframes of a hook remember where they are.

    The second expert that uses the same hook must not find them already moved on.
    """
    condition = hooked(conditioning(0), 5, keyframes=((0.0, 1.0), (0.5, 0.25)))
    models = [tiny_unet(0), tiny_unet(1)]
    mixture = united(comfy, models, [condition, condition])
    levels = [10.0, 5.0, 1.0, 0.5, 0.0]
    seen = []

    def probe(model, noise, sigmas, extra_args=None, callback=None, disable=None):
        seen.extend(model(X * s, s * X.new_ones(2), **extra_args) for s in sigmas[:-1])
        return X
    import comfy.samplers as host
    run(comfy.call("MCDMGuider", mixture=mixture)[0], host.KSAMPLER(probe), torch.zeros_like(X), levels)
    half = models[0].get_model_object("model_sampling").percent_to_sigma(0.5)
    assert 1.0 < half < 5.0
    for sigma, answer in zip(levels, seen, strict=False):
        strength = 1.0 if sigma > half else 0.25
        d = [alone(checkpoint(i, (5, strength)), conditioning(0), X * sigma, sigma) for i in range(2)]
        null = [alone(tiny_unet(i), conditioning(100 + i), X * sigma, sigma) for i in range(2)]
        assert relative(answer, eq10(d, null)) <= 2e-5, sigma


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("same", [True, False], ids=["one checkpoint", "two checkpoints"])
def test_control_nets_of_one_expert_and_of_both(comfy, which, same):
    net, second = control(), control(-0.5)
    models = [tiny_unet(0)] * 2 if same else [tiny_unet(0), tiny_unet(1)]
    conditions, nulls = [conditioning(0), conditioning(1)], [conditioning(100), conditioning(101)]
    chain = chained(net, second)
    for i in which:                                         # one chain of ControlNets for all, as one node gives it
        conditions[i], nulls[i] = hung(conditions[i], chain), hung(nulls[i], chain)
    d, null = zip(*(stock(m, c, n, X, 1.0) for m, c, n in zip(models, conditions, nulls, strict=True)), strict=True)
    assert relative(d[which[0]], alone(models[which[0]], conditioning(which[0]), X, 1.0)) > 1e-2
    net.log.clear()
    experts = [expert(comfy, models[i], i, WEIGHTS[i], condition=conditions[i], null_condition=nulls[i])
               for i in range(2)]
    assert relative(ask(comfy, mix(comfy, experts, "1 3"), X, 1.0), eq10(d, null)) <= 2e-5
    begun = {number for what, number in net.log if what == "begin"}
    ended = {number for what, number in net.log if what == "end"}
    assert len(begun) == len(which) and begun == ended
    assert all(sorted(labels) == [0, 1] for what, labels in net.log if what == "asked")
    assert chain.schedule is None


def test_control_nets_are_shown_conditions_as_0_and_nulls_as_1(comfy):
    nets = [control(0.3), control(0.2)]
    model = tiny_unet(0)
    ask(comfy, united(comfy, [model] * 2, [controlled(conditioning(i), n) for i, n in enumerate(nets)]), X, 1.0)
    for net in nets:
        assert [labels for what, labels in net.log if what == "asked"] == [[0]]


def test_a_control_net_of_a_flow_expert_sees_its_own_frame(comfy):
    lead = tiny_unet(0)
    flow = parameterised(1, "flow")
    net = control()
    conditions = [conditioning(0), controlled(conditioning(1), net)]
    d0, n0 = stock(lead, conditions[0], conditioning(100), 3.0 * X, 3.0)
    d1, n1 = stock(flow, conditions[1], conditioning(101), 0.75 * X, 0.75)
    answer = ask(comfy, united(comfy, [lead, flow], conditions), 3.0 * X, 3.0)
    assert relative(answer, eq10((d0, d1), (n0, n1))) <= 1e-4


@pytest.mark.parametrize("kind", [
    "nothing", "model_sampling", "LoRA", "option", "wrapper", "object", "control", "hooks", "hooks of the null",
])
def test_answers_are_kept_only_where_nothing_may_keep_a_state(comfy, kind):
    """Sheets ask one noise once for all their cells; networks with functions or ControlNets may answer otherwise."""
    model, condition, null = tiny_unet(0), conditioning(0), conditioning(100)
    if kind == "model_sampling":
        model.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
    if kind == "LoRA":
        model = with_lora(model, 5)
    if kind == "option":
        model.model_options["disable_cfg1_optimization"] = True
    if kind == "wrapper":
        model.add_wrapper("predict_noise", print)
    if kind == "object":
        model.add_object_patch("diffusion_model.out", model.get_model_object("diffusion_model.out"))
    if kind == "control":
        condition = controlled(condition, control())
    if kind == "hooks":
        condition = hooked(condition, 5)
    if kind == "hooks of the null":
        null = hooked(null, 5)
    one = expert(comfy, model, 0, condition=condition, null_condition=null)
    is_stateless = comfy.module("mcdm.host.experts.conds").is_stateless
    assert is_stateless(one, one.model) == (kind in ("nothing", "model_sampling", "LoRA"))
