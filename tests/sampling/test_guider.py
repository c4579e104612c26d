"""The fused prediction inside the real host, against the stock KSampler and against eq. 10 by hand in float64."""
import itertools
import math

import pytest
import torch

from support.measures import relative
from support.mixtures import KINDS, alone, ask, count_forwards, eq10, expert, latent, mix, parameterised
from unite_and_conquer.devtools.tiny_sd15 import conditioning

SAMPLERS = ["euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "euler_ancestral", "uni_pc", "ddim", "euler_cfg_pp", "dpmpp_2m_cfg_pp"]


# ------------------------------------------------------------------------------------------------ one expert is the host's guidance

@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scheduler, weight, denoise, masked, batch", [
    ("simple", 7.5, 1.0, False, 1), ("karras", 3.0, 0.6, False, 2), ("normal", 1.0, 1.0, True, 1), ("beta", 2.0, 0.5, True, 2),
])
def test_one_expert_is_the_stock_ksampler(comfy, unets, sampler, scheduler, weight, denoise, masked, batch):
    image = latent(batch, seed=5)
    if masked:
        image["noise_mask"] = torch.zeros(1, 64, 64)
        image["noise_mask"][:, 16:48] = 1.0
    mixture = mix(comfy, [expert(comfy, unets[0], 1, weight)])
    settings = {"seed": 11, "steps": 4, "sampler_name": sampler, "scheduler": scheduler, "denoise": denoise, "latent_image": image}
    ours = comfy.call("MCDMSampler", mixture=mixture, **settings)[0]["samples"]
    stock = comfy.call("KSampler", model=unets[0], cfg=weight, positive=conditioning(1), negative=conditioning(101), **settings)[0]["samples"]
    assert relative(ours, stock) <= 2e-5


def test_a_row_of_a_batch_alone_with_its_noise_is_the_same_picture(comfy, unets):
    mixture = mix(comfy, [expert(comfy, unets[0], 1, 2.0), expert(comfy, unets[1], 2, 2.0)])
    settings = {"mixture": mixture, "seed": 3, "steps": 4, "sampler_name": "euler", "scheduler": "karras"}
    batch = comfy.call("MCDMSampler", latent_image=latent(3), **settings)[0]["samples"]
    row = comfy.call("MCDMSampler", latent_image=latent(1) | {"batch_index": [2]}, **settings)[0]["samples"]
    assert relative(row, batch[2:]) <= 1e-5
    again = comfy.call("MCDMSampler", latent_image=latent(3), **settings)[0]["samples"]
    assert torch.equal(again, batch)


# ------------------------------------------------------------------------------------------------ several experts are equation 10

@pytest.mark.parametrize("weights, reliabilities", [
    ((1.0, 1.0), "0.5 0.5"), ((3.0, 1.5), "1, 0"), ((5.0, -2.0), "0.2, 0.8"), ((0.4, 0.6), ""), ((1.0, 1.0, 1.0), ""), ((2.0, 0.0, -1.0), "3 1 2"),
])
@pytest.mark.parametrize("sigma", [12.0, 0.7])
def test_fusion_is_equation_10(comfy, unets, weights, reliabilities, sigma):
    x = sigma * latent(2, seed=9)["samples"]
    experts = [expert(comfy, u, i, w) for i, (u, w) in enumerate(zip(unets, weights, strict=False))]
    mixture = mix(comfy, experts, reliabilities)
    wanted = eq10(*([alone(u, conditioning(i + k), x, sigma) for i, u in enumerate(unets[:len(weights)])] for k in (0, 100)), weights, mixture.reliabilities)
    assert relative(ask(comfy, mixture, x, sigma), wanted) <= 2e-5


def test_masks_and_an_uncovered_cell(comfy, unets):
    sigma, weights = 2.0, (2.0, 3.0)
    x = sigma * latent(2, seed=4)["samples"]
    masks = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0)), torch.ones(1, 64, 64)
    masks[1][:, :, 32:] = 0.0
    masks[0][:, 40:] = 0.0                                  # below and right of both nobody is active
    mixture = mix(comfy, [expert(comfy, u, i, w, mask=m) for i, (u, w, m) in enumerate(zip(unets, weights, masks, strict=False))], "1, 3")
    cells = [torch.nn.functional.avg_pool2d(m.double()[:, None], 8) for m in masks]
    shares = [a * m for a, m in zip((0.25, 0.75), cells, strict=True)]
    total = sum(shares)
    a = [torch.where(total > 0, s / total.clamp(min=1e-12), torch.tensor(plain)) for s, plain in zip(shares, (0.25, 0.75), strict=True)]
    wanted = eq10(*([alone(u, conditioning(i + k), x, sigma) for i, u in enumerate(unets[:2])] for k in (0, 100)),
                  [w * m for w, m in zip(weights, cells, strict=True)], a)
    assert relative(ask(comfy, mixture, x, sigma), wanted) <= 2e-5


