"""Experts in different places give the same picture, at the same time; here the processor is the second device.

"cpu" is a lane beside "here", and torch takes "cpu:0" for another device than "cpu".
"""
import dataclasses
import importlib.util
import logging
import threading

import pytest
import torch

from support.mixtures import ask, expert, latent, mix, probed, sampled, settings, united
from support.patches import control, controlled, with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]
MASK = torch.linspace(0, 1, 64).reshape(1, 8, 8)


def moved(comfy, one, place="cpu"):
    """An expert in another place."""
    if place == "cpu":
        return comfy.call("PlaceExpert", expert=one, place=place)[0]
    placed = comfy.module("mcdm.host.experts.devices").placed
    return dataclasses.replace(one, model=placed(one.model, place), place=place)


@pytest.fixture(scope="module")
def experts(comfy, unets):
    """Two experts with a LoRA, a ControlNet, a mask and a window."""
    condition = controlled(conditioning(1), control())
    return [expert(comfy, with_lora(unets[0], 5), 0, 2.0, mask=MASK),
            expert(comfy, unets[1], 1, 3.0, condition=condition, end_percent=0.7)]


@pytest.mark.parametrize("places, sampler", [
    (("here", "cpu"), "euler"), (("cpu", "here"), "dpmpp_2m"), (("here", "cpu:0"), "heun"), (("cpu:0", "cpu"), "euler"),
])
def test_a_place_changes_no_bit(comfy, experts, places, sampler):
    elsewhere = [one if place == "here" else moved(comfy, one, place)
                 for one, place in zip(experts, places, strict=True)]
    inputs = settings(sampler_name=sampler, latent_image=latent(2), steps=2)
    here = sampled(comfy, mix(comfy, experts, "1 3"), **inputs)
    assert torch.equal(sampled(comfy, mix(comfy, elsewhere, "1 3"), **inputs), here)


def together(model, barrier):
    """A model whose forwards wait for those of another model."""
    def forward(apply_model, args):
        barrier.wait()
        return apply_model(args["input"], args["timestep"], **args["c"])
    model = model.clone()
    model.set_model_unet_function_wrapper(forward)
    return model


def test_two_places_are_asked_at_once(comfy, unets):
    barrier = threading.Barrier(2, timeout=20)
    one, other = (expert(comfy, together(model, barrier), i) for i, model in enumerate(unets[:2]))
    before = threading.active_count()
    sampled(comfy, mix(comfy, [one, moved(comfy, other)]), **settings(latent_image=latent()))
    assert threading.active_count() == before


def test_a_mixture_in_one_place_has_one_thread_and_no_clock(comfy, unets, monkeypatch):
    threads = set()
    lanes = comfy.module("mcdm.host.experts.lanes")
    monkeypatch.setattr(lanes.time, "perf_counter", lambda: pytest.fail("measured"))
    for model in unets[:2]:
        forward = model.model.diffusion_model.forward
        monkeypatch.setattr(model.model.diffusion_model, "forward", lambda *a, _f=forward, **k: (
            threads.add(threading.current_thread()), _f(*a, **k))[1])
    ask(comfy, united(comfy, unets[:2]), X, 1.0)
    assert threads == {threading.current_thread()}


def test_one_checkpoint_in_two_places_is_two_networks(comfy):
    model = tiny_unet(0)
    experts = [expert(comfy, model, i) for i in range(3)]
    mixture = mix(comfy, [experts[0], moved(comfy, experts[1]), moved(comfy, experts[2])])
    first, second, third = (p.model for p in comfy.call("MCDMGuider", mixture=mixture)[0].patchers)
    assert first is not second and second is third
    assert relative(ask(comfy, mixture, X, 1.0), ask(comfy, mix(comfy, experts), X, 1.0)) <= 1e-5


