"""AutomaticMasks: the masks by hand, regions that embedded experts disagree about, and what is asked for them."""
import pytest
import torch

from support.embedded import empty
from support.mixtures import ask, count_forwards, eq10, estimates, expert, mix, parameterised, sampled, settings, united
from support.tensors import noise, relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = noise(1, 2, 4, 8, 8)


def automatic(comfy, mixture, **inputs):
    return comfy.call("AutomaticMasks", mixture=mixture, **inputs)[0]


def by_hand(d, nulls, temperature, strengths=(1.0, 1.0)):
    """m_i of two experts without blur, in float64."""
    sizes = [(a - n).norm(dim=1, keepdim=True) for a, n in zip(d, nulls, strict=True)]
    mean = (sizes[0] + sizes[1]).mean((1, 2, 3), keepdim=True) / 2
    return torch.softmax(torch.stack([k * s / (temperature * mean) for k, s in zip(strengths, sizes, strict=True)]), 0)


@pytest.mark.parametrize("kind", ["eps", "v", "flow"])
def test_masks_by_hand(comfy, kind):
    """Reliabilities follow the masks, as they follow those of a user."""
    models = [parameterised(1, kind), parameterised(2, kind)]
    d, nulls = estimates(models, X, 0.75)
    m = by_hand(d, nulls, 0.5, (1.0, 2.0))
    a = [0.25 * m[0], 0.75 * m[1]]
    a = [part / (a[0] + a[1]) for part in a]
    wanted = eq10(d, nulls, (2.0 * m[0], 3.0 * m[1]), a)
    wired = automatic(comfy, united(comfy, models), temperature=0.5, blur=0.0, strengths="1, 2")
    assert relative(ask(comfy, wired, X, 0.75), wanted) <= 1e-4


def test_masks_sum_to_1_within_what_is_allowed(comfy):
    module = comfy.module("mcdm.automatic")

    def masks(asked, allowed):
        sizes = [module.blurred(module.saliency(d), 1.5) for d in asked]
        return module.masks(0.25, sizes, [0] * len(sizes), [1.0] * len(sizes), allowed)
    asked = [noise(i, 2, 4, 16, 16) for i in range(3)]
    assert (sum(masks(asked, (1.0, 1.0, 1.0))) - 1).abs().max() <= 1e-6
    left = torch.zeros(1, 1, 16, 16)
    left[..., :8] = 1.0
    found = masks(asked, (left, left, left))
    assert (sum(found) - left).abs().max() <= 1e-6
    video = masks([noise(i, 1, 4, 3, 16, 16) for i in range(2)], (1.0, 1.0))
    assert video[0].shape == (1, 1, 3, 16, 16) and (video[0] + video[1] - 1).abs().max() <= 1e-6


def test_nothing_is_evaluated_twice_and_held_masks_ask_no_null_that_does_not_count(comfy, two_unets, monkeypatch):
    """Weights of 1: after the first of three steps the masks are held, and their sum needs no null."""
    rows = count_forwards(monkeypatch, two_unets)
    wired = united(comfy, two_unets, weights=(1.0, 1.0))
    run = settings(latent_image={"samples": torch.zeros_like(X)})
    for hold, wanted in ((0.0, 3 * 4), (10.0, 4 + 2 * 2)):
        rows.clear()
        sampled(comfy, automatic(comfy, wired, hold_sigma=hold), **run)
        assert sum(rows) == 2 * wanted


