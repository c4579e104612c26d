"""Networks that the host's nodes hang into a MODEL (MODEL_PATCH) act on their own expert, as in the stock sampler."""
from __future__ import annotations

import dataclasses
import types

import pytest
import torch

from unite_and_conquer.devtools.families import FAMILIES, measure
from unite_and_conquer.devtools.families.family import CPU, randomize

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

FAMILY = {family.name: family for family in FAMILIES}


class Vae:
    """Stands for Qwen-Image's VAE: a latent of fixed numbers."""

    def spacial_compression_encode(self):
        return 8

    def encode(self, image):
        size = image.shape[1] // 8, image.shape[2] // 8
        return torch.randn(1, 16, 1, *size, generator=torch.Generator().manual_seed(8))


def model_patch(network):
    """A MODEL_PATCH of random weights, as ModelPatchLoader gives one."""
    import comfy.model_patcher
    randomize(network, 4)
    return comfy.model_patcher.ModelPatcher(network, load_device=CPU, offload_device=CPU)


def with_diffsynth(comfy, model):
    """A MODEL of Qwen-Image's family with a block-wise ControlNet."""
    from comfy.ops import manual_cast
    from comfy_extras.nodes_model_patch import QwenImageBlockWiseControlNet
    patch = model_patch(QwenImageBlockWiseControlNet(num_layers=1, dim=64, operations=manual_cast))
    return comfy.call("QwenImageDiffsynthControlnet", model=model, model_patch=patch, vae=Vae(), strength=0.7,
                      image=torch.rand(1, 128, 128, 3))[0], patch


def with_uso(comfy, model):
    """A MODEL of Flux's family with the style of a picture."""
    from comfy.ops import manual_cast
    from comfy_extras.nodes_model_patch import SigLIPMultiFeatProjModel
    patch = model_patch(SigLIPMultiFeatProjModel(9, 2, 8, hidden_size=32, operations=manual_cast))
    states = torch.randn(1, 27, 9, 8, generator=torch.Generator().manual_seed(8))
    seen = types.SimpleNamespace(all_hidden_states=states, penultimate_hidden_states=states[:, -2])
    return comfy.call("USOStyleReference", model=model, model_patch=patch, clip_vision_output=seen)[0], patch


def sampled(comfy, node, **inputs):
    run = {"seed": 1, "steps": 2, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    return comfy.call(node, **run, **inputs)[0]["samples"]


def test_diffsynth(comfy):
    plain, other = (measure.built(FAMILY["QwenImage"], seed) for seed in (1, 2))
    model, patch = with_diffsynth(comfy, plain.model)
    one = dataclasses.replace(plain, model=model)
    shape = one.family.shape
    assert measure.relative(measure.estimates(one, shape)[0], measure.estimates(plain, shape)[0]) > 1e-3
    assert measure.alone(comfy, one) <= 2e-5
    for experts in ([one, other], [other, one], [one, plain]):
        (*_, distance), = measure.pairs(comfy, experts)
        assert distance <= 2e-5


def test_the_patch_of_a_later_window_is_loaded_with_it(comfy):
    """In the first half it is no more in memory than its network."""
    import comfy.model_management as management
    first, second = (measure.built(FAMILY["QwenImage"], seed) for seed in (1, 2))
    model, patch = with_diffsynth(comfy, second.model)
    seen = []

    def note(apply, args):
        seen.append(any(type(loaded.model.model) is type(patch.model) for loaded in management.current_loaded_models))
        return apply(args["input"], args["timestep"], **args["c"])
    slots = {}
    for number, (one, network) in enumerate(((first, first.model), (second, model))):
        network = network.clone()
        network.set_model_unet_function_wrapper(note)
        condition, null = one.conditions(one.family.shape)
        slots[f"expert_{number + 1}"] = comfy.call(
            "ConditionExpert", model=network, condition=condition, null_condition=null, weight=2.0,
            start_percent=0.5 * number, end_percent=0.5 + 0.5 * number)[0]
    management.current_loaded_models.clear()
    mixture = comfy.call("ReliabilityMixer", **slots)[0]
    sampled(comfy, "MCDMSampler", mixture=mixture, latent_image={"samples": torch.zeros(1, *first.family.shape)})
    assert seen == [False, True]


def test_uso(comfy):
    """Its patch takes one condition a call, so that the stock sampler runs at cfg 1 only."""
    plain, other = (measure.built(FAMILY["Flux"], seed) for seed in (1, 2))
    model, _ = with_uso(comfy, plain.model)
    one = dataclasses.replace(plain, model=model)
    latent = {"samples": torch.zeros(1, *one.family.shape)}
    positive, negative = one.conditions(one.family.shape)

    def stock(network):
        texts = {"positive": positive, "negative": negative}
        return sampled(comfy, "KSampler", model=network, cfg=1.0, latent_image=latent, **texts)
    expected = stock(model)
    assert measure.relative(expected, stock(plain.model)) > 1e-3
    mixture = measure.mixture(comfy, [one], one.family.shape, (1.0,), "")
    assert measure.relative(sampled(comfy, "MCDMSampler", mixture=mixture, latent_image=latent), expected) <= 2e-5
    point = measure.framed(one, measure.point(one.family, one.family.shape))

    def alone(expert, condition):
        guider = comfy.call("BasicGuider", model=expert.model, conditioning=condition)[0]
        return measure.asked(guider, *point).double()
    for experts in ([one, other], [one, dataclasses.replace(one, seed=3)]):     # the second: two of one MODEL
        guider = comfy.call("MCDMGuider", mixture=measure.mixture(comfy, experts, one.family.shape))[0]
        pairs = []
        for e in experts:
            pairs.append([alone(e, condition) for condition in e.conditions(one.family.shape)])
        assert measure.relative(measure.asked(guider, *point), measure.eq10(*pairs)) <= 2e-5
