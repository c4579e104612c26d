"""Cures of strong guidance on a whole mixture: the host's own APG and CFGZeroStar for one expert, by hand for more."""
import pytest
import torch

from support.mixtures import (
    ask,
    count_forwards,
    custom_sampled,
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
from support.tensors import noise, relative
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]
APG = {"apg": True, "apg_eta": 0.25, "apg_norm_threshold": 3.0, "apg_momentum": -0.5}


def cured(comfy, mixture, **options):
    return comfy.call("MixtureOptions", mixture=mixture, **options)[0]


def one(comfy, model, weight):
    return mix(comfy, [expert(comfy, model, 1, weight)])


def stock_apg(comfy, model, eta=0.25, norm_threshold=3.0, momentum=-0.5):
    return comfy.call("APG", model=model, eta=eta, norm_threshold=norm_threshold, momentum=momentum)[0]


# ------------------------------------------------------------------------------------- one expert: the host's own nodes

@pytest.mark.parametrize("kind", ["eps", "v", "flow"])
@pytest.mark.parametrize("weight", [7.5, -1.5])
def test_one_expert_is_the_hosts_apg_to_the_last_bit(comfy, kind, weight):
    """With euler, and with a sampler that goes back up to noise, where the running sum begins anew."""
    model = parameterised(1, kind)
    for sampler in ("euler", "dpm_2_ancestral"):
        run = settings(sampler_name=sampler, steps=4, latent_image=latent(2))
        ours = sampled(comfy, cured(comfy, one(comfy, model, weight), **APG), **run)
        assert torch.equal(ours, stock_sampled(comfy, stock_apg(comfy, model), weight, **run))
        assert not torch.equal(ours, stock_sampled(comfy, model, weight, **run))


@pytest.mark.parametrize("numbers", [(1.0, 5.0, 0.0), (0.0, 0.0, 0.0), (-2.0, 1.0, 0.7)])
def test_other_numbers_of_apg(comfy, two_unets, numbers):
    eta, norm_threshold, momentum = numbers
    told = {"apg_eta": eta, "apg_norm_threshold": norm_threshold, "apg_momentum": momentum}
    run = settings(latent_image=latent(2))
    ours = sampled(comfy, cured(comfy, one(comfy, two_unets[0], 4.0), apg=True, **told), **run)
    assert torch.equal(ours, stock_sampled(comfy, stock_apg(comfy, two_unets[0], *numbers), 4.0, **run))


@pytest.mark.parametrize("kind", ["eps", "v", "flow"])
def test_one_expert_is_the_hosts_cfg_zero_star_to_the_last_bit(comfy, kind):
    model = parameterised(1, kind)
    patched, = comfy.call("CFGZeroStar", model=model)
    run = settings(steps=4, latent_image=latent(2))
    ours = sampled(comfy, cured(comfy, one(comfy, model, 4.0), cfg_zero=True), **run)
    assert torch.equal(ours, stock_sampled(comfy, patched, 4.0, **run))


def test_both_at_once_are_both_of_the_hosts_nodes(comfy, two_unets):
    patched, = comfy.call("CFGZeroStar", model=stock_apg(comfy, two_unets[0]))
    run = settings(latent_image=latent(2))
    ours = sampled(comfy, cured(comfy, one(comfy, two_unets[0], 4.0), cfg_zero=True, **APG), **run)
    assert torch.equal(ours, stock_sampled(comfy, patched, 4.0, **run))


def test_video_is_the_hosts_too(comfy):
    """[B, C, T, H, W]: its node measures each channel by itself there."""
    from unite_and_conquer.mcdm.cures import Apg, Cures, United
    patched, = comfy.call("APG", model=tiny_unet(1), eta=0.25, norm_threshold=3.0, momentum=0.0)
    hook, = patched.model_options["sampler_pre_cfg_function"]
    cond, null = noise(1, 2, 4, 3, 8, 8), noise(2, 2, 4, 3, 8, 8)
    out, _ = hook({"conds_out": [cond, null], "sigma": torch.ones(2), "cond_scale": 4.0})
    ours = Cures(Apg(0.25, 3.0), False)(cond, 1.0, cond, United(null, cond, 4.0, 1.0))
    assert torch.equal(ours, null + (out - null) * 4.0)


# --------------------------------------------------------------------------------------------- several experts, by hand

def dot(a, b):
    return (a * b).sum((1, 2, 3), keepdim=True)


def apg_by_hand(null, d, scale, mask=1.0):
    """Sadat et al., eq. 3 to 7 without momentum, as the host scales it: D + s G."""
    g = d - null
    g = g * (3.0 / dot(g, g).sqrt()).clamp(max=1.0)
    d_hat = d * mask / dot(d * mask, d * mask).sqrt()
    return d + scale * (g - 0.75 * dot(g, d_hat) * d_hat)


@pytest.mark.parametrize("kind", ["eps", "flow"])
def test_two_experts_are_cured_as_their_weighted_mean(comfy, kind):
    models, level = [parameterised(1, kind), parameterised(2, kind)], 0.75
    d, nulls = estimates(models, X, level)
    null, mean = 0.25 * nulls[0] + 0.75 * nulls[1], 0.4 * d[0] + 0.6 * d[1]
    mixture = united(comfy, models)
    assert relative(ask(comfy, cured(comfy, mixture, **APG), X, level), apg_by_hand(null, mean, 5.0)) <= 2e-5
    alpha = dot(X - mean, X - null) / dot(X - null, X - null)
    wanted = 5.0 * mean - 4.0 * alpha * null
    assert relative(ask(comfy, cured(comfy, mixture, cfg_zero=True), X, level), wanted) <= 2e-5


