"""Whatever is done to one expert acts on that expert and on no other, whether experts share a checkpoint or not."""
import gc
import logging
import math
import weakref

import pytest
import torch

from support.mixtures import (
    RELIABILITIES,
    WEIGHTS,
    alone,
    ask,
    eq10,
    expert,
    latent,
    mix,
    parameterised,
    run,
    sampled,
    settings,
    stock,
    stock_estimates,
    stock_sampled,
    united,
)
from support.patches import chained, checkpoint, control, controlled, hooked, hung, override, with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

MIDDLE = "diffusion_model.middle_block.1.transformer_blocks.0.attn2"


X = latent(2, seed=1)["samples"]


# --------------------------------------------------------------------------------- patches of one checkpoint's weights

CLONES = {      # per expert the LoRAs (seed, strength) on one checkpoint, and how many copies of its weights that takes
    "plain and LoRA": ([(), ((5, 1.0),)], 2),
    "LoRA and plain": ([((5, 1.0),), ()], 2),
    "two LoRAs": ([((5, 1.0),), ((6, 0.7),)], 2),
    "two strengths": ([((5, 1.0),), ((5, -0.5),)], 2),
    "one LoRA loaded twice": ([((5, 1.0),), ((5, 1.0),)], 1),
    "three sets": ([((5, 1.0),), ((6, 1.0),), ((5, 1.0), (6, 0.5))], 3),
    "the third as the second": ([(), ((6, 1.0),), ((6, 1.0),)], 2),
}


@pytest.mark.parametrize("loras, copies", CLONES.values(), ids=CLONES)
def test_clones_with_loras_are_checkpoints_of_their_own(comfy, loras, copies):
    base, clones = tiny_unet(0), []
    for numbers in loras:
        model = base
        for number in numbers:
            model = with_lora(model, *number)
        clones.append(model)
    weights, reliabilities = (2.0, 3.0, -1.0)[:len(loras)], (0.2, 0.3, 0.5)[:len(loras)]
    mixture = united(comfy, clones, weights=weights, reliabilities=" ".join(map(str, reliabilities)))
    made = [checkpoint(0, *numbers) for numbers in loras]
    for sigma in (9.0, 0.5):
        wanted = eq10(*stock_estimates(made, X * sigma, sigma), weights, mixture.numbers)
        assert relative(ask(comfy, mixture, X * sigma, sigma), wanted) <= 2e-5
    guider = comfy.call("MCDMGuider", mixture=mixture)[0]
    assert len({id(p.model) for p in guider.patchers}) == copies


def test_the_original_is_left_as_it_was(comfy):
    base = tiny_unet(0)
    branch = with_lora(base, 5)
    inputs = settings(latent_image=latent())
    before = [stock_sampled(comfy, model, 3.0, **inputs) for model in (base, branch)]
    ask(comfy, united(comfy, [base, branch]), X, 1.0)
    after = [stock_sampled(comfy, model, 3.0, **inputs) for model in (base, branch)]
    assert all(map(torch.equal, before, after))


def test_a_copy_stays_with_its_model_and_goes_with_it(comfy):
    base = tiny_unet(0)
    branch = with_lora(base, 5)
    mixture = united(comfy, [base, branch])
    networks = set()
    for _ in range(2):
        guider = comfy.call("MCDMGuider", mixture=mixture)[0]
        ask(comfy, mixture, X, 1.0)
        networks.add(id(guider.patchers[1].model))
    assert len(networks) == 1
    gone = weakref.ref(guider.patchers[1].model)
    del guider, mixture, branch
    gc.collect()
    assert gone() is None


