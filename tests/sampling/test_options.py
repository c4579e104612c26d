"""What may be done on top of eq. 10 (MixtureOptions)."""
import dataclasses
import math

import pytest
import torch

from support.mixtures import (
    ask,
    count_forwards,
    eq10,
    estimates,
    expert,
    latent,
    mix,
    parameterised,
    sampled,
    settings,
    with_options,
)
from support.tensors import relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]


# ----------------------------------------------------------------------------------------- off is off, to the last bit

@pytest.mark.parametrize("options", [
    {"rescale": 0.0},
    {"sigma_low": 0.0, "sigma_high": 1e9},
    {"sigma_low": 0.0, "sigma_high": 0.0},
    {"curve": "cosine"},
    {"weights_end": " ", "reliabilities_end": ""},
])
def test_the_defaults_change_nothing(comfy, two_unets, options):
    plain, optional = with_options(comfy, two_unets), with_options(comfy, two_unets, **options)
    run = settings(latent_image=latent())
    assert torch.equal(*(sampled(comfy, mixture, **run) for mixture in (plain, optional)))


# ------------------------------------------------------------------------------------------- weights over the schedule

@pytest.mark.parametrize("curve", ["linear", "cosine"])
@pytest.mark.parametrize("percent", [0.0, 0.1, 0.5, 0.83, 1.0])
def test_weights_and_reliabilities_over_the_schedule(comfy, two_unets, curve, percent):
    sampling = two_unets[0].get_model_object("model_sampling")
    ends = {0.0: float(sampling.sigma_max), 1.0: float(sampling.sigma_min)}
    sigma = ends[percent] if percent in ends else sampling.percent_to_sigma(percent)
    share = percent if curve == "linear" else 0.5 - 0.5 * math.cos(math.pi * percent)
    weights = [2.0 + share * (-1.0 - 2.0), 3.0 + share * (0.5 - 3.0)]
    a = [0.25 + share * (0.8 - 0.25), 0.75 + share * (0.2 - 0.75)]
    mixture = with_options(comfy, two_unets, weights_end="-1, 0.5", reliabilities_end="4, 1", curve=curve)
    wanted = eq10(*estimates(two_unets, X * sigma, sigma), weights, a)
    assert relative(ask(comfy, mixture, X * sigma, sigma), wanted) <= 2e-5


def test_weights_over_the_schedule_of_a_flow(comfy):
    """Shift 3: a quarter of the schedule is at t = 3 s / (1 + 2 s), s = 3/4."""
    flows = [parameterised(1, "flow"), parameterised(2, "flow")]
    t = 3 * 0.75 / (1 + 2 * 0.75)
    assert math.isclose(flows[0].get_model_object("model_sampling").percent_to_sigma(0.25), t, rel_tol=1e-6)
    mixture = with_options(comfy, flows, weights_end="6 3")
    wanted = eq10(*estimates(flows, X, t), (3.0, 3.0), (0.25, 0.75))
    assert relative(ask(comfy, mixture, X, t), wanted) <= 2e-5


# ------------------------------------------------------------------------------------------------------------- rescale

@pytest.mark.parametrize("phi", [0.3, 1.0])
@pytest.mark.parametrize("weights", [(2.0, 3.0), (2.0, -1.0), (0.3, 0.7)], ids=["guided", "without a null", "a mean"])
def test_rescale_is_lin_et_al(comfy, two_unets, phi, weights):
    d, null = estimates(two_unets, X * 2, 2.0)
    fused, mean = eq10(d, null, weights, (0.25, 0.75)), 0.5 * (d[0] + d[1])
    ratio = torch.stack([mean[i].std() / fused[i].std() for i in range(2)])[:, None, None, None]
    answer = ask(comfy, with_options(comfy, two_unets, weights, rescale=phi), X * 2, 2.0)
    assert relative(answer, phi * ratio * fused + (1 - phi) * fused) <= 2e-5


# --------------------------------------------------------------------------------------------------- guidance interval

