"""The cards of the tests are as strict as real ones, and compute what the processor does."""
from __future__ import annotations

import copy
import gc
import threading

import pytest
import torch
from torch.nn import functional as F

from support.accelerator import FIRST, SECOND, on
from support.mixtures import latent, settings, stock_sampled
from support.tensors import noise
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

X = noise(1, 2, 4, 8, 8)

MIXED = {       # what lies on two devices, and what it is called
    "operands": (lambda x: x + x.to(SECOND), "npu:0 and npu:1"),
    "the processor": (lambda x: x + X, "npu:0 and cpu"),
    "a list": (lambda x: torch.cat([x, X]), "cpu"),
    "indices": (lambda x: x[torch.tensor([0])], "aten::index .* cpu"),
    "a mask": (lambda x: x[x.cpu() > 0], "aten::index .* cpu"),
    "out": (lambda x: torch.add(x, x, out=torch.empty(2, 4, 8, 8)), "cpu"),
    "a generator": (lambda x: torch.randn(2, device=FIRST, generator=torch.Generator()), "generator on npu:0"),
    "another card's": (lambda x: torch.randn(2, device=FIRST, generator=torch.Generator(SECOND)), "generator on npu:0"),
    "weights": (lambda x: torch.nn.Conv2d(4, 4, 3)(x), "cpu"),
}


@pytest.mark.parametrize("mixed", MIXED)
def test_what_lies_on_two_devices_is_refused(mixed):
    function, words = MIXED[mixed]
    with pytest.raises(RuntimeError, match=words):
        function(X.to(FIRST))


COMPUTED = {
    "views": lambda x: x.flatten(1)[:, 3::2].t().contiguous(),
    "in place": lambda x: x.clone().transpose(2, 3).mul_(2.0).add_(x),
    "a mask": lambda x: x[x > 0].sort().values,
    "a convolution": lambda x: F.conv2d(x, x[:, :, :3, :3].contiguous(), padding=1),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "a transform": lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * 0.5),
    "sizes": lambda x: F.interpolate(x, size=(5, 7), mode="bicubic", antialias=True),
    "noise": lambda x: torch.randn(3, device=x.device, generator=torch.Generator(x.device).manual_seed(4)),
}


@pytest.mark.parametrize("computed", COMPUTED)
def test_what_lies_on_one_is_computed_as_by_the_processor(computed):
    there = COMPUTED[computed](X.to(SECOND))
    assert there.device == SECOND and torch.equal(there.cpu(), COMPUTED[computed](X))


def test_copies_of_networks_stay_on_their_card():
    network = torch.nn.BatchNorm2d(4).to(SECOND)
    twin = copy.deepcopy(network)
    for one, other in zip(network.state_dict().values(), twin.state_dict().values(), strict=True):
        assert other.device == SECOND and torch.equal(one, other) and one.data_ptr() != other.data_ptr()


def test_memory_is_counted_and_fails_where_a_test_says(cards):
    gc.collect()
    before = cards.held(1)
    x = X.to(SECOND)
    assert cards.held(1) == before + X.nbytes
    with cards.failing(2):
        y = x + 1.0
        with pytest.raises(torch.OutOfMemoryError):
            y + 1.0
        y + 1.0
    del x, y
    assert cards.held(1) == before


@pytest.mark.parametrize("function", [
    lambda x: x.double(), lambda x: torch.zeros(2, dtype=torch.float64, device=FIRST), lambda x: X.double().to(FIRST),
])
def test_cards_without_float64(cards, function):
    x = X.to(FIRST)
    with cards.without_float64(), pytest.raises(TypeError, match="float64"):
        function(x)
    assert function(x).dtype == torch.float64


def test_each_thread_has_a_card_of_its_own(cards):
    seen = []

    def work():
        seen.append(torch.npu.current_device())
        torch.npu.set_device(1)
        seen.append(torch.empty(1, device="npu").device.index)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0, 1] and cards.current == 0


def test_copies_that_nobody_waits_for_are_counted(cards):
    before = cards.unwaited
    X.to(FIRST, non_blocking=True).to(SECOND, non_blocking=True).cpu()
    assert cards.unwaited == before
    X.to(FIRST).to("cpu", non_blocking=True)
    assert cards.unwaited == before + 1


def test_the_hosts_own_sampler_draws_on_a_card_what_it_draws_on_the_processor(comfy, cards):
    inputs = settings(sampler_name="dpmpp_2m", latent_image=latent(2))
    there = on(FIRST, 1)
    before = cards.allocations
    assert torch.equal(stock_sampled(comfy, there, 3.0, **inputs), stock_sampled(comfy, tiny_unet(1), 3.0, **inputs))
    assert cards.allocations > before
