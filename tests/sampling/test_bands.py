"""Frequency bands of experts, against numpy's Fourier transform and waves in closed form."""
import math

import numpy as np
import pytest
import torch

from support.mixtures import ask, count_forwards, eq10, estimates, expert, mix, parameterised, sampled, settings, united
from support.tensors import noise, relative
from unite_and_conquer.mcdm import bands

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = noise(1, 2, 4, 32, 32)


def masks(size):
    """M_b on all frequencies of numpy's fft2, by its formula: the square of a cosine over half an octave."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    with np.errstate(divide="ignore"):
        octave = np.log2(f)
    below = [np.cos(np.clip((octave - math.log2(b)) / 0.5 + 0.5, 0, 1) * math.pi / 2) ** 2 for b in (1 / 16, 1 / 6)]
    return [below[0], below[1] - below[0], 1 - below[1]]


def by_hand(fused):
    """sum_b F^-1(M_b F(fused of band b))."""
    parts = [m * np.fft.fft2(f.double().numpy()) for m, f in zip(masks(fused[0].shape[-1]), fused, strict=True)]
    return torch.from_numpy(np.fft.ifft2(sum(parts)).real)


def wave(columns, size=64, phase=0.3):
    """[1, 1, size, size]: so many waves across the picture."""
    return torch.cos(2 * math.pi * columns * torch.arange(size) / size + phase).expand(1, 1, size, size)


@pytest.mark.parametrize("factors, left", [
    ((1.0, 0.0, 0.0), [1.0, 0.0, 0.0]), ((0.0, 2.0, 0.0), [0.0, 2.0, 0.0]), ((0.5, 0.0, 1.0), [0.5, 0.0, 1.0]),
])
def test_waves_go_to_their_bands(factors, left):
    """2, 7 and 20 waves in 64 cells: 32, 9 and 3 cells long."""
    waves = [wave(2), wave(7, phase=1.0), wave(20, phase=2.0)]
    answer = bands.spread(sum(waves), factors)
    assert (answer - sum(f * w for f, w in zip(left, waves, strict=True))).abs().max() <= 1e-5


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 4, 2, 31, 17), (2, 4, 8, 8), (1, 4, 1, 1)])
def test_equal_bands_change_nothing(shape):
    field = noise(1, *shape)
    assert relative(bands.spread(field, (1.0, 1.0, 1.0)), field) <= 1e-6


@pytest.mark.parametrize("kind", ["eps", "flow"])
def test_fused_in_each_band_by_hand(comfy, kind):
    """Under a mask, with nulls; the answer of eq. 10 in each band with its own weights."""
    models = [parameterised(1, kind), parameterised(2, kind)]
    mask = torch.rand(1, 256, 256, generator=torch.Generator().manual_seed(3))
    factors = [(1.0, 0.5, 0.0), (0.25, 1.0, 2.0)]
    experts = [expert(comfy, models[0], 0, 2.0, bands="1, 0.5, 0", mask=mask),
               expert(comfy, models[1], 1, 3.0, bands="0.25 1 2")]
    m = torch.nn.functional.interpolate(mask[None], size=(32, 32), mode="area")[0].double()
    d, nulls = estimates(models, X, 0.75)
    a = [0.5 * m / (0.5 * m + 0.5), 0.5 / (0.5 * m + 0.5)]
    fused = [eq10(d, nulls, (2.0 * factors[0][b] * m, 3.0 * factors[1][b]), a) for b in range(3)]
    assert relative(ask(comfy, mix(comfy, experts), X, 0.75), by_hand(fused)) <= 2e-5


def test_composition_from_one_and_texture_from_the_other_need_no_null(comfy, two_unets, monkeypatch):
    """Weights of 1 that complete each other; with a guidance interval, weights of 3 outside it."""
    rows = count_forwards(monkeypatch, two_unets)
    for weight, options in ((1.0, {}), (3.0, {"sigma_low": 5.0})):
        told = zip(two_unets, ("1 1 0", "0 0 1"), strict=True)
        experts = [expert(comfy, unet, i, weight, bands=text) for i, (unet, text) in enumerate(told)]
        wired = comfy.call("MixtureOptions", mixture=mix(comfy, experts), **options)[0]
        rows.clear()
        answer = ask(comfy, wired, X, 1.0)
        assert sum(rows) == 2 * 2
        d, _ = estimates(two_unets, X, 1.0)
        assert relative(answer, by_hand([d[0], d[0], d[1]])) <= 2e-5


def test_one_for_all_bands_is_off_and_equal_ones_are_eq_10(comfy, two_unets):
    run = settings(latent_image={"samples": X})
    plain = sampled(comfy, united(comfy, two_unets), **run)
    assert torch.equal(sampled(comfy, united(comfy, two_unets, bands=" 1 1, 1"), **run), plain)
    halves = united(comfy, two_unets, weights=(4.0, 6.0), bands="0.5 0.5 0.5")
    assert relative(ask(comfy, halves, X, 1.0), ask(comfy, united(comfy, two_unets), X, 1.0)) <= 2e-6


@pytest.mark.parametrize("text", ["1 1", "1 1 x", "1 -1 1", "0 0 0", "1 1 inf", "1 1 1 1", "1_0 1 1", "nan 1 1"])
def test_texts_that_are_no_bands(comfy, two_unets, text):
    with pytest.raises(ValueError, match="give three numbers of at least 0"):
        expert(comfy, two_unets[0], 0, bands=text)


def test_the_sampler_on_particles_refuses_bands(comfy, two_unets):
    from support.mixtures import custom_sampled
    sampler, = comfy.call("MCDMCorrected")
    with pytest.raises(ValueError, match="which the bands of .* would change"):
        custom_sampled(comfy, united(comfy, two_unets, bands="1 0 0"), sampler, [3.0, 1.0, 0.0], X)
