"""What each expert alone thinks, while a picture is sampled.

The figures against closed forms, the cost by a clock of our own, the strip in the real page.
"""
import gc
import io
import math
import types

import pytest
import torch
from PIL import Image

from support.mixtures import latent, mix, settings
from support.strips import PERCENTS, SAMPLER, SEND
from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.events import Events
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import drawing, face
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

RUN = settings(4, 3, scheduler="karras")
EVENT = "mcdm.previews"


def picture(image):
    """The pixels of a data URL."""
    head, data = image.split(",")
    assert head == "data:image/jpeg"
    return Image.open(io.BytesIO(bytes.fromhex(data.replace("%", "")))).convert("RGB")


# ------------------------------------------------------------------------------------- experts whose answers are known

class Gaussian:
    """A MODEL of pictures that are N(mean, spread^2) in every number, the mean that of its conditioning.

    D is known in closed form: `denoised`. `asked` keeps the (x, sigma) of every call, the first row of each.
    """

    def __init__(self, seed, spread):
        self.spread, self.asked = spread, []
        self.model = tiny_unet(seed)

        def answer(network, args):          # a function: the host copies a method together with its object
            x, sigma = args["input"].double(), args["timestep"].double().view(-1, 1, 1, 1)
            self.asked.append((x[:1], sigma[:1]))
            mean = args["c"]["c_crossattn"].double().mean((1, 2)).view(-1, 1, 1, 1)
            return self.denoised(x, sigma, mean).to(args["input"])
        self.model.set_model_unet_function_wrapper(answer)

    def denoised(self, x, sigma, mean):
        return (self.spread ** 2 * x + sigma ** 2 * mean) / (self.spread ** 2 + sigma ** 2)

    def expert(self, comfy, mean, null, weight, **more):
        condition, null = ([[torch.full((1, 4, 768), float(m)), {}]] for m in (mean, null))
        texts = {"condition": condition, "null_condition": null}
        return comfy.call("ConditionExpert", model=self.model, weight=weight, **texts, **more)[0]


MEANS = 1.0, -2.0, 0.5
NULLS = 0.0, 0.5, -0.25
WEIGHTS = 4.0, 1.0, -3.0
SPREADS = 0.3, 0.7, 1.5
SHARES = 0.2, 0.5, 0.3


@pytest.fixture(scope="module")
def gaussians(comfy):
    return [Gaussian(seed, spread) for seed, spread in enumerate(SPREADS)]


def left_half():
    mask = torch.zeros(1, 64, 64)
    mask[..., :32] = 1.0
    return mask


def observed(comfy, mixture, batch=1, **run):
    """(pulls, observation) of every evaluation of a run of the sampler."""
    sampling, previews = comfy.module("mcdm.host.sampling.ksampler"), comfy.module("mcdm.drawing.live_previews")
    seen = []

    def observe(observation):
        seen.append((previews.contribution_shares(observation, len(mixture.experts)), observation))
    run = RUN | {"denoise": 1.0} | run
    watch = comfy.module("mcdm.host.sampling.watch").Watch(observe)
    guider = comfy.module("mcdm.host.sampling.guider").MixtureGuider(mixture, watch=watch)
    sampling.sample_mixture(guider, **run, latent_image=latent(batch))
    return seen


def test_pulls_are_the_norms_of_the_guidance_in_float64(comfy, gaussians):
    """Three experts, one under a mask, in a batch of two: |w_i m_i (D_i - D_0)| of the first picture, in shares."""
    halves = None, left_half(), None
    experts = [gaussians[i].expert(comfy, MEANS[i], NULLS[i], WEIGHTS[i], mask=halves[i]) for i in range(3)]
    for g in gaussians:
        g.asked.clear()
    seen = observed(comfy, mix(comfy, experts, "0.2, 0.5, 0.3"), batch=2)
    assert len(seen) == 3
    inside = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    inside[..., :4] = 1.0
    masks = [1.0, inside, 1.0]
    total = sum(a * m for a, m in zip(SHARES, masks, strict=True))
    for (pulls, _), (x, sigma) in zip(seen, gaussians[0].asked, strict=True):
        null = sum(SHARES[i] * masks[i] / total * gaussians[i].denoised(x, sigma, NULLS[i]) for i in range(3))
        d = [gaussians[i].denoised(x, sigma, MEANS[i]) for i in range(3)]
        norms = [float((WEIGHTS[i] * masks[i] * (d[i] - null)).square().sum().sqrt()) for i in range(3)]
        assert pulls == pytest.approx([n / sum(norms) for n in norms], rel=1e-5)
        assert sum(pulls) == pytest.approx(1.0)
        assert min(pulls) > 0.01 and max(pulls) - min(pulls) > 0.1          # three figures that differ


