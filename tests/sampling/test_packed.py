"""Picture and sound in one latent, packed by the host as [B, 1, n]: eq. 10 number by number, masks on the picture."""
from __future__ import annotations

import pytest
import torch

from support.mixtures import mix
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

SHAPES = (1, 4, 3, 4, 4), (1, 4, 10)        # a video and its sound
COUNT = 4 * 3 * 4 * 4 + 4 * 10
LEVELS = [4.0, 1.5, 0.4, 0.0]


def gaussian(mean, deviation):
    """A MODEL that answers as the posterior mean of a Gaussian around `mean` for conditions, around 0 for nulls."""
    import comfy.conds

    def answer(apply_model, args):
        x, sigma = args["input"], args["timestep"].view(-1, 1, 1)
        centre = torch.tensor([mean if label == 0 else 0.0 for label in args["cond_or_uncond"]])
        centre = centre.repeat_interleave(len(x) // len(centre)).view(-1, 1, 1)
        return (deviation ** 2 * x + sigma ** 2 * centre) / (deviation ** 2 + sigma ** 2)
    model = tiny_unet(0).clone()

    def extra_conds(own=model.model.extra_conds, **kwargs):             # as networks do that take packed latents
        return {**own(**kwargs), "latent_shapes": comfy.conds.CONDConstant(kwargs["latent_shapes"])}
    model.model.extra_conds = extra_conds
    model.set_model_unet_function_wrapper(answer)
    return model


def nested(seed):
    from comfy.nested_tensor import NestedTensor
    generator = torch.Generator().manual_seed(seed)
    return NestedTensor([torch.randn(shape, generator=generator) for shape in SHAPES])


def united(comfy, mask=None):
    given = [(0.7, 0.5, 2.0, None), (-0.4, 1.0, 1.5, mask)]
    experts = []
    for mean, deviation, weight, where in given:
        experts += comfy.call("ConditionExpert", model=gaussian(mean, deviation), condition=conditioning(0),
                              null_condition=conditioning(1), weight=weight, mask=where)
    return mix(comfy, experts, "1, 3")


def by_hand(noise, mask):
    """Euler's steps on eq. 10 in float64, the experts' posterior means written out. mask: [n] of the second expert."""
    x = LEVELS[0] * noise.double()
    for sigma, following in zip(LEVELS, LEVELS[1:], strict=False):
        def answer(mean, deviation, x=x, sigma=sigma):
            return (deviation ** 2 * x + sigma ** 2 * mean) / (deviation ** 2 + sigma ** 2)
        weights = 2.0, 1.5 * mask
        shares = 0.25 / (0.25 + 0.75 * mask), 0.75 * mask / (0.25 + 0.75 * mask)
        null = shares[0] * answer(0.0, 0.5) + shares[1] * answer(0.0, 1.0)
        fused = weights[0] * answer(0.7, 0.5) + weights[1] * answer(-0.4, 1.0) - (sum(weights) - 1.0) * null
        x = x + (x - fused) / sigma * (following - sigma)
    return x


@pytest.mark.parametrize("masked", [False, True])
def test_picture_and_sound_are_fused(comfy, masked):
    import comfy.samplers as host
    from comfy.utils import pack_latents
    mask = torch.zeros(1, 32, 32)
    mask[:, :, 16:] = 1.0                                               # the right half of every frame
    guider = comfy.call("MCDMGuider", mixture=united(comfy, mask if masked else None))[0]
    seen = []
    guider.watch.observe = seen.append
    nothing = nested(0) * 0.0
    noise = nested(5)
    out = guider.sample(noise, nothing, host.sampler_object("euler"), torch.tensor(LEVELS), disable_pbar=True, seed=0)
    assert [tuple(part.shape) for part in out.unbind()] == list(SHAPES)

    picture, sound = torch.ones(SHAPES[0], dtype=torch.float64), torch.ones(SHAPES[1], dtype=torch.float64)
    if masked:
        picture[..., :2] = 0.0
    packed, _ = pack_latents([picture, sound])
    wanted = by_hand(pack_latents(noise.unbind())[0], packed) / 0.18215     # out of SD 1.5's latent space
    assert relative(pack_latents(out.unbind())[0], wanted) <= 2e-5
    assert {tuple(o.fused.shape) for o in seen} == {SHAPES[0]}          # reports and previews are of the picture


def masks_by_hand(asked, temperature):
    """Of both experts, from D_i - N_i of one part in float64, without blur."""
    asked = torch.stack(asked)
    mean = asked.flatten(2).mean((0, 2)).view(1, -1, *[1] * (asked.ndim - 2))
    return torch.softmax(asked / (temperature * mean), 0)


def test_automatic_masks_are_of_the_pictures_cells_and_of_the_sounds_mean(comfy):
    """Conditions of the two experts ask for other things in the left and the right half, and in the sound."""
    import comfy.samplers as host
    from comfy.utils import pack_latents, unpack_latents
    mixture = comfy.call("AutomaticMasks", mixture=united(comfy), temperature=0.5, blur=0.0)[0]
    guider, seen = comfy.call("MCDMGuider", mixture=mixture)[0], []
    guider.watch.observe = seen.append
    x, sigma = nested(5), 1.5
    packed, shapes = pack_latents(x.unbind())
    answers = []

    def probe(model, noise, sigmas, extra_args=None, callback=None, disable=None):
        answers.append(model(packed, sigmas[0] * torch.ones(1), **extra_args))
        return noise
    guider.sample(nested(1), nested(0) * 0.0, host.KSAMPLER(probe), torch.tensor([sigma, 0.0]), disable_pbar=True,
                  seed=0)

    def answer(part, mean, deviation):
        return (deviation ** 2 * part + sigma ** 2 * mean) / (deviation ** 2 + sigma ** 2)
    wanted = []
    for part in (p.double() for p in x.unbind()):
        d = answer(part, 0.7, 0.5), answer(part, -0.4, 1.0)
        nulls = answer(part, 0.0, 0.5), answer(part, 0.0, 1.0)
        asked = [(a - n).norm(dim=1, keepdim=True) for a, n in zip(d, nulls, strict=True)]
        if part.ndim == 3:
            asked = [a.mean((1, 2), keepdim=True) for a in asked]
        m = masks_by_hand(asked, 0.5)
        a = [0.25 * m[0], 0.75 * m[1]]
        null = (a[0] * nulls[0] + a[1] * nulls[1]) / (a[0] + a[1])
        wanted.append(null + 2.0 * m[0] * (d[0] - null) + 1.5 * m[1] * (d[1] - null))
    for found, expected in zip(unpack_latents(answers[0], shapes), wanted, strict=True):
        assert relative(found, expected) <= 2e-5
    first, second = seen[0].coefficients.masks      # reports and previews see them
    assert first.shape == (1, 1, 3, 4, 4) and (first + second - 1).abs().max() <= 1e-6


def test_nothing_infinite_in_the_sound(comfy):
    import comfy.samplers as host
    guider = comfy.call("MCDMGuider", mixture=united(comfy))[0]
    latent = nested(0)
    latent.tensors[1][0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="latent holds NaN"):
        guider.sample(nested(1), latent, host.sampler_object("euler"), torch.tensor(LEVELS), disable_pbar=True, seed=0)
