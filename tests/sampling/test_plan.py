"""mcdm/host/sampling/plan.py: what of a run is planned, in the words of the log."""
from __future__ import annotations

import logging

import pytest
import torch

from support.mixtures import expert, latent, mix, sampled, settings
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


@pytest.fixture(scope="module")
def two_unets():
    return [tiny_unet(0), tiny_unet(1)]


def told(comfy, caplog, mixture, steps=4, **more):
    """The line on the plan of a run."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        sampled(comfy, mixture, **settings(latent_image=latent(), steps=steps, scheduler="sgm_uniform", **more))
    line, = [record.getMessage() for record in caplog.records if " prediction" in record.getMessage()]
    return line


def two(comfy, models, weights=(2.0, 3.0), reliabilities="1 1", **second):
    first = expert(comfy, models[0], 0, weights[0], name="a")
    return mix(comfy, [first, expert(comfy, models[1], 1, weights[1], name="b", **second)], reliabilities)


@pytest.mark.parametrize("changes, words", [
    ({}, "4 x 4 predictions"),
    ({"start_percent": 0.5}, "2 x 2 predictions without condition of 'b', null of 'b'; 2 x 4 predictions"),
    ({"reliabilities": "1 0"}, "4 x 3 predictions without null of 'b'"),
    ({"weights": (2.0, 0.0)}, "4 x 3 predictions without condition of 'b'"),
    ({"weights": (0.4, 0.6)}, "4 x 2 predictions without null of 'a', null of 'b'"),
    ({"mask": torch.zeros(1, 64, 64)}, "4 x 2 predictions without condition of 'b', null of 'b'"),
])
def test_predictions_are_counted_step_by_step(comfy, two_unets, caplog, changes, words):
    assert words in told(comfy, caplog, two(comfy, two_unets, **changes))


def test_an_interval_and_a_rest_are_planned(comfy, two_unets, caplog):
    mixture = two(comfy, two_unets)
    limited, = comfy.call("MixtureOptions", mixture=mixture, sigma_low=0.0, sigma_high=3.0)
    without, guided = "2 predictions without null of 'a', null of 'b'", "4 predictions"
    line = told(comfy, caplog, limited)
    assert without in line and guided in line.replace(without, "")
    resting, = comfy.call("MixtureOptions", mixture=mixture, cfg_zero=True, zero_init=0.25)
    assert "1 x at rest; 3 x 4 predictions" in told(comfy, caplog, resting)


@pytest.mark.parametrize("weights, shares, words", [
    ((0.5, 3.0), "0.9 0.1", "'UNet0' has 0.5 instead of 0.9"),
    ((0.5, 0.5), "0.9 0.1", "the weights sum to 1"),
    ((2.0, 3.0), "0.9 0.1", None),
])
def test_the_log_says_once_what_cannot_be(comfy, two_unets, caplog, weights, shares, words):
    experts = [expert(comfy, two_unets[i], i, weights[i], name=f"UNet{i}") for i in range(2)]
    with caplog.at_level(logging.INFO):
        sampled(comfy, mix(comfy, experts, shares, meaning="shares"), **settings(latent_image=latent()))
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("MCDM: the ")]
    assert len(said) == (words is not None) and all(words in sentence for sentence in said)
    line, = [r.getMessage() for r in caplog.records if "predictions" in r.getMessage()]
    assert "'UNet0' (w " in line and ", share " in line