def test_an_expert_outside_its_window_pulls_nothing_and_shows_nothing(comfy, gaussians):
    early = gaussians[1].expert(comfy, -2.0, 0.5, 1.0, end_percent=0.2)
    seen = observed(comfy, mix(comfy, [gaussians[0].expert(comfy, 1.0, 0.0, 2.0), early], "1, 0"))
    assert 0.0 < seen[0][0][1] < 1.0
    assert seen[-1][0] == [1.0, 0.0]
    assert list(seen[-1][1].denoised) == [0]


def test_without_a_null_the_pull_is_from_the_fused_estimate(comfy, gaussians):
    """w = 0.25, 0.75 sum to one: fused = sum w_i D_i, so |w_i (D_i - fused)| is 0.25 * 0.75 |D_0 - D_1| for both.

    Nothing is evaluated for it.
    """
    gaussians[0].asked.clear()
    experts = gaussians[0].expert(comfy, 1.0, 0.0, 0.25), gaussians[1].expert(comfy, -2.0, 0.5, 0.75)
    seen = observed(comfy, mix(comfy, experts))
    assert [o.null for _, o in seen] == [None] * 3
    assert [p for p, _ in seen] == [pytest.approx([0.5, 0.5])] * 3
    assert len(gaussians[0].asked) == 3
    alone = observed(comfy, mix(comfy, [gaussians[0].expert(comfy, 1.0, 0.0, 1.0)]))
    # nobody moves anything: whoever was asked has all of it
    assert [p for p, _ in alone] == [[1.0]] * 3


# --------------------------------------------------------------------------------- the throttle, by a clock of our own

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


# --------------------------------------------------------------------------------- the node, in the host's own process

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
    import threading
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


# ---------------------------------------------------------------------------------------------------- in the real page

STRIP = """() => [...document.querySelectorAll(".mcdm-previews figure")].map(figure => {
    const image = figure.querySelector("img"), meter = figure.querySelector("[role=meter]");
    const bar = meter.firstElementChild;
    return {
        name: figure.innerText.trim().split("\\n")[0],
        alt: image.alt,
        source: image.src,
        width: image.naturalWidth,
        seen: figure.checkVisibility(),
        box: image.getBoundingClientRect().toJSON(),
        percent: parseInt(figure.querySelector("b").innerText),
        now: Number(meter.ariaValueNow ?? meter.getAttribute("aria-valuenow")),
        label: meter.ariaLabel,
        bar: bar.getBoundingClientRect().width / meter.getBoundingClientRect().width,
        color: getComputedStyle(bar).backgroundColor,
    };
})"""
SET = f"""values => {{
    const node = ({SAMPLER})();
    for (const widget of node.widgets)
        if (widget.name in values) {{
            widget.value = values[widget.name];
            widget.callback?.(widget.value);
        }}
}}"""
SAVED = f"() => ({SAMPLER})().serialize().widgets_values"
# of the node as it is drawn: in Vue its card, which may be larger than what the canvas knows
CORNERS = f"""() => {{
    const node = ({SAMPLER})(), card = document.querySelector(`[data-node-id="${{node.id}}"]`);
    if (card) {{
        const box = card.getBoundingClientRect();
        return [box.left, box.top, box.right, box.bottom];
    }}
    const [x, y] = app.canvasPosToClientPos(node.pos), scale = app.canvas.ds.scale;
    return [x, y, x + node.size[0] * scale, y + node.size[1] * scale];
}}"""


@pytest.fixture(scope="module", params=["classic", "vue"])
def page(host, browser, request):
    with opened(browser, host, Page, vue=request.param == "vue") as page:
        yield page


# as the host does after each click and key
MARK = """() => {
    const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;
    if (tracker.captureCanvasState) tracker.captureCanvasState();
    else tracker.checkState();
}"""