def test_under_masks_a_cure_stays_where_somebody_acts(comfy, two_unets):
    """The first expert acts at half strength in the left half; the second in the lower half; in a quarter nobody."""
    left, lower = torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)
    left[..., :32], lower[:, 32:] = 0.5, 1.0
    experts = [expert(comfy, two_unets[0], 0, 2.0, mask=left), expert(comfy, two_unets[1], 1, 3.0, mask=lower)]
    mixture = mix(comfy, experts)
    d, nulls = estimates(two_unets, X, 1.0)
    m = [left[:, ::8, ::8].double(), lower[:, ::8, ::8].double()]
    total = m[0] + m[1]
    a = [torch.where(total > 0, part / total.clamp(min=1e-9), torch.tensor(0.5).double()) for part in m]
    null = a[0] * nulls[0] + a[1] * nulls[1]
    acting, weight = total.clamp(max=1.0), 2.0 * m[0] + 3.0 * m[1]
    scale = torch.where(total > 0, weight / acting.clamp(min=1e-9), torch.tensor(1.0).double())
    mean = null + (2.0 * m[0] * (d[0] - null) + 3.0 * m[1] * (d[1] - null)) / scale
    answer = ask(comfy, cured(comfy, mixture, **APG), X, 1.0)
    assert relative(answer, apg_by_hand(null, mean, scale, acting)) <= 2e-5
    assert torch.equal(answer[..., :4, 4:], ask(comfy, mixture, X, 1.0)[..., :4, 4:])
    alpha = dot(X - mean, X - null) / dot(X - null, X - null)
    wanted = eq10(d, [null, null], (2.0 * m[0], 3.0 * m[1]), (0.5, 0.5)) + (weight - acting) * (1 - alpha) * null
    answer = ask(comfy, cured(comfy, mixture, cfg_zero=True), X, 1.0)
    assert relative(answer, wanted) <= 2e-5


def test_weights_that_cancel_are_finite(comfy, two_unets):
    mixture = united(comfy, two_unets, weights=(2.0, -2.0))
    assert torch.isfinite(ask(comfy, cured(comfy, mixture, cfg_zero=True, **APG), X, 1.0)).all()


def test_a_cure_acts_within_the_guidance_interval_and_an_expert_within_its_window(comfy, two_unets):
    """The second expert's window is closed, so the cured mixture is that of the first with both nulls."""
    mixture = united(comfy, two_unets)
    outside = {"sigma_low": 2.0}
    plain = ask(comfy, cured(comfy, mixture, **outside), X, 1.0)
    assert torch.equal(plain, ask(comfy, cured(comfy, mixture, **outside, **APG), X, 1.0))
    experts = [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, 3.0, end_percent=0.1)]
    d, nulls = estimates(two_unets, X, 1.0)
    answer = ask(comfy, cured(comfy, mix(comfy, experts, "1 0"), **APG), X, 1.0)
    assert relative(answer, apg_by_hand(nulls[0], d[0], 2.0)) <= 2e-5


# ------------------------------------------------------------------------------------------------- what is asked for it

def test_cures_ask_nothing_more_except_apg_the_null_where_the_weights_sum_to_one(comfy, two_unets, monkeypatch):
    rows = count_forwards(monkeypatch, two_unets)
    for weights, options, wanted in [((2.0, 3.0), APG, 4), ((2.0, 3.0), {"cfg_zero": True}, 4),
                                     ((0.5, 0.5), {"cfg_zero": True}, 2), ((0.5, 0.5), APG, 4)]:
        rows.clear()
        ask(comfy, cured(comfy, united(comfy, two_unets, weights=weights), **options), X, 1.0)
        assert sum(rows) == 2 * wanted


@pytest.mark.parametrize("kind", ["eps", "v", "flow"])
def test_at_rest_nothing_moves_in_the_flows_frame_and_nobody_is_asked(comfy, kind, monkeypatch):
    """x of a flow, z / (1 + sigma) of the others, stays at X; from the second step on all is as ever."""
    models = [parameterised(1, kind), parameterised(2, kind)]
    percent_to_sigma = models[0].get_model_object("model_sampling").percent_to_sigma
    levels = [float(percent_to_sigma(p)) for p in (0.01, 0.3, 0.7)] + [0.0]
    mixture = united(comfy, models)
    rows = count_forwards(monkeypatch, models)
    answer = custom_sampled(comfy, cured(comfy, mixture, zero_init=0.02), "euler", levels, X)
    assert sum(rows) == 2 * 2 * 4
    first, second = levels[:2]
    still = 1.0 if kind == "flow" else (1 + second) / (1 + first)
    begun = X * first / second * still      # which the host scales by the second level
    assert relative(answer, custom_sampled(comfy, mixture, "euler", levels[1:], begun)) <= 2e-5


@pytest.mark.parametrize("options, words", [
    ({"apg": True, "apg_eta": float("nan")}, "APG must be finite"),
    ({"apg": True, "apg_norm_threshold": -1.0}, "threshold of APG"),
    ({"zero_init": 1.0}, "zero_init must be a part of the schedule"),
    ({"zero_init": float("nan")}, "zero_init"),
])
def test_cures_that_make_no_sense(comfy, two_unets, options, words):
    with pytest.raises(ValueError, match=words) as error:
        cured(comfy, united(comfy, two_unets), **options)
    assert "\n" not in str(error.value)
