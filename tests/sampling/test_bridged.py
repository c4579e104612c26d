"""Experts of several latent spaces against one space, the formula by hand, and what a step may cost."""
import pytest
import torch

from support import spaces
from support.mixtures import ask, expert, latent, mix, sampled, settings
from support.patches import control, controlled
from support.tensors import noise, relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

IDENTITY = torch.eye(16, dtype=torch.float64)


@pytest.fixture
def mapped_noise(comfy, monkeypatch):
    """Makes the noise of foreign blocks the lead's, mapped: mapped_noise([M of each foreign group])."""
    def use(matrices):
        def mapped(self, own):
            return [own, *(spaces.through(m, own) for m in matrices)]
        monkeypatch.setattr(comfy.module("mcdm.host.spaces.several").SeveralSpaces, "noise", mapped)
    return use


def together(comfy, models, more=({}, {}, {}), **mixer):
    """All experts in one space."""
    alike = [spaces.seen_through(m, IDENTITY, 0) for m in models]
    experts = [expert(comfy, m, i, 1.5 + i, **extra) for i, (m, extra) in enumerate(zip(alike, more, strict=False))]
    return mix(comfy, experts, mixer.pop("reliabilities", "1 2 3"[:2 * len(models) - 1]), **mixer)


def apart(comfy, models, matrices, more=({}, {}, {}), **mixer):
    """The same experts, each of the later ones in the space of its matrix."""
    experts = []
    for i, (model, matrix, extra) in enumerate(zip(models, [IDENTITY, *matrices], more, strict=False)):
        moved = spaces.seen_through(model, matrix, i)
        experts.append(expert(comfy, moved, i, 1.5 + i, vae=spaces.vae(matrix, i), **extra))
    return mix(comfy, experts, mixer.pop("reliabilities", "1 2 3"[:2 * len(models) - 1]), **mixer)


def test_a_bridge_that_changes_nothing_gives_the_picture_of_one_space(comfy, unets, mapped_noise):
    mapped_noise([IDENTITY])
    run = settings(latent_image=latent(batch=2))
    one, two = (sampled(comfy, m, **run) for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [IDENTITY])))
    assert relative(two, one) < 1e-6


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m", "ddim", "uni_pc"])
def test_orthogonal_maps_give_the_picture_of_one_space(comfy, unets, mapped_noise, sampler):
    count = 3 if sampler == "euler" else 2
    matrices = [spaces.rotation(1, 2.0), spaces.rotation(2, 0.5)][:count - 1]
    mapped_noise(matrices)
    left = torch.zeros(64, 64)
    left[:, :32] = 1.0
    more = {}, {"mask": left}, {"start_percent": 0.3, "end_percent": 0.8}
    if count == 2:
        more = {"mask": 1 - 0.7 * left}, {"mask": left, "end_percent": 0.8}, {}
    run = settings(latent_image=latent(), steps=4, sampler_name=sampler)
    one = sampled(comfy, together(comfy, unets[:count], more), **run)
    several = sampled(comfy, apart(comfy, unets[:count], matrices, more), **run)
    assert relative(several, one) < 1e-5


@pytest.mark.parametrize("mixer", [
    {"meaning": "shares"}, {"reliabilities": "0 1"}, {"reliabilities": "1 0"},
], ids=str)
def test_numbers_of_every_kind(comfy, unets, mapped_noise, mixer):
    matrix = spaces.rotation(3)
    mapped_noise([matrix])
    run = settings(latent_image=latent(batch=2), steps=2)
    one, two = (sampled(comfy, m, **run) for m in (
        together(comfy, unets[:2], **mixer), apart(comfy, unets[:2], [matrix], **mixer)))
    assert relative(two, one) < 1e-5