def run_in_page(page, **values):
    """Presses the run button and waits for the end; the widgets of the sampler get values first."""
    page.page.evaluate(SET, values)
    page.run()
    page.rest()


def test_a_strip_comes_under_the_sampler_and_goes(page):
    page.load(drawing("face_from_three_experts"))
    page.errors.clear()
    values, prompt = page.page.evaluate(SAVED), page.prompt()
    _, top, _, bottom = page.page.evaluate(CORNERS)
    height = bottom - top
    assert page.page.evaluate(STRIP) == []
    run_in_page(page, seed=8, steps=8)
    figures = page.page.evaluate(STRIP)
    assert [f["name"] for f in figures] == ["hair", "skin", "text"]
    assert [f["alt"] for f in figures] == [f"What {n} alone thinks the picture is" for n in ("hair", "skin", "text")]
    assert [f["label"] for f in figures] == [f"Pull of {n}" for n in ("hair", "skin", "text")]
    assert all(f["width"] == 64 and f["seen"] and min(f["box"]["width"], f["box"]["height"]) > 30 for f in figures)
    assert len({f["source"] for f in figures}) == len({f["color"] for f in figures}) == 3
    assert sum(f["now"] for f in figures) == pytest.approx(100.0, abs=0.1)
    assert [f["bar"] for f in figures] == pytest.approx([f["now"] / 100 for f in figures], abs=0.03)
    heading = page.page.locator(".mcdm-previews-head")
    head, strip = page.box(heading), page.box(page.page.locator(".mcdm-previews"))
    assert heading.inner_text() == "How much each expert pulls"
    assert head["width"] == pytest.approx(strip["width"], abs=1), "over all of the figures"
    assert head["y"] + head["height"] <= min(f["box"]["top"] for f in figures)
    # inside the node, and of what is saved or queued nothing has another shape
    left, top, right, bottom = page.page.evaluate(CORNERS)
    assert all(left <= f["box"]["left"] and f["box"]["right"] <= right + 1
               and top <= f["box"]["top"] and f["box"]["bottom"] <= bottom + 1 for f in figures)
    now, queued = page.page.evaluate(SAVED), page.prompt()
    taller = bottom - top
    assert now[:1] + now[3:] == [8] + values[3:] and len(now) == len(values) and taller > height
    before, after = ({key: {**call["inputs"], "seed": 0, "steps": 0} for key, call in graph.items()}
                     for graph in (prompt, queued))
    assert after == before
    # another run starts anew; switched off it is gone, and stays away
    run_in_page(page, seed=9)
    assert {f["source"] for f in page.page.evaluate(STRIP)}.isdisjoint(f["source"] for f in figures)
    run_in_page(page, seed=10, expert_previews=False)
    assert page.page.evaluate(STRIP) == []
    _, top, _, bottom = page.page.evaluate(CORNERS)
    assert bottom - top < taller


@pytest.mark.parametrize("pulls, percents", [
    ([0.386, 0.376, 0.238], [39, 37, 24]),              # each rounded for itself: 39, 38 and 24
    ([1 / 3, 1 / 3, 1 / 3], [34, 33, 33]),
    ([0.125] * 8, [13, 13, 13, 13, 12, 12, 12, 12]),
    ([1, 0], [100, 0]),
])
def test_percents_sum_to_100(page, pulls, percents):
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(SEND, [pulls, None])
    page.page.wait_for_function("count => document.querySelectorAll('.mcdm-previews figure').length === count",
                                arg=len(pulls))
    page.page.wait_for_timeout(300)
    figures = page.page.evaluate(STRIP)
    assert [f["percent"] for f in figures] == percents
    assert [f["bar"] for f in figures] == pytest.approx([percent / 100 for percent in percents], abs=0.01)


def test_after_undo_the_strip_that_is_seen_is_the_nodes_own(page):
    page.load(drawing("face_from_three_experts"))
    count = "count => document.querySelectorAll('.mcdm-previews figure').length === count"
    page.page.evaluate(SEND, [[0.5, 0.25, 0.25], None])
    page.page.wait_for_function(count, arg=3)
    page.page.evaluate(SET, {"steps": 7})
    page.page.evaluate(MARK)
    page.page.keyboard.press("Control+z", delay=100)
    page.page.wait_for_function(f"() => ({SAMPLER})().widgets.find(w => w.name === 'steps').value !== 7")
    page.page.evaluate(SEND, [[0.75, 0.25], None])
    page.page.wait_for_function(count, arg=2)
    page.page.wait_for_timeout(300)
    assert [f["percent"] for f in page.page.evaluate(STRIP) if f["seen"]] == [75, 25]
    assert page.page.locator(".mcdm-previews").count() == 1


