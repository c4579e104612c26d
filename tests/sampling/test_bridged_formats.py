"""Experts in the host's real formats at toy size, with its own small VAEs (TAESD): the formula by hand in float64."""
import copy
import dataclasses
import functools
from typing import Any

import pytest
import torch

from support import openai_experts
from support.mixtures import mix, stock
from support.tensors import noise, relative
from unite_and_conquer.devtools.families import FAMILIES
from unite_and_conquer.devtools.tiny_sd15 import small_vae

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

WEIGHTS, RELIABILITIES = (1.5, 1.2), (0.25, 0.75)
LEVELS = {False: 1.7, True: 0.6}        # sigma, or t of a flow
NAMES = {family.name: family for family in FAMILIES}


@dataclasses.dataclass
class Format:
    """A network with a condition, a null and, but for pixels, a VAE."""
    model: Any
    condition: Any
    null: Any
    vae: Any
    channels: int
    cell: int = 8

    @functools.cached_property
    def exact(self):
        """The network of the VAE in float64."""
        return copy.deepcopy(self.vae.first_stage_model).double()

    @property
    def space(self):
        return self.model.get_model_object("latent_format")

    @property
    def flow(self):
        import comfy.model_sampling
        return isinstance(self.model.get_model_object("model_sampling"), comfy.model_sampling.CONST)


def of_the_host(name, seed, channels):
    family = NAMES[name]
    texts = family.condition(seed), family.condition(100 + seed)
    return Format(family.model(seed), *texts, small_vae(seed, channels), channels)


@pytest.fixture(scope="module")
def formats(comfy):
    with torch.no_grad():
        adm = openai_experts.recorded(comfy, "adm_classcond", None)
        modality, = adm.model.modalities.values()
        conditioning = comfy.module("mcdm.experts.modality").conditioning
        label = conditioning({key: torch.ones_like(null) for key, null in modality.nulls.items()})
        return {
            "SD 1.5": of_the_host("SD15", 1, 4), "SDXL": of_the_host("SDXL", 2, 4), "Flux": of_the_host("Flux", 3, 16),
            "ADM": Format(adm, label, adm.model.null_conditioning(), None, 3, 1),
        }


def picture(form, z):
    """Of an estimate, in float64."""
    if form.vae is None:
        return (z + 1) / 2
    decoded = form.exact.decode(form.space.process_out(z))
    return ((decoded + 1) / 2).clamp(0, 1)


def estimate(form, pixels):
    if form.vae is None:
        return pixels * 2 - 1
    return form.space.process_in(form.exact.encode(pixels * 2 - 1))


def resized(pixels, side):
    if pixels.shape[-1] == side:
        return pixels
    return torch.nn.functional.interpolate(pixels, size=(side, side), mode="bicubic", antialias=True)


def bridge(a, b, side, z):
    return estimate(b, resized(picture(a, z), side))


def own_frame(lead, form, x, level):
    """The sampler's image and level as a network takes them."""
    if lead.flow == form.flow:
        return x, level
    if lead.flow:
        return x / (1 - level), level / (1 - level)
    return x / (1 + level), level / (1 + level)


def by_hand(lead, foreign, blocks, level, sides):
    """(D, what the foreign block is stepped to), in float64."""
    weight = 1 - sum(WEIGHTS)
    d, n = stock(lead.model, lead.condition, lead.null, blocks[0], level)
    x, at = own_frame(lead, foreign, blocks[1], level)
    their_d, their_n = stock(foreign.model, foreign.condition, foreign.null, x, at)
    own = WEIGHTS[0] * d + weight * RELIABILITIES[0] * n
    theirs = WEIGHTS[1] * their_d + weight * RELIABILITIES[1] * their_n
    g = WEIGHTS[1] + weight * RELIABILITIES[1]
    seen = bridge(lead, foreign, sides[1], d)
    back = [bridge(foreign, lead, sides[0], z) for z in (seen + theirs - g * seen, seen)]
    fused = own + g * d + back[0] - back[1]
    return fused, bridge(lead, foreign, sides[1], fused)


def answers(comfy, lead, foreign, scale, side, level):
    """(the blocks of an image, what the guider says to it)."""
    import comfy.samplers as host
    experts = [comfy.call("ConditionExpert", model=form.model, condition=form.condition, null_condition=form.null,
                          weight=weight, vae=form.vae, scale=size)[0]
               for form, weight, size in zip((lead, foreign), WEIGHTS, (1.0, scale), strict=True)]
    guider, = comfy.call("MCDMGuider", mixture=mix(comfy, experts, "1 3"))
    seen = []

    def probe(model, x, sigmas, extra_args=None, callback=None, disable=None):
        answer = model(x, sigmas[0] * x.new_ones(len(x)), **extra_args)
        seen.extend(guider.sampling.layout.unpack(z) for z in (x, answer))
        return x
    empty = torch.zeros(1, lead.channels, side // lead.cell, side // lead.cell)
    guider.sample(noise(1, *empty.shape), empty, host.KSAMPLER(probe), torch.tensor([level, 0.0]), seed=1,
                  disable_pbar=True)
    return seen


PAIRS = [("SD 1.5", "SDXL"), ("SDXL", "Flux"), ("ADM", "SD 1.5")]


@pytest.mark.parametrize(("names", "scale"), [
    *((names, 1.0) for pair in PAIRS for names in (pair, pair[::-1])),
    (("SDXL", "SD 1.5"), 0.5), (("SD 1.5", "ADM"), 0.5),
], ids=str)
def test_two_formats_are_the_formula(comfy, formats, names, scale):
    lead, foreign = (formats[name] for name in names)
    level = LEVELS[lead.flow]
    side, theirs = int(32 / scale), 32
    blocks, told = answers(comfy, lead, foreign, scale, side, level)
    assert blocks[1].shape == (1, foreign.channels, *[theirs // foreign.cell] * 2)
    wanted = by_hand(lead, foreign, blocks, level, (side, theirs))
    for block, reference in zip(told, wanted, strict=True):
        assert relative(block, reference) < 1e-4


def test_whole_runs_of_a_flow_and_pixels(comfy, formats):
    for a, b in [("Flux", "ADM"), ("ADM", "Flux")]:
        lead, foreign = formats[a], formats[b]
        experts = [comfy.call("ConditionExpert", model=form.model, condition=form.condition, null_condition=form.null,
                              weight=1.0, vae=form.vae)[0] for form in (lead, foreign)]
        empty = {"samples": torch.zeros(1, lead.channels, 32 // lead.cell, 32 // lead.cell)}
        out = comfy.call("MCDMSampler", mixture=mix(comfy, experts), seed=1, steps=2, sampler_name="euler",
                         scheduler="simple", latent_image=empty)[0]["samples"]
        assert torch.isfinite(out).all() and out.shape == empty["samples"].shape


def test_a_video_and_a_foreign_picture_are_refused(comfy, formats):
    video = NAMES["WAN21_T2V"]
    wan = comfy.call("ConditionExpert", model=video.model(1), condition=video.condition(1),
                     null_condition=video.condition(2), name="wan")[0]
    form = formats["SD 1.5"]
    other = comfy.call("ConditionExpert", model=form.model, condition=form.condition, null_condition=form.null,
                       vae=form.vae)[0]
    with pytest.raises(ValueError, match="'wan' works in Wan21, latents for video or sound.*bridges.*are for pictures"):
        mix(comfy, [wan, other])
