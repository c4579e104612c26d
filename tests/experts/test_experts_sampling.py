"""The recorded DDIM trajectories, through the host's SamplerCustomAdvanced with `euler` at the recorded noise levels.

A DDIM step is an Euler step in sigma, z = x sqrt(1 + sigma^2). With the linear schedule the pictures are within 1e-4 of
the recorded ones; with the cosine schedule within 1e-2, because float32 Euler loses digits from sigma 2e4.
"""
import json

import pytest
import torch
from safetensors.torch import load_file

from support import vectors
from support.mixtures import FixedNoise, mix
from support.openai_experts import recorded
from support.tensors import relative

SAMPLING = vectors.GOLDEN / "sampling"
SINGLE = json.loads((SAMPLING / "s1_ddim.json").read_text())["runs"]
FUSED = {
    name: run
    for name, run in json.loads((SAMPLING / "s3_fusion.json").read_text())["runs"].items()
    if run["method"].startswith("DDIM")
}


def conditioning(comfy, **conditions):
    return comfy.module("mcdm.experts.modality").conditioning(conditions)


def sample(comfy, experts, reliabilities, clip_denoised, told):
    """(final picture, x before each step in the references' frame), from the recorded noise."""
    mixture = mix(comfy, experts, reliabilities)
    guider = comfy.call("MCDMGuider", mixture=mixture, clip_denoised=clip_denoised)[0]
    acp = told["spaced_alphas_cumprod"].flip(0)
    sigmas = torch.cat([((1 - acp) / acp).sqrt(), acp.new_zeros(1)]).float()
    sampler = comfy.call("KSamplerSelect", sampler_name="euler")[0]
    states = []

    def step(i, denoised, x, total):
        states.append(x.double() * acp[i].sqrt())
    guider_sample = guider.sample
    guider.sample = lambda *args, callback=None, **kw: guider_sample(
        *args, callback=lambda *a: (step(*a), callback(*a)), **kw
    )
    noise = FixedNoise(told["x"][0])
    latent = {"samples": torch.zeros_like(told["x"][0])}
    out, _ = comfy.call(
        "SamplerCustomAdvanced", noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent
    )
    return out["samples"], torch.stack(states)


def check(final, states, told, schedule):
    most = 1e-4 if schedule == "linear" else 1e-2
    assert relative(final, told["x"][-1]) < most
    steps = len(told["timesteps"])
    assert len(states) == steps
    for k in range(steps):
        assert relative(states[k], told["x"][k]) < most, f"step {k}"


@pytest.mark.parametrize("name", SINGLE)
def test_one_network(comfy, name):
    run, told = SINGLE[name], load_file(SAMPLING / f"{name}.safetensors")
    model = recorded(comfy, "adm_classcond", "adm", noise_schedule=run["noise_schedule"])
    expert = comfy.call("ConditionExpert", model=model, condition=conditioning(comfy, y=told["y"]))[0]
    check(*sample(comfy, [expert], "", run["clip_denoised"], told), told, run["noise_schedule"])


@pytest.mark.parametrize("name", FUSED)
def test_two_fused_networks(comfy, name):
    """Classes and text, with the recorded weights and reliabilities.

    Both use their own nulls: the class network class 0, GLIDE the empty prompt.
    """
    run, told = FUSED[name], load_file(SAMPLING / f"{name}.safetensors")
    adm, glide = recorded(comfy, "adm_classcond", "adm"), recorded(comfy, "glide_base", "glide")
    assert not told["y_null"].any() and not told["null_mask"].any() and (told["null_tokens"] == 59).all()
    conditions = conditioning(comfy, y=told["y"]), conditioning(comfy, tokens=told["tokens"], mask=told["mask"])
    experts = [
        comfy.call("ConditionExpert", model=m, condition=c, weight=w)[0]
        for m, c, w in zip((adm, glide), conditions, run["w"], strict=True)
    ]
    check(*sample(comfy, experts, ", ".join(map(repr, run["a"])), run["clip_denoised"], told), told, "cosine")


EVERY = [
    ("adm_classcond", "adm"),
    ("adm_oldorder_uncond", "adm"),
    ("adm_superres", "adm_superres"),
    ("glide_base", "glide"),
    ("glide_upsampler", "glide_upsampler"),
    ("unc_face", "unc_face"),
    ("unc_sketch", "unc_sketch"),
]


@pytest.mark.parametrize(("network", "family"), EVERY)
def test_stock_nodes_on_every_family(comfy, network, family):
    """KSampler with CFG equals the guidance by hand; a sampling override changes what the network is taken to predict.

    Previews are pictures.
    """
    import latent_preview
    from comfy.latent_formats import ChromaRadiance

    model, case = (
        recorded(comfy, network, family, noise_schedule="linear"),
        vectors.cases(network)["mixed_t"],
    )  # float32 keeps its digits
    told = {k: v[:1] for k, v in case.items() if k in vectors.meta(network)["cases"]["mixed_t"] and k not in ("x", "t")}
    condition = conditioning(comfy, **told)
    null = model.model.null_conditioning(condition)
    module = comfy.module("mcdm.experts.modality")
    blank = {
        k: v.expand(-1, -1, 16, 16) if v.shape[2:] == (1, 1) else v for k, v in null[0][1][module.CONDITION].items()
    }
    told = blank | told | ({"twice": torch.ones(1, 1)} if family == "unc_face" else {})
    latent = {"samples": torch.zeros(1, 3, 16, 16)}

    def final(patcher, predict):
        """(what the host's KSampler makes of one step, the same by hand)."""
        out = comfy.call(
            "KSampler",
            model=patcher,
            seed=7,
            steps=1,
            cfg=3.0,
            sampler_name="euler",
            scheduler="normal",
            positive=condition,
            negative=null,
            latent_image=latent,
            denoise=1.0,
        )[0]["samples"]
        noise = torch.randn(1, 3, 16, 16, generator=torch.manual_seed(7))
        sigma = patcher.get_model_object("model_sampling").sigma_max.reshape(1)
        z = noise * (1 + sigma ** 2).sqrt()
        with torch.no_grad():
            wish, plain = (predict(noise, z, float(sigma), c) for c in (told, blank))
        return out, plain + 3.0 * (wish - plain)

    def as_noise(x, z, sigma, conditions):
        return z - sigma * model.model.diffusion_model(x, torch.tensor([999.0]), **conditions)

    def as_velocity(x, z, sigma, conditions):
        return (
            z / (1 + sigma**2)
            - sigma * model.model.diffusion_model(x, torch.tensor([999.0]), **conditions) / (1 + sigma**2) ** 0.5
        )
    assert relative(*final(model, as_noise)) < 1e-4
    override = comfy.call("ModelSamplingDiscrete", model=model, sampling="v_prediction", zsnr=False)[0]
    assert relative(*final(override, as_velocity)) < 1e-4
    space = model.get_model_object("latent_format")
    assert isinstance(space, ChromaRadiance)
    assert torch.equal(space.process_out(space.process_in(case["x"])), case["x"])
    factors = latent_preview.Latent2RGBPreviewer(
        space.latent_rgb_factors, space.latent_rgb_factors_bias
    ).decode_latent_to_preview(case["x"].clamp(-1, 1))
    assert factors.size == (16, 16)
    pixels = comfy.call(
        "VAEDecode", vae=comfy.call("VAELoader", vae_name="pixel_space")[0], samples={"samples": case["x"].clamp(-1, 1)}
    )[0]
    torch.testing.assert_close(pixels, (case["x"].clamp(-1, 1).movedim(1, -1) + 1) / 2, rtol=0, atol=1e-6)
