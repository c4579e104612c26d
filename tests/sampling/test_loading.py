"""Which networks are in memory while a mixture is sampled, by the host's own account; pictures as by stock nodes."""
from __future__ import annotations

import pytest
import torch

from support.mixtures import expert, latent, mix, sampled, settings
from support.patches import with_lora
from support.tensors import relative
from unite_and_conquer.devtools.card import card, kept_books, on_card
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

STEPS = 6


@pytest.fixture(scope="module")
def models():
    """Two networks, of one size."""
    return [on_card(tiny_unet(0)), on_card(tiny_unet(1))]


@pytest.fixture(scope="module")
def size(models):
    return models[0].model_size()


def in_windows(comfy, models, *windows, **more):
    """A mixture of experts in windows (start, end) of the schedule, each with its condition and its null."""
    experts = [expert(comfy, model, i, 3.0, start_percent=start, end_percent=end, name=f"expert {i}", **more)
               for i, (model, (start, end)) in enumerate(zip(models, windows, strict=True))]
    return mix(comfy, experts)


def draw(comfy, mixture, **more):
    return sampled(comfy, mixture, **(settings(latent_image=latent(), steps=STEPS) | more))


def one_after_the_other(comfy, models, order):
    """By two stock nodes: the one network up to the middle of the schedule, the other from there."""
    (first, seed_1), (second, seed_2) = ((models[i], i) for i in order)
    shared = {"noise_seed": 1, "steps": STEPS, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal"}

    def part(model, seed, image, **more):
        texts = {"positive": conditioning(seed), "negative": conditioning(100 + seed)}
        return comfy.call("KSamplerAdvanced", model=model, latent_image=image, **texts, **(shared | more))[0]
    half = part(first, seed_1, latent(), add_noise="enable", start_at_step=0, end_at_step=STEPS // 2,
                return_with_leftover_noise="enable")
    return part(second, seed_2, half, add_noise="disable", start_at_step=STEPS // 2, end_at_step=STEPS,
                return_with_leftover_noise="disable")["samples"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["lead first", "lead last"])
def test_windows_that_meet_need_the_room_of_one_network(comfy, models, size, order):
    windows = [(0.0, 0.5), (0.5, 1.0)]
    with kept_books():
        expected = one_after_the_other(comfy, models, order)
    with card(room=1.1 * size) as books:
        samples = draw(comfy, in_windows(comfy, models, *(windows[i] for i in order)))
        assert books.peak == size
        assert books.loads == [models[i].model for i in order]
    assert relative(samples, expected) <= 2e-5
    with card(room=1.1 * size) as alone:
        draw(comfy, in_windows(comfy, models[:1], (0.0, 1.0)))
    assert alone.peak == books.peak


def test_a_window_of_the_first_step_alone(comfy, models, size):
    """Its network is loaded first, and gone after that step."""
    border = 1.5 / STEPS
    with card(room=1.1 * size) as books:
        draw(comfy, in_windows(comfy, models, (0.0, border), (border, 1.0)), scheduler="sgm_uniform")
    assert books.loads == [model.model for model in models] and books.peak == size


def test_a_card_with_room_keeps_both(comfy, models, size):
    """As today: the next picture then loads nothing."""
    mixture = in_windows(comfy, models, (0.0, 0.5), (0.5, 1.0))
    with card(room=3 * size) as books:
        first, second = draw(comfy, mixture), draw(comfy, mixture)
        assert len(books.loads) == 2 and books.peak == 2 * size
    assert torch.equal(first, second)


def test_in_main_memory_too_the_first_network_goes(comfy, size):
    """Where the host itself unloads nothing: only one network carries its LoRA."""
    models = [with_lora(tiny_unet(0), 0), with_lora(tiny_unet(1), 1)]
    patched = []

    def note(apply, args):
        patched.append([model.model.current_weight_patches_uuid is not None for model in models])
        return apply(args["input"], args["timestep"], **args["c"])
    for model in models:
        model.set_model_unet_function_wrapper(note)
    with kept_books() as books:
        draw(comfy, in_windows(comfy, models, (0.0, 0.5), (0.5, 1.0)))
        assert books.peak == size
    assert patched == [[True, False]] * 3 + [[False, True]] * 3


CASES = {
    "overlap": ([(0.0, 0.6), (0.4, 1.0)], {}, {}),
    "gap": ([(0.0, 0.3), (0.7, 1.0)], {}, {}),
    "mask": ([(0.0, 0.5), (0.5, 1.0)], {"mask": torch.eye(64)[None]}, {}),
    "heun": ([(0.0, 0.5), (0.5, 1.0)], {}, {"sampler_name": "heun"}),
    "dpmpp_sde": ([(0.0, 0.5), (0.5, 1.0)], {}, {"sampler_name": "dpmpp_sde"}),
    "dpmpp_2s_ancestral": ([(0.0, 0.5), (0.5, 1.0)], {}, {"sampler_name": "dpmpp_2s_ancestral"}),
    "CFG++": ([(0.5, 1.0), (0.0, 0.5)], {}, {"sampler_name": "euler_cfg_pp"}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_network_is_loaded_once(comfy, models, size, case):
    windows, of_experts, of_run = CASES[case]
    mixture = in_windows(comfy, models, *windows, **of_experts)
    with card(room=3 * size) as books:
        samples = draw(comfy, mixture, **of_run)
        assert len(books.loads) == 2
    with kept_books():
        assert torch.equal(samples, draw(comfy, in_windows(comfy, models, *windows, **of_experts), **of_run))


def test_an_interval_loads_once(comfy, models, size):
    """The null of another network counts in the middle only, where both are needed: both are loaded first, and stay."""
    lead = expert(comfy, models[0], 0, 2.0)
    mixture = mix(comfy, [lead, expert(comfy, models[1], 1, 0.0)], "0 1")
    mixture = comfy.call("MixtureOptions", mixture=mixture, sigma_low=1.0, sigma_high=5.0)[0]
    with card(room=3 * size) as books:
        draw(comfy, mixture)
        assert len(books.loads) == 2


def test_a_card_too_small_for_one_network(comfy, models, size):
    """The host then keeps weights in main memory and brings them layer by layer (lowvram)."""
    with kept_books():
        expected = one_after_the_other(comfy, models, (0, 1))
    with card(room=0.6 * size) as books:
        samples = draw(comfy, in_windows(comfy, models, (0.0, 0.5), (0.5, 1.0)))
        assert 0 < books.peak < size and len(books.loads) == 2
    assert relative(samples, expected) <= 2e-5


def test_two_experts_of_a_network_that_comes_later(comfy, models, size):
    """They have one null, which the host divides into areas, as it does their conditions, once the network is there."""
    def drawn(first, *later):
        experts = [expert(comfy, first, 0, 3.0, end_percent=0.5)]
        for x, model in zip((0, 32), later, strict=True):
            area, = comfy.call("ConditioningSetArea", conditioning=conditioning(1), width=32, height=64, x=x, y=0,
                               strength=1.0)
            experts.append(expert(comfy, model, 1, 3.0, condition=area, start_percent=0.5))
        return draw(comfy, mix(comfy, experts))
    with card(room=1.1 * size):
        samples = drawn(models[0], models[1], models[1])
    with kept_books():
        assert relative(samples, drawn(models[0], models[1], on_card(tiny_unet(1)))) <= 2e-5


def test_an_expert_that_is_never_asked_is_not_loaded(comfy, models, size):
    """Of a picture that is denoised by the last third, the first window is not seen."""
    with card(room=3 * size) as books:
        draw(comfy, in_windows(comfy, models, (0.0, 0.3), (0.3, 1.0)), denoise=0.3, latent_image=latent(seed=1))
        assert books.loads == [models[1].model]


def test_the_log_says_so(comfy, models, size, caplog):
    with card(room=1.1 * size), caplog.at_level("INFO", "mcdm"):
        draw(comfy, in_windows(comfy, models, (0.0, 0.5), (0.5, 1.0)))
    lines = [record.getMessage() for record in caplog.records]
    assert "MCDM: 'expert 0' loaded; 'expert 1' when first needed." in lines
    assert "MCDM: 'expert 1' loaded now; 'expert 0' done." in lines
