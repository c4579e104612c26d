"""What goes wrong with the bridge between latent spaces is named, and the next run is the same."""
import pytest
import torch

from support import spaces
from support.mixtures import ask, expert, latent, mix, sampled, settings
from support.spaces import IDENTITY, apart
from support.tensors import noise, relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def test_without_vaes_the_message_names_the_remedy(comfy, unets):
    a, b = (expert(comfy, spaces.seen_through(unets[i], IDENTITY, i), i) for i in range(2))
    with pytest.raises(ValueError, match="works in Space1.*Space0.*Connect the VAE"):
        mix(comfy, [a, b])
    b = expert(comfy, spaces.seen_through(unets[1], IDENTITY, 1), 1, vae=spaces.vae(IDENTITY, 1))
    with pytest.raises(ValueError, match="latent space Space0.*connect the VAE of its checkpoint"):
        mix(comfy, [a, b])


def bad(attribute, value):
    broken = spaces.vae(IDENTITY)
    setattr(broken, attribute, value)
    return broken


@pytest.mark.parametrize(("broken", "words"), [
    (lambda: bad("latent_channels", 16), "16 channels and 8 pixels.*works in Space1: 2 dimensions, 4 channels"),
    (lambda: bad("upscale_ratio", 16), "16 pixels a cell.*8 pixels a cell"),
    (lambda: bad("latent_dim", 3), "of 3 dimensions"),
])
def test_a_vae_of_another_family_is_refused_when_it_is_wired(comfy, unets, broken, words):
    a, b = (expert(comfy, spaces.seen_through(unets[i], IDENTITY, i), i, vae=v)
            for i, v in enumerate((spaces.vae(IDENTITY), broken())))
    with pytest.raises(ValueError, match=words):
        mix(comfy, [a, b])


def test_a_vae_that_returns_nan_is_named_and_the_next_run_is_the_same(comfy, unets):
    mixture = apart(comfy, unets[:2], [IDENTITY])
    run = settings(latent_image=latent())
    before = sampled(comfy, mixture, **run)
    network = mixture.experts[1].vae.first_stage_model
    good = network.encoder.data.clone()
    network.encoder.data[:, 0] = float("nan")
    with pytest.raises(ValueError, match="VAE of expert 'BaseModel' returned NaN"):
        sampled(comfy, mixture, **run)
    network.encoder.data = good
    assert torch.equal(sampled(comfy, mixture, **run), before)


@pytest.mark.parametrize("even_tiles", [False, True])
def test_a_vae_out_of_memory_works_in_tiles_or_says_so(comfy, unets, monkeypatch, caplog, even_tiles):
    from comfy import model_management
    mixture = apart(comfy, unets[:2], [IDENTITY])
    run = settings(latent_image=latent(), steps=2)
    before = sampled(comfy, mixture, **run)
    vae = mixture.experts[1].vae
    whole = vae.first_stage_model.decode
    tiles = vae.decode_tiled_
    inside = []

    def decode(latents):
        if not inside:
            raise model_management.OOM_EXCEPTION("no memory")
        return whole(latents)

    def tiled(latents):
        inside.extend([] if even_tiles else [True])
        try:
            return tiles(latents)
        finally:
            inside.clear()
    with monkeypatch.context() as patch:
        patch.setattr(vae.first_stage_model, "decode", decode)
        patch.setattr(vae, "decode_tiled_", tiled)
        if even_tiles:
            with pytest.raises(model_management.OOM_EXCEPTION):
                sampled(comfy, mixture, **run)
            assert "not enough memory for the VAE of expert 'BaseModel', even in tiles; use a small one" in caplog.text
        else:
            assert relative(sampled(comfy, mixture, **run), before) < 1e-5
            assert "it works in tiles" in caplog.text
    assert torch.equal(sampled(comfy, mixture, **run), before)


def test_sizes_that_do_not_divide(comfy, unets):
    a = expert(comfy, spaces.seen_through(unets[0], IDENTITY, 0), 0, vae=spaces.vae(IDENTITY))
    theirs = spaces.seen_through(unets[1], IDENTITY, 1)
    b = expert(comfy, theirs, 1, vae=spaces.vae(IDENTITY, 1), scale=0.3)
    with pytest.raises(ValueError, match=r"At scale 0.3 expert .* would work on 19.2 x 19.2 pixels.*multiples of 8"):
        sampled(comfy, mix(comfy, [a, b]), **settings(latent_image=latent()))
    with pytest.raises(ValueError, match="leads and has the picture's own size"):
        mix(comfy, [b, a])


def test_a_run_without_noise_is_refused(comfy, unets):
    with pytest.raises(ValueError, match="need noise to start from"):
        ask(comfy, apart(comfy, unets[:2], [IDENTITY]), noise(1, 1, 4, 8, 8), 1.0)
