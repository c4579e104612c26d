"""Whole runs on graphics cards: every sampler, little memory, bridges, previews, and runs that break."""
from __future__ import annotations

import contextlib
import gc

import pytest
import torch

from support import accelerator, spaces
from support.accelerator import FIRST, KEPT, on, placed
from support.mixtures import expert, latent, mix, sampled, settings, stock_sampled
from support.patches import with_lora
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import small_vae

RUN = settings(latent_image=latent(), steps=2)


@pytest.fixture(scope="module")
def models():
    """Two MODELs that the host has loaded for the first card."""
    return [on(FIRST, 0), on(FIRST, 1)]


def two(comfy, models, places=("here", "here"), mixer=None, **more):
    experts = [expert(comfy, model, i + 1, 2.0 + i, **more) for i, model in enumerate(models)]
    experts = [placed(comfy, one, place) for one, place in zip(experts, places, strict=True)]
    return mix(comfy, experts, "1 3", **(mixer or {}))


def samplers():
    """The host's, which must not be imported while tests are collected: read from its source."""
    from unite_and_conquer.devtools.versions import source
    text = source("comfy/samplers.py").split("KSAMPLER_NAMES = [")[1].split("]")[0]
    return [name.strip().strip('"') for name in text.replace("\n", " ").split(",") if name.strip()]


@pytest.mark.parametrize("sampler", [*samplers(), "ddim", "uni_pc", "uni_pc_bh2"])
def test_every_sampler_draws_the_same_wherever_the_lead_is(comfy, models, sampler):
    inputs = settings(sampler_name=sampler, latent_image=latent(), steps=2, denoise=0.2)
    here = sampled(comfy, two(comfy, models), **inputs)
    assert torch.isfinite(here).all()
    assert torch.equal(sampled(comfy, two(comfy, models, ("npu:1", "here")), **inputs), here)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde", "lcm"])
def test_one_expert_is_the_hosts_own_sampler(comfy, models, sampler):
    inputs = settings(sampler_name=sampler, latent_image=latent(2))
    one = expert(comfy, models[0], 1, 3.0)
    stock = stock_sampled(comfy, models[0], 3.0, **inputs)
    for place in ("here", "npu:1"):
        assert torch.equal(sampled(comfy, mix(comfy, [placed(comfy, one, place)]), **inputs), stock)


@pytest.mark.parametrize("place", ["here", "npu:1"])
def test_windows_and_networks_of_their_own(comfy, place):
    """A checkpoint with and without a LoRA, the one before the other; newer hosts round a LoRA otherwise on cards."""
    def drawn(device, place):
        base = on(device, 0)
        early = expert(comfy, with_lora(base, 5), 1, 2.0, end_percent=0.5)
        late = expert(comfy, base, 2, 3.0, start_percent=0.5)
        return sampled(comfy, mix(comfy, [early, placed(comfy, late, place)], "1 0"), **(RUN | {"steps": 4}))
    here = drawn(FIRST, "here")
    assert torch.equal(drawn(FIRST, place), here)
    assert relative(here, drawn("cpu", "here")) <= 1e-3


@pytest.mark.parametrize("places", [("here", "here"), ("here", "npu:1")], ids=str)
@pytest.mark.parametrize("room", [0.2, 0.7, 1.3])
def test_cards_with_little_memory(comfy, cards, models, places, room):
    """The host keeps some of the weights in main memory, or unloads one network for the other."""
    whole = sampled(comfy, two(comfy, models), **RUN)
    with cards.room(room * models[0].model_size()):
        little = sampled(comfy, two(comfy, models, places), **RUN)
    assert relative(little, whole) <= 1e-5


@pytest.mark.parametrize("places", [("here", "here"), ("here", "npu:1"), ("npu:1", "here")], ids=str)
def test_a_bridge_between_cards(comfy, places):
    """Experts of two latent spaces, each with its VAE; the host puts VAEs on its own card."""
    def drawn(device, places):
        experts = []
        for i, place in enumerate(places):
            model, vae = on(device, i), small_vae(i)
            model.add_object_patch("latent_format", spaces.space(i))
            vae.device = vae.patcher.load_device = torch.device(device)
            experts.append(placed(comfy, expert(comfy, model, i, 1.5, vae=vae), place))
        return sampled(comfy, mix(comfy, experts), **RUN)
    assert relative(drawn(FIRST, places), drawn("cpu", ("here", "here"))) <= 1e-5


def test_previews_of_experts_on_two_cards(comfy, models):
    import comfy.samplers as host
    import latent_preview
    from PIL import Image
    Previews = comfy.module("mcdm.drawing.live_previews").Previews
    format = models[0].get_model_object("latent_format")
    sent = []
    guider, = comfy.call("MCDMGuider", mixture=two(comfy, models, ("here", "npu:1"), mask=torch.eye(64)[None]))
    hours = iter(range(0, 10**6, 3600))
    guider.watch.observe = Previews(["a", "b"], format, sent.append, clock=hours.__next__, masked=True)
    shown = []
    previewer = latent_preview.Latent2RGBPreviewer(format.latent_rgb_factors, format.latent_rgb_factors_bias)
    guider.sample(torch.randn(1, 4, 8, 8), torch.zeros(1, 4, 8, 8), host.sampler_object("euler"),
                  torch.tensor([5.0, 1.0, 0.0]), seed=1, disable_pbar=True,
                  callback=lambda step, denoised, x, steps: shown.append(previewer.decode_latent_to_preview(denoised)))
    assert sent and all(one["image"].startswith("data:image/jpeg") for one in sent[-1])
    assert all(isinstance(picture, Image.Image) for picture in shown)


