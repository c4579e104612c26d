"""Mixtures that make no sense are refused in a sentence that names the expert."""
import logging

import pytest
import torch

from support.mixtures import expert, latent, mix, sampled, settings
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

RUN = settings(latent_image=latent())


def test_a_null_that_a_cfg_pp_sampler_asks_for_is_missed_by_name(comfy):
    """Weights that sum to one need no null, and none is connected; CFG++ wants D_0 all the same."""
    models = [tiny_unet(0), tiny_unet(1)]
    first, second = (expert(comfy, models[i], i, 0.5, null_condition=None, name=name)
                     for i, name in enumerate(("first", "second")))
    mixed = mix(comfy, [first, second])
    before = sampled(comfy, mixed, **RUN)
    with pytest.raises(ValueError, match="Expert 'first' has no null condition.*null_condition"):
        sampled(comfy, mixed, **(RUN | {"sampler_name": "euler_cfg_pp"}))
    assert torch.equal(sampled(comfy, mixed, **RUN), before)


@pytest.mark.parametrize("more", [{"mask": torch.ones(1, 8, 8)}, {"start_percent": 0.5}, {"weight": 0.7}])
def test_a_missing_null_that_may_be_needed_is_an_error_before_the_run(comfy, more):
    halves = {"weight": 0.5, "null_condition": None}
    first = expert(comfy, tiny_unet(0), 0, **halves, name="first")
    second = expert(comfy, tiny_unet(1), 1, **(halves | {"name": "second"} | more))
    with pytest.raises(ValueError, match="Expert 'first' has no null condition"):
        sampled(comfy, mix(comfy, [first, second]), **RUN)
    with pytest.raises(ValueError, match="Expert 'second' has no null condition"):
        sampled(comfy, mix(comfy, [first, second], "0 1"), **RUN)


@pytest.mark.parametrize("text", ["1", "a b", "1,,2", "-1 2", "0 0", "nan 1", "inf 1", "1,5 2,5", "1e400 1"])
def test_reliabilities_that_make_no_sense(comfy, text):
    first = expert(comfy, tiny_unet(0), 0)
    with pytest.raises(ValueError, match="^(Reliabilities|[0-9] reliabilities)") as error:
        comfy.call("ReliabilityMixer", expert_1=first, expert_3=first, reliabilities=text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("more", [
    {"weight": float("nan")},
    {"weight": float("-inf")},
    {"start_percent": 0.5, "end_percent": 0.5},
    {"start_percent": 0.9, "end_percent": 0.1},
    {"end_percent": 1.5},
    {"mask": torch.full((1, 8, 8), float("nan"))},
])
def test_an_expert_that_makes_no_sense_is_named(comfy, more):
    with pytest.raises(ValueError, match="^Expert 'painter'"):
        expert(comfy, tiny_unet(0), 0, **({"null_condition": None, "name": "painter"} | more))


def test_latent_spaces_that_differ_are_named_and_may_be_vouched_for(comfy, caplog):
    import comfy.latent_formats as spaces
    models = [tiny_unet(i) for i in range(3)]
    models[1].add_object_patch("latent_format", spaces.SDXL())
    models[2].add_object_patch("latent_format", spaces.Flux())
    a, b, c = (expert(comfy, model, 0, name=name) for model, name in zip(models, "abc", strict=True))
    with pytest.raises(ValueError, match="'b' works in SDXL, expert 'a' in SD15"):
        comfy.call("ReliabilityMixer", expert_1=a, expert_2=b)
    with caplog.at_level(logging.WARNING):
        mixed = comfy.call("ReliabilityMixer", expert_1=a, expert_2=b, allow_mixed_latents=True)[0]
        assert "SDXL" in caplog.text and "SD15" in caplog.text
    assert torch.isfinite(sampled(comfy, mixed, **RUN)).all()
    with pytest.raises(ValueError, match="Flux"):           # other numbers of channels fit in no case
        comfy.call("ReliabilityMixer", expert_1=a, expert_2=c, allow_mixed_latents=True)


def test_pixels_are_called_pixels(comfy):
    import comfy.latent_formats as spaces
    models = [tiny_unet(0), tiny_unet(1)]
    models[1].add_object_patch("latent_format", spaces.ChromaRadiance())
    first, second = (expert(comfy, model, 0, name=name) for model, name in zip(models, "ab", strict=True))
    for order, told in [((first, second), "'b' works in pixels, expert 'a' in SD15"),
                        ((second, first), "'a' works in SD15, expert 'b' in pixels")]:
        with pytest.raises(ValueError, match=told) as error:
            comfy.call("ReliabilityMixer", expert_1=order[0], expert_2=order[1])
        assert "ChromaRadiance works" not in str(error.value) and "space ChromaRadiance" not in str(error.value)


def test_a_network_without_noise_levels_is_refused(comfy):
    import comfy.model_sampling as sampling
    model = tiny_unet(0)
    kind = type("Sampling", (sampling.ModelSamplingDiscrete, sampling.IMG_TO_IMG), {})
    model.add_object_patch("model_sampling", kind(model.model.model_config))
    with pytest.raises(ValueError, match="BaseModel.*image-to-image"):
        expert(comfy, model, 0)
