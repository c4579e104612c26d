"""The united picture beside each expert alone: each is the run of a mixture that has only that expert."""
import dataclasses

import pytest
import torch

from support.embedded import RUN, empty, faces
from support.mixtures import Decoder, expert, latent, mix, parameterised, sampled
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def test_the_united_picture_and_each_expert_alone(comfy):
    mixture = faces(comfy, 2.5, "1 3")
    sheet, images, latents, _ = comfy.call("CompareExperts", mixture=mixture, **RUN, latent_image=empty(2))
    assert sheet.shape[0] == 2 and images.shape == (6, 64, 64, 3)
    runs = [mixture, *(mix(comfy, [e]) for e in mixture.experts)]
    wanted = torch.cat([sampled(comfy, each, **RUN, latent_image=empty(2)) for each in runs])
    assert torch.equal(latents["samples"], wanted)


def test_alone_means_mask_window_options_and_the_own_schedule(comfy):
    mask = torch.zeros(1, 64, 64)
    mask[:, :, :32] = 1.0
    flow = parameterised(7, "flow")
    experts = [expert(comfy, tiny_unet(1), 1, 2.0, mask=mask, end_percent=0.6), expert(comfy, flow, 2, 3.0)]
    options = {"weights_end": "1, -1", "reliabilities_end": "1 2", "rescale": 0.5}
    mixture = comfy.call("MixtureOptions", mixture=mix(comfy, experts), **options)[0]
    images, latents = comfy.call("CompareExperts", mixture=mixture, **RUN, latent_image=latent(), vae=Decoder())[1:3]
    assert images.shape == (3, 8, 8, 3)
    for i, end in enumerate(("1", "-1")):
        single = comfy.call("MixtureOptions", mixture=mix(comfy, [experts[i]]), weights_end=end, rescale=0.5)[0]
        alone = sampled(comfy, single, **RUN, latent_image=latent())
        assert torch.equal(latents["samples"][i + 1:i + 2], alone)


def test_an_expert_without_null_is_named_before_anything_is_sampled(comfy, monkeypatch):
    unet = tiny_unet(1)
    monkeypatch.setattr(unet.model.diffusion_model, "forward", lambda *a, **k: pytest.fail("it was sampled"))
    first = expert(comfy, unet, 1, 2.0)
    second = dataclasses.replace(expert(comfy, unet, 2, 2.0, name="second"), null=None)
    mixture = mix(comfy, [first, second], "1 0")
    with pytest.raises(ValueError, match="'second' has no null condition"):
        comfy.call("CompareExperts", mixture=mixture, **RUN, latent_image=latent(), vae=Decoder())