def regions():
    """Two discs, [2, 64, 64]."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return torch.stack([((x - c).square() + (y - 32).square() < 14 ** 2).float() for c in (16, 48)])


def test_two_embedded_experts_that_disagree_in_disjoint_regions_recover_them(comfy, monkeypatch):
    """Each is asked for hair in a disc of its own; IoU of where its mask has more than half."""
    model, = comfy.call("LoadExpert", expert="builtin/faces_hair.safetensors")
    discs = regions()
    experts = []
    for i, disc in enumerate(discs):
        condition, = comfy.call("MapCondition", model=model, mask=disc[None])
        experts.append(comfy.call("ConditionExpert", model=model, condition=condition, weight=2.0, name=f"e{i}")[0])
    seen = []
    module = comfy.module("mcdm.host.sampling.evaluation")

    class Kept(module.AutomaticMasks):
        def divide(self, *args):
            division = super().divide(*args)
            seen.append(dict(self.masks))
            return division
    monkeypatch.setattr(module, "AutomaticMasks", Kept)
    sampled(comfy, automatic(comfy, mix(comfy, experts)), **settings(3, 8, scheduler="karras", latent_image=empty()))
    for masks in seen:
        assert (masks[0] + masks[1] - 1).abs().max() <= 1e-6
    for i, disc in enumerate(discs):
        found = (seen[-1][i][0, 0] > 0.5) & (discs.sum(0) > 0)
        assert (found & (disc > 0)).sum() / (found | (disc > 0)).sum() >= 0.8


@pytest.mark.parametrize("inputs, words", [
    ({"temperature": 0.0}, "temperature"), ({"blur": -1.0}, "blur"), ({"strengths": "1"}, "strengths.*1 numbers for 2"),
])
def test_numbers_that_make_no_sense(comfy, two_unets, inputs, words):
    with pytest.raises(ValueError, match=words):
        automatic(comfy, united(comfy, two_unets), **inputs)


def test_the_sampler_on_particles_refuses_them(comfy, two_unets):
    from support.mixtures import custom_sampled
    sampler, = comfy.call("MCDMCorrected")
    with pytest.raises(ValueError, match="which automatic masks would change"):
        custom_sampled(comfy, automatic(comfy, united(comfy, two_unets)), sampler, [3.0, 1.0, 0.0], X)


def test_a_mask_of_the_user_limits_them(comfy, two_unets):
    """Where the second expert may not act, the first acts alone."""
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1.0
    experts = [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, 3.0, mask=mask)]
    answer = ask(comfy, automatic(comfy, mix(comfy, experts)), X, 1.0)
    d, nulls = estimates(two_unets, X, 1.0)
    wanted = eq10(d, nulls, (2.0, 0.0), (1.0, 0.0))
    assert relative(answer[..., :4], wanted[..., :4]) <= 2e-5


def test_a_soft_mask_of_the_user_counts_once(comfy, two_unets):
    """m_i = p_i u_i / sum_j p_j u_j, with p the masks without those of the user."""
    soft = torch.full((1, 64, 64), 0.25)
    experts = [expert(comfy, two_unets[0], 0, 2.0), expert(comfy, two_unets[1], 1, 3.0, mask=soft)]
    wired = automatic(comfy, mix(comfy, experts, "1 3"), temperature=0.5, blur=0.0)
    d, nulls = estimates(two_unets, X, 1.0)
    p = by_hand(d, nulls, 0.5)
    m = torch.stack([p[0], 0.25 * p[1]]) / (p[0] + 0.25 * p[1])
    a = [0.25 * m[0], 0.75 * m[1]]
    wanted = eq10(d, nulls, (2.0 * m[0], 3.0 * m[1]), [part / (a[0] + a[1]) for part in a])
    assert relative(ask(comfy, wired, X, 1.0), wanted) <= 1e-4


def test_the_null_of_an_unconditional_expert_is_all_of_d_0_where_only_it_has_reliability(comfy, unets):
    """One expert acts, another's window is over though it has a reliability, and a third has weight 0 and the rest."""
    experts = [expert(comfy, unets[0], 0, 2.0), expert(comfy, unets[1], 1, 1.0, end_percent=0.01),
               expert(comfy, unets[2], 2, 0.0)]
    wired = automatic(comfy, mix(comfy, experts, "0, 1, 1"))
    d, nulls = estimates(unets, X, 1.0)
    assert relative(ask(comfy, wired, X, 1.0), eq10([d[0]], [nulls[2]], (2.0,), (1.0,))) <= 2e-5


def test_the_report_and_the_previews_show_them(comfy, two_unets):
    import json
    wired = automatic(comfy, united(comfy, two_unets))
    run = settings(latent_image={"samples": torch.zeros_like(X)})
    told = json.loads(comfy.call("MixtureReport", mixture=wired, map_steps="1, 3", **run)[2])
    first, second = (torch.tensor(mask) for mask in told["maps"][1]["masks"])
    assert first.shape == (8, 8) and (first + second - 1).abs().max() <= 1e-6
    plain = json.loads(comfy.call("MixtureReport", mixture=united(comfy, two_unets), map_steps="1", **run)[2])
    assert plain["maps"][0]["masks"] == []
    dimmed = comfy.module("mcdm.drawing.live_previews").dimmed
    from PIL import Image
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., 4:] = 1.0
    picture = dimmed(Image.new("RGB", (16, 16), (200, 100, 40)), mask)
    assert picture.getpixel((15, 3)) == (200, 100, 40) and max(picture.getpixel((0, 3))) <= 51
