"""What acts in one latent space acts across several: windows, bands, automatic masks, samplers, observers."""
import math

import pytest
import torch

from support import spaces
from support.mixtures import custom_sampled, estimates, expert, latent, mix, sampled, settings
from support.spaces import IDENTITY, pair
from support.tensors import noise, relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = noise(1, 2, 4, 8, 8)


def cell_by_cell(seed):
    """An orthogonal map of the channels of each cell."""
    channels = torch.linalg.qr(spaces.rotation(seed)[:4, :4])[0].contiguous()
    return torch.kron(channels, torch.eye(4, dtype=torch.float64))


def test_a_foreign_null_that_counts_after_its_window_is_asked_on_its_own_latent(comfy, unets, mapped_noise):
    """The lead has no reliability: outside the window plain reliabilities hold, and the foreign null goes on."""
    matrix = spaces.rotation(22)
    mapped_noise([matrix])
    run = settings(latent_image=latent(), steps=6)
    one, two = (sampled(comfy, m, **run) for m in pair(
        comfy, unets[:2], matrix, ({}, {"end_percent": 0.4}), weights=(2.0, 1.0), reliabilities="0 1"))
    assert relative(two, one) < 1e-5


def test_a_space_that_is_asked_no_more_costs_no_bridge(comfy, unets):
    """Its window is over, and its reliability with it: each step before costs what a step costs without a window."""
    calls = []
    for window in {}, {"end_percent": 0.4}:
        _, mixture = pair(comfy, unets[:2], spaces.rotation(23), ({}, window))
        sampled(comfy, mixture, expert_previews=False, **settings(latent_image=latent(), steps=6))
        calls.append(len(mixture.experts[1].vae.first_stage_model.calls) - 2)           # without the probe
    of_a_step = calls[0] // 6
    assert calls[0] == 6 * of_a_step and calls[1] % of_a_step == 0 and 0 < calls[1] <= 4 * of_a_step


@pytest.mark.parametrize("reliabilities", ["1 2", "1 0"])
def test_frequency_bands(comfy, unets, mapped_noise, reliabilities):
    """A map that mixes the channels of single cells leaves frequencies as they are."""
    matrix = cell_by_cell(24)
    mapped_noise([matrix])
    more = {"bands": "1, 0.5, 0"}, {"bands": "0, 1, 2"}
    run = settings(latent_image=latent(batch=2))
    one, two = (sampled(comfy, m, **run) for m in pair(comfy, unets[:2], matrix, more, reliabilities=reliabilities))
    assert relative(two, one) < 1e-5
    _, plain = pair(comfy, unets[:2], matrix, reliabilities=reliabilities)
    assert relative(two, sampled(comfy, plain, **run)) > 1e-3


def test_automatic_masks_are_of_all_experts_in_the_leads_cells(comfy, unets, mapped_noise):
    """Each space asks in units of its own mean, so that the scale of the foreign one does not count."""
    matrix = cell_by_cell(25) * 3.0
    mapped_noise([matrix])
    _, mixture = pair(comfy, unets[:2], matrix, reliabilities="1 3")
    masked, = comfy.call("AutomaticMasks", mixture=mixture, temperature=0.5, blur=0.0, strengths="1, 2")
    x = noise(2, 2, 4, 8, 8)
    d, nulls = estimates(unets[:2], x, 0.75)
    sizes = [(a - n).norm(dim=1, keepdim=True) for a, n in zip(d, nulls, strict=True)]
    asked = [size / size.mean((1, 2, 3), keepdim=True) for size in sizes]
    m = torch.softmax(torch.stack([asked[0], 2.0 * asked[1]]) / 0.5, 0)
    parts = [0.25 * m[0], 0.75 * m[1]]
    null = (parts[0] * nulls[0] + parts[1] * nulls[1]) / (parts[0] + parts[1])
    wanted = null + 1.5 * m[0] * (d[0] - null) + 2.5 * m[1] * (d[1] - null)
    assert relative(asked_across(comfy, masked, x, 0.75), wanted) <= 1e-4


def asked_across(comfy, mixture, x, level):
    """The lead's part of the answer where all blocks lie at x."""
    import comfy.samplers as host
    guider, = comfy.call("MCDMGuider", mixture=mixture)
    found = []

    def probe(model, noisy, sigmas, extra_args=None, callback=None, disable=None):
        layout = guider.sampling.layout
        packed = layout.pack(layout.noise(x))
        found.extend(layout.unpack(model(packed, sigmas[0] * packed.new_ones(len(packed)), **extra_args)))
        return noisy
    guider.sample(x, torch.zeros_like(x), host.KSAMPLER(probe), torch.tensor([level, 0.0]), disable_pbar=True, seed=0)
    return found[0]


def test_their_masks_are_shown(comfy, unets):
    _, mixture = pair(comfy, unets[:2], spaces.rotation(26))
    masked, = comfy.call("AutomaticMasks", mixture=mixture)
    seen = []
    guider, = comfy.call("MCDMGuider", mixture=masked)
    guider.watch.observe = seen.append
    comfy.module("mcdm.host.sampling.ksampler").sample_mixture(guider, 1, 2, "euler", "normal", 1.0, latent())
    for observation in seen:
        first, second = observation.coefficients.masks
        assert first.shape == (1, 1, 8, 8) and (first + second - 1).abs().max() <= 1e-6
        assert sum(c for c, _ in observation.parts()).sub(1).abs().max() <= 1e-6


