"""MCDMAncestral, the paper's own sampler: by hand, against the host's samplers, and against recorded trajectories."""
import json
import math

import pytest
import torch
from safetensors.torch import load_file

from support import vectors
from support.mixtures import custom_sampled, eq10, estimates, latent, mix, parameterised, with_options
from support.openai_experts import recorded
from support.tensors import noise, relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = latent(2, seed=1)["samples"]


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
    answer = run(comfy, with_options(comfy, models), sampler, levels, noises())
    share = {"fixed_small": 0.0, "fixed_large": 1.0}[variance]
    assert relative(answer, ddpm(models, levels, eta, lambda x: share, noises())) <= 2e-5


@pytest.mark.parametrize("lead", ["eps", "flow"])
def test_eta_0_is_the_hosts_euler(comfy, lead):
    models = [parameterised(1, lead), parameterised(2, lead)]
    levels = SIGMAS if lead == "eps" else [1.0, *(s / (1 + s) for s in SIGMAS)]
    ours = run(comfy, with_options(comfy, models), comfy.call("MCDMAncestral", eta=0.0)[0], levels)
    theirs = run(comfy, with_options(comfy, models), "euler", levels)
    assert relative(ours, theirs) <= 2e-5


def test_eta_1_is_the_hosts_ddpm_with_its_seeded_noise(comfy, two_unets):
    ours = run(comfy, with_options(comfy, two_unets), comfy.call("MCDMAncestral")[0], SIGMAS)
    theirs = run(comfy, with_options(comfy, two_unets), "ddpm", SIGMAS)
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


@pytest.mark.parametrize("flow, levels", [
    (False, [10.0, 10.1, 0.0]), (False, [0.5, 0.6, 0.0]), (True, [0.9, 0.91, 0.0]), (True, [0.2, 0.21, 0.0]),
])
def test_levels_that_rise_are_refused_where_noise_is_drawn(comfy, flow, levels):
    ancestral, noise_levels = comfy.module("mcdm.ancestral"), comfy.module("mcdm.noise_levels")
    frames = [noise_levels.NoiseLevels(flow).place(level) for level in levels]
    with pytest.raises(ValueError, match="MCDM Ancestral needs noise levels that fall"):
        ancestral.check_falling(frames, "MCDM Ancestral")
    ancestral.check_falling(sorted(frames, key=lambda frame: -frame[1]), "MCDM Ancestral")


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
    sampler, = comfy.call("MCDMAncestral", variance="learned")
    answer = run(comfy, with_options(comfy, models), sampler, SIGMAS, noises())
    wanted = ddpm(plain, SIGMAS, 1.0, lambda x: share_of(x, conditioning(0)[0][0]).double(), noises())
    assert relative(answer, wanted) <= 2e-5


def test_a_lead_without_a_variance_cannot_lend_one(comfy, two_unets):
    learned = comfy.call("MCDMAncestral", variance="learned")[0]
    with pytest.raises(ValueError, match="does not predict a variance; choose fixed_small or fixed_large"):
        run(comfy, with_options(comfy, two_unets), learned, SIGMAS)
    with pytest.raises(ValueError, match="does not predict a variance"):
        run(comfy, with_options(comfy, [two_unets[0], with_variance(tiny_unet(1))]), learned, SIGMAS)


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
    empty = torch.zeros_like(told["x"][0])
    final = guider.sample(told["x"][0], empty, sampler, sigmas, seed=0, disable_pbar=True, callback=note)
    assert len(seen) == len(bar)
    for x, wanted in zip([*seen, final.double()], told["x"].double(), strict=True):
        assert (x - wanted).abs().max() <= entry["recommended_atol"]
