"""Latents of every shape: batches, image to image, inpainting, and those that are refused in a sentence."""
import pytest
import torch

from support.mixtures import ask, eq10, estimates, expert, latent, mix, sampled, settings, stock_sampled, united
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def by_hand(model_of_sigmas, estimate, run, batch_index=None):
    """Euler steps in float64 as the host's KSampler takes them.

    With its noise, its scaling of latents, and its inpainting around the fused estimate(x, sigma).
    """
    import comfy.sample
    import comfy.samplers as host
    samples, mask = run["latent_image"]["samples"], run["latent_image"].get("noise_mask")
    cpu = torch.device("cpu")
    schedule = host.KSampler(model_of_sigmas, run["steps"], cpu, "euler", run["scheduler"], run["denoise"])
    sigmas = schedule.sigmas.double()
    noise = comfy.sample.prepare_noise(samples, run["seed"], batch_index).double()
    clean = 0.18215 * samples.double()
    cells = 1.0
    if mask is not None:
        cells = torch.nn.functional.interpolate(mask.double()[:, None], size=samples.shape[2:], mode="bilinear")
    x = clean + noise * (sigmas[0] if run["denoise"] < 1 else (1 + sigmas[0] ** 2).sqrt())
    for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
        inside = x * cells + (clean + sigma * noise) * (1 - cells)
        d = estimate(inside.float(), float(sigma)) * cells + clean * (1 - cells)
        x = d + (following / sigma) * (x - d)
    return x / 0.18215


def fused(models, weights=(2.0, 3.0), **more):
    """Eq. 10 of tiny Stable Diffusions asked one by one."""
    def estimate(x, sigma):
        return eq10(*estimates(models, x, sigma), weights, (0.25, 0.75))
    return estimate


RUNS = {
    "text to image": (1.0, False),
    "image to image": (0.6, False),
    "inpainting": (1.0, True),
    "inpainting, image to image": (0.5, True),
}


@pytest.mark.parametrize("denoise, masked", RUNS.values(), ids=RUNS)
def test_a_run_of_two_experts_by_hand(comfy, two_unets, denoise, masked):
    image = latent(2, seed=None if (denoise, masked) == (1.0, False) else 5)
    if masked:
        image["noise_mask"] = torch.zeros(1, 32, 32)
        image["noise_mask"][:, 8:21, 5:] = 1.0
    run = settings(11, denoise=denoise, latent_image=image)
    answer = sampled(comfy, united(comfy, two_unets), **run)
    assert relative(answer, by_hand(two_unets[0], fused(two_unets), run)) <= 2e-5


def test_a_batch_of_five_with_the_noise_of_other_places(comfy, two_unets):
    image = latent(5) | {"batch_index": [3, 0, 3, 7, 1]}
    run = settings(2, 2, denoise=1.0, latent_image=image)
    answer = sampled(comfy, united(comfy, two_unets), **run)
    assert relative(answer, by_hand(two_unets[0], fused(two_unets), run, image["batch_index"])) <= 2e-5
    assert torch.allclose(answer[0], answer[2], rtol=0, atol=1e-4 * answer.abs().max())


def test_an_empty_latent_is_adapted_as_the_stock_sampler_does(comfy, two_unets):
    run = settings(2, 2, denoise=1.0, latent_image={"samples": torch.zeros(1, 16, 8, 8)})
    ours = sampled(comfy, mix(comfy, [expert(comfy, two_unets[0], 1, 2.0)]), **run)
    assert ours.shape == (1, 4, 8, 8)
    assert relative(ours, stock_sampled(comfy, two_unets[0], 2.0, **run)) <= 2e-5