def test_a_copy_is_made_of_the_unpatched_weights_whoever_patched_them(comfy):
    """A chain of clones was sampled and thrown away; its patches still lie in the weights."""
    base = tiny_unet(0)
    stock_sampled(comfy, with_lora(with_lora(base, 7), 8), 1.0, **settings(steps=1, latent_image=latent()))
    gc.collect()
    mixture = united(comfy, [base, with_lora(base, 5)])
    wanted = eq10(*stock_estimates([tiny_unet(0), checkpoint(0, (5, 1.0))], X, 1.0))
    assert relative(ask(comfy, mixture, X, 1.0), wanted) <= 2e-5


def compiled_by_node(model):
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    set_torch_compile_wrapper(model, backend="eager", keys=[MIDDLE])


def replaced_method(model):
    layer = model.get_model_object(f"{MIDDLE}.to_k")
    model.add_object_patch(f"{MIDDLE}.to_k.forward", type(layer).forward.__get__(layer))


@pytest.mark.parametrize("patch", [compiled_by_node, replaced_method])
def test_a_patch_that_holds_a_part_of_the_network_holds_that_of_the_copy(comfy, patch):
    """Compiled layers and replaced methods know the layer that they were made from.

    It must not run in the place of the copy's.
    """
    base, other = tiny_unet(0), with_lora(tiny_unet(0), 5)
    branch = with_lora(base, 5)
    for model in (branch, other):
        patch(model)
    wanted = eq10(*stock_estimates([tiny_unet(0), other], X, 1.0))
    assert relative(ask(comfy, united(comfy, [base, branch]), X, 1.0), wanted) <= 2e-5


# -------------------------------------------------------------------------------------- patches of one clone's options

def attention(model):
    model.set_model_attn2_patch(lambda q, k, v, options: (q, 0.5 * k, v.flip(1)))


def wrapper(model):
    model.set_model_unet_function_wrapper(lambda apply, args: 0.7 * apply(args["input"], args["timestep"], **args["c"]))


def options(model):
    model.model_options["transformer_options"]["tilt"] = 0.6
    model.set_model_output_block_patch(lambda h, skip, options: (h * options["tilt"], skip))


def freeu(model, comfy):
    return comfy.call("FreeU", model=model, b1=1.1, b2=1.6, s1=0.9, s2=0.2)[0]


def both(model, comfy):
    return with_lora(override(freeu(model, comfy), comfy), 5)


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("patch", [attention, wrapper, options, freeu, override, both])
def test_a_patch_acts_on_its_own_clone(comfy, patch, position):
    def patched(model):
        model = model.clone()
        return patch(model, comfy) if patch in (freeu, override, both) else patch(model) or model
    base = tiny_unet(0)
    models = [base, base]
    models[position] = patched(base)
    made = [tiny_unet(0), tiny_unet(0)]
    made[position] = patched(made[position])
    wanted = eq10(*stock_estimates(made, X, 1.0))
    unpatched = eq10(*stock_estimates([base, base], X, 1.0))
    assert relative(ask(comfy, united(comfy, models), X, 1.0), wanted) <= 2e-5
    assert relative(unpatched, wanted) > 1e-2


def test_patches_see_conditions_as_0_and_nulls_as_1(comfy):
    seen = []
    model = tiny_unet(0)

    def note(q, k, v, options):
        seen.append(options["cond_or_uncond"])
        return q, k, v
    model.set_model_attn2_patch(note)
    ask(comfy, united(comfy, [model] * 3, weights=(2.0, 3.0, 1.5), reliabilities="1 1 1"), X, 1.0)
    assert all(sorted(s) == [0, 0, 0, 1, 1, 1] for s in seen)
    assert seen


def test_equal_nulls_of_one_model_are_asked_once(comfy):
    rows = []
    model = tiny_unet(0)

    def note(apply, args):
        rows.append(args["cond_or_uncond"])
        return apply(args["input"], args["timestep"], **args["c"])
    model.set_model_unet_function_wrapper(note)
    experts = [expert(comfy, model, i, 2.0, null_condition=conditioning(100)) for i in range(3)]
    answer = ask(comfy, mix(comfy, experts, "1 2 0"), X, 1.0)
    assert [sorted(r) for r in rows] == [[0, 0, 0, 1]]
    d, null = zip(*(stock(tiny_unet(0), conditioning(i), conditioning(100), X, 1.0) for i in range(3)), strict=True)
    assert relative(answer, eq10(d, null, (2.0,) * 3, (1 / 3, 2 / 3, 0.0))) <= 2e-5


