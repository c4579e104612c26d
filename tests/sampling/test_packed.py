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
    guider.observer = seen.append
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


def test_nothing_infinite_in_the_sound(comfy):
    import comfy.samplers as host
    guider = comfy.call("MCDMGuider", mixture=united(comfy))[0]
    latent = nested(0)
    latent.tensors[1][0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="latent holds NaN"):
        guider.sample(nested(1), latent, host.sampler_object("euler"), torch.tensor(LEVELS), disable_pbar=True, seed=0)
