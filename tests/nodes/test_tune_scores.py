"""What Tune a Mixture goes by: nearness, words and balance, against what they mean by hand."""
import dataclasses
import math

import pytest
import torch

from support.embedded import RUN, empty, faces
from support.mixtures import sampled

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


def pictures(comfy, *tensors):
    return comfy.module("mcdm.tuning.scores").Drawn({"samples": torch.zeros(1)}, torch.cat(tensors))


def test_nearness_is_highest_at_the_example(comfy):
    scores, features = comfy.module("mcdm.tuning.scores"), comfy.module("mcdm.tuning.features").plain_features
    a, b = torch.rand(2, 1, 40, 60, 3, generator=torch.Generator().manual_seed(1)).split(1)
    a, b = a[0] * torch.tensor([1.0, 0.2, 0.2]), b[0] * torch.tensor([0.2, 0.2, 1.0])
    near = scores.nearness(a, features)
    assert near(pictures(comfy, a)) == pytest.approx(1.0) and near(pictures(comfy, b)) < 0.9
    ordered = scores.nearness(torch.cat([a, b]), features)
    assert ordered(pictures(comfy, a, b)) == pytest.approx(1.0)
    assert ordered(pictures(comfy, b, a)) < 0.9         # one for each, in order
    assert ordered(pictures(comfy, b)) == pytest.approx(1.0)    # the nearest
    with pytest.raises(ValueError, match="from 1 to 20"):
        scores.nearness(a.expand(21, -1, -1, -1), features)


def test_nearness_sees_where_an_outline_is(comfy):
    """A disc that is one pixel of 64 too wide counts less than the disc itself, and more than one that is three."""
    features = comfy.module("mcdm.tuning.features").plain_features
    near = comfy.module("mcdm.tuning.scores").nearness(disc(20.0), features)
    values = [near(pictures(comfy, disc(radius))) for radius in (20.0, 21.0, 23.0)]
    assert values[0] > values[1] + 0.01 > values[2] + 0.03


def disc(radius):
    """[1, 64, 64, 3], red on blue."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    inside = ((x - 31.5) ** 2 + (y - 31.5) ** 2 < radius ** 2).float()
    return torch.stack([inside, torch.zeros_like(inside), 1 - inside], dim=-1)[None]


def test_balance_lies_between_the_mean_and_the_least(comfy):
    balance_of = comfy.module("mcdm.tuning.scores").balance_of
    assert balance_of([0.4, 0.4, 0.4]) == pytest.approx(0.4)
    parts = torch.tensor([0.9, 0.1, 0.5], dtype=torch.float64)
    assert balance_of(parts.tolist()) == pytest.approx(float(math.log(3) - torch.logsumexp(-parts, 0)))
    assert 0.1 < balance_of(parts.tolist()) < 0.5
    assert balance_of([0.9, 0.2, 0.5]) - balance_of([0.9, 0.1, 0.5]) > 0.1 / 3      # the weak one counts more
    assert math.isfinite(balance_of([-1.0, 1.0]))


def test_words_by_a_clip_pair(comfy):
    scores = comfy.module("mcdm.tuning.scores")

    class Clip:
        def tokenize(self, words):
            return words

        def encode_from_tokens(self, tokens, return_pooled):
            return None, torch.tensor([[0.0, 3.0]])
    agree = scores.agreement("a face", Clip(), lambda pictures: torch.tensor([[0.6, 0.8]]))
    assert agree(pictures(comfy, torch.zeros(1, 4, 4, 3))) == pytest.approx(0.8)
    wide = scores.agreement("a face", Clip(), lambda pictures: torch.ones(1, 3))
    with pytest.raises(ValueError, match="belong together"):
        wide(pictures(comfy, torch.zeros(1, 4, 4, 3)))


def test_explained_is_what_the_networks_say_at_a_noisy_picture(comfy):
    """By hand, with the experts asked as the host's own CFG 1 and CFG 0 would: one level, the first expert."""
    balance = comfy.module("mcdm.tuning.balance")
    mixture = faces(comfy, 2.0)
    run = RUN | {"latent_image": empty(2)}
    latent = {"samples": sampled(comfy, mixture, **run)}
    found = balance.explained(mixture, latent)
    assert found.shape == (3, 2, 2) and torch.isfinite(found).all()
    x0 = latent["samples"]
    sigma = balance.LEVELS[1] * float(x0.std())
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(balance.SEED))
    guider = comfy.module("mcdm.host.sampling.guider").MixtureGuider
    seen = []

    def once(model, x, sigmas, extra_args, callback=None, disable=None):
        seen.append(model(x, sigmas[:1].expand(len(x)), **extra_args))
        return x
    for weight in (1.0, 0.0):
        expert = dataclasses.replace(mixture.experts[0], weight=weight)
        alone = comfy.module("mcdm.mixture").Mixture((expert,), (1.0,))
        guider(alone).sample(noise, x0, samplers().KSAMPLER(once), torch.tensor([sigma, 0.0]), disable_pbar=True)
    errors = [(x0 - d.cpu()).square().flatten(1).sum(1) for d in seen]
    assert torch.allclose(found[1, :, 0], 1 - errors[0] / errors[1], atol=1e-4)


def samplers():
    import comfy.samplers
    return comfy.samplers