def test_a_patch_that_holds_a_model_has_it_loaded(comfy):
    """Experts that share weights are loaded as one patcher: what the others' patches need must come along."""
    import comfy.model_management as memory
    loaded = []

    class Patch:
        def __init__(self, model):
            self.model, self.moved = model, []

        def __deepcopy__(self, memo):
            return self

        def __call__(self, q, k, v, options):
            loaded.append(any(m.model is self.model for m in memory.current_loaded_models))
            return q, k, v

        def models(self):
            return [self.model]

        def to(self, target):
            self.moved.append(target)
            return self
    base = tiny_unet(0)
    branch, patch = base.clone(), Patch(tiny_unet(3))
    branch.set_model_attn2_patch(patch)
    ask(comfy, united(comfy, [base, branch]), X, 1.0)
    assert loaded and all(loaded)
    assert torch.device("cpu") in patch.moved and torch.float32 in patch.moved


def test_noise_levels_in_the_options_are_those_of_the_experts_own_frame(comfy):
    seen = {}
    lead, flow = tiny_unet(0), parameterised(1, "flow")
    for name, model in (("lead", lead), ("flow", flow)):
        def note(q, k, v, options, _name=name):
            seen[_name] = options["sigmas"].tolist(), options["sample_sigmas"].tolist()
            return q, k, v
        model.set_model_attn2_patch(note)
    ask(comfy, united(comfy, [lead, flow]), X, 3.0)
    assert seen["lead"] == ([3.0, 3.0], [3.0, 0.0])
    assert seen["flow"] == ([0.75, 0.75], [0.75, 0.0])


@pytest.mark.parametrize("kind", ["outer_sample", "sampler_sample", "predict_noise", "denoise_mask_function"])
def test_what_acts_around_the_run_acts_for_the_first_expert_and_is_named_for_another(comfy, kind, caplog):
    calls = []

    def around_the_mask(sigma, mask, extra_options):
        calls.append(kind)
        return mask

    def around_the_run(executor, *args, **kwargs):
        calls.append(kind)
        return executor(*args, **kwargs)

    def wrapped():
        model = tiny_unet(0)
        if kind == "denoise_mask_function":
            model.set_model_denoise_mask_function(around_the_mask)
        else:
            model.add_wrapper(kind, around_the_run)
        return model

    def draw(models):
        image = latent(seed=2) | {"noise_mask": torch.ones(1, 64, 64)}
        return sampled(comfy, united(comfy, models, name="the second"), **settings(0, 1, latent_image=image))
    with caplog.at_level(logging.WARNING):
        assert torch.equal(draw([tiny_unet(1), wrapped()]), draw([tiny_unet(1), tiny_unet(0)]))
    assert not calls
    assert [r.getMessage() for r in caplog.records if kind in r.getMessage() and "the second" in r.getMessage()]
    assert torch.equal(draw([wrapped(), tiny_unet(1)]), draw([tiny_unet(0), tiny_unet(1)]))
    assert calls == [kind]


# ------------------------------------------------------------------------------ the host's CFG functions on one expert

