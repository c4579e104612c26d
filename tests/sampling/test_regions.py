"""ExpertRegions: random texts against eq. 10 in float64, what changes nothing, and who is passed over."""
import types

import pytest
import torch

from support.eq10 import regions as by_hand
from support.eq10.draw import draw_regions
from support.eq10.runs import deviations
from support.mixtures import ask, eq10, estimates, expert, latent, mix, sampled, settings, united
from support.reports import report
from support.tensors import noise, relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

X = noise(1, 2, 4, 8, 8)
RUN = settings(latent_image=latent())


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        first, count = (metafunc.config.getoption(name) for name in ("--first", "--mixtures"))
        metafunc.parametrize("seed", range(first, first + count // 5))


def regions(comfy, mixture, text, **inputs):
    return comfy.call("ExpertRegions", mixture=mixture, regions=text, **inputs)[0]


def test_a_random_text_is_equation_10_with_its_masks(comfy, seed):
    found = deviations(comfy, draw_regions(seed))
    assert found.worst <= 2e-5, found
    assert max(found.sums, default=0.0) <= 1e-6, found
    assert not found.unseen, found


def test_defaults_change_nothing(comfy, two_unets):
    mixture = united(comfy, two_unets)
    assert comfy.call("ExpertRegions", mixture=mixture)[0] is mixture


@pytest.mark.parametrize("feather", [0.0, 0.2])
def test_a_region_that_is_the_whole_canvas_is_that_expert_alone_bit_for_bit(comfy, two_unets, feather):
    one = expert(comfy, two_unets[0], 0, 3.0)
    alone = sampled(comfy, mix(comfy, [one]), **RUN)
    text = "1: box 0 0 1 1"
    assert torch.equal(sampled(comfy, regions(comfy, mix(comfy, [one]), text, feather=feather), **RUN), alone)
    both = mix(comfy, [one, expert(comfy, two_unets[1], 1, 2.0)])
    assert torch.equal(sampled(comfy, regions(comfy, both, text, feather=feather), **RUN), alone)


def test_the_whole_canvas_for_all_is_equal_parts_for_all(comfy, two_unets):
    """Of the sum of the masks, 1, each of two experts has a half: the strength of their weights' mean."""
    d, nulls = estimates(two_unets, X, 0.75)
    wanted = eq10(d, nulls, (1.0, 1.5))
    mixture = united(comfy, two_unets)
    for text, inputs in (("1: box 0 0 1 1\n2: box 0 0 1 1", {}), ("1: box 0 0 1 1; erase 1 0.5,0.5", {})):
        assert relative(ask(comfy, regions(comfy, mixture, text, **inputs), X, 0.75), wanted) <= 2e-5


def test_left_and_right_by_name(comfy, two_unets):
    experts = [expert(comfy, model, i, w, name=name)
               for i, (model, w, name) in enumerate(zip(two_unets, (2.0, 3.0), ("photo", "anime"), strict=True))]
    answer = ask(comfy, regions(comfy, mix(comfy, experts), "photo: box 0 0 0.5 1", rest="anime"), X, 1.0)
    d, nulls = estimates(two_unets, X, 1.0)
    assert relative(answer[..., :4], eq10(d, nulls, (2.0, 0.0), (1.0, 0.0))[..., :4]) <= 2e-5
    assert relative(answer[..., 4:], eq10(d, nulls, (0.0, 3.0), (0.0, 1.0))[..., 4:]) <= 2e-5


def test_an_expert_of_weight_0_without_a_region_is_still_the_null_of_all(comfy, unets):
    experts = [expert(comfy, model, i, w) for i, (model, w) in enumerate(zip(unets, (2.0, 3.0, 0.0), strict=True))]
    answer = ask(comfy, regions(comfy, mix(comfy, experts, "0 0 1"), "1: box 0 0 0.5 1", rest="2"), X, 1.0)
    d, nulls = estimates(unets, X, 1.0)
    left = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    left[..., :4] = 1.0
    wanted = eq10(d, nulls, (2.0 * left, 3.0 * (1.0 - left), 0.0), (0.0, 0.0, 1.0))
    assert relative(answer, wanted) <= 2e-5


def test_weights_of_1_need_no_null(comfy, two_unets):
    experts = [expert(comfy, model, i, 1.0, null_condition=None) for i, model in enumerate(two_unets)]
    d, _ = estimates(two_unets, X, 1.0)
    answer = ask(comfy, regions(comfy, mix(comfy, experts), "2: ellipse 0.4 0.6 0.3 0.3", feather=0.2), X, 1.0)
    text = by_hand.Written("2: ellipse 0.4 0.6 0.3 0.3", feather=0.2)
    ones = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    masks = by_hand.masks(text, {1: "one", 2: "two"}, {1: ones, 2: ones}, (8, 8))
    assert relative(answer, masks[1] * d[0] + masks[2] * d[1]) <= 2e-5


def test_regions_of_a_bypassed_expert_are_passed_over(comfy, two_unets):
    """A workflow still has the Condition Expert that a prompt lacks; a name that no node bears is an error."""
    mixture = mix(comfy, [expert(comfy, two_unets[0], 0, 2.0, name="photo")])
    bypassed = {"type": "ConditionExpert", "mode": 4, "widgets_values": [1.0, 0.0, 1.0, "anime", 1.0, ""]}
    workflow = {"nodes": [], "definitions": {"subgraphs": [{"nodes": [bypassed]}]}}
    node = comfy.module("nodes.regions").ExpertRegions
    text = "photo: box 0 0 0.5 1\nanime: box 0.5 0 1 1"

    def run(workflow):
        queued = type("Queued", (node,), {"hidden": types.SimpleNamespace(extra_pnginfo={"workflow": workflow})})
        return queued.execute(mixture, text, rest="anime").args[0].regions
    assert [layer.slot for layer in run(workflow).layers] == [1] and run(workflow).rest == 0
    with pytest.raises(ValueError, match="regions, line 2: 'anime' is not the name or the slot .* 'photo' \\(1\\)"):
        run({"nodes": []})


def test_it_comes_after_the_last_mixer(comfy, two_unets):
    inner = regions(comfy, united(comfy, two_unets), "1: box 0 0 0.5 1")
    with pytest.raises(ValueError, match="put Expert Regions after the last mixer"):
        mix(comfy, [expert(comfy, two_unets[0], 0)], mixture=inner)


def test_two_in_a_row_are_told_and_an_empty_one_changes_nothing(comfy, two_unets):
    once = regions(comfy, united(comfy, two_unets), "1: box 0 0 0.5 1")
    assert regions(comfy, once, " \r\n", feather=0.2) is once
    with pytest.raises(ValueError, match="has regions already, which these would replace; write all lines into one"):
        regions(comfy, once, "2: box 0.5 0 1 1")


def test_cells_of_a_sweep_have_the_regions(comfy, two_unets):
    experts = [expert(comfy, model, i, 2.0) for i, model in enumerate(two_unets)]

    def drawn(numbers=""):
        return regions(comfy, mix(comfy, experts, numbers), "1: box 0.5 0 1 0.5 centred", rest="2", feather=0.1)
    axis = {"x_vary": "reliability", "x_expert": "1", "x_from": 0.25, "x_to": 0.75, "x_cells": 2}
    run = settings(latent_image=latent())
    blank = types.SimpleNamespace(decode=lambda samples: torch.zeros(len(samples), 64, 64, 3))
    cells = comfy.call("ReliabilitySweep", mixture=drawn(), vae=blank, **axis, **run)[2]["samples"]
    for cell, numbers in zip(cells, ("1 3", "3 1"), strict=True):
        assert relative(cell[None], sampled(comfy, drawn(numbers), **run)) <= 2e-5


def test_a_report_shows_the_regions_of_all(comfy, unets):
    experts = [expert(comfy, model, i, 2.0) for i, model in enumerate(unets)]
    mixture = regions(comfy, mix(comfy, experts), "1: box 0 0 0.5 1", rest="3")
    shown = report(comfy, mixture, steps=3, map_steps="2")[2]["maps"][0]["masks"]
    left = [[1.0] * 4 + [0.0] * 4] * 8
    assert shown == [left, [[0.0] * 8] * 8, [row[::-1] for row in left]]


@pytest.mark.parametrize("inputs, words", [
    ({"text": "1: box 0 0 2 1"}, "regions, line 1: .*'2' where a number"),
    ({"text": "", "rest": "me"}, "rest: 'me' is"),
    ({"text": "1: box 0 0 1 1", "feather": -0.1}, "feather"),
    ({"text": "", "overlap": "none"}, "overlap 'none' is not"),
])
def test_settings_that_make_no_sense(comfy, two_unets, inputs, words):
    with pytest.raises(ValueError, match=words):
        regions(comfy, united(comfy, two_unets), **inputs)


def test_sound_has_no_regions(comfy, two_unets):
    guider, = comfy.call("MCDMGuider", mixture=regions(comfy, united(comfy, two_unets), "1: box 0 0 0.5 1"))
    check = comfy.module("mcdm.host.models").check_latent
    with pytest.raises(ValueError, match="Expert Regions are for pictures and videos"):
        check(guider.mixture.experts, torch.zeros(1, 4, 16), guider.mixture.regions)
