"""The figures of a report against Gaussian experts, whose answers are known in closed form."""
import itertools
import math

import numpy as np
import pytest
import torch

from support.mixtures import expert, latent, mix, parameterised, sampled
from support.reports import FIELD, RUN, condition, experts, field, report

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


# ---------------------------------------------------------------------------------------------------- Gaussian experts

def cosine(a, b):
    return (a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b))


def opposed(a, b):
    return np.maximum(0, -(a * b).sum(0)).sum() / (np.linalg.norm(a) * np.linalg.norm(b))


def reference(sigmas, means, nulls, weights, deviations, shares, masks):
    """The whole run in float64: pulls and pairs.

    pulls: [experts][levels]. pairs: {(i, j): (cosines of pulls, cosines of what is asked for, oppositions, the
    opposition that counts)}, the first three a list over the levels.
    """
    import comfy.sample
    start = comfy.sample.prepare_noise(torch.zeros(1, *FIELD), RUN["seed"]).double().numpy()[0]
    x = start * math.sqrt(1 + sigmas[0] ** 2)
    pulls, asked = [], []
    for sigma, after in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
        def answer(mean, s, x=x, sigma=sigma):
            return (s ** 2 * x + sigma ** 2 * mean.double().numpy()) / (s ** 2 + sigma ** 2)
        d = [answer(m, s) for m, s in zip(means, deviations, strict=True)]
        n = [answer(m, s) for m, s in zip(nulls, deviations, strict=True)]
        null = sum(a * e for a, e in zip(shares, n, strict=True))
        pulls.append([w * m * (e - null) for w, m, e in zip(weights, masks, d, strict=True)])
        asked.append([w * m * (e - f) for w, m, e, f in zip(weights, masks, d, n, strict=True)])
        fused = null + sum(pulls[-1])
        x = fused + (x - fused) * after / sigma
    scale = fused.std(ddof=1)
    deciding = [a for a, s in zip(asked, sigmas, strict=True) if 0.6 * scale <= s <= 6 * scale]
    pairs = {}
    for i, j in itertools.combinations(range(len(means)), 2):
        pairs[i, j] = (
            [cosine(p[i], p[j]) for p in pulls],
            [cosine(a[i], a[j]) for a in asked],
            [opposed(a[i], a[j]) for a in asked],
            opposed(sum(a[i] for a in deciding), sum(a[j] for a in deciding)),
        )
    lengths = []
    for i in range(len(means)):
        lengths.append([math.sqrt((p[i] ** 2).mean()) for p in pulls])
    return lengths, pairs


@pytest.mark.parametrize("weights, reliabilities", [((1.0, 1.0, 1.0), (1, 1, 1)), ((2.0, 3.0, -1.5), (1, 0, 3))])
def test_pulls_and_cosines_of_gaussian_experts(comfy, weights, reliabilities):
    means, nulls = [field(i) for i in range(3)], [0.3 * field(10 + i) for i in range(3)]
    deviations = 0.5, 0.8, 1.0
    masks = [torch.ones(1, 64, 64) for _ in range(3)]
    masks[1][:, :, 40:] = 0.25
    made = experts(comfy, means, nulls, weights, deviations, mask=masks)
    found = report(comfy, mix(comfy, made, " ".join(map(str, reliabilities))))[2]
    cells = [m[:, ::8, ::8].double().numpy() for m in masks]
    total = sum(a * m for a, m in zip(reliabilities, cells, strict=True))
    shares = [a * m / total for a, m in zip(reliabilities, cells, strict=True)]
    pulls, pairs = reference(found["sigma"], means, nulls, weights, deviations, shares, cells)
    assert [e["pull"] for e in found["experts"]] == [pytest.approx(p, rel=2e-4) for p in pulls]
    assert len(found["pairs"]) == 3
    for pair in found["pairs"]:
        pulled, asked, at_each, in_all = pairs[pair["experts"][0] - 1, pair["experts"][1] - 1]
        assert (pair["cosine"] == pytest.approx(pulled, abs=2e-4)
                and pair["condition_cosine"] == pytest.approx(asked, abs=2e-4))
        assert (pair["opposition_at"] == pytest.approx(at_each, abs=2e-4)
                and pair["opposition"] == pytest.approx(in_all, abs=2e-4))


HALVES = torch.zeros(1, 64, 64), torch.ones(1, 64, 64)
for _half in HALVES:
    _half[:, :32] = 1.0 - _half[0, 0, 0]