def test_the_network_of_a_controlnet_goes_with_its_expert(comfy):
    from comfy.controlnet import ControlNet, T2IAdapter
    places = comfy.module("mcdm.host.experts.devices")
    net = ControlNet(torch.nn.Linear(2, 2), load_device=torch.device("cpu"))
    adapter = T2IAdapter(torch.nn.Linear(2, 2), 1, 8, "nearest-exact")
    net.set_previous_controlnet(adapter)
    device = torch.device("cpu", 0)
    first, second = {"positive": [{"control": net}]}, {"positive": [{"control": net}]}
    places.place_controls(first, torch.device("cpu"))
    assert first["positive"][0]["control"] is net
    places.place_controls(first, device)
    places.place_controls(second, device)
    there, again = first["positive"][0]["control"], second["positive"][0]["control"]
    assert there is not net and there.load_device == there.control_model_wrapped.load_device == device
    assert there.control_model is there.control_model_wrapped.model is not net.control_model
    assert again.control_model_wrapped is there.control_model_wrapped       # which the host knows as loaded
    assert there.previous_controlnet.t2i_model is not adapter.t2i_model
    assert there.previous_controlnet.device == device


@pytest.mark.parametrize("failing", [0, 1])
def test_what_fails_elsewhere_ends_the_run_and_is_named(comfy, unets, failing, caplog):
    def fail(*_):
        raise RuntimeError("out of order")
    models = [model.clone() for model in unets[:2]]
    models[failing].set_model_unet_function_wrapper(fail)
    experts = [expert(comfy, model, i, name=f"e{i}") for i, model in enumerate(models)]
    mixture = mix(comfy, [experts[0], moved(comfy, experts[1])])
    with pytest.raises(RuntimeError, match="out of order"):
        sampled(comfy, mixture, **settings(latent_image=latent()))
    assert f"RuntimeError in expert 'e{failing}'" in caplog.text
    assert not [t for t in threading.enumerate() if t.name.startswith("mcdm")]


def test_an_interrupt_elsewhere_is_an_interrupt(comfy, unets):
    from comfy.model_management import InterruptProcessingException

    def interrupt(*_):
        raise InterruptProcessingException
    model = unets[1].clone()
    model.set_model_unet_function_wrapper(interrupt)
    mixture = mix(comfy, [expert(comfy, unets[0], 0), moved(comfy, expert(comfy, model, 1))])
    with pytest.raises(InterruptProcessingException):
        sampled(comfy, mixture, **settings(latent_image=latent()))


def test_the_log_says_where_experts_run_and_how_long_they_take(comfy, unets, caplog):
    caplog.set_level(logging.INFO)
    one, other = (expert(comfy, model, i, name=f"e{i}") for i, model in enumerate(unets[:2]))
    sampled(comfy, mix(comfy, [one, moved(comfy, other)]), **settings(latent_image=latent()))
    plan, times = [record.message for record in caplog.records if record.message.startswith("MCDM")]
    assert plan.endswith("; 'e1' runs on cpu.")
    assert times.startswith("MCDM: a step took 'e0' (here) 0.") and "'e1' (cpu) 0." in times


def test_a_model_that_the_host_has_moved_runs_in_its_own_lane(comfy, unets):
    """As SelectModelDevice of newer hosts moves it."""
    model = unets[1].clone()
    model.load_device = torch.device("cpu", 0)
    mixture = united(comfy, [unets[0], model])
    here = united(comfy, unets[:2])
    clock = comfy.module("mcdm.host.experts.lanes").Clock()
    guider, = comfy.call("MCDMGuider", mixture=mixture)
    guider.watch.clock = clock
    assert torch.equal(probed(guider, X, 1.0), ask(comfy, here, X, 1.0))
    assert clock.seconds(0) > 0 and clock.seconds(1) > 0
    assert [comfy.module("mcdm.host.experts.devices").where(e) for e in mixture.experts] == ["here", "cpu:0"]


def test_a_device_that_is_not_there_is_an_error(comfy, unets):
    with pytest.raises(ValueError, match="place 'cuda:7' is not one of here, cpu"):
        comfy.call("PlaceExpert", expert=expert(comfy, unets[0], 0), place="cuda:7")


def test_naming_a_worker_without_ray_says_how_to_install_it(comfy, monkeypatch):
    cluster = comfy.module("mcdm.workers.cluster")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="needs Ray, which is not installed here: run .* -m pip install ray"):
        cluster.ask(cluster.Seat("blue", "1"), 1.0, "asked for a step", "ask")
