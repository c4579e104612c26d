"""Grids over reliabilities and weights: each cell is the single run to the last bit, and cells share what they may."""
import math

import pytest
import torch

from support.embedded import RUN, empty, faces, scenes
from support.mixtures import Decoder, count_forwards, expert, latent, mix, sampled, united
from unite_and_conquer.devtools.tiny_sd15 import conditioning
from unite_and_conquer.mcdm.mixture import Expert, Mixture, Options

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


@pytest.fixture(scope="module")
def pixel_space(comfy):
    return comfy.call("VAELoader", vae_name="pixel_space")[0]


# ---------------------------------------------------------------------------------------------- a cell is a single run

@pytest.mark.parametrize("mixture, sampler", [
    (faces, "euler"), (faces, "dpmpp_2m_sde"), (scenes, "euler"), (scenes, "ddim"),
])
def test_nine_cells_are_nine_single_runs(comfy, pixel_space, mixture, sampler):
    run = RUN | {"sampler_name": sampler, "latent_image": empty()}
    x = {"x_expert": "words", "x_from": 0.0, "x_to": 1.0}
    y = {"y_vary": "weight", "y_expert": "2", "y_from": 0.0, "y_to": 4.0}
    sheet, images, latents, _ = comfy.call("ReliabilitySweep", mixture=mixture(comfy), **run, **x, **y)
    assert sheet.shape[0] == 1 and images.shape == (9, 64, 64, 3)
    cells = [(w, a) for w in (0.0, 2.0, 4.0) for a in (0.0, 0.5, 1.0)]
    for i, (w, a) in enumerate(cells):
        single = sampled(comfy, mixture(comfy, w, f"{1 - a}, {a}"), **run)
        assert torch.equal(latents["samples"][i:i + 1], single), (w, a)
        assert torch.equal(images[i:i + 1], comfy.call("VAEDecode", samples={"samples": single}, vae=pixel_space)[0])
    assert len({c.numpy().tobytes() for c in images}) == 9


def test_experts_of_one_model_share_calls_and_stay_exact(comfy, unets, monkeypatch):
    """Weight 0 and reliability 0 change which rows one call has, and so the last bits: those cells are asked anew."""
    def mixture(weight, a):
        return united(comfy, [unets[0]] * 2, weights=(2.0, weight), reliabilities=f"{1 - a} {a}")
    run = RUN | {"latent_image": latent()}
    singles = [sampled(comfy, mixture(w, a), **run) for w in (0.0, 3.0) for a in (0.0, 0.5, 1.0)]
    seen = count_forwards(monkeypatch, unets)
    y = {"y_vary": "weight", "y_expert": "2", "y_from": 0.0, "y_to": 3.0, "y_cells": 2}
    latents = comfy.call("ReliabilitySweep", mixture=mixture(1.0, 0.5), **run, vae=Decoder(), x_expert="2", **y)[2]
    assert torch.equal(latents["samples"], torch.cat(singles))
    assert len(seen) == 6 + 6           # six different sets of rows at the first step, six cells at the second


@pytest.mark.parametrize("steps", [1, 3])
def test_the_first_step_is_evaluated_once(comfy, unets, monkeypatch, steps):
    mixture = united(comfy, unets[:2], weights=(2.0, 2.0), reliabilities="")
    seen = count_forwards(monkeypatch, unets)
    run = RUN | {"steps": steps, "latent_image": latent()}
    comfy.call("ReliabilitySweep", mixture=mixture, **run, vae=Decoder(), x_from=0.2, x_to=0.8, x_cells=4)
    assert len(seen) == 2 + 4 * 2 * (steps - 1)


def hung_in(model, how, asked):
    """The model with something that notes in `asked` whenever the network is asked."""
    model, forward = model.clone(), model.model.diffusion_model.forward

    def wrapper(apply, args):
        asked.append(1)
        return apply(args["input"], args["timestep"], **args["c"])

    def patch(h, options):
        if options["block"] == ("input", 0):
            asked.append(1)
        return h

    def patched_forward(*args, **kwargs):
        asked.append(1)
        return forward(*args, **kwargs)
    if how == "wrapper":
        model.set_model_unet_function_wrapper(wrapper)
    elif how == "patch":
        model.set_model_input_block_patch_after_skip(patch)
    elif how == "object patch":
        model.add_object_patch("diffusion_model.forward", patched_forward)
    return model


@pytest.mark.parametrize("how", ["wrapper", "patch", "object patch", "control"])
def test_what_may_keep_a_state_is_asked_in_every_cell(comfy, unets, monkeypatch, how):
    from comfy.controlnet import ControlBase
    asked: list[int] = []

    class Control(ControlBase):
        def get_control(self, *args):
            asked.append(1)

        def copy(self):
            return Control()

        def get_models(self):
            return []
    condition = conditioning(0)
    if how == "control":
        condition = [[condition[0][0], condition[0][1] | {"control": Control()}]]
    first = expert(comfy, hung_in(unets[0], how, asked), 0, 2.0, condition=condition)
    seen = count_forwards(monkeypatch, unets[1:])
    mixture = mix(comfy, [first, expert(comfy, unets[1], 1, 2.0)])
    run = RUN | {"steps": 1, "latent_image": latent()}
    comfy.call("ReliabilitySweep", mixture=mixture, **run, vae=Decoder(), x_from=0.2, x_to=0.8, x_cells=3)
    assert len(asked) == 3 and len(seen) == 1       # the second expert, a plain one, is asked once