def rescaled(d, null, x, sigma, weight, multiplier):
    """RescaleCFG (Lin et al. 2023) as its node has it, on the v prediction.

    v = (x / (s^2 + 1) - D) sqrt(s^2 + 1) / s
    """
    root = math.sqrt(sigma ** 2 + 1)
    v, v0 = ((x / root ** 2 - e) * root / sigma for e in (d, null))
    cfg = v0 + weight * (v - v0)
    ratio = v.std((1, 2, 3), keepdim=True) / cfg.std((1, 2, 3), keepdim=True)
    final = multiplier * ratio * cfg + (1 - multiplier) * cfg
    return x / root ** 2 - final * sigma / root


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("mask", [None, torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))])
def test_rescale_cfg_of_one_expert_by_hand(comfy, position, mask):
    sigma, x = 2.0, 2.0 * X
    models = [tiny_unet(0), tiny_unet(1)]
    models[position] = rescale(models[position], comfy)
    d, nulls = stock_estimates([tiny_unet(0), tiny_unet(1)], x, sigma)
    cell = 1.0          # both have the same mask, so the a_i stay
    if mask is not None:
        cell = torch.nn.functional.avg_pool2d(mask.double()[:, None], 8)
    null = sum(a * n for a, n in zip(RELIABILITIES, nulls, strict=True))
    parts = [null + w * (e - null) for w, e in zip(WEIGHTS, d, strict=True)]
    parts[position] = rescaled(d[position], null, x.double(), sigma, WEIGHTS[position], 0.7)
    wanted = null + sum(cell * (p - null) for p in parts)
    assert relative(ask(comfy, united(comfy, models, mask=mask), x, sigma), wanted) <= 2e-5


def rescale(model, comfy):
    return comfy.call("RescaleCFG", model=model, multiplier=0.7)[0]


def before_cfg(model, comfy):
    def changed(args):
        condition, null = args["conds_out"]
        return [(0.9 if args["conds"][1] else 0.8) * condition, null + 0.1 * args["input"]]
    model.set_model_sampler_pre_cfg_function(changed)
    return model


def after_cfg(model, comfy, always=False):
    def changed(args):
        guidance = args["cond_scale"] * (args["cond_denoised"] - args["uncond_denoised"])
        return args["denoised"] + (0.1 if args["uncond"] else 0.2) * guidance
    model.set_model_sampler_post_cfg_function(changed, disable_cfg1_optimization=always)
    return model


def after_cfg_null_always(model, comfy):
    return after_cfg(model, comfy, always=True)


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize("patch", [rescale, before_cfg, after_cfg, after_cfg_null_always])
def test_cfg_functions_of_a_single_expert_are_the_stock_ksamplers(comfy, patch, weight):
    model = patch(tiny_unet(0), comfy)
    inputs = settings(latent_image=latent())
    ours = sampled(comfy, mix(comfy, [expert(comfy, model, 1, weight)]), **inputs)
    assert relative(ours, stock_sampled(comfy, model, weight, **inputs)) <= 2e-5


def test_a_cfg_function_that_asks_its_network_again_asks_its_own(comfy):
    """Like the host's SAG and PAG: a second evaluation from within, on clones that share their weights."""
    import comfy.samplers as host
    asked = []

    def again(args):
        asked.append(args["model"].current_patcher)
        question = [args["cond"]], args["input"], args["sigma"], args["model_options"]
        return args["denoised"] + host.calc_cond_batch(args["model"], *question)[0]
    base = tiny_unet(0)
    branch = base.clone()
    attention(branch)
    branch.set_model_sampler_post_cfg_function(again)
    made = tiny_unet(0)
    attention(made)
    (d0, d1), (n0, n1) = stock_estimates([tiny_unet(0), made], X, 1.0)
    null = 0.5 * n0 + 0.5 * n1
    experts = [expert(comfy, base, 0, 2.0), expert(comfy, branch, 1, 2.0)]
    for order in (experts, experts[::-1]):
        mixture = mix(comfy, order)
        wanted = null + 2 * (d0 - null) + 2 * (d1 - null) + d1
        assert relative(ask(comfy, mixture, X, 1.0), wanted) <= 2e-5
        assert asked.pop().model_options["transformer_options"]["patches"]
        assert not asked


# ----------------------------------------------------------------------------- what hangs on one expert's CONDITIONING

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
