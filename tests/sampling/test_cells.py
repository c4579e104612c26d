"""mcdm/host/models.py: the pixels of a latent cell, against the host's own nodes for empty latents."""
import pytest
import torch


def test_the_cell_of_the_upscaler_is_that_of_the_hosts_own_node(comfy):
    from comfy.latent_formats import SD_X4
    small, empty = torch.zeros(1, 64, 64, 3), torch.zeros(1, 1)
    *_, enlarged = comfy.call("SD_4XUpscale_Conditioning", images=small, positive=[[empty, {}]],
                              negative=[[empty, {}]], scale_ratio=4.0, noise_augmentation=0.0)
    assert 256 // comfy.module("mcdm.host.models").cells(SD_X4()) == enlarged["samples"].shape[-1]


@pytest.mark.parametrize("space, node, more", [
    ("SD15", "EmptyLatentImage", {}), ("SD3", "EmptySD3LatentImage", {}), ("Flux", "EmptySD3LatentImage", {}),
    ("ChromaRadiance", "EmptyChromaRadianceLatentImage", {}), ("Flux2", "EmptyFlux2LatentImage", {}),
    ("HunyuanImage21", "EmptyHunyuanImageLatent", {}), ("HunyuanVideo", "EmptyHunyuanLatentVideo", {"length": 1}),
    ("HunyuanVideo15", "EmptyHunyuanVideo15Latent", {"length": 1}),
    ("Wan21", "EmptyHunyuanLatentVideo", {"length": 1}), ("LTXV", "EmptyLTXVLatentVideo", {"length": 1}),
    ("SC_Prior", "StableCascade_EmptyLatentImage", {"compression": 42}),
])
def test_the_cells_of_latent_spaces_are_those_of_the_hosts_empty_latents(comfy, space, node, more):
    from comfy import latent_formats
    size = 42 * 32
    empty = comfy.call(node, width=size, height=size, batch_size=1, **more)[0]["samples"]
    format = getattr(latent_formats, space)()
    assert empty.shape[-1] == size // comfy.module("mcdm.host.models").cells(format)
    if space == "SC_Prior":
        fine = comfy.call(node, width=size, height=size, batch_size=1, **more)[1]["samples"]
        assert fine.shape[-1] == size // comfy.module("mcdm.host.models").cells(latent_formats.SC_B())


def test_the_cell_of_wan_2_2_is_that_of_the_hosts_own_node(comfy):
    from comfy.latent_formats import Wan22
    empty = comfy.call("Wan22ImageToVideoLatent", vae=None, width=320, height=320, length=1, batch_size=1)[0]
    assert 320 // comfy.module("mcdm.host.models").cells(Wan22()) == empty["samples"].shape[-1]
