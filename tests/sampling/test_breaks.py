"""Whatever breaks, breaks alone: it is named, nothing stays patched, and the next picture is the one expected."""
import logging

import pytest
import torch

from support.mixtures import expert, latent, mix, run, sampled, settings, stock_sampled
from support.patches import control, controlled, hooked, override, with_lora
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

RUN = settings(latent_image=latent())


class Fault:
    """A model_function_wrapper that goes wrong in its call number `at`, if it is armed."""

    def __init__(self, what, at=0):
        self.what = what
        self.at = at
        self.calls = 0
        self.armed = False

    def __deepcopy__(self, memo):
        return self

    def __call__(self, apply, args):
        self.calls += 1
        broken = self.armed and self.calls > self.at
        if broken and callable(self.what):
            self.what()
        d = apply(args["input"], args["timestep"], **args["c"])
        return d * self.what if broken and not callable(self.what) else d


def faulty(model, fault):
    model = model.clone()
    model.set_model_unet_function_wrapper(fault)
    return model


def mixture(comfy, models, conditions=None):
    """Two experts of weight 2, called first and second."""
    conditions = conditions or [conditioning(0), conditioning(1)]
    first, second = (expert(comfy, models[i], i, 2.0, condition=conditions[i], name=name)
                     for i, name in enumerate(("first", "second")))
    return mix(comfy, [first, second])


def draw(comfy, mixed, **more):
    return sampled(comfy, mixed, **(RUN | more))


def check_restored(models, weights):
    for model, before in zip(models, weights, strict=True):
        assert model.model.current_patcher is None
        assert not model.hook_backup and model.hook_patches_backup is None
        assert all(torch.equal(value, before[key]) for key, value in model.model.state_dict().items())


def snapshot(model):
    return {key: value.clone() for key, value in model.model.state_dict().items()}


# ----------------------------------------------------------------------------------------------- numbers that are none

@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m", "uni_pc", "euler_ancestral"])
@pytest.mark.parametrize("at", [0, 1, 2], ids=["first step", "in between", "last step"])
def test_the_expert_that_answers_with_nan_is_named(comfy, sampler, at):
    fault = Fault(float("nan"), at)
    models = [tiny_unet(0), faulty(tiny_unet(1), fault)]
    weights = [snapshot(m) for m in models]
    mixed = mixture(comfy, models)
    before = draw(comfy, mixed, sampler_name=sampler)
    fault.armed = True
    fault.at = {2: fault.calls - 1}.get(at, at)
    fault.calls = 0
    with pytest.raises(ValueError, match="^Expert 'second' returned NaN or infinite values;") as error:
        draw(comfy, mixed, sampler_name=sampler)
    assert "first" not in str(error.value)
    assert fault.calls == fault.at + 1                      # and no evaluation of it follows the bad one
    check_restored(models, weights)
    fault.armed = False
    assert torch.equal(draw(comfy, mixed, sampler_name=sampler), before)


def test_infinity_and_a_bad_first_expert_are_named_as_well(comfy):
    for models, name in ((("first",), "first"), (("second",), "second")):
        fault = Fault(float("inf"))
        fault.armed = True
        mixed = mixture(comfy, [faulty(tiny_unet(i), fault) if n in models else tiny_unet(i)
                                for i, n in enumerate(("first", "second"))])
        with pytest.raises(ValueError, match=f"^Expert '{name}' returned"):
            draw(comfy, mixed)


# ---------------------------------------------------------------------------------------------------------- exceptions

class Own(Exception):
    pass


def own_error():
    raise Own("a patch of somebody's")


def out_of_memory():
    import comfy.model_management
    raise comfy.model_management.OOM_EXCEPTION("no room")


def interrupt():
    import comfy.model_management
    comfy.model_management.interrupt_current_processing()