def test_image_to_image_and_inpainting(comfy, unets, mapped_noise):
    matrix = spaces.rotation(5)
    mapped_noise([matrix])
    image = latent(seed=6, batch=2)
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:48, 16:48] = 1.0
    for run in (settings(latent_image=image, denoise=0.6), settings(latent_image=image | {"noise_mask": mask})):
        one, two = (sampled(comfy, m, **run) for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
        assert relative(two, one) < 1e-5


@pytest.mark.parametrize("sampler", ["euler_cfg_pp", "dpmpp_2m_cfg_pp"])
def test_cfg_pp(comfy, unets, mapped_noise, sampler):
    """Their hook sees D_0 in every block."""
    matrix = spaces.rotation(9)
    mapped_noise([matrix])
    run = settings(latent_image=latent(), sampler_name=sampler)
    one, two = (sampled(comfy, m, **run) for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
    assert relative(two, one) < 1e-5


@pytest.mark.parametrize("inputs", [
    {"rescale": 0.7}, {"apg": True}, {"cfg_zero": True}, {"weights_end": "0.5, 1"}, {"sigma_high": 3.0},
], ids=str)
def test_options(comfy, unets, mapped_noise, inputs):
    """As in one space; but the rescale looks at the lead's own estimate, where one space has the mean of all."""
    matrix = spaces.rotation(10)
    mapped_noise([matrix])
    one, two = (comfy.call("MixtureOptions", mixture=m, **inputs)[0]
                for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
    run = settings(latent_image=latent())
    plain = sampled(comfy, apart(comfy, unets[:2], [matrix]), **run)
    changed = sampled(comfy, two, **run)
    assert relative(changed, plain) > 1e-3
    if "rescale" not in inputs:
        assert relative(changed, sampled(comfy, one, **run)) < 1e-4


def test_a_controlnet_on_the_foreign_expert(comfy, unets, mapped_noise):
    mapped_noise([IDENTITY])
    hint = controlled(conditioning(1), control(0.5))
    more = {}, {"condition": hint}
    run = settings(latent_image=latent())
    one, two = (sampled(comfy, m, **run)
                for m in (together(comfy, unets[:2], more), apart(comfy, unets[:2], [IDENTITY], more)))
    assert relative(two, one) < 1e-5
    assert relative(two, sampled(comfy, apart(comfy, unets[:2], [IDENTITY]), **run)) > 1e-3


def test_report_and_sweep(comfy, unets):
    mixture = apart(comfy, unets[:2], [spaces.rotation(11)])
    sheet = {"vae": mixture.experts[0].vae, "x_cells": 2, "y_cells": 1}
    for node, more in ("MixtureReport", {}), ("ReliabilitySweep", sheet):
        out = comfy.call(node, mixture=mixture, latent_image=latent(), **settings(steps=1), **more)
        assert all(torch.isfinite(o).all() for o in out if isinstance(o, torch.Tensor))


def test_compared_a_foreign_expert_is_alone_in_its_space(comfy, unets, mapped_noise):
    matrix = spaces.rotation(14)
    mapped_noise([matrix])
    one, two = (comfy.call("CompareExperts", mixture=m, latent_image=latent(), vae=spaces.vae(IDENTITY),
                           **settings(steps=2))[2]["samples"]
                for m in (together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix])))
    assert len(one) == 3 and relative(two, one) < 1e-5


def test_mcdm_ancestral(comfy, unets):
    from support.mixtures import custom_sampled
    sampler, = comfy.call("MCDMAncestral")
    out = custom_sampled(comfy, apart(comfy, unets[:2], [spaces.rotation(12)]), sampler, [5.0, 2.0, 0.5, 0.0],
                         noise(1, 1, 4, 8, 8))
    assert torch.isfinite(out).all() and out.shape == (1, 4, 8, 8)


def test_an_observer_gets_estimates_in_the_leads_space(comfy, unets, mapped_noise):
    matrix = spaces.rotation(13, 2.0)
    mapped_noise([matrix])
    seen = []
    for mixture in together(comfy, unets[:2]), apart(comfy, unets[:2], [matrix]):
        guider, = comfy.call("MCDMGuider", mixture=mixture)
        guider.watch.all_nulls = True
        guider.watch.observe = lambda o: seen.append((
            o.sigma, dict(o.denoised), {i: d for i, (_, d) in o.contributions.items()}, o.null, o.fused,
            dict(o.nulls)))
        comfy.module("mcdm.host.sampling.ksampler").sample_mixture(guider, 1, 1, "euler", "normal", 1.0, latent())
    (sigma, *one), (their_sigma, *two) = seen
    assert sigma == their_sigma
    for a, b in zip(one, two, strict=True):
        for key in a if isinstance(a, dict) else [()]:
            ours, theirs = (z[key] if isinstance(z, dict) else z for z in (a, b))
            assert relative(theirs, ours) < 1e-5


def test_a_step_takes_two_round_trips_at_most(comfy, unets):
    matrix = spaces.rotation(7)
    mixture = apart(comfy, unets[:2], [matrix])
    vaes = [e.vae.first_stage_model for e in mixture.experts]
    sampled(comfy, mixture, expert_previews=False, **settings(latent_image=latent(), steps=1))
    before = [len(v.calls) for v in vaes]
    sampled(comfy, mixture, expert_previews=False, **settings(latent_image=latent(), steps=3))
    own, theirs = (v.calls[n + 2:] for v, n in zip(vaes, before, strict=True))         # without the probe
    for calls in (own, theirs):
        for kind in ("decode", "encode"):
            assert sum(rows for name, rows in calls if name == kind) == 2 * 3


def test_the_foreign_noise_belongs_to_its_row(comfy, unets):
    """A row keeps its picture in another batch, and the run's seed decides."""
    mixture = apart(comfy, unets[:2], [spaces.rotation(8)])
    image = latent(batch=3)
    whole = sampled(comfy, mixture, **settings(latent_image=image))
    alone = sampled(comfy, mixture, **settings(latent_image={"samples": image["samples"][:1], "batch_index": [1]}))
    assert relative(alone, whole[1:2]) < 1e-4
    again = sampled(comfy, mixture, **settings(latent_image=image))
    assert torch.equal(again, whole)
    assert relative(sampled(comfy, mixture, **settings(seed=2, latent_image=image)), whole) > 0.1


def test_without_vaes_the_message_names_the_remedy(comfy, unets):
    a, b = (expert(comfy, spaces.seen_through(unets[i], IDENTITY, i), i) for i in range(2))
    with pytest.raises(ValueError, match="latent space Space1.*Space0.*Connect the VAE"):
        mix(comfy, [a, b])
    b = expert(comfy, spaces.seen_through(unets[1], IDENTITY, 1), 1, vae=spaces.vae(IDENTITY, 1))
    with pytest.raises(ValueError, match="latent space Space0.*connect the VAE of its checkpoint"):
        mix(comfy, [a, b])


def bad(attribute, value):
    broken = spaces.vae(IDENTITY)
    setattr(broken, attribute, value)
    return broken


@pytest.mark.parametrize(("broken", "words"), [
    (lambda: bad("latent_channels", 16), "latents of 16 channels and 8 pixels.*works in Space1: 4 channels"),
    (lambda: bad("upscale_ratio", 16), "16 pixels a cell.*8 pixels a cell"),
    (lambda: bad("latent_dim", 3), "videos or sound"),
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