def test_an_empty_latent_of_other_cells_gets_the_size_that_the_stock_sampler_gives_it(comfy):
    """Newer hosts fit one that was made for cells of 8 pixels to the model's own; older ones leave it as it is."""
    from comfy.latent_formats import SD15
    model = tiny_unet(0)
    model.model.latent_format = type("Fine", (SD15,), {"spacial_downscale_ratio": 4})()
    empty, = comfy.call("EmptyLatentImage", width=64, height=64)
    run = settings(2, 2, denoise=1.0, latent_image=empty)
    drawn, _ = comfy.call("MCDMSampler", mixture=mix(comfy, [expert(comfy, model, 1, 2.0)]), **run)
    wanted = stock_sampled(comfy, model, 2.0, **run)
    assert drawn["samples"].shape == wanted.shape and set(drawn) == {"samples"}
    assert relative(drawn["samples"], wanted) <= 2e-5


@pytest.mark.parametrize("latent_image, words", [
    ({"samples": torch.ones(1, 16, 8, 8)}, ["'first'", "4 channels", "SD15", "16"]),
    ({"samples": torch.full((1, 4, 8, 8), float("nan"))}, ["NaN"]),
    (None, ["[Nn]ested"]),
])
@pytest.mark.parametrize("node", ["MCDMSampler", "SamplerCustomAdvanced"])
def test_latents_that_cannot_be_are_refused_in_a_sentence(comfy, two_unets, latent_image, words, node):
    if latent_image is None:
        from comfy.nested_tensor import NestedTensor
        latent_image = {"samples": NestedTensor([torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 8, 8)])}
    mixture = united(comfy, two_unets[:1] * 2, name="first")
    with pytest.raises(ValueError, match=".*".join(words)) as error:
        if node == "MCDMSampler":
            sampled(comfy, mixture, **settings(0, 1, latent_image=latent_image))
        else:
            noise, guider = comfy.call("RandomNoise", noise_seed=0)[0], comfy.call("MCDMGuider", mixture=mixture)[0]
            sampler, sigmas = comfy.call("KSamplerSelect", sampler_name="euler")[0], torch.tensor([1.0, 0.0])
            comfy.call(node, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent_image)
    assert "\n" not in str(error.value)


def test_the_denoised_output_is_the_last_estimate(comfy, two_unets):
    """With one step it is D at the first noise level, in the space of latents."""
    import comfy.sample as sample
    import comfy.samplers as host
    image = latent(1)
    run = settings(3, 1, latent_image=image)
    answer, denoised = comfy.call("MCDMSampler", mixture=united(comfy, two_unets), **run)
    sigma = float(host.KSampler(two_unets[0], 1, torch.device("cpu"), "euler", "normal", 1.0).sigmas[0])
    x = sample.prepare_noise(image["samples"], 3) * (1 + sigma ** 2) ** 0.5
    assert relative(denoised["samples"], fused(two_unets)(x, sigma) / 0.18215) <= 2e-5
    assert relative(answer["samples"], denoised["samples"]) <= 2e-5


def test_denoise_0_gives_the_latent_back(comfy, two_unets):
    image = latent(1, seed=1)
    run = settings(3, 2, latent_image=image, denoise=0.0)
    answers = comfy.call("MCDMSampler", mixture=united(comfy, two_unets), **run)
    assert all(torch.equal(a["samples"], image["samples"]) for a in answers)


# -------------------------------------------------------------------------------------- an inpaint model as one of two