@pytest.mark.parametrize("what", [own_error, out_of_memory, interrupt])
@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("at", [0, 1])
def test_an_exception_in_an_expert_leaves_everything_as_it_was(comfy, what, position, at, caplog):
    """Both experts have a LoRA on their condition, by the host's hooks, and a ControlNet."""
    import comfy.model_management as memory
    fault, nets = Fault(what, at), [control(), control()]
    models = [tiny_unet(0), tiny_unet(1)]
    models[position] = faulty(models[position], fault)
    weights = [snapshot(m) for m in models]
    mixed = mixture(comfy, models, [controlled(hooked(conditioning(i), 5 + i), net) for i, net in enumerate(nets)])
    before = draw(comfy, mixed)
    [n.log.clear() for n in nets]
    fault.armed, fault.calls = True, 0
    expected = {
        own_error: Own,
        out_of_memory: memory.OOM_EXCEPTION,
        interrupt: memory.InterruptProcessingException,
    }[what]
    caplog.clear()
    with caplog.at_level(logging.ERROR), pytest.raises(expected) as error:
        draw(comfy, mixed)
    assert type(error.value) is expected
    assert fault.calls == at + 1                            # an interrupt stops within the step
    named = [r.getMessage() for r in caplog.records if "MCDM" in r.getMessage()]
    sentence = f"MCDM: {expected.__name__} in expert '{('first', 'second')[position]}'."
    assert named == ([] if what is interrupt else [sentence])
    check_restored(models, weights)
    for net in nets:
        begun = {number for what, number in net.log if what == "begin"}
        ended = {number for what, number in net.log if what == "end"}
        assert begun == ended
    fault.armed = False
    assert torch.equal(draw(comfy, mixed), before)


@pytest.mark.parametrize("what", [own_error, interrupt])
def test_one_guider_runs_again_after_a_break(comfy, what):
    """On clones of one checkpoint: a LoRA takes a copy of the weights, and a sampling override takes another."""
    import comfy.samplers as host
    fault, base = Fault(what, 1), tiny_unet(0)
    models = [faulty(with_lora(base, 5), fault), override(base, comfy)]
    guider = comfy.call("MCDMGuider", mixture=mixture(comfy, models))[0]

    def again():
        return run(guider, host.sampler_object("euler"), latent(seed=3)["samples"], [8.0, 3.0, 1.0, 0.0])
    before = again()
    fault.armed, fault.calls = True, 0
    with pytest.raises(BaseException) as error:
        again()
    assert isinstance(error.value, Own) or type(error.value).__name__ == "InterruptProcessingException"
    assert all(p.model.current_patcher is None for p in guider.patchers) and not hasattr(guider, "sampling")
    fault.armed = False
    assert torch.equal(again(), before)
    assert not hasattr(guider, "sampling")          # nothing of a run is kept, however long the host keeps the guider
    inputs = settings(steps=2, latent_image=latent())
    assert torch.equal(*(stock_sampled(comfy, model, 3.0, **inputs) for model in (base, tiny_unet(0))))


def test_a_condition_that_a_network_cannot_take_is_said_to_be_its_experts(comfy, caplog):
    models = [tiny_unet(0), tiny_unet(1)]
    broken = conditioning(1)
    broken[0][1]["area"] = "nowhere"
    with caplog.at_level(logging.ERROR), pytest.raises(TypeError):
        draw(comfy, mixture(comfy, models, [conditioning(0), broken]))
    assert "MCDM: TypeError in expert 'second'." in caplog.text
    assert all(m.model.current_patcher is None for m in models)


def test_an_exception_in_the_samplers_callback_leaves_everything_as_it_was(comfy):
    import comfy.samplers as host
    models = [tiny_unet(0), tiny_unet(1)]
    weights = [snapshot(m) for m in models]
    conditions = [hooked(conditioning(i), 5 + i) for i in range(2)]
    guider = comfy.call("MCDMGuider", mixture=mixture(comfy, models, conditions))[0]
    with pytest.raises(Own):
        run(guider, host.sampler_object("euler"), latent(seed=3)["samples"], [8.0, 3.0, 0.0],
            callback=lambda *args: own_error())
    check_restored(models, weights)

def test_an_expert_of_one_size_refuses_another_by_name(comfy):
    models = [tiny_unet(0), tiny_unet(1)]
    models[1].model.fixed_size = (8, 16)
    with pytest.raises(ValueError, match="Expert 'second' works only at 16 x 8, but the latent is 8 x 8"):
        draw(comfy, mixture(comfy, models))
    assert draw(comfy, mixture(comfy, models), latent_image={"samples": torch.zeros(1, 4, 8, 16)}).shape[-1] == 16