# ------------------------------------------------------------------------------------------------- who shares the rest

def numbers(reliabilities, options=None, weights=(1.0, 2.0, 3.0)):
    """A mixture of nothing but numbers."""
    experts = tuple(Expert(None, [], weight=weight, name=str(i)) for i, weight in enumerate(weights))
    return Mixture(experts, reliabilities, options=options or Options())


@pytest.mark.parametrize("own, given, wanted", [
    ((1, 1, 1), {0: 0.5}, (0.5, 0.25, 0.25)),
    ((0, 1, 3), {0: 0.2}, (0.2, 0.2, 0.6)),
    ((1, 0, 0), {0: 0.4}, (0.4, 0.3, 0.3)),
    ((1, 1, 1), {0: 1.0}, (1.0, 0.0, 0.0)),
    ((2, 1, 1), {1: 0.3, 2: 0.3}, (0.4, 0.3, 0.3)),
    ((1, 1, 1), {0: 0.7, 1: 0.3}, (0.7, 0.3, 0.0)),
])
def test_the_others_share_the_rest_in_proportion(own, given, wanted):
    varied = numbers(own).varied({}, given)
    assert (varied.numbers == pytest.approx(wanted, abs=1e-12)
            and math.fsum(varied.numbers) == pytest.approx(1.0))
    assert [e.weight for e in varied.experts] == [1.0, 2.0, 3.0]


def test_what_is_varied_holds_throughout_the_schedule():
    options = Options(weights_end=(5.0, 6.0, 7.0), numbers_end=(1.0, 2.0, 1.0))
    weights, reliabilities = numbers((1, 1, 2), options).varied({1: 4.0}, {2: 0.5}).at(1.0)
    assert weights == (5.0, 4.0, 7.0) and reliabilities == pytest.approx((1 / 6, 1 / 3, 0.5))


@pytest.mark.parametrize("given, wanted", [({0: 0.5}, (0.5, 1 / 6, 1 / 3)), ({1: 0.3, 2: 0.3}, (0.4, 0.3, 0.3))])
def test_the_others_share_the_rest_of_the_look(given, wanted):
    own = Mixture(numbers((1, 1, 1)).experts, (1, 1, 2), meaning="shares")
    varied = own.varied({}, given, "shares")
    assert varied.meaning == "shares" and varied.numbers == pytest.approx(wanted, abs=1e-12)


def test_five_shares_are_five_single_runs(comfy, unets):
    """Of a mixture of reliabilities as of one of shares: 0, 0.25, 0.5, 0.75, 1."""
    experts = united(comfy, unets[:2]).experts
    run = RUN | {"latent_image": latent()}
    singles = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        singles.append(sampled(comfy, mix(comfy, experts, f"{share} {1 - share}", meaning="shares"), **run))
    for meaning in ("reliabilities", "shares"):
        swept = mix(comfy, experts, "1 3", meaning=meaning)
        latents = comfy.call("ReliabilitySweep", mixture=swept, **run, vae=Decoder(), x_vary="share", x_cells=5)[2]
        assert torch.equal(latents["samples"], torch.cat(singles))


def test_two_reliabilities_are_a_triangle(comfy, unets):
    mixture = united(comfy, unets, weights=(2.0, 2.0, 2.0), reliabilities="")
    run = RUN | {"steps": 1, "latent_image": latent()}
    y = {"y_vary": "reliability", "y_expert": "2", "y_from": 0.0, "y_to": 1.0}
    latents = comfy.call("ReliabilitySweep", mixture=mixture, **run, vae=Decoder(), **y)[2]["samples"]
    assert len(latents) == 6            # 0 + 0, 0.5 + 0, 1 + 0, 0 + 0.5, 0.5 + 0.5, 0 + 1
    single = sampled(comfy, mix(comfy, mixture.experts, "0.5 0.5 0"), **run)
    assert torch.equal(latents[4:5], single)


def test_a_triangle_may_begin_with_an_empty_cell(comfy, unets):
    mixture = united(comfy, unets, weights=(2.0, 2.0, 2.0), reliabilities="")
    x = {"x_from": 1.0, "x_to": 0.0, "x_cells": 2}
    y = {"y_vary": "reliability", "y_expert": "2", "y_from": 1.0, "y_to": 0.0, "y_cells": 2}
    run = RUN | {"steps": 1} | x | y
    sheet, images, *_ = comfy.call("ReliabilitySweep", mixture=mixture, **run, latent_image=latent(), vae=Decoder())
    assert len(sheet) == 1 and len(images) == 3
