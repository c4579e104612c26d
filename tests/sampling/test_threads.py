"""How many threads torch has while a mixture is sampled, and afterwards."""
from __future__ import annotations

import pytest
import torch

from support.mixtures import expert, latent, mix, sampled, settings
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


@pytest.fixture
def three_threads():
    """torch with three threads, as on a machine of three cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def threads_of(comfy, model, image, error=None):
    """How many threads the network is asked with. error: what it raises then."""
    seen = []

    def note(apply, args):
        seen.append(torch.get_num_threads())
        if error is not None:
            raise error
        return apply(args["input"], args["timestep"], **args["c"])
    model = model.clone()
    model.set_model_unet_function_wrapper(note)
    try:
        sampled(comfy, mix(comfy, [expert(comfy, model, 1)]), **settings(latent_image=image, steps=1))
    except type(error):
        pass
    return set(seen)


def test_a_small_network_has_one_thread_and_gives_the_others_back(comfy, three_threads):
    """However the run ends."""
    from comfy.model_management import InterruptProcessingException
    for error in (None, RuntimeError("broken"), InterruptProcessingException(), KeyboardInterrupt()):
        assert threads_of(comfy, tiny_unet(0), latent(), error) == {1}
        assert torch.get_num_threads() == 3


def test_what_is_large_has_all_threads(comfy, three_threads, monkeypatch):
    """By the product of weights and cells."""
    model = tiny_unet(0)
    work = 64 * sum(p.numel() for p in model.model.parameters())
    monkeypatch.setattr(comfy.module("mcdm.host.threads"), "SMALL", work)
    assert threads_of(comfy, model, latent()) == {1}
    assert threads_of(comfy, model, latent(batch=2)) == {3}


def test_a_network_of_many_weights_has_all_threads(comfy, three_threads, monkeypatch):
    """However small the latent."""
    model = tiny_unet(0)
    weights = sum(p.numel() for p in model.model.parameters())
    monkeypatch.setattr(comfy.module("mcdm.host.threads"), "WEIGHTS", weights)
    assert threads_of(comfy, model, latent()) == {1}
    monkeypatch.setattr(comfy.module("mcdm.host.threads"), "WEIGHTS", weights - 1)
    assert threads_of(comfy, model, latent()) == {3}


def test_with_a_network_on_a_card_all_threads_stay(comfy, three_threads):
    small, on_card = tiny_unet(0), tiny_unet(0)
    on_card.load_device = torch.device("cuda")
    with comfy.module("mcdm.host.threads").threads_that_pay([small, on_card], latent()["samples"]):
        assert torch.get_num_threads() == 3
