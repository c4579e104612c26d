"""Patches of one expert's options act on that expert and on no other, whether experts share a checkpoint or not."""
import logging

import pytest
import torch

from support.mixtures import (
    ask,
    eq10,
    expert,
    latent,
    mix,
    parameterised,
    sampled,
    settings,
    stock,
    stock_estimates,
    united,
)
from support.patches import attention, override, with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]


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
