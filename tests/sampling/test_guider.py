"""The fused prediction inside the real host, against the stock KSampler and against eq. 10 by hand in float64."""
import itertools
import math

import pytest
import torch

from support.mixtures import (
    KINDS,
    alone,
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
    stock_sampled,
    united,
)
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning

SAMPLERS = [
    "euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "euler_ancestral", "uni_pc", "ddim", "euler_cfg_pp", "dpmpp_2m_cfg_pp",
]


# ----------------------------------------------------------------------------------- one expert is the host's guidance

@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scheduler, weight, denoise, masked, batch", [
    ("simple", 7.5, 1.0, False, 1),
    ("karras", 3.0, 0.6, False, 2),
    ("normal", 1.0, 1.0, True, 1),
    ("beta", 2.0, 0.5, True, 2),
])
def test_one_expert_is_the_stock_ksampler(comfy, unets, sampler, scheduler, weight, denoise, masked, batch):
    image = latent(batch, seed=5)
    if masked:
        image["noise_mask"] = torch.zeros(1, 64, 64)
        image["noise_mask"][:, 16:48] = 1.0
    mixture = mix(comfy, [expert(comfy, unets[0], 1, weight)])
    run = settings(11, 4, sampler, scheduler, denoise=denoise, latent_image=image)
    assert relative(sampled(comfy, mixture, **run), stock_sampled(comfy, unets[0], weight, **run)) <= 2e-5


def test_a_row_of_a_batch_alone_with_its_noise_is_the_same_picture(comfy, unets):
    mixture = mix(comfy, [expert(comfy, unets[0], 1, 2.0), expert(comfy, unets[1], 2, 2.0)])
    run = settings(3, 4, scheduler="karras")
    batch = sampled(comfy, mixture, latent_image=latent(3), **run)
    row = sampled(comfy, mixture, latent_image=latent(1) | {"batch_index": [2]}, **run)
    assert relative(row, batch[2:]) <= 1e-5
    again = sampled(comfy, mixture, latent_image=latent(3), **run)
    assert torch.equal(again, batch)


# ------------------------------------------------------------------------------------- several experts are equation 10

@pytest.mark.parametrize("weights, reliabilities", [
    ((1.0, 1.0), "0.5 0.5"),
    ((3.0, 1.5), "1, 0"),
    ((5.0, -2.0), "0.2, 0.8"),
    ((0.4, 0.6), ""),
    ((1.0, 1.0, 1.0), ""),
    ((2.0, 0.0, -1.0), "3 1 2"),
])
@pytest.mark.parametrize("sigma", [12.0, 0.7])
def test_fusion_is_equation_10(comfy, unets, weights, reliabilities, sigma):
    x = sigma * latent(2, seed=9)["samples"]
    models = unets[:len(weights)]
    mixture = united(comfy, models, weights=weights, reliabilities=reliabilities)
    wanted = eq10(*estimates(models, x, sigma), weights, mixture.numbers)
    assert relative(ask(comfy, mixture, x, sigma), wanted) <= 2e-5


def test_masks_and_an_uncovered_cell(comfy, unets):
    sigma = 2.0
    weights = (2.0, 3.0)
    reliabilities = (0.25, 0.75)
    x = sigma * latent(2, seed=4)["samples"]
    masks = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0)), torch.ones(1, 64, 64)
    masks[1][:, :, 32:] = 0.0
    masks[0][:, 40:] = 0.0                                  # below and right of both nobody is active
    experts = [expert(comfy, unets[i], i, weights[i], mask=masks[i]) for i in range(2)]
    mixture = mix(comfy, experts, "1, 3")
    cells = [torch.nn.functional.avg_pool2d(m.double()[:, None], 8) for m in masks]
    shares = [a * m for a, m in zip(reliabilities, cells, strict=True)]
    total = sum(shares)
    among_the_active = [share / total.clamp(min=1e-12) for share in shares]
    a = [torch.where(total > 0, among_the_active[i], torch.tensor(reliabilities[i])) for i in range(2)]
    wanted = eq10(*estimates(unets[:2], x, sigma), [w * m for w, m in zip(weights, cells, strict=True)], a)
    assert relative(ask(comfy, mixture, x, sigma), wanted) <= 2e-5


