"""What may be done on top of eq. 10 (MixtureOptions), and the paper's own sampler (MCDMAncestral)."""
import dataclasses
import json
import math

import pytest
import torch
from safetensors.torch import load_file

from support import vectors
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
    united,
)
from support.openai_experts import recorded
from support.tensors import noise, relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]


def two(comfy, models, weights=(2.0, 3.0), reliabilities="1 3", **options):
    mixture = united(comfy, models, weights=weights, reliabilities=reliabilities)
    return comfy.call("MixtureOptions", mixture=mixture, **options)[0] if options else mixture


# ----------------------------------------------------------------------------------------- off is off, to the last bit

@pytest.mark.parametrize("options", [
    {"rescale": 0.0},
    {"sigma_low": 0.0, "sigma_high": 1e9},
    {"curve": "cosine"},
    {"weights_end": " ", "reliabilities_end": ""},
])
def test_the_defaults_change_nothing(comfy, two_unets, options):
    plain, optional = two(comfy, two_unets), two(comfy, two_unets, **options)
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
    mixture = two(comfy, two_unets, weights_end="-1, 0.5", reliabilities_end="4, 1", curve=curve)
    wanted = eq10(*estimates(two_unets, X * sigma, sigma), weights, a)
    assert relative(ask(comfy, mixture, X * sigma, sigma), wanted) <= 2e-5


def test_weights_over_the_schedule_of_a_flow(comfy):
    """Shift 3: a quarter of the schedule is at t = 3 s / (1 + 2 s), s = 3/4."""
    flows = [parameterised(1, "flow"), parameterised(2, "flow")]
    t = 3 * 0.75 / (1 + 2 * 0.75)
    assert math.isclose(flows[0].get_model_object("model_sampling").percent_to_sigma(0.25), t, rel_tol=1e-6)
    mixture = two(comfy, flows, weights_end="6 3")
    wanted = eq10(*estimates(flows, X, t), (3.0, 3.0), (0.25, 0.75))
    assert relative(ask(comfy, mixture, X, t), wanted) <= 2e-5


# ------------------------------------------------------------------------------------------------------------- rescale

@pytest.mark.parametrize("phi", [0.3, 1.0])
@pytest.mark.parametrize("weights", [(2.0, 3.0), (2.0, -1.0), (0.3, 0.7)], ids=["guided", "without a null", "a mean"])
def test_rescale_is_lin_et_al(comfy, two_unets, phi, weights):
    d, null = estimates(two_unets, X * 2, 2.0)
    fused, mean = eq10(d, null, weights, (0.25, 0.75)), 0.5 * (d[0] + d[1])
    ratio = torch.stack([mean[i].std() / fused[i].std() for i in range(2)])[:, None, None, None]
    answer = ask(comfy, two(comfy, two_unets, weights, rescale=phi), X * 2, 2.0)
    assert relative(answer, phi * ratio * fused + (1 - phi) * fused) <= 2e-5


# --------------------------------------------------------------------------------------------------- guidance interval

@pytest.mark.parametrize("sigma, guided", [
    (0.5, False), (0.5000001, True), (1.0, True), (4.0, True), (4.0000005, False), (14.0, False),
])
def test_outside_the_interval_the_weights_are_divided_by_their_sum_and_no_null_is_asked(
        comfy, two_unets, monkeypatch, sigma, guided):
    rows = count_forwards(monkeypatch, two_unets)
    answer = ask(comfy, two(comfy, two_unets, sigma_low=0.5, sigma_high=4.0), X * sigma, sigma)
    assert sum(rows) == 2 * (4 if guided else 2)
    d, null = estimates(two_unets, X * sigma, sigma)
    wanted = eq10(d, null, (2.0, 3.0), (0.25, 0.75)) if guided else 0.4 * d[0] + 0.6 * d[1]
    assert relative(answer, wanted) <= 2e-5


def test_the_interval_of_a_flow_is_in_sigma(comfy):
    """t = 0.75 is sigma 3; t = 1 is infinitely far above."""
    flows = [parameterised(1, "flow"), parameterised(2, "flow")]
    for t, guided in ((0.74, True), (0.76, False), (1.0, False)):
        d, null = estimates(flows, X, t)
        answer = ask(comfy, two(comfy, flows, sigma_high=3.0), X, t)
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
        two(comfy, two_unets, **options)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------------------- the paper's sampler

SIGMAS = [10.0, 3.0, 0.8, 0.1, 0.0]


def noises():
    return [noise(50 + i, *X.shape) for i in range(len(SIGMAS))]


def run(comfy, mixture, sampler, levels, noises=None):
    """The host's SamplerCustomAdvanced from X; the noise of step k is noises[k]."""
    order = iter(noises or ())
    if noises is not None:
        sampler.extra_options["noise_sampler"] = lambda level, following: next(order)
    return custom_sampled(comfy, mixture, sampler, levels, X, seed=7)


