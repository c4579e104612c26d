"""To whom previews are sent, and when not: in the host's own process, and over HTTP."""
from __future__ import annotations

import gc
import math
import threading
import types

import pytest
import torch

from support.mixtures import latent, mix
from support.observed import EVENT, MEANS, NULLS, RUN, WEIGHTS, picture
from unite_and_conquer.devtools.events import Events
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import face


@pytest.fixture
def page_of_a_run(comfy, monkeypatch):
    """What is sent to the page "tab" while a node of prompt "p" runs: [(event, data, client)].

    Only how it ended, however slow this machine is.
    """
    import comfy_execution.utils
    import server
    sent, instance = [], server.PromptServer.instance
    monkeypatch.setattr(comfy.module("mcdm.drawing.live_previews"), "SHARE", 0.0)
    monkeypatch.setattr(instance, "client_id", "tab")
    monkeypatch.setattr(instance, "sockets", {"tab": None, "other": None})
    monkeypatch.setattr(instance, "send_sync", lambda event, data, client=None: sent.append((event, data, client)))
    with comfy_execution.utils.CurrentNodeContext("p", "12:5"):
        yield types.SimpleNamespace(sent=sent, server=instance)


def two(comfy, gaussians):
    return mix(comfy, [gaussians[i].expert(comfy, MEANS[i], NULLS[i], WEIGHTS[i]) for i in range(2)])


def live_tensors():
    """How many tensors of the latent's shape there are."""
    return sum(1 for o in gc.get_objects() if type(o) is torch.Tensor and o.shape == (1, 4, 8, 8))


@pytest.mark.parametrize("case", ["off", "no client", "client gone", "outside a prompt"])
def test_off_nothing_is_sent_observed_evaluated_or_kept(comfy, gaussians, page_of_a_run, monkeypatch, case):
    guider = comfy.module("mcdm.host.sampling.guider").MixtureGuider
    observers, tensors, mixture = [], [], two(comfy, gaussians)
    predict = guider.predict_noise

    def watched(self, *args, **kwargs):
        observers.append(self.watch.observe)
        tensors.append(live_tensors())
        return predict(self, *args, **kwargs)
    monkeypatch.setattr(guider, "predict_noise", watched)

    def run(**more):
        for g in gaussians:
            g.asked.clear()
        observers.clear()
        tensors.clear()
        gc.collect()            # what an earlier run left in circles is not of this one
        result = comfy.call("MCDMSampler", mixture=mixture, latent_image=latent(1), **(RUN | more))
        return result[0]["samples"], [len(g.asked) for g in gaussians[:2]], [count - tensors[0] for count in tensors]
    samples, asked, kept = run(expert_previews=True)
    sent = [(event, data["node"], data["prompt_id"], client) for event, data, client in page_of_a_run.sent]
    assert sent == [(EVENT, "12:5", "p", "tab")]
    assert all(observers) and len(observers) == 3
    page_of_a_run.sent.clear()
    if case == "no client":
        monkeypatch.setattr(page_of_a_run.server, "client_id", None)
    elif case == "client gone":
        del page_of_a_run.server.sockets["tab"]
    elif case == "outside a prompt":
        import comfy_execution.utils
        monkeypatch.setattr(comfy.module("mcdm.drawing.live_previews"), "get_executing_context", lambda: None)
        assert comfy_execution.utils.get_executing_context()
    off, asked_off, kept_off = run(expert_previews=case != "off")
    assert page_of_a_run.sent == []
    assert observers == [None] * 3 or case == "client gone"
    assert torch.equal(samples, off)
    assert asked == asked_off
    # without an observer: as in a run that knows of none
    monkeypatch.setattr(comfy.module("nodes.sampling"), "observer", None)
    _, _, kept_bare = run(expert_previews=False)
    assert kept_off == kept_bare
    # so that this can be seen at all: previews keep the newest
    assert max(kept) > max(kept_bare)


@pytest.mark.parametrize("exception", ["interrupt", "nan"])
def test_after_a_broken_run_nothing_is_sent_and_the_next_is_as_before(comfy, gaussians, page_of_a_run, exception):
    from comfy.model_management import InterruptProcessingException
    mixture = two(comfy, gaussians)
    settings = {"mixture": mixture, "latent_image": latent(1), **RUN, "expert_previews": True}
    before = comfy.call("MCDMSampler", **settings)[0]["samples"]
    last = gaussians[1].model.model_options["model_function_wrapper"]

    def breaks(network, args):
        if len(page_of_a_run.asked) == 2:
            if exception == "interrupt":
                raise InterruptProcessingException()
            return torch.full_like(args["input"], math.nan)
        page_of_a_run.asked.append(1)
        return last(network, args)
    page_of_a_run.asked = []
    page_of_a_run.sent.clear()
    try:
        gaussians[1].model.set_model_unet_function_wrapper(breaks)
        with pytest.raises(InterruptProcessingException if exception == "interrupt" else ValueError, match="^$|NaN"):
            comfy.call("MCDMSampler", **settings)
    finally:
        gaussians[1].model.set_model_unet_function_wrapper(last)
    assert page_of_a_run.sent == []
    assert torch.equal(comfy.call("MCDMSampler", **settings)[0]["samples"], before)
    assert len(page_of_a_run.sent) == 1


# ----------------------------------------------------------------------------------------------------------- over HTTP

def sent_to(host, prompt_id):
    return [data for _, data in host.events_of(prompt_id, EVENT)]


def test_events_come_to_the_client_that_queued_and_to_no_other(host):
    other, heard = Events(host.server.port, "somebody_else"), []
    listener = threading.Thread(target=lambda: heard.extend(other), daemon=True)
    listener.start()
    prompt_id = host.post_prompt(face(seed=70, steps=12))
    assert host.wait(prompt_id)["status"]["status_str"] == "success"
    host.wait_event(prompt_id, "execution_success")
    last = sent_to(host, prompt_id)[-1]
    assert last["node"] == "sample"
    assert [e["name"] for e in last["experts"]] == ["words", "hair"]
    assert sum(e["pull"] for e in last["experts"]) == pytest.approx(1.0, abs=1e-3)
    first, second = (picture(e["image"]) for e in last["experts"])
    assert first.size == second.size == (64, 64)
    assert first.tobytes() != second.tobytes()
    other.close()
    listener.join(10)
    assert heard and EVENT not in [kind for kind, _ in heard]
    # off, and for nobody
    prompt_id = host.post_prompt(face(seed=70, steps=12, expert_previews=False))
    off = host.wait(prompt_id)
    host.wait_event(prompt_id, "execution_success")
    assert sent_to(host, prompt_id) == []
    everything = len([kind for kind, _ in host.events if kind == EVENT])
    prompt_id = host.server.queue(face(seed=71, steps=3), "nobody")
    assert error_of(host.wait(prompt_id)) == ""
    assert len([kind for kind, _ in host.events if kind == EVENT]) == everything
    assert off["status"]["status_str"] == "success"
