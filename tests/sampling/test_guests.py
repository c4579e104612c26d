"""What other nodes hang into a MODEL or a condition: HyperTile with its random tiles, T2I adapters."""
from __future__ import annotations

import pytest
import torch

from support.mixtures import (
    WEIGHTS,
    alone,
    ask,
    eq10,
    expert,
    latent,
    mix,
    sampled,
    settings,
    stock,
    stock_sampled,
    united,
)
from support.patches import controlled
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


# ------------------------------------------------------------------------------------------------------------ HyperTile

@pytest.fixture
def tiled(comfy):
    """Two tiny MODELs, of which the first works in tiles whose sizes are drawn anew for every layer."""
    first = comfy.call("HyperTile", model=tiny_unet(0), tile_size=32, swap_size=4, max_depth=0, scale_depth=False)[0]
    return [first, tiny_unet(1)]


def test_hypertile_is_the_stock_sampler_and_follows_the_seed(comfy, tiled):
    run = settings(latent_image=latent(size=16))
    one = mix(comfy, [expert(comfy, tiled[0], 1, 3.0)])
    expected = stock_sampled(comfy, tiled[0], 3.0, **run)
    assert relative(expected, stock_sampled(comfy, tiny_unet(0), 3.0, **run)) > 1e-3
    assert relative(sampled(comfy, one, **run), expected) <= 2e-5
    both = united(comfy, tiled)
    samples = sampled(comfy, both, **run)
    torch.rand(7)               # whatever has drawn random numbers meanwhile
    assert torch.equal(sampled(comfy, both, **run), samples)


# ---------------------------------------------------------------------------------------------------------- T2I adapter

class Adapter(torch.nn.Module):
    """A T2I adapter for the tiny network: residuals of the hint for its second input block."""
    unshuffle_amount, input_channels = 8, 3

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.layer = torch.nn.Sequential(torch.nn.PixelUnshuffle(8), torch.nn.Conv2d(192, 32, 3, padding=1))
        generator = torch.Generator().manual_seed(6)
        for parameter in self.parameters():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)

    def forward(self, hint):
        self.calls += 1
        return {"input": [None, None, self.layer(hint), None]}      # read from the end


@pytest.mark.parametrize("same", [True, False], ids=["one checkpoint", "two checkpoints"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_t2i_adapter_acts_on_its_own_expert(comfy, which, same):
    from comfy.controlnet import T2IAdapter
    hint = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(7))
    adapter = T2IAdapter(Adapter(), 3, 8, "nearest-exact").set_cond_hint(hint, 0.8, (0.0, 1.0))
    models = [tiny_unet(0)] * 2 if same else [tiny_unet(0), tiny_unet(1)]
    conditions, nulls = [conditioning(0), conditioning(1)], [conditioning(100), conditioning(101)]
    conditions[which] = controlled(conditions[which], adapter)
    x = latent(2, seed=1)["samples"]
    d, null = zip(*(stock(m, c, n, x, 1.0) for m, c, n in zip(models, conditions, nulls, strict=True)), strict=True)
    assert relative(d[which], alone(models[which], conditioning(which), x, 1.0)) > 1e-2
    experts = [expert(comfy, models[i], i, WEIGHTS[i], condition=conditions[i]) for i in range(2)]
    assert relative(ask(comfy, mix(comfy, experts, "1 3"), x, 1.0), eq10(d, null)) <= 2e-5
    assert adapter.control_input is None        # which copies keep for one run
