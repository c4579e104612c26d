"""CFG functions of experts of several latent spaces: each sees D_0 of the whole mixture, in its own space."""
import pytest
import torch

from support import spaces
from support.mixtures import latent, sampled, settings
from support.spaces import IDENTITY, pair
from support.tensors import relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

FORGETS = torch.diag((torch.arange(16) < 12).double())      # a quarter of the numbers of each patch


def the_same(args):
    return args["denoised"]


def half_way_to_the_condition(args):
    return 0.5 * args["denoised"] + 0.5 * args["cond_denoised"]


def burnt(args):
    """Of the kind of RescaleCFG: a sampler_cfg_function, on x - D."""
    condition, null = args["cond"], args["uncond"]
    return 1.2 * (null + args["cond_scale"] * (condition - null))


@pytest.mark.parametrize("who", [0, 1], ids=["the lead", "the foreign expert"])
def test_a_cfg_function_that_returns_its_input_changes_nothing_though_bridges_lose(comfy, unets, who):
    functions = [None, None]
    functions[who] = the_same, "sampler_post_cfg_function"
    _, plain = pair(comfy, unets[:2], IDENTITY.clone(), bridge=FORGETS)
    _, hooked = pair(comfy, unets[:2], IDENTITY.clone(), bridge=FORGETS, changed=functions)
    run = settings(latent_image=latent(batch=2))
    assert relative(sampled(comfy, hooked, **run), sampled(comfy, plain, **run)) <= 2e-6


@pytest.mark.parametrize("function", [
    (half_way_to_the_condition, "sampler_post_cfg_function"), (burnt, "sampler_cfg_function"),
], ids=["post", "instead"])
@pytest.mark.parametrize("who", [0, 1], ids=["the lead", "the foreign expert"])
def test_a_cfg_function_sees_the_null_blend_of_all(comfy, unets, mapped_noise, function, who):
    """Both experts' nulls are in D_0; the picture is that of one space."""
    matrix = spaces.rotation(21, 2.0)
    mapped_noise([matrix])
    functions = [None, None]
    functions[who] = function
    run = settings(latent_image=latent())
    one, two = (sampled(comfy, m, **run) for m in pair(comfy, unets[:2], matrix, changed=functions))
    assert relative(two, one) < 1e-5
    _, plain = pair(comfy, unets[:2], matrix)
    assert relative(two, sampled(comfy, plain, **run)) > 1e-3
