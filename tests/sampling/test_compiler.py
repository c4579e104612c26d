"""The compiler of newer hosts: a graph of the memory that a network takes, for each thread, open while it is asked.

A stand-in for the host's keeps books. What is foreign to a network must not take memory while its graph is open, and no
graph outlives its thread.
"""
from __future__ import annotations

import sys
import threading
import types

import pytest
import torch

from support import spaces
from support.mixtures import expert, latent, mix, sampled, settings
from unite_and_conquer.devtools.tiny_sd15 import small_vae, tiny_unet

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

RUN = settings(latent_image=latent(), steps=2)


class Compiler(types.ModuleType):
    """comfy.model_prefetch. graphs: {thread: whether its graph is open}. threads: all that ever had one."""

    def __init__(self):
        super().__init__("comfy.model_prefetch")
        self.graphs, self.threads = {}, set()

    def malloc_graph_begin(self):
        assert not self.open, "a graph was begun in an open one"
        self.graphs[threading.get_ident()] = True
        self.threads.add(threading.current_thread().name)

    def malloc_graph_end(self):
        assert self.open, "no graph is open"
        self.graphs[threading.get_ident()] = False

    def cleanup_malloc_graph(self):
        self.graphs.pop(threading.get_ident(), None)

    @property
    def open(self):
        return self.graphs.get(threading.get_ident(), False)


@pytest.fixture
def compiler(monkeypatch):
    made = Compiler()
    monkeypatch.setitem(sys.modules, "comfy.model_prefetch", made)
    return made


def compiled(model, compiler, fails=None):
    """A MODEL whose network is asked in a graph, as the host's are. fails: what it raises in the middle."""
    forward = model.model.diffusion_model.forward

    def asked(*args, **kwargs):
        compiler.malloc_graph_begin()
        answer = forward(*args, **kwargs)
        if fails is not None:
            raise fails
        compiler.malloc_graph_end()
        return answer
    model.model.diffusion_model.forward = asked
    return model


def foreign(vae, compiler):
    """A VAE that must not be asked in a graph."""
    network = vae.first_stage_model

    def outside(ask):
        def asked(*args, **kwargs):
            assert not compiler.open, "a VAE was asked in an open graph"
            return ask(*args, **kwargs)
        return asked
    network.encode, network.decode = outside(network.encode), outside(network.decode)
    return vae


def drawn(comfy, compiler, places=("here", "here"), bridge=False, fails=(None, None)):
    experts = []
    for i, place in enumerate(places):
        model, more = compiled(tiny_unet(i), compiler, fails[i]), {}
        if bridge:
            model.add_object_patch("latent_format", spaces.space(i))
            more = {"vae": foreign(small_vae(i), compiler)}
        one = expert(comfy, model, i, 2.0, **more)
        experts.append(comfy.call("PlaceExpert", expert=one, place=place)[0])
    return sampled(comfy, mix(comfy, experts), **RUN)


@pytest.mark.parametrize("bridge", [False, True], ids=["one space", "a bridge"])
@pytest.mark.parametrize("places", [("here", "here"), ("here", "cpu"), ("cpu", "here")], ids=str)
def test_no_graph_outlives_its_thread(comfy, compiler, places, bridge):
    drawn(comfy, compiler, places, bridge)
    assert compiler.graphs == {threading.get_ident(): False}        # which the host cleans up
    assert len(compiler.threads) == len(set(places))


def test_one_expert_keeps_the_compiler(comfy, compiler):
    drawn(comfy, compiler, ("here",))
    assert compiler.graphs == {threading.get_ident(): False}


def test_what_fails_or_is_interrupted_leaves_no_graph(comfy, compiler):
    from comfy.model_management import InterruptProcessingException
    for error in (RuntimeError("out of order"), InterruptProcessingException(), torch.OutOfMemoryError()):
        with pytest.raises(type(error)):
            drawn(comfy, compiler, ("here", "cpu"), fails=(None, error))
        assert set(compiler.graphs) == {threading.get_ident()} and not compiler.open


def test_previews_take_memory_outside_graphs(comfy, compiler):
    import comfy.samplers as host
    Previews = comfy.module("mcdm.drawing.live_previews").Previews
    experts = [expert(comfy, compiled(tiny_unet(i), compiler), i, 2.0) for i in range(2)]
    experts[1], = comfy.call("PlaceExpert", expert=experts[1], place="cpu")
    guider, = comfy.call("MCDMGuider", mixture=mix(comfy, experts))
    seen = []
    hours = iter(range(0, 10**6, 3600))
    previews = Previews(["a", "b"], guider.model_patcher.get_model_object("latent_format"),
                        lambda sent: seen.append(compiler.open), clock=hours.__next__)
    guider.watch.observe = previews
    guider.sample(torch.randn(1, 4, 8, 8), torch.zeros(1, 4, 8, 8), host.sampler_object("euler"),
                  torch.tensor([5.0, 1.0, 0.0]), seed=1, disable_pbar=True)
    assert seen and not any(seen)
