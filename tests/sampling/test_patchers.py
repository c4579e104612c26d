"""Where networks come from: delegates for hosts that swap weights, fresh networks from the loader's own factory."""
from __future__ import annotations

import pytest
import torch

from support.mixtures import ask, eq10, stock, united
from support.patches import checkpoint, hooked, with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

X = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))


def swapping(seed):
    """A MODEL as newer hosts make it for cards with dynamic VRAM: it swaps weights, and knows no hooks on them."""
    import comfy.model_patcher

    class Swapping(comfy.model_patcher.ModelPatcher):
        def is_dynamic(self):
            return True

        def patch_hook_weight_to_device(self, *args, **kwargs):
            raise RuntimeError("hooks are not implemented")

        def get_non_dynamic_delegate(self):
            return tiny_unet(seed).clone()

    plain = tiny_unet(seed)
    return Swapping(plain.model, load_device=plain.load_device, offload_device=plain.offload_device)


@pytest.mark.parametrize("position", [0, 1])
def test_a_lora_hook_on_a_model_that_swaps_weights(comfy, position):
    models, made = [tiny_unet(0), tiny_unet(1)], [tiny_unet(0), tiny_unet(1)]
    conditions = [conditioning(0), conditioning(1)]
    models[position], conditions[position] = swapping(position), hooked(conditions[position], 5, 0.8)
    made[position] = checkpoint(position, (5, 0.8))
    d = [stock(made[i], conditioning(i), conditioning(100 + i), X, 1.0)[0] for i in (0, 1)]
    null = [stock(tiny_unet(i), conditioning(i), conditioning(100 + i), X, 1.0)[1] for i in (0, 1)]
    answer = ask(comfy, united(comfy, models, conditions), X, 1.0)
    assert relative(answer, eq10(d, null, (2.0, 3.0), (0.25, 0.75))) <= 2e-5


def test_a_model_that_swaps_weights_stays_as_it_is_without_hooks(comfy):
    """Its delegate holds all weights at once, which is what its host avoids."""
    models = [swapping(0), swapping(1)]
    guider, = comfy.call("MCDMGuider", mixture=united(comfy, models))
    assert [patcher.is_dynamic() for patcher in guider.patchers] == [True, True]


def test_a_further_network_is_loaded_by_the_loaders_factory_where_there_is_one(comfy, monkeypatch):
    base = tiny_unet(0)
    other = with_lora(base, 5)
    fresh = []

    def clone(force_deepcopy=False, clone=other.clone):
        if not force_deepcopy:
            return clone()
        fresh.append(with_lora(tiny_unet(0), 5))
        return fresh[0]
    monkeypatch.setattr(other, "cached_patcher_init", (None, ()), raising=False)
    monkeypatch.setattr(other, "clone", clone)
    guider = comfy.call("MCDMGuider", mixture=united(comfy, [base, other]))[0]
    assert [p.model for p in guider.patchers] == [base.model, fresh[0].model]
    made = [tiny_unet(0), checkpoint(0, (5, 1.0))]
    pairs = [stock(m, conditioning(i), conditioning(100 + i), X, 1.0) for i, m in enumerate(made)]
    wanted = eq10([d for d, _ in pairs], [n for _, n in pairs], (2.0, 3.0), (0.25, 0.75))
    assert relative(ask(comfy, united(comfy, [base, other]), X, 1.0), wanted) <= 2e-5


SPACES = {       # by name: whether they are one latent space
    ("SD15", "SD15"): True, ("SD15", "SDXL"): False, ("SD3", "Flux"): False, ("SC_B", "SD15"): False,
    ("Flux2", "LTXV"): False, ("Wan21", "HunyuanVideo"): False, ("StableAudio1", "Hunyuan3Dv2"): False,
    ("Cosmos1CV8x8x8", "Wan21"): False, ("SC_Prior", "Flux"): False,
}