def test_corrected_without_weights_steps_all_latents(comfy, unets, mapped_noise):
    matrix = spaces.rotation(27)
    mapped_noise([matrix])
    one, two = pair(comfy, unets[:2], matrix)
    sampler, = comfy.call("MCDMCorrected", method="none", langevin_steps=1)
    out = custom_sampled(comfy, two, sampler, [5.0, 2.0, 0.5, 0.0], X)
    assert out.shape == X.shape and torch.isfinite(out).all()
    sampler, = comfy.call("MCDMCorrected")
    with pytest.raises(ValueError, match="each see a noisy latent of their own; set method to none"):
        custom_sampled(comfy, two, sampler, [5.0, 2.0, 0.5, 0.0], X)
    assert torch.isfinite(custom_sampled(comfy, one, sampler, [5.0, 2.0, 0.5, 0.0], X)).all()


def test_at_rest_observers_are_told_and_every_latent_stays(comfy, unets, mapped_noise):
    matrix = spaces.rotation(28)
    mapped_noise([matrix])
    run = settings(latent_image=latent(), steps=5)
    pictures, told = [], []
    for mixture in pair(comfy, unets[:2], matrix):
        resting, = comfy.call("MixtureOptions", mixture=mixture, zero_init=0.4)
        pictures.append(sampled(comfy, resting, **run))
        seen = []
        guider, = comfy.call("MCDMGuider", mixture=resting)
        guider.watch.observe = seen.append
        comfy.module("mcdm.host.sampling.ksampler").sample_mixture(guider, 1, 5, "euler", "normal", 1.0, latent())
        told.append([len(o.denoised) for o in seen])
    assert relative(pictures[1], pictures[0]) < 1e-5
    assert told[0] == told[1] and told[0][0] == 0 and told[0][-1] == 2


def test_a_vae_whose_last_answer_is_nan_is_named(comfy, unets):
    """As the flags of experts are, its flag is read once more at the end."""
    _, mixture = pair(comfy, unets[:2], IDENTITY.clone())
    network = mixture.experts[1].vae.first_stage_model
    sampled(comfy, mixture, expert_previews=False, **settings(latent_image=latent(), steps=2))
    last, encode = len(network.calls), network.encode

    def breaks_at_last(picture):
        answer = encode(picture)
        return answer * math.nan if len(network.calls) >= last else answer
    network.calls.clear()
    network.encode = breaks_at_last
    with pytest.raises(ValueError, match="VAE of expert 'BaseModel' returned NaN"):
        sampled(comfy, mixture, expert_previews=False, **settings(latent_image=latent(), steps=2))


def test_a_null_that_counts_in_the_leads_cells_alone_is_asked(comfy, unets):
    """W is 0 and 2 in turn over the lead's columns, and 1 in each cell of the foreign latent, which is half as fine."""
    columns = torch.arange(64) // 8 % 2 * 1.0
    experts = []
    for i, (model, scale) in enumerate(zip(unets[:2], (1.0, 0.5), strict=True)):
        seen = spaces.seen_through(model, IDENTITY, i)
        experts.append(expert(comfy, seen, i, 1.0, mask=columns.expand(1, 64, 64), scale=scale,
                              vae=spaces.vae(IDENTITY, i)))
    seen = []
    guider, = comfy.call("MCDMGuider", mixture=mix(comfy, experts, "0 1"))
    guider.watch.observe = seen.append
    comfy.module("mcdm.host.sampling.ksampler").sample_mixture(guider, 1, 1, "euler", "normal", 1.0, latent())
    assert sum(c for c, _ in seen[0].parts()).sub(1).abs().max() <= 1e-6


def test_a_foreign_network_is_shown_the_picture_and_the_noise_mask_in_its_own_space(comfy, unets, monkeypatch):
    """What its extra_conds gets is the lead's, through the map; the mask averaged over its cells."""
    matrix = spaces.rotation(29, 2.0)
    _, mixture = pair(comfy, unets[:2], matrix)
    given = {}
    for name, model in zip(("lead", "foreign"), unets, strict=False):
        def noted(_name=name, _own=model.model.extra_conds, **kwargs):
            given[_name] = kwargs
            return _own(**kwargs)
        monkeypatch.setattr(model.model, "extra_conds", noted)
    mask = (noise(3, 1, 64, 64) > 0).float()
    sampled(comfy, mixture, **settings(latent_image=latent(seed=6) | {"noise_mask": mask}))
    lead, foreign = given["lead"]["latent_image"], given["foreign"]["latent_image"]
    assert relative(foreign, spaces.through(matrix, lead)) < 1e-5
    shapes = comfy.module("mcdm.host.spaces.several").SeveralSpaces(
        mixture.experts, comfy.module("mcdm.host.spaces.groups").groups_of(mixture.experts), (1, 4, 8, 8))
    shapes.shapes[1] = torch.Size((1, 4, 4, 4))
    fine = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    averaged = torch.nn.functional.avg_pool2d(fine[:, :1], 2).expand(-1, 4, -1, -1)
    assert relative(shapes.denoise_mask(1, fine), averaged) < 1e-6
