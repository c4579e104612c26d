"""Patches of one expert's weights act on that expert and on no other, whether experts share a checkpoint or not."""
import gc
import weakref

import pytest
import torch

from support.mixtures import ask, eq10, latent, settings, stock_estimates, stock_sampled, united
from support.patches import checkpoint, with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

MIDDLE = "diffusion_model.middle_block.1.transformer_blocks.0.attn2"
X = latent(2, seed=1)["samples"]

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