@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("told", [True, False], ids=["by its condition", "by the latent"])
def test_an_inpaint_model_as_one_of_two(comfy, two_unets, position, told):
    """Its concat conditioning is the masked picture (InpaintModelConditioning), else the latent, in its own scaling.

    The other expert sees none of it.
    """
    painter = tiny_unet(7, in_channels=9)           # 4 of the noisy picture, the mask, 4 of the masked picture
    image = latent(2, seed=5)
    image["noise_mask"] = torch.zeros(1, 64, 64)
    image["noise_mask"][:, 16:48, 8:] = 1.0
    masked = latent(1, seed=6)["samples"] if told else image["samples"]
    extra = {"concat_latent_image": masked, "concat_mask": image["noise_mask"][:, None]} if told else {}
    conditions = [conditioning(i) for i in range(2)]
    nulls = [conditioning(100 + i) for i in range(2)]
    models = list(two_unets)
    models[position] = painter
    for row in (conditions[position], nulls[position]):
        row[0][1] |= extra
    experts = [expert(comfy, models[i], i, weight, condition=conditions[i], null_condition=nulls[i])
               for i, weight in enumerate((2.0, 3.0))]
    run = settings(4, 2, denoise=1.0, latent_image=image)
    answer = sampled(comfy, mix(comfy, experts, "1 3"), **run)
    cells = torch.nn.functional.interpolate(image["noise_mask"][:, None], size=(8, 8), mode="bilinear").round()
    concat = torch.cat([cells.expand(2, -1, -1, -1), (0.18215 * masked).expand(2, -1, -1, -1)], 1)

    def d(i, text, x, sigma):
        more = {"c_concat": concat} if i == position else {}
        words = conditioning(text)[0][0].expand(2, -1, -1)
        return models[i].model.apply_model(x, torch.full((2,), sigma), c_crossattn=words, **more).double()

    def estimate(x, sigma):
        conditions = [d(i, i, x, sigma) for i in range(2)]
        nulls = [d(i, 100 + i, x, sigma) for i in range(2)]
        return eq10(conditions, nulls, (2.0, 3.0), (0.25, 0.75))
    assert relative(answer, by_hand(two_unets[0], estimate, run)) <= 2e-5


# -------------------------------------------------------------------------------- rows that memory cannot hold at once

@pytest.mark.parametrize("rows", [1, 2, 4])
def test_the_host_splits_the_rows_of_one_model_where_memory_is_short(comfy, monkeypatch, rows):
    import comfy.model_base as base
    model, sizes = tiny_unet(0), []

    def memory_required(self, input_shape, cond_shapes={}):  # noqa: B006
        return 0 if input_shape[0] <= 2 * rows else 1e30

    def noted(apply, args):
        sizes.append(len(args["input"]))
        return apply(args["input"], args["timestep"], **args["c"])
    monkeypatch.setattr(base.BaseModel, "memory_required", memory_required)
    model.set_model_unet_function_wrapper(noted)
    x = latent(2, seed=1)["samples"]
    answer = ask(comfy, united(comfy, [model, model]), x, 1.0)
    assert sizes == [2 * rows] * (4 // rows)
    assert relative(answer, fused([tiny_unet(0)] * 2)(x, 1.0)) <= 2e-5


# ----------------------------------------------------------------------------------------- sound, and latents that grow

def test_a_mask_on_sound_is_refused_in_words(comfy, two_unets):
    import comfy.samplers as host
    mixture = mix(comfy, [expert(comfy, two_unets[0], 0), expert(comfy, two_unets[1], 1, mask=torch.ones(1, 8, 8))])
    guider = comfy.call("MCDMGuider", mixture=mixture)[0]
    sound = torch.zeros(1, 4, 16)
    with pytest.raises(ValueError, match="masks are for pictures and videos"):
        guider.sample(sound, sound, host.sampler_object("euler"), torch.tensor([1.0, 0.0]), disable_pbar=True, seed=0)


def test_a_mask_follows_a_latent_that_grows_on_its_way(comfy, two_unets):
    """Samplers such as LCM's upscaling one double the latent between steps."""
    import comfy.samplers as host
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1.0
    mixture = mix(comfy, [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, 3.0, mask=mask)])
    large = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    answers = []

    def growing(model, noise, sigmas, extra_args=None, callback=None, disable=None):
        for x in (large[..., ::2, ::2].contiguous(), large):
            answers.append(model(x, sigmas[0] * x.new_ones(1), **extra_args))
        return answers[-1]
    small = torch.zeros(1, 4, 8, 8)
    guider = comfy.call("MCDMGuider", mixture=mixture)[0]
    guider.sample(small, small, host.KSAMPLER(growing), torch.tensor([1.0, 0.0]), disable_pbar=True, seed=0)
    assert relative(answers[1], ask(comfy, mixture, large, 1.0)) <= 2e-5