def test_they_live_as_long_as_the_picture_of_save_image(page):
    """Through undo and redo, and while another workflow is open, whose own node of the same id shows nothing."""
    page.load(drawing("face_from_three_experts"))
    page.run()
    shown = page.page.evaluate(PERCENTS)
    pictures = [figure["source"] for figure in page.page.evaluate(STRIP)]
    assert sum(shown) == 100 and len(set(pictures)) == 3
    kept = "() => Boolean(app.nodeOutputs[app.graph.nodes.find(node => node.type === 'SaveImage').id]?.images)"
    page.page.evaluate(MARK)
    page.page.wait_for_timeout(300)
    page.page.evaluate(SET, {"steps": 7})
    page.page.evaluate(MARK)
    for key, steps in [("Control+z", 24), ("Control+y", 7), ("Control+z", 24)]:
        page.page.wait_for_timeout(300)
        page.page.keyboard.press(key, delay=100)
        value = f"({SAMPLER})()?.widgets.find(widget => widget.name === 'steps').value"
        page.page.wait_for_function(f"steps => {value} === steps", arg=steps)
        page.page.wait_for_timeout(1000)
        assert (page.page.evaluate(PERCENTS), page.page.evaluate(kept)) == (shown, True), key
        assert [figure["source"] for figure in page.page.evaluate(STRIP)] == pictures
    page.load(drawing("face_from_three_experts"))
    assert (page.page.evaluate(PERCENTS), page.page.evaluate(kept)) == ([], False)
    page.page.locator(".workflow-tabs .workflow-tab").nth(-2).click()
    page.page.wait_for_function(f"() => ({PERCENTS})().length === 3")
    assert (page.page.evaluate(PERCENTS), page.page.evaluate(kept)) == (shown, True)


def test_before_a_first_run_they_take_no_room(page):
    """On a new node as on a loaded one; then the sampler grows by the figures alone."""
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate("""() => {
        const node = LiteGraph.createNode("MCDMSampler"), [x, y] = app.graph.nodes[0].pos;
        node.pos = [x, y + 800];
        app.graph.add(node);
        app.canvas.setDirty(true, true);
    }""")
    page.page.wait_for_timeout(500)
    boxes = [box for _, title, box in page.boxes()["nodes"] if title == "MCDM Sampler"]
    rows = """() => app.graph.nodes.filter(node => node.type === "MCDMSampler").map(node => {
        const {element} = node.widgets.find(widget => widget.name === "expert_previews_strip");
        return element.isConnected ? element.getBoundingClientRect().height : 0 })"""
    assert page.page.evaluate(rows) == [0, 0]
    before = [bottom - top for _, top, _, bottom in boxes]
    assert max(before) < 350, "its eight fields, title and badge, and nothing under them"
    page.page.evaluate(SEND, [[0.5, 0.25, 0.25], None])
    page.page.wait_for_function(f"() => ({PERCENTS})().length === 3")
    after = [box for _, title, box in page.boxes()["nodes"] if title == "MCDM Sampler"]
    grown = [bottom - top - old for (_, top, _, bottom), old in zip(after, before, strict=True)]
    assert 100 < max(grown) < 180 and min(grown) == pytest.approx(0, abs=1)


def test_inside_a_subgraph_it_finds_its_node(page):
    page.load(drawing("face_from_three_experts"))
    page.page.evaluate(f"() => {{ app.graph.convertToSubgraph(new Set([({SAMPLER})()])) }}")
    assert [key for key, call in page.prompt().items() if call["class_type"] == "MCDMSampler"][0].count(":") == 1
    run_in_page(page, seed=11, steps=4)
    pictures = page.page.evaluate(f"""() =>
        [...({SAMPLER})().widgets.at(-1).element.querySelectorAll("img")].map(image => image.src.slice(0, 15))""")
    assert pictures == ["data:image/jpeg"] * 3