@pytest.mark.parametrize("start, end", [(0.0, 0.5), (0.5, 1.0), (0.25, 0.75)])
def test_windows_are_closed_above_and_open_below(comfy, unets, start, end):
    sampling = unets[0].get_model_object("model_sampling")
    edges = [sampling.percent_to_sigma(p) for p in (start, end) if 0 < p < 1]
    just_below = [math.nextafter(edge, 0) * (1 - 1e-6) for edge in edges]
    windowed = expert(comfy, unets[1], 1, 3.0, start_percent=start, end_percent=end)
    mixture = mix(comfy, [expert(comfy, unets[0], 0, 2.0), windowed])
    for sigma in [float(sampling.sigma_max), float(sampling.sigma_min), *edges, *just_below]:
        x = sigma * latent(1, seed=6)["samples"]
        begun = start == 0 or sigma <= sampling.percent_to_sigma(start)
        going_on = end == 1 or sigma > sampling.percent_to_sigma(end)
        d, null = estimates(unets[:2], x, sigma)
        both, first_alone = eq10(d, null, (2.0, 3.0), (0.5, 0.5)), eq10(d[:1], null[:1], (2.0,), (1.0,))
        wanted = both if begun and going_on else first_alone
        assert relative(ask(comfy, mixture, x, sigma), wanted) <= 2e-5, sigma


# ---------------------------------------------------------------------------------------------- every parameterisation

@pytest.fixture(scope="module")
def kinds(comfy):
    return {(kind, k): parameterised(20 + 10 * k + i, kind) for k in range(2) for i, kind in enumerate(KINDS)}


@pytest.mark.parametrize("lead, other", list(itertools.product(KINDS, repeat=2)))
def test_every_pair_of_parameterisations(comfy, kinds, lead, other):
    first, second = kinds[lead, 0], kinds[other, 1]
    mixture = mix(comfy, [expert(comfy, first, 0, 2.0), expert(comfy, second, 1, 1.5)], "0.3 0.7")
    sampling = second.get_model_object("model_sampling")
    low, high = float(sampling.sigma_min), float(sampling.sigma_max)
    data = float(getattr(sampling, "sigma_data", 1.0))
    z0 = latent(2, seed=8)["samples"].double()
    for sigma in (0.01, 0.5, 6.0, 30.0, math.inf):
        if lead == "flow":
            level = 1.0 if sigma == math.inf else sigma / (1 + sigma)
            x = z0 if sigma == math.inf else (1 - level) * 0.3 + level * z0
        elif sigma == math.inf:
            continue
        else:
            level, x = sigma, 0.3 + sigma * z0
        z = x / (1 - level) if lead == "flow" and level < 1 else x
        if other == "flow":
            asked, t = (x, level) if lead == "flow" else (z / (1 + sigma), sigma / (1 + sigma))
        elif sigma == math.inf:
            asked, t = x * math.hypot(high, data), high
        elif sigma > high:
            asked, t = z * math.sqrt((high ** 2 + data ** 2) / (sigma ** 2 + data ** 2)), high
        else:
            asked, t = z, max(sigma, low)
        d, null = (
            [alone(first, conditioning(k), x.float(), level), alone(second, conditioning(k + 1), asked.float(), t)]
            for k in (0, 100))
        wanted = eq10(d, null, (2.0, 1.5), (0.3, 0.7))
        answer = ask(comfy, mixture, x.float(), level)
        assert torch.isfinite(answer).all()
        assert relative(answer, wanted) <= 1e-4, sigma


# ---------------------------------------------------------------------------------------------- no evaluation too many

@pytest.mark.parametrize("same, weights, reliabilities, calls, rows", [
    (False, (2.0, 2.0), "", 2, 4),
    (False, (2.0, 2.0), "1, 0", 2, 3),
    (False, (0.5, 0.5), "", 2, 2),
    (True, (1.0, 2.0, 3.0), "", 1, 4),
    (True, (1.0,), "", 1, 1),
    (False, (0.0, 2.0), "0, 1", 1, 2),
    (False, (0.0, 2.0), "1, 0", 2, 2),
    (True, (2.0, 0.0), "", 1, 2),
])
def test_forwards_are_exactly_those_that_count(comfy, unets, monkeypatch, same, weights, reliabilities, calls, rows):
    seen = count_forwards(monkeypatch, unets)
    null = conditioning(100)
    models = [unets[0 if same else i] for i in range(len(weights))]
    experts = [expert(comfy, models[i], i, weight, null_condition=null) for i, weight in enumerate(weights)]
    ask(comfy, mix(comfy, experts, reliabilities), latent(1, seed=1)["samples"], 1.0)
    assert (len(seen), sum(seen)) == (calls, rows)