@pytest.mark.parametrize("places", [("here", "here"), ("npu:1", "here")], ids=str)
@pytest.mark.parametrize("kind", [
    "MCDMCorrected", "MCDMAncestral", "a band", "cures", "automatic", "shares", "regions"])
def test_cards_without_float64(comfy, cards, kind, places):
    """As Apple's; what needs more digits is computed by the processor."""
    def drawn(device, places):
        models, more = [on(device, 0), on(device, 1)], {}
        if kind == "a band":
            more = {"bands": "1 0.5 2"}
        if kind == "regions":
            more = {"mask": torch.linspace(0.2, 1.0, 64).expand(1, 64, 64)}
        mixture = two(comfy, models, places, {"meaning": "shares"} if kind == "shares" else {}, **more)
        if kind == "cures":
            mixture, = comfy.call("MixtureOptions", mixture=mixture, rescale=0.5, apg=True)
        if kind == "automatic":
            mixture, = comfy.call("AutomaticMasks", mixture=mixture)
        if kind == "regions":
            text = "1: box 0.5 0.5 1 1 crop\n2: ellipse 0.4 0.5 0.3 0.3 centred"
            mixture, = comfy.call("ExpertRegions", mixture=mixture, regions=text, feather=0.1)
        if not kind.startswith("MCDM"):
            return sampled(comfy, mixture, **RUN)
        guider, = comfy.call("MCDMGuider", mixture=mixture)
        sampler, = comfy.call(kind)
        noise, = comfy.call("RandomNoise", noise_seed=3)
        sigmas = torch.tensor([10.0, 3.0, 1.0, 0.0])
        return comfy.call("SamplerCustomAdvanced", noise=noise, guider=guider, sampler=sampler, sigmas=sigmas,
                          latent_image=latent(2))[0]["samples"]
    reference = drawn("cpu", ("here", "here"))
    with cards.without_float64():
        there = drawn(FIRST, places)
    assert relative(there, reference) <= 1e-4 or kind == "MCDMAncestral"     # whose noise is that of its device
    assert torch.isfinite(there).all()


def held(cards):
    gc.collect()
    return cards.held(0), cards.held(1)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
def test_a_card_that_runs_out_of_memory(comfy, cards, models, share):
    """At some allocation of the run: it fails as the host knows it, and the next run is right and holds no more."""
    mixture = two(comfy, models, ("here", "npu:1"))
    whole = sampled(comfy, mixture, **RUN)
    free(cards)
    before = cards.allocations
    sampled(comfy, mixture, **RUN)
    number = int(share * (cards.allocations - before))
    settled = held(cards)
    free(cards)
    with cards.failing(number), contextlib.suppress(torch.OutOfMemoryError):
        drawn = sampled(comfy, mixture, **RUN)
        # The host tries attention again in smaller parts, which round otherwise (by 1.5e-6 at most, as measured).
        assert relative(drawn, whole) < 1e-5
    assert torch.equal(sampled(comfy, mixture, **RUN), whole)
    assert held(cards) == settled


def free(cards):
    """Unloads all, as /free does."""
    import comfy.model_management as management
    for loaded in list(management.current_loaded_models):
        loaded.model_unload()
    management.current_loaded_models.clear()
    assert max(held(cards)) <= KEPT


@pytest.mark.parametrize("places", [("here", "npu:1"), ("npu:1", "here")], ids=str)
def test_an_interrupt(comfy, cards, models, places):
    import comfy.samplers as host
    from comfy.model_management import InterruptProcessingException
    mixture = two(comfy, models, places)
    whole = sampled(comfy, mixture, **RUN)
    settled = held(cards)
    guider, = comfy.call("MCDMGuider", mixture=mixture)

    def interrupt(*_):
        raise InterruptProcessingException
    with pytest.raises(InterruptProcessingException):
        guider.sample(torch.randn(1, 4, 8, 8), torch.zeros(1, 4, 8, 8), host.sampler_object("euler"),
                      torch.tensor([5.0, 1.0, 0.0]), callback=interrupt, disable_pbar=True, seed=1)
    del guider
    assert torch.equal(sampled(comfy, mixture, **RUN), whole)
    assert held(cards) == settled


def test_no_copy_from_a_card_is_read_before_it_has_come(comfy, cards, models):
    before = cards.unwaited
    sampled(comfy, two(comfy, models, ("cpu", "npu:1")), **RUN)
    assert cards.unwaited == before and accelerator.compiler()