@pytest.mark.parametrize("sigma, guided", [
    (0.5, False), (0.5000001, True), (1.0, True), (4.0, True), (4.0000005, False), (14.0, False),
])
def test_outside_the_interval_the_weights_are_divided_by_their_sum_and_no_null_is_asked(
        comfy, two_unets, monkeypatch, sigma, guided):
    rows = count_forwards(monkeypatch, two_unets)
    answer = ask(comfy, with_options(comfy, two_unets, sigma_low=0.5, sigma_high=4.0), X * sigma, sigma)
    assert sum(rows) == 2 * (4 if guided else 2)
    d, null = estimates(two_unets, X * sigma, sigma)
    wanted = eq10(d, null, (2.0, 3.0), (0.25, 0.75)) if guided else 0.4 * d[0] + 0.6 * d[1]
    assert relative(answer, wanted) <= 2e-5


def test_the_interval_of_a_flow_is_in_sigma(comfy):
    """t = 0.75 is sigma 3; t = 1 is infinitely far above."""
    flows = [parameterised(1, "flow"), parameterised(2, "flow")]
    for t, guided in ((0.74, True), (0.76, False), (1.0, False)):
        d, null = estimates(flows, X, t)
        answer = ask(comfy, with_options(comfy, flows, sigma_high=3.0), X, t)
        wanted = eq10(d, null, (2.0, 3.0), (0.25, 0.75)) if guided else 0.4 * d[0] + 0.6 * d[1]
        assert relative(answer, wanted) <= 2e-5


@pytest.mark.parametrize("weights", [(3.0, -4.0), (2.0, -1.99), (0.1 + 0.2, -0.3), (-1.0, -1.0)])
def test_weights_that_cancel_are_not_divided_by_their_sum(comfy, two_unets, weights):
    experts = [expert(comfy, unet, i, w) for i, (unet, w) in enumerate(zip(two_unets, weights, strict=True))]
    with pytest.raises(ValueError, match="cancel each other"):
        comfy.call("MixtureOptions", mixture=mix(comfy, experts), sigma_low=1.0)


def test_under_masks_cells_whose_weights_cancel_keep_their_guidance(comfy, two_unets):
    """The first expert acts everywhere at 2, the second at -1.9 in the right half, where D_0 speaks as well."""
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1.0
    experts = [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, -1.9, mask=mask)]
    mixture = mix(comfy, experts)
    half = dataclasses.replace(mixture.options, interval=(100.0, 200.0))
    object.__setattr__(mixture, "options", half)                        # a wire would be refused
    d, null = estimates(two_unets, X, 1.0)
    wanted = d[0].clone()
    wanted[..., 4:] = eq10(d, null, (2.0, -1.9), (0.5, 0.5))[..., 4:]
    assert relative(ask(comfy, mixture, X, 1.0), wanted) <= 2e-5


def test_a_weight_of_zero_may_have_an_interval(comfy, two_unets):
    """As the sampler takes them: Compare Experts draws an expert by itself that is there for its null alone."""
    experts = [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, 0.0)]
    mixture = comfy.call("MixtureOptions", mixture=mix(comfy, experts), sigma_low=1.0)[0]
    alone = mixture.alone(1)
    _, null = estimates(two_unets, X * 0.5, 0.5)
    assert relative(ask(comfy, alone, X * 0.5, 0.5), null[1]) <= 2e-5


@pytest.mark.parametrize("options, words", [
    ({"weights_end": "1"}, "weights_end.*1 numbers for 2 experts"),
    ({"weights_end": "1 x"}, "'x' is not a number"),
    ({"weights_end": "1 inf"}, "'inf'"),
    ({"reliabilities_end": "1 -1"}, "'-1'"),
    ({"reliabilities_end": "0 0"}, "all be zero"),
    ({"rescale": 1.5}, "rescale"),
    ({"rescale": float("nan")}, "rescale"),
    ({"sigma_low": 2.0, "sigma_high": 2.0}, "interval"),
    ({"sigma_low": float("nan")}, "interval"),
    ({"curve": "bent"}, "curve 'bent'"),
    ({"weights_end": "-2 2", "sigma_low": 1.0}, "sum"),
])
def test_options_that_make_no_sense(comfy, two_unets, options, words):
    with pytest.raises(ValueError, match=words) as error:
        with_options(comfy, two_unets, **options)
    assert "\n" not in str(error.value)
