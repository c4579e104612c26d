"""The figures of a report against Gaussian experts, whose answers are known in closed form.

And its verdict on the embedded experts.
"""
import itertools
import json
import math
import re
import time

import numpy as np
import pytest
import torch
from PIL import Image

from support import embedded
from support.mixtures import expert, latent, mix, parameterised, sampled, settings
from support.tensors import noise
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.prompts import face, node

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

RUN = settings(5, 6, scheduler="karras")
FIELD = (4, 8, 8)


def strict(text):
    """JSON as every reader takes it: no NaN, no Infinity."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in the JSON"))


def report(comfy, mixture, image=None, **inputs):
    """LATENT, page and JSON of a report."""
    inputs = RUN | {"latent_image": image or latent()} | inputs
    latent_out, page, text = comfy.call("MixtureReport", mixture=mixture, **inputs)
    assert page.shape[0] == 1 and page.shape[3] == 3 and 0 <= page.min() < 0.5 < page.max() <= 1
    return latent_out, page, strict(text)


# ---------------------------------------------------------------------------------------------------- Gaussian experts

def gaussian(deviation, seed=0):
    """A MODEL whose data are Gaussian, N(mean, deviation^2) with the condition's mean.

    D = (s^2 z + sigma^2 mean) / (s^2 + sigma^2)
    """
    model = parameterised(seed, "x0")

    def answer(_, args):
        level = args["timestep"].reshape(-1, 1, 1, 1) ** 2
        mean = args["c"]["c_crossattn"][:, 0, :math.prod(FIELD)].reshape(-1, *FIELD)
        return (deviation ** 2 * args["input"] + level * mean) / (deviation ** 2 + level)
    model.set_model_unet_function_wrapper(answer)
    return model


def condition(mean):
    """A CONDITIONING that tells a mean of shape FIELD."""
    words = torch.nn.functional.pad(mean.reshape(1, 1, -1), (0, 768 - mean.numel()))
    return [[words.expand(1, 77, -1), {}]]


def field(seed):
    return noise(seed, *FIELD)


def experts(comfy, means, nulls, weights, deviations, **more):
    """Gaussian experts e1, e2, ...; more: an input of ConditionExpert for each."""
    made = []
    for i, (mean, null, weight, deviation) in enumerate(zip(means, nulls, weights, deviations, strict=True)):
        texts = {"condition": condition(mean), "null_condition": condition(null), "name": f"e{i + 1}"}
        own = {name: values[i] for name, values in more.items()}
        made.append(expert(comfy, gaussian(deviation, i), i, weight, **texts, **own))
    return made


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


@pytest.mark.parametrize("meaning, numbers, reliabilities, shares", [
    ("reliabilities", "1 3", (0.25, 0.75), (1.0, 0.0)),
    ("shares", "1 0", (0.25, 0.75), (1.0, 0.0)),
    ("shares", "", (0.375, 0.625), (0.5, 0.5)),
])
def test_it_says_reliabilities_and_shares(comfy, meaning, numbers, reliabilities, shares):
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8))
    _, page, found = report(comfy, mix(comfy, asked, numbers, meaning=meaning))
    assert found["meaning"] == meaning
    assert [e["reliability"] for e in found["experts"]] == list(reliabilities)
    assert [e["share"] for e in found["experts"]] == pytest.approx(shares)
    clock = comfy.module("mcdm.host.experts.lanes").Clock()
    first, _ = comfy.module("mcdm.reports.report_run").reported(mix(comfy, asked, numbers, meaning=meaning), clock)
    words = f"e1: weight 2, reliability {reliabilities[0]:g}, share {shares[0]:g}, here, 0 s a step"
    assert first.in_words("e1") == words


def test_it_says_places_and_times(comfy):
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8))
    slow = asked[1].model

    def slowly(apply_model, args):
        time.sleep(0.05)
        return apply_model(args["input"], args["timestep"], **args["c"])
    slow.set_model_unet_function_wrapper(slowly)
    asked[1], = comfy.call("PlaceExpert", expert=asked[1], place="cpu")
    _, _, found = report(comfy, mix(comfy, asked))
    assert [e["place"] for e in found["experts"]] == ["here", "cpu"]
    fast, slow = (e["seconds_a_step"] for e in found["experts"])
    assert 0 < fast < 0.05 <= slow < 0.5


@pytest.mark.parametrize("method", ["Feynman-Kac", "SuperDiff OR", "SuperDiff AND", "none"])
def test_it_says_what_the_particles_of_a_sampler_did(comfy, caplog, method):
    """Resampled at the end alone, so that rows of one ancestor are the same picture."""
    caplog.set_level("INFO", "mcdm")
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 1.0), (0.5, 0.8))
    sampler, = comfy.call("MCDMCorrected", method=method, particles=4, threshold=0.0)
    begun = {"samples": torch.zeros(8, *FIELD)}
    out, page, found = report(comfy, mix(comfy, asked), begun, sampler=sampler)
    assert report(comfy, mix(comfy, asked), begun)[2].get("particles") is None
    told = found["particles"]
    logged, = {r.message for r in caplog.records if r.message.startswith("MCDM Corrected: ")}
    assert (told["method"], told["particles"]) == (method, 4) and logged.startswith(f"MCDM Corrected: {method}, 4 ")
    assert f"ancestors of the rows: {' '.join(map(str, told['ancestors']))}." in logged
    rows = out["samples"]
    for i, j in itertools.combinations(range(8), 2):
        assert torch.equal(rows[i], rows[j]) == (told["ancestors"][i] == told["ancestors"][j])
    plain = report(comfy, mix(comfy, asked), begun)[1]
    assert page.shape[1] - plain.shape[1] >= (0 if method == "none" else 285)      # a panel
    if method == "Feynman-Kac":
        assert told["sigma"] == [*found["sigma"][1:], 0.0] and not any(map(any, told["resampled"][:-1]))
        assert all(1.0 <= size <= 4.0 + 1e-9 for sizes in told["effective_size"] for size in sizes)
        assert f"effective size at least {min(map(min, told['effective_size'])):.3g}," in logged
    elif method != "none":
        assert told["sigma"] == found["sigma"]
        assert [sum(kappa) for kappa in told["kappa"]] == pytest.approx([1.0] * len(told["kappa"]))
        assert f"kappa at the last level: 'e1' {told['kappa'][-1][0]:.2g}, 'e2' {told['kappa'][-1][1]:.2g};" in logged


def test_its_colours_are_the_pads(comfy):
    """Of the slots: with the second bypassed, the third keeps its own."""
    pad = re.findall(r'"(#[0-9a-f]{6})"', (ROOT / "web" / "js" / "experts.js").read_text("utf-8"))[:8]
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in comfy.module("mcdm.drawing.charts").EXPERTS] == pad
    asked = experts(comfy, [field(1), field(2)], [field(3), field(4)], (2.0, 3.0), (0.5, 0.8))
    mixture, = comfy.call("ReliabilityMixer", expert_1=asked[0], expert_3=asked[1])
    page = report(comfy, mixture)[1]
    colours = {tuple(c) for c in (page[0].reshape(-1, 3) * 255).round().int().tolist()}
    rgb = [tuple(bytes.fromhex(colour[1:])) for colour in pad]
    assert rgb[0] in colours and rgb[2] in colours and rgb[1] not in colours


# ------------------------------------------------------------------------------------------------ the embedded experts

def drawing(comfy, name):
    path = comfy.base / "input" / f"mcdm_face_{name}.png"
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).float()[None] / 255


@pytest.mark.parametrize("conditions, contradict", [
    ({"hair": 1.5, "bald": 2.0}, True),
    ({"red hair": 2.0, "blue hair": 2.0}, True),
    ({"hair": 1.5, "red hair, glasses, smiling, blue background": 2.5}, False),
    ({"hair": 1.5, "skin": 1.5}, False),
    ({"red hair": 2.0, "blue background": 2.0}, False),
])
def test_contradictory_and_compatible_embedded_conditions(comfy, conditions, contradict):
    asked = []
    for what, weight in conditions.items():
        if what in ("hair", "skin"):
            given = f"faces_{what}", "MapCondition", weight, what
            asked.append(embedded.expert(comfy, *given, image=drawing(comfy, what)))
        else:
            asked.append(embedded.expert(comfy, "faces_text", "TextCondition", weight, what, text=what))
    found = report(comfy, mix(comfy, asked), {"samples": torch.zeros(2, 3, 64, 64)}, steps=10)[2]
    pair, = found["pairs"]
    assert pair["contradiction"] == contradict, found["verdict"]
    assert all(f"'{name}'" in found["verdict"] for name in conditions)
    assert abs(pair["opposition"] - 0.62) > 0.08, pair["opposition"]


# ----------------------------------------------------------------------------------------------------------- over HTTP

def test_an_interrupted_run_reports_nothing_and_the_next_one_does(host):
    workflow = face(seed=8)
    for name in ("vae", "decode", "save"):
        del workflow[name]
    run = settings(8, 500, scheduler="karras", latent_image=["latent", 0])
    workflow["sample"] = node("MixtureReport", mixture=["mix", 0], **run)
    prompt_id = host.post_prompt(workflow)
    host.wait_event(prompt_id, "progress")
    host.interrupt()
    entry = host.wait(prompt_id, 60)
    assert error_of(entry) == "interrupted" and "sample" not in entry["outputs"]
    assert "sample" not in [data["node"] for _, data in host.events_of(prompt_id, "executed")]
    workflow["sample"]["inputs"]["steps"] = 8
    outputs = host.run(workflow)["outputs"]["sample"]
    assert len(outputs["images"]) == 1 and "contradict" in outputs["text"][0]
