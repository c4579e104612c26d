"""The embedded expert that draws latents, its VAE, and their latent space, as ordinary things of the host."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from support.embedded import expert
from support.mixtures import mix, sampled, settings
from unite_and_conquer.training.datasets import faces

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")
TEXT = {"text": "red hair, glasses, blue background"}


@pytest.fixture(scope="module")
def drawings():
    """IMAGE [6, 128, 128, 3] that no training has seen."""
    rng = np.random.default_rng(123)
    drawn = [faces.draw(faces.random_face(rng, style), 128)[0] for style in faces.STYLES * 2]
    return torch.from_numpy(np.stack(drawn)) / 255


@pytest.fixture(scope="module")
def vae(comfy):
    return comfy.call("LoadExpertVAE", vae="builtin/drawings.safetensors")[0]


@pytest.fixture(scope="module")
def latents(comfy, vae, drawings):
    with torch.inference_mode():
        return comfy.call("VAEEncode", pixels=drawings, vae=vae)[0]


def words(comfy, vae=None, weight=2.0):
    """The text expert in latents."""
    model, = comfy.call("LoadExpert", expert="builtin/faces_text_128.safetensors")
    condition, = comfy.call("TextCondition", model=model, **TEXT)
    return comfy.call("ConditionExpert", model=model, condition=condition, weight=weight, name="words", vae=vae)[0]


def hair(comfy):
    mask = torch.zeros(1, 64, 64)
    mask[:, 8:24, 16:48] = 1.0
    return expert(comfy, "faces_hair", "MapCondition", 1.5, "hair", mask=mask)


def psnr(a, b):
    return float(-10 * (a - b).square().mean().log10())


# ------------------------------------------------------------------------------------------------------------- the VAE

def test_drawings_pass_through_the_vae(comfy, vae, drawings, latents):
    samples = latents["samples"]
    assert samples.shape == (6, 4, 32, 32)
    assert samples.mean().abs() < 0.1 and 0.4 < samples.std() < 0.7
    again, = comfy.call("VAEDecode", samples=latents, vae=vae)
    assert again.shape == drawings.shape and psnr(again, drawings) > 35
    odd, = comfy.call("VAEEncode", pixels=drawings[:1, :, :99], vae=vae)
    assert odd["samples"].shape == (1, 4, 32, 24)


def test_tiles_give_the_same_picture(comfy, vae, drawings):
    wide = torch.cat([*drawings[:3]], dim=1)[None]
    whole, = comfy.call("VAEEncode", pixels=wide, vae=vae)
    tiles = {"tile_size": 256, "overlap": 64}
    assert psnr(comfy.call("VAEEncodeTiled", pixels=wide, vae=vae, **tiles)[0]["samples"], whole["samples"]) > 40
    decoded, = comfy.call("VAEDecode", samples=whole, vae=vae)
    assert psnr(comfy.call("VAEDecodeTiled", samples=whole, vae=vae, **tiles)[0], decoded) > 40


def test_previews_have_the_colours_of_the_picture(comfy, drawings, latents):
    space = comfy.module("mcdm.experts.vae").Drawings()
    shown = comfy.module("mcdm.drawing.latent_colours").previewer(space).decode_latent_to_preview(latents["samples"])
    wanted = F.avg_pool2d(drawings[:1].movedim(-1, 1), 4)[0].movedim(0, -1)
    assert np.abs(np.asarray(shown) / 255 - wanted.numpy()).mean() < 0.06


def test_what_is_no_vae_is_refused_in_a_sentence(comfy, tmp_path):
    load_vae = comfy.module("mcdm.experts.vae").load_vae
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    for path in (tmp_path / "x.safetensors", tmp_path / "y.safetensors"):
        with pytest.raises(ValueError, match="^VAE file 'x' cannot be used: .*[.]$"):
            load_vae(str(path), "x")
    with pytest.raises(ValueError, match="missing keys"):
        load_vae(comfy.module("nodes.load_expert").BUILTIN + "/faces_hair.safetensors", "hair")
    with pytest.raises(ValueError, match="vae 'other' is not one of builtin/drawings.safetensors"):
        comfy.call("LoadExpertVAE", vae="other")


# ---------------------------------------------------------------------------------------------------------- the expert

def test_alone_it_is_the_stock_ksampler_bit_for_bit(comfy):
    one = words(comfy)
    latent, = comfy.call("EmptyExpertLatent", mixture=mix(comfy, [one]), width=128, height=128, batch_size=2)
    run = settings(5, 3, scheduler="karras", latent_image=latent)
    stock, = comfy.call("KSampler", model=one.model, positive=one.condition, negative=one.model.model.null, cfg=2.0,
                        denoise=1.0, **run)
    assert torch.equal(sampled(comfy, mix(comfy, [one]), **run), stock["samples"])


def test_it_leads_an_expert_of_half_its_size(comfy, vae):
    both = mix(comfy, [words(comfy, vae), hair(comfy)])
    latent, = comfy.call("EmptyExpertLatent", mixture=both, width=128, height=128)
    assert latent["samples"].shape == (1, 4, 32, 32)
    drawn = sampled(comfy, both, **settings(5, 2, scheduler="karras", latent_image=latent))
    assert drawn.shape == (1, 4, 32, 32) and torch.isfinite(drawn).all()
    with pytest.raises(ValueError, match="'words' draws only 128 x 128, not 64 x 64"):
        comfy.call("EmptyExpertLatent", mixture=both, width=64, height=64)


def test_messages_name_the_node_of_its_vae(comfy):
    for order in ([words(comfy), hair(comfy)], [hair(comfy), words(comfy)]):
        with pytest.raises(ValueError, match="'words': the VAE from Load Expert VAE"):
            mix(comfy, order)
    with pytest.raises(ValueError, match="works only at 32 x 32, .*EmptyExpertLatent with 128 x 128 pixels"):
        sampled(comfy, mix(comfy, [words(comfy)]), **settings(latent_image={"samples": torch.zeros(1, 4, 16, 16)}))