@pytest.mark.parametrize("start, end", [(0.0, 0.5), (0.5, 1.0), (0.25, 0.75)])
def test_windows_are_closed_above_and_open_below(comfy, unets, start, end):
    sampling = unets[0].get_model_object("model_sampling")
    edges = [sampling.percent_to_sigma(p) for p in (start, end) if 0 < p < 1]
    mixture = mix(comfy, [expert(comfy, unets[0], 0, 2.0), expert(comfy, unets[1], 1, 3.0, start_percent=start, end_percent=end)])
    for sigma in [float(sampling.sigma_max), float(sampling.sigma_min), *edges, *(math.nextafter(e, 0) * (1 - 1e-6) for e in edges)]:
        x = sigma * latent(1, seed=6)["samples"]
        active = (start == 0 or sigma <= sampling.percent_to_sigma(start)) and (end == 1 or sigma > sampling.percent_to_sigma(end))
        d, null = ([alone(u, conditioning(i + k), x, sigma) for i, u in enumerate(unets[:2])] for k in (0, 100))
        wanted = eq10(d, null, (2.0, 3.0), (0.5, 0.5)) if active else eq10(d[:1], null[:1], (2.0,), (1.0,))
        assert relative(ask(comfy, mixture, x, sigma), wanted) <= 2e-5, sigma


# ------------------------------------------------------------------------------------------------ every parameterisation

@pytest.fixture(scope="module")
def kinds(comfy):
    return {(kind, k): parameterised(20 + 10 * k + i, kind) for k in range(2) for i, kind in enumerate(KINDS)}


@pytest.mark.parametrize("lead, other", list(itertools.product(KINDS, repeat=2)))
def test_every_pair_of_parameterisations(comfy, kinds, lead, other):
    first, second = kinds[lead, 0], kinds[other, 1]
    mixture = mix(comfy, [expert(comfy, first, 0, 2.0), expert(comfy, second, 1, 1.5)], "0.3 0.7")
    sampling = second.get_model_object("model_sampling")
    low, high, data = float(sampling.sigma_min), float(sampling.sigma_max), float(getattr(sampling, "sigma_data", 1.0))
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
        d, null = ([alone(first, conditioning(k), x.float(), level), alone(second, conditioning(k + 1), asked.float(), t)] for k in (0, 100))
        wanted = eq10(d, null, (2.0, 1.5), (0.3, 0.7))
        answer = ask(comfy, mixture, x.float(), level)
        assert torch.isfinite(answer).all()
        assert relative(answer, wanted) <= 1e-4, sigma


# ------------------------------------------------------------------------------------------------ no evaluation too many

@pytest.mark.parametrize("same, weights, reliabilities, calls, rows", [
    (False, (2.0, 2.0), "", 2, 4), (False, (2.0, 2.0), "1, 0", 2, 3), (False, (0.5, 0.5), "", 2, 2), (True, (1.0, 2.0, 3.0), "", 1, 4),
    (True, (1.0,), "", 1, 1), (False, (0.0, 2.0), "0, 1", 1, 2), (False, (0.0, 2.0), "1, 0", 2, 2), (True, (2.0, 0.0), "", 1, 2),
])
def test_forwards_are_exactly_those_that_count(comfy, unets, monkeypatch, same, weights, reliabilities, calls, rows):
    seen = count_forwards(monkeypatch, unets)
    null = conditioning(100)
    experts = [comfy.call("ConditionExpert", model=unets[0] if same else unets[i], condition=conditioning(i), null_condition=null, weight=w)[0]
               for i, w in enumerate(weights)]
    ask(comfy, mix(comfy, experts, reliabilities), latent(1, seed=1)["samples"], 1.0)
    assert (len(seen), sum(seen)) == (calls, rows)
