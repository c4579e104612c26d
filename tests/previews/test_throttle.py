"""What previews cost by a clock of our own, and the colours of their pictures."""
from __future__ import annotations

import math

import pytest
import torch

from support.observed import picture


def observation(comfy, count=2, shape=(1, 4, 8, 8)):
    torch.manual_seed(count)
    denoised = {i: torch.randn(shape) for i in range(count)}
    pulls = {i: (1.0 + i, d) for i, d in denoised.items()}
    return comfy.module("mcdm.observation").Observation(
        sigma=1.0, denoised=denoised, contributions=pulls, null=torch.zeros(shape), fused=torch.ones(shape))


def previews_of(comfy, send, names=("a", "b"), space="SD15", **more):
    import comfy.latent_formats as formats
    return comfy.module("mcdm.drawing.live_previews").Previews(names, getattr(formats, space)(), send, **more)


@pytest.mark.parametrize("evaluations", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("step, costs", [
    (0.05, [0.004]),
    (0.05, [0.2, 0.01]),
    (2.0, [0.03]),
    (0.002, [0.0002]),
    (0.3, [0.01, 0.05]),
    (0.01, [0.001, 0.02, 0.001]),
    (30.0, [1.5]),
    (0.001, [0.05]),
])
def test_previews_take_at_most_three_percent_and_the_end_is_shown(comfy, step, costs, evaluations):
    """Evaluations of `step` seconds, previews that cost what `costs` says in turn, at any end of the run."""
    now, sent = [100.0], []

    def send(experts):
        sent.append(costs[len(sent) % len(costs)])
        now[0] += sent[-1]
    watch, seen = previews_of(comfy, send, clock=lambda: now[0]), observation(comfy)
    for i in range(evaluations):
        now[0] += step
        before = len(sent)
        watch(seen)
        # at any moment at most one preview, whose cost nobody could know, is above what the time so far allows
        assert len(sent) == before or sum(sent[:-1]) <= 0.03 * step * i
    watch.show()
    shown = len(sent)
    watch.show()
    assert len(sent) == shown >= 1                                          # how it ended, and that once
    off = step * (evaluations - 1)                                          # since the first evaluation was seen
    if len(costs) == 1 and 0.02 * off >= costs[0]:
        assert sum(sent) <= 0.03 * off
        # and they do come, after half a second
        assert len(sent) >= min(evaluations, 0.02 * (off - 0.5) / costs[0]) / 2 - 3


def test_nobody_looks_nothing_is_kept_or_done(comfy):
    sent, looks, now = [], [False], [0.0]
    watch = previews_of(comfy, sent.append, watched=lambda: looks[0], clock=lambda: now[0])
    for now[0] in range(0, 1000, 10):
        watch(observation(comfy))
    watch.show()
    assert not sent and watch.newest is None
    looks[0] = True                                                         # the page is loaded again
    for now[0] in range(1000, 1030, 10):
        watch(observation(comfy))
    assert sent


@pytest.mark.parametrize("space, channels, shape, seen", [
    ("SD15", 4, (2, 8, 12), (12, 8)),
    ("ChromaRadiance", 3, (1, 300, 600), (128, 64)),
    ("Wan21", 16, (1, 3, 8, 12), (12, 8)),
    ("StableAudio1", 64, (1, 32), None),
])
def test_pictures_are_the_first_of_the_batch_in_the_colours_of_the_latent_space(comfy, space, channels, shape, seen):
    import comfy.latent_formats as formats
    sent = []
    watch = previews_of(comfy, sent.append, ("a", "b", "c"), space)
    state = observation(comfy, 2, (shape[0], channels, *shape[1:]))
    watch(state)
    watch.show()
    (a, b, c), = sent
    assert (a["name"], b["name"], c["name"], c["pull"], c["image"]) == ("a", "b", "c", 0.0, None)
    assert a["pull"] + b["pull"] == pytest.approx(1.0, abs=1e-3)
    if seen is None:
        assert a["image"] is b["image"] is None                             # a latent space without colours: pulls only
        return
    assert picture(a["image"]).size == picture(b["image"]).size == seen
    space = getattr(formats, space)()
    flat = {}
    for i, d in state.denoised.items():
        flat[i] = torch.cat([torch.full_like(d[:1], 0.3 * (i - 0.5)), torch.full_like(d[1:], 5.0)])
    watch(state._replace(denoised=flat))
    watch.show()
    factors = torch.tensor(space.latent_rgb_factors).sum(0)
    bias = torch.tensor(space.latent_rgb_factors_bias or [0.0] * 3)
    for i, sent_image in enumerate((sent[1][0]["image"], sent[1][1]["image"])):
        colour = 0.3 * (i - 0.5) * factors + bias
        wanted = ((colour + 1) / 2).clamp(0, 1) * 255
        got = picture(sent_image).getpixel((3, 3))
        assert max(abs(g - w) for g, w in zip(got, wanted.tolist(), strict=True)) <= 4      # JPEG


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_not_finite_is_not_sent(comfy, broken):
    sent = []
    watch = previews_of(comfy, sent.append)
    state = observation(comfy)
    state.denoised[1][0, 0, 0, 0] = broken
    watch(state)
    watch.show()
    assert not sent
