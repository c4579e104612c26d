"""Experts on graphics cards: moved there and back, what goes with them, and what must not stay."""
from __future__ import annotations

import dataclasses
import gc
import itertools
import logging

import pytest
import torch

from support.accelerator import FIRST, KEPT, on, placed
from support.mixtures import Decoder, expert, latent, mix, sampled, settings, stock_sampled
from support.patches import hooked, with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

PLACES = "cpu", "npu:0", "npu:1"
RUN = settings(latent_image=latent(), steps=2)


def two(comfy, models, places=("here", "here"), **more):
    """A mixture of two experts, each in its place."""
    experts = [expert(comfy, model, i + 1, 2.0 + i, **more) for i, model in enumerate(models)]
    return mix(comfy, [placed(comfy, one, place) for one, place in zip(experts, places, strict=True)], "1 3")


@pytest.fixture(scope="module")
def picture(comfy):
    """What the processor draws from two experts."""
    with torch.inference_mode():
        return sampled(comfy, two(comfy, [tiny_unet(0), tiny_unet(1)]), **RUN)


def test_all_cards_can_be_chosen(comfy):
    assert comfy.module("mcdm.host.experts.devices").devices() == ["cpu", "npu:0", "npu:1"]


@pytest.mark.parametrize("places", list(itertools.product(PLACES, PLACES)), ids="-".join)
def test_a_model_that_has_run_is_moved(comfy, picture, places):
    """There, back, and the host's own sampler on it in between: all pictures are the processor's."""
    models = [on(FIRST, 0), on(FIRST, 1)]
    assert torch.equal(sampled(comfy, two(comfy, models), **RUN), picture)
    stock = stock_sampled(comfy, models[0], 3.0, **RUN)
    assert torch.equal(sampled(comfy, two(comfy, models, places), **RUN), picture)
    assert torch.equal(stock_sampled(comfy, models[0], 3.0, **RUN), stock)
    assert torch.equal(sampled(comfy, two(comfy, models), **RUN), picture)


@pytest.mark.parametrize("start, place", list(itertools.permutations(PLACES, 2)), ids=str)
def test_a_model_is_moved_from_where_its_loader_put_it(comfy, picture, start, place):
    models = [on(start, 0), on(FIRST, 1)]
    assert torch.equal(sampled(comfy, two(comfy, models), **RUN), picture)
    assert torch.equal(sampled(comfy, two(comfy, models, (place, "here")), **RUN), picture)
    assert torch.equal(sampled(comfy, two(comfy, models, ("here", "npu:1")), **RUN), picture)


def test_what_is_moved_twice(comfy, picture):
    experts = [expert(comfy, on(FIRST, i), i + 1, 2.0 + i) for i in range(2)]
    for place in ("npu:1", "cpu", "npu:0"):
        experts[1] = placed(comfy, experts[1], place)
        assert torch.equal(sampled(comfy, mix(comfy, experts, "1 3"), **RUN), picture)


def test_one_model_in_two_places(comfy):
    def drawn(model, place):
        one, other = (expert(comfy, model, i + 1, 2.0 + i) for i in range(2))
        return sampled(comfy, mix(comfy, [one, placed(comfy, other, place)], "1 3"), **RUN)
    apart = drawn(on(FIRST, 0), "npu:1")
    assert torch.equal(apart, drawn(on(FIRST, 0), "cpu"))
    assert torch.allclose(apart, drawn(on(FIRST, 0), "here"), rtol=0, atol=1e-5 * apart.abs().max().item())


def test_masks_windows_loras_and_hooks_go_along(comfy):
    def drawn(device, places):
        lora = with_lora(on(device, 0), 5)
        mask = torch.linspace(0, 1, 64).reshape(1, 8, 8)
        first = expert(comfy, lora, 1, 2.0, mask=mask)
        second = expert(comfy, on(device, 1), 2, 3.0, condition=hooked(conditioning(2), 6), end_percent=0.7)
        experts = [placed(comfy, one, place) for one, place in zip((first, second), places, strict=True)]
        return sampled(comfy, mix(comfy, experts, "1 3"), **(RUN | {"steps": 3}))
    here = drawn(FIRST, ("here", "here"))
    assert torch.equal(drawn(FIRST, ("npu:1", "here")), here)
    assert torch.equal(drawn(FIRST, ("here", "npu:1")), here)
    assert relative(here, drawn("cpu", ("here", "here"))) <= 1e-3       # newer hosts round a LoRA otherwise on cards


def test_the_card_of_an_expert_is_current_while_it_is_asked_and_waited_for(comfy, cards):
    seen = []

    def noted(model):
        def forward(apply_model, args):
            seen.append((args["input"].device.index, cards.current))
            return apply_model(args["input"], args["timestep"], **args["c"])
        model.set_model_unet_function_wrapper(forward)
        return model
    cards.synchronized.clear()
    sampled(comfy, two(comfy, [noted(on(FIRST, 0)), noted(on(FIRST, 1))], ("npu:1", "here")), **RUN)
    assert set(seen) == {(0, 0), (1, 1)}
    assert set(cards.synchronized) == {0, 1}


def test_nothing_stays_on_a_card_that_nobody_uses(comfy, cards, picture):
    models = [on(FIRST, 0), on(FIRST, 1)]
    mixture = two(comfy, models, ("here", "npu:1"))
    sampled(comfy, mixture, **RUN)
    assert cards.held(1) > KEPT
    del mixture
    assert torch.equal(sampled(comfy, two(comfy, models), **RUN), picture)
    gc.collect()
    assert cards.held(1) <= KEPT


def test_what_is_changed_keeps_its_copy(comfy, cards, caplog):
    """The host forgets the old wire before it makes the new one."""
    caplog.set_level(logging.INFO)
    models = [on(FIRST, 0), on(FIRST, 1)]
    for weight in (1.0, 2.0):
        one, other = (expert(comfy, model, i, weight) for i, model in enumerate(models))
        sampled(comfy, mix(comfy, [one, placed(comfy, other, "npu:1")]), **RUN)
        del one, other
    assert caplog.text.count("MCDM: a copy of the weights") == 1


def test_a_copy_goes_with_its_model(comfy, cards):
    models = [on(FIRST, 0), on(FIRST, 1)]
    sampled(comfy, two(comfy, models, ("here", "npu:1")), **RUN)
    del models
    gc.collect()
    assert cards.held(1) <= KEPT


def test_wires_tell_the_host_their_networks(comfy):
    model, vae = on(FIRST, 0), Decoder()
    vae.patcher = object()
    one = expert(comfy, model, 0)
    other = dataclasses.replace(placed(comfy, one, "npu:1"), vae=vae)
    assert one.get_models() == [model] and other.get_models() == [other.model, vae.patcher]
    mixture = mix(comfy, [one, other])
    assert mixture.get_models() == [model, other.model, vae.patcher]
    patch = on(FIRST, 2)
    model.set_additional_models("a patch", [patch])
    assert one.get_models() == [model, patch]
    same = mix(comfy, [one, expert(comfy, with_lora(model, 5), 1)])
    guider, = comfy.call("MCDMGuider", mixture=same)
    assert patch in same.get_models() and guider.get_models()[:2] == guider.patchers