def ddpm(models, levels, eta, share, noises):
    """Ho et al. 2020, eq. 6 and 7, and Song et al. 2021, eq. 12 and 16, in float64.

    The frame is the variance preserving one, x = z / sqrt(1 + sigma^2). A flow at t is at sigma = t / (1 - t), and its
    image is z (1 - t). share(x): that of log beta in the logarithm of the variance.
    """
    flow = hasattr(models[0].get_model_object("model_sampling"), "shift")
    sigmas = [s / (1 - s) for s in levels] if flow else levels
    x = X.double() * sigmas[0] / math.sqrt(1 + sigmas[0] ** 2)
    for k, (sigma, following) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        asked = x * math.sqrt(1 + sigma ** 2) / (1 + sigma if flow else 1.0)
        d = eq10(*estimates(models, asked.float(), levels[k]), (2.0, 3.0), (0.25, 0.75))
        bar, bar_next = 1 / (1 + sigma ** 2), 1 / (1 + following ** 2)
        beta = 1 - bar / bar_next
        posterior = beta * (1 - bar_next) / (1 - bar)
        if eta == 1.0:
            of_d = math.sqrt(bar_next) * beta / (1 - bar)
            of_x = math.sqrt(bar / bar_next) * (1 - bar_next) / (1 - bar)
            mean = of_d * d + of_x * x
        else:
            eps = (x - math.sqrt(bar) * d) / math.sqrt(1 - bar)
            mean = math.sqrt(bar_next) * d + math.sqrt(1 - bar_next - eta ** 2 * posterior) * eps
        if following == 0:
            return mean / 0.18215
        part = share(asked.float())
        x = mean + eta * noises[k].double() * beta ** (part / 2) * posterior ** ((1 - part) / 2)
    raise AssertionError("the levels must end in 0")


@pytest.mark.parametrize("eta, variance", [
    (1.0, "fixed_small"), (1.0, "fixed_large"), (0.5, "fixed_small"), (0.0, "fixed_small"),
])
@pytest.mark.parametrize("lead", ["eps", "flow"])
def test_a_run_by_hand_in_the_variance_preserving_frame(comfy, lead, eta, variance):
    models = [parameterised(1, lead), parameterised(2, lead)]
    levels = SIGMAS if lead == "eps" else [s / (1 + s) for s in SIGMAS]
    sampler = comfy.call("MCDMAncestral", eta=eta, variance=variance)[0]
    answer = run(comfy, two(comfy, models), sampler, levels, noises())
    share = {"fixed_small": 0.0, "fixed_large": 1.0}[variance]
    assert relative(answer, ddpm(models, levels, eta, lambda x: share, noises())) <= 2e-5


@pytest.mark.parametrize("lead", ["eps", "flow"])
def test_eta_0_is_the_hosts_euler(comfy, lead):
    models = [parameterised(1, lead), parameterised(2, lead)]
    levels = SIGMAS if lead == "eps" else [1.0, *(s / (1 + s) for s in SIGMAS)]
    ours = run(comfy, two(comfy, models), comfy.call("MCDMAncestral", eta=0.0)[0], levels)
    theirs = run(comfy, two(comfy, models), "euler", levels)
    assert relative(ours, theirs) <= 2e-5


def test_eta_1_is_the_hosts_ddpm_with_its_seeded_noise(comfy, two_unets):
    ours = run(comfy, two(comfy, two_unets), comfy.call("MCDMAncestral")[0], SIGMAS)
    theirs = run(comfy, two(comfy, two_unets), "ddpm", SIGMAS)
    assert relative(ours, theirs) <= 1e-4


def test_deterministic_steps_keep_their_digits_from_sigma_2e4_down(comfy):
    """In float32 from where the picture is 5e-5 of the noise, against z' = D + (s'/s)(z - D) in float64.

    D is that of pictures N(mean, 1).
    """
    step = comfy.module("mcdm.ancestral").step
    sigmas = torch.logspace(math.log10(2e4), -2, 30, dtype=torch.float64).tolist() + [0.0]
    mean, z = noises()[0].double(), X * sigmas[0]
    exact = z.double()
    for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
        ours, theirs = ((image.double() + sigma ** 2 * mean) / (1 + sigma ** 2) for image in (z, exact))
        z = step(z, ours.float(), (1.0, sigma), (1.0, following), eta=0.0)
        exact = theirs + following / sigma * (exact - theirs)
    assert relative(z, exact) <= 1e-6


@pytest.mark.parametrize("variance", ["", "Learned", "fixed"])
def test_an_unknown_variance_is_refused(comfy, variance):
    with pytest.raises(ValueError, match=f"variance '{variance}' is not one of"):
        comfy.call("MCDMAncestral", variance=variance)


