"""DiT and SiT inside the host: stock sampling, overrides of the noise levels, and united with Stable Diffusion."""
import math

import pytest
import torch

from support import vectors
from support.dit_experts import FAMILIES, at_time, denoise
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning as text
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet


def condition(comfy, label):
    return comfy.module("mcdm.experts.modality").conditioning({"y": torch.tensor([label])})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_citizen_of_the_host(comfy, dits, family, monkeypatch):
    """Stock KSampler, a weight patch as a LoRA is one, the preview, and the latent space of SD 1.5 for the VAE."""
    import latent_preview
    model = dits[family]
    assert type(model.get_model_object("latent_format")).__name__ == "SD15"
    monkeypatch.setattr(latent_preview.args, "preview_method", latent_preview.LatentPreviewMethod.Latent2RGB)
    previewer = latent_preview.get_previewer(model.load_device, model.get_model_object("latent_format"))
    assert previewer.decode_latent_to_preview(torch.zeros(1, 4, 16, 16)).size == (16, 16)

    def draw(model):
        return comfy.call(
            "KSampler",
            model=model,
            seed=3,
            steps=3,
            cfg=2.0,
            sampler_name="euler",
            scheduler="normal",
            positive=condition(comfy, 4),
            negative=model.model.null_conditioning(),
            latent_image={"samples": torch.zeros(1, 4, 16, 16)},
            denoise=1.0,
        )[0]["samples"]
    plain = draw(model)
    assert torch.isfinite(plain).all()
    patched = model.clone()
    key = "diffusion_model.blocks.0.attn.qkv.weight"
    assert key in patched.add_patches({key: ("diff", (torch.full((288, 96), 0.02),))}, 1.0)
    assert relative(draw(patched), plain) > 1e-3
    assert relative(draw(model), plain) <= 1e-6            # and it is taken back


def test_sampling_overrides_of_a_flow(comfy, dits):
    """SD3's shift node counts to 1000, AuraFlow's to 1: both ask the network at the same time of its own.

    The steps differ from the plain ones.
    """
    case = vectors.cases("sit")["case1"]
    z, sigma, denoised = at_time("sit", case)
    for node in ("ModelSamplingSD3", "ModelSamplingAuraFlow", "ModelSamplingFlux"):
        shift = (
            {"max_shift": 1.15, "base_shift": 0.5, "width": 128, "height": 128}
            if node.endswith("Flux")
            else {"shift": 3.0}
        )
        model = comfy.call(node, model=dits["sit"], **shift)[0]
        model.patch_model()
        try:
            assert relative(denoise(model, z, sigma, case["y"]), denoised) <= 1e-5
            assert float(model.model.model_sampling.percent_to_sigma(0.5)) > 0.55
        finally:
            model.unpatch_model()


def test_sampling_overrides_of_a_schedule(comfy, dits):
    """The host's override keeps the network's own schedule and rounds t to whole steps."""
    case = vectors.cases("dit")["case1"]
    z, sigma, denoised = at_time("dit", case)
    model = comfy.call("ModelSamplingDiscrete", model=dits["dit"], sampling="eps", zsnr=False)[0]
    model.patch_model()
    try:
        assert float(model.model.model_sampling.sigma_max) == pytest.approx(157.4, abs=0.1)
        assert relative(denoise(model, z, sigma, case["y"]), denoised) <= 1e-5
    finally:
        model.unpatch_model()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lead", ["class", "text"])
def test_united_with_stable_diffusion(comfy, dits, family, lead):
    """Eq. 10 by hand: every network asked in its own frame at one sigma, t = sigma / (1 + sigma) of a flow."""
    import comfy.samplers as host
    unet = tiny_unet(0)
    model = dits[family]
    weights = (1.7, 0.6)
    reliabilities = (0.3, 0.7)
    null = model.model.null_conditioning()
    experts = {
        "class": comfy.call(
            "ConditionExpert", model=model, condition=condition(comfy, 7), null_condition=null, weight=weights[0]
        )[0],
        "text": comfy.call("ConditionExpert", model=unet, condition=text(1), null_condition=text(2), weight=weights[1])[
            0
        ],
    }
    order = ["class", "text"] if lead == "class" else ["text", "class"]
    numbers = dict(zip(("class", "text"), reliabilities, strict=True))
    mixture = comfy.call("ReliabilityMixer", expert_1=experts[order[0]], expert_2=experts[order[1]],
                         reliabilities=", ".join(str(numbers[o]) for o in order))[0]
    guider = comfy.call("MCDMGuider", mixture=mixture)[0]
    flow_leads = lead == "class" and family == "sit"
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(5)).double()
    for sigma in (0.2, 1.5, 9.0):
        image = z * math.hypot(1, sigma)
        t = sigma / (1 + sigma)
        answers = []

        seen = (image * (1 - t) if flow_leads else image).float()

        def probe(model, noise, sigmas, extra_args=None, callback=None, disable=None, answers=answers, x=seen):
            answers.append(model(x, sigmas[:1], **extra_args))
            return x
        start = torch.zeros(1, 4, 16, 16)
        guider.sample(
            start,
            start,
            host.KSAMPLER(probe),
            torch.tensor([t if flow_leads else sigma, 0.0]),
            disable_pbar=True,
            seed=0,
        )

        def text_says(seed, image=image, sigma=sigma):
            with torch.no_grad():
                return unet.model.apply_model(
                    image.float(), torch.tensor([sigma]), c_crossattn=text(seed)[0][0]
                ).double()

        def class_says(y, image=image, sigma=sigma, t=t):
            place = (image * (1 - t), t) if family == "sit" else (image, sigma)
            return denoise(model, place[0], torch.tensor([place[1]]), torch.tensor([y])).double()
        blend = reliabilities[0] * class_says(20) + reliabilities[1] * text_says(2)
        expected = weights[0] * class_says(7) + weights[1] * text_says(1) - (sum(weights) - 1) * blend
        assert relative(answers[0], expected) <= 1e-5