@pytest.mark.parametrize("second, weights, more, says", [
    (-1.0, (1.0, 1.0), {}, "'e1' and 'e2' contradict each other from sigma"),
    # away from what the other asks for
    (1.0, (2.0, -2.0), {}, "contradict"),
    (1.0, (1.0, 1.0), {}, "No two of these conditions contradict"),
    # for something else
    (0.0, (1.0, 1.0), {}, "No two of these conditions contradict"),
    # each in a half of its own
    (-1.0, (1.0, 1.0), {"mask": HALVES}, "No two of these conditions contradict"),
    # one after the other
    (-1.0, (1.0, 1.0), {"start_percent": (0.0, 0.5), "end_percent": (0.5, 1.0)}, "never act together"),
    (-1.0, (1.0, 0.02), {}, "much stronger"),
    (-1.0, (1.0, 0.0), {}, "Only 'e1' acts here"),
])
def test_what_is_called_a_contradiction(comfy, second, weights, more, says):
    asked, other = field(1), field(2) * torch.tensor([0.0, 0, 0, 1]).reshape(4, 1, 1)
    asked[3] = 0.0
    null = 0.2 * field(3)
    means = null + asked, null + (second * asked if second else other)
    made = experts(comfy, means, (null, null), weights, (0.5, 0.5), **more)
    verdict = report(comfy, mix(comfy, made), steps=12)[2]
    assert says in verdict["verdict"], verdict["verdict"]
    pair, = verdict["pairs"]
    assert pair["contradiction"] == ("contradict each other from" in says or says == "contradict")
    if pair["contradiction"]:
        assert (pair["opposition"] == pytest.approx(1.0, abs=1e-4)
                and pair["from_sigma"] == pytest.approx(verdict["sigma"][0]))
        assert all(word in verdict["verdict"] for word in ("mask", "window", "weight", "reliability"))


def test_networks_of_different_styles_do_not_contradict_each_other_by_that(comfy):
    """Their nulls lie far apart, so D_i - D_0 are opposed; what the conditions ask for is the same."""
    style, asked = 3.0 * field(1), field(2)
    nulls = style, -style
    made = experts(comfy, [null + asked for null in nulls], nulls, (1.0, 1.0), (0.5, 0.5))
    pair, = report(comfy, mix(comfy, made))[2]["pairs"]
    assert max(pair["cosine"]) < -0.5 and min(pair["condition_cosine"]) > 0.99 and pair["opposition"] < 0.01


def test_the_map_shows_where(comfy):
    asked, null = torch.zeros(FIELD), torch.zeros(FIELD)
    asked[:, 2:5, 1:4] = 1.0
    means = asked, -asked + 0.5 * torch.eye(8).flip(0) * torch.tensor([1.0, 0, 0, 0]).reshape(4, 1, 1)
    made = experts(comfy, means, (null, null), (1.0, 1.0), (0.5, 0.5))
    found = report(comfy, mix(comfy, made), map_steps="50%, 6")[2]["maps"]
    assert [m["step"] for m in found] == [3, 6] and all(m["cancelled"] > 0.5 for m in found)
    for m in found:
        lost = np.array(m["disagreement"])
        inside = np.zeros((8, 8), bool)
        inside[2:5, 1:4] = True
        assert lost[inside].min() > 10 * lost[~inside].max()


# ------------------------------------------------------------------------------------------------------ the run itself

@pytest.mark.parametrize("sampler", ["euler", "heun", "euler_cfg_pp"])
def test_the_picture_is_the_samplers(comfy, sampler):
    mixture = mix(comfy, experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8)))
    ours, _, found = report(comfy, mixture, sampler_name=sampler)
    run = RUN | {"sampler_name": sampler}
    assert torch.equal(ours["samples"], sampled(comfy, mixture, **run, latent_image=latent()))
    assert len(found["sigma"]) == (11 if sampler == "heun" else 6) and [m["step"] for m in found["maps"]] == [2, 3, 5]


def test_a_flow_begins_at_infinity_and_a_batch_has_one_report(comfy):
    null = condition(field(3))
    made = [expert(comfy, parameterised(i + 1, "flow"), i, 2.0, condition=condition(field(i)), null_condition=null)
            for i in range(2)]
    found = report(comfy, mix(comfy, made), latent(2), scheduler="simple")[2]
    first, *others = found["sigma"]
    assert (first is None and all(isinstance(sigma, float) for sigma in others)
            and all(pull > 0 for pull in found["experts"][0]["pull"]))


def test_a_run_that_decides_nothing_gives_no_verdict(comfy):
    mixture = mix(comfy, experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8)))
    image = {"samples": 20 * field(7)[None]}
    assert "No verdict" in report(comfy, mixture, image, denoise=0.1, steps=2, map_steps="")[2]["verdict"]


@pytest.mark.parametrize("text, word", [
    ("half", "half"), ("7", "7"), ("0", "0"), ("101%", "101%"), ("25 % 50", "25"), ("nan%", "nan%"), ("1.5", "1.5"),
])
def test_a_step_that_is_none_is_named(comfy, text, word):
    mixture = mix(comfy, experts(comfy, [field(1)], [field(3)], (2.0,), (0.5,)))
    with pytest.raises(ValueError, match="map_steps") as error:
        report(comfy, mixture, map_steps=text)
    assert f"'{word}' is not one of the 6 steps" in str(error.value)


def test_nothing_sampled_is_said(comfy):
    with pytest.raises(ValueError, match="denoise 0"):
        report(comfy, mix(comfy, experts(comfy, [field(1)], [field(3)], (2.0,), (0.5,))), denoise=0.0)


def test_seven_experts_and_one(comfy):
    many = mix(comfy, experts(comfy, [field(i) for i in range(7)], [field(9)] * 7, (1.5,) * 7, (0.5,) * 7))
    assert len(report(comfy, many)[2]["pairs"]) == 21
    single = report(comfy, mix(comfy, many.experts[:1]))[2]
    assert single["pairs"] == [] and "Only 'e1' acts here" in single["verdict"]