# ---------------------------------------------------------------------------------------------------- learned variance

def share_of(x, context):
    """Of a made-up network: the share of log beta in the logarithm of the variance, another one for each condition."""
    return torch.sigmoid(x + 3 * context[:, :1, :1, None])


def with_variance(model):
    """A MODEL that predicts a variance as ADM does, in [-1, 1] around the middle of the two logarithms."""
    def wrapper(apply, args):
        c = args["c"]
        kept = c["transformer_options"].get("mcdm_learned_variance")
        if kept is not None:
            kept.append((c["transformer_options"]["cond_or_uncond"], 2 * share_of(args["input"], c["c_crossattn"]) - 1))
        return apply(args["input"], args["timestep"], **c)
    model = model.clone()
    model.set_model_unet_function_wrapper(wrapper)
    return model


@pytest.mark.parametrize("seats, rows", [("lead alone", 99), ("one model", 99), ("one model", 1), ("one model", 2)])
def test_the_learned_variance_is_that_of_the_leads_condition(comfy, monkeypatch, seats, rows):
    """Whoever shares its calls, and however the host splits them."""
    import comfy.model_base as base
    def memory_required(self, input_shape, cond_shapes={}):  # noqa: B006
        return 0 if input_shape[0] <= 2 * rows else 1e30
    monkeypatch.setattr(base.BaseModel, "memory_required", memory_required)
    told = with_variance(tiny_unet(0))
    models = [told, tiny_unet(1)] if seats == "lead alone" else [told, told]
    plain = [tiny_unet(0), tiny_unet(1 if seats == "lead alone" else 0)]
    answer = run(comfy, two(comfy, models), comfy.call("MCDMAncestral", variance="learned")[0], SIGMAS, noises())
    wanted = ddpm(plain, SIGMAS, 1.0, lambda x: share_of(x, conditioning(0)[0][0]).double(), noises())
    assert relative(answer, wanted) <= 2e-5


def test_a_lead_without_a_variance_cannot_lend_one(comfy, two_unets):
    learned = comfy.call("MCDMAncestral", variance="learned")[0]
    with pytest.raises(ValueError, match="does not predict a variance; choose fixed_small or fixed_large"):
        run(comfy, two(comfy, two_unets), learned, SIGMAS)
    with pytest.raises(ValueError, match="does not predict a variance"):
        run(comfy, two(comfy, [two_unets[0], with_variance(tiny_unet(1))]), learned, SIGMAS)


# ------------------------------------------------------------------------------------------- the recorded trajectories

SAMPLING = vectors.GOLDEN / "sampling"
RUNS = {}
for file in ("s1_ddim", "s2_ddpm", "s3_fusion"):
    RUNS |= json.loads((SAMPLING / f"{file}.json").read_text())["runs"]


@pytest.mark.parametrize("name", RUNS)
def test_recorded_trajectories(comfy, name):
    """x at every step, within the recorded tolerance."""
    entry, told = RUNS[name], load_file(SAMPLING / f"{name}.safetensors")
    module = comfy.module("mcdm.experts.modality")
    families = {"adm_classcond": "adm", "glide_base": "glide"}
    networks, weights = entry.get("models", ["adm_classcond"]), entry.get("w", [1.0])
    conditions = [{"y": told["y"]}, {k: told[k] for k in ("tokens", "mask") if k in told}]
    experts = []
    for network, condition, weight in zip(networks, conditions, weights, strict=False):
        model = recorded(comfy, network, families[network], noise_schedule=entry.get("noise_schedule", "cosine"))
        experts += comfy.call("ConditionExpert", model=model, condition=module.conditioning(condition), weight=weight)
    mixture = mix(comfy, experts, " ".join(map(repr, entry.get("a", [1.0]))))
    guider = comfy.call("MCDMGuider", mixture=mixture, clip_denoised=entry["clip_denoised"])[0]
    ancestral = "step_noise" in told
    sampler = comfy.call("MCDMAncestral", eta=float(ancestral), variance="learned" if ancestral else "fixed_small")[0]
    order = iter(told["step_noise"] if ancestral else ())
    sampler.extra_options["noise_sampler"] = lambda level, following: next(order)
    bar = told["spaced_alphas_cumprod"].flip(0).double()
    sigmas = torch.cat([((1 - bar) / bar).sqrt(), bar.new_zeros(1)]).float()
    seen = []

    def note(i, denoised, x, total):
        seen.append(x.double() * bar[i].sqrt())
    empty = torch.zeros_like(told["noise"])
    final = guider.sample(told["noise"], empty, sampler, sigmas, seed=0, disable_pbar=True, callback=note)
    assert len(seen) == len(bar)
    for x, wanted in zip([*seen, final.double()], told["x"].double(), strict=True):
        assert (x - wanted).abs().max() <= entry["recommended_atol"]