@pytest.mark.parametrize("names, one", SPACES.items())
def test_latent_spaces_by_what_they_do_to_numbers(comfy, names, one):
    import comfy.latent_formats as formats
    first, second = (getattr(formats, name)() for name in names)
    same_space = comfy.module("mcdm.host.models").same_space
    assert same_space(first, second) == same_space(second, first) == one


def test_a_format_of_another_name_with_the_same_numbers_is_the_same_space(comfy):
    import comfy.latent_formats as formats
    same_space = comfy.module("mcdm.host.models").same_space

    class OfAnotherPack(formats.LatentFormat):
        latent_channels = 16

        def process_in(self, latent):
            return (latent - 0.1159) * 0.3611

        def process_out(self, latent):
            return (latent / 0.3611) + 0.1159
    assert same_space(OfAnotherPack(), formats.Flux()) and not same_space(OfAnotherPack(), formats.SD3())

    class Pixels(formats.ChromaRadiance):
        pass

    class Untouched(formats.LatentFormat):
        latent_channels = 128
    assert same_space(Pixels(), formats.ChromaRadiance())
    assert not same_space(Untouched(), formats.Flux2())                 # both leave numbers as they are: no proof


def test_pictures_of_cells_of_every_size(comfy):
    import comfy.latent_formats as formats
    cells = comfy.module("mcdm.host.models").cells
    sizes = {"SD15": 8, "SDXL": 8, "SD3": 8, "Flux": 8, "Flux2": 16, "HunyuanImage21": 32, "SC_B": 4,
             "ChromaRadiance": 1}
    assert {name: cells(getattr(formats, name)()) for name in sizes} == sizes


@pytest.mark.parametrize("eta, refused", [(1.0, True), (0.0, False)])
def test_noise_levels_that_rise(comfy, eta, refused):
    guider = comfy.call("MCDMGuider", mixture=united(comfy, [tiny_unet(0), tiny_unet(1)]))[0]
    sampler = comfy.call("MCDMAncestral", eta=eta, variance="fixed_small")[0]
    sigmas = torch.tensor([3.0, 1.0, 2.0, 0.5, 0.0])                    # a restart

    def draw():
        return guider.sample(X * 0.1, torch.zeros_like(X), sampler, sigmas, disable_pbar=True, seed=0)
    if refused:
        with pytest.raises(ValueError, match="fall from step to step"):
            draw()
    else:
        assert torch.isfinite(draw()).all() and not draw().is_complex()


@pytest.mark.parametrize("held", ["object patch", "injection"])
def test_the_loaders_factory_is_not_asked_where_patches_hold_a_part_of_the_network(comfy, monkeypatch, held):
    """They would go on with the part of the old one."""
    from comfy.patcher_extension import PatcherInjection
    base = tiny_unet(0)
    other = with_lora(base, 5)
    if held == "object patch":
        other.add_object_patch("diffusion_model.out", other.get_model_object("diffusion_model.out"))
    else:
        other.set_injections("a key", [PatcherInjection(inject=lambda _: None, eject=lambda _: None)])
    clone = other.clone
    monkeypatch.setattr(other, "cached_patcher_init", (None, ()), raising=False)
    monkeypatch.setattr(other, "clone", lambda force_deepcopy=False: None if force_deepcopy else clone())
    guider, = comfy.call("MCDMGuider", mixture=united(comfy, [base, other]))
    first, second = (patcher.model for patcher in guider.patchers)
    assert first is base.model and second is not base.model


@pytest.mark.parametrize("change", ["none", "strength", "key", "tensor"])
def test_equal_patches_share_a_network(comfy, change):
    """Two MODELs of one checkpoint to which the same LoRA was applied apart, and such that differ in one thing."""
    base = tiny_unet(0)
    one, other = with_lora(base, 5), with_lora(base, 6 if change == "tensor" else 5)
    if change == "strength":
        other = with_lora(base, 5, 0.5)
    if change == "key":
        other.patches.popitem()
    guider, = comfy.call("MCDMGuider", mixture=united(comfy, [one, other]))
    first, second = (patcher.model for patcher in guider.patchers)
    assert (first is second) == (change == "none")
