"""Makes the pictures of the help pages: `python3 dev.py pictures help [NAME ...]`.

Screenshots of the nodes in the real web page, with what they do below: web/docs/*.png; and two pictures of the README, docs/images/pad.png
and previews.png. NAME: some of them only.
"""
import copy
import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ..browser import Pad, launched
from ..host import Host

ROOT = Path(__file__).resolve().parents[2]
DOCS, FIGURES = ROOT / "web" / "docs", ROOT / "docs" / "images"
LIMIT, WIDTHS, CELL, GAP, LEFT, TOP = 60_000, range(500, 901), 112, 8, 420, 160     # bytes, pixels; where the page shows nothing but its canvas
PAPER, INK = (31, 31, 31), (222, 222, 222)
FONT = ImageFont.load_default(size=13)
FACE = json.loads((ROOT / "example_workflows" / "api" / "face_from_three_experts.json").read_text("utf-8"))
FACE = {key: {"class_type": card["class_type"], "inputs": card["inputs"]} for key, card in FACE.items()}

LOAD = """graph => {
    app.loadApiJson(graph, "help");
    for (const node of app.graph.nodes) for (const widget of node.widgets ?? []) if (widget.name === "control_after_generate") widget.value = "fixed";
}"""
# The nodes named stand where they are told; their neighbours so far outside that the wires leave the picture straight; the rest out of sight.
PLACE = """([places, left, top]) => {
    const nodes = Object.entries(places).map(([id, [x, y, width, height]]) => {
        const node = app.graph.getNodeById(id);
        node.pos = [x, y];
        node.setSize([width, height ?? node.computeSize([width, 0])[1]]);
        return node;
    });
    const box = nodes.map(node => node.getBounding());
    const edge = [Math.min(...box.map(b => b[0])), Math.min(...box.map(b => b[1])),
                  Math.max(...box.map(b => b[0] + b[2])), Math.max(...box.map(b => b[1] + b[3]))];
    for (const node of app.graph.nodes) if (!nodes.includes(node)) node.pos = [0, 9000];
    for (const link of app.graph.links.values()) {
        const [from, to] = [app.graph.getNodeById(link.origin_id), app.graph.getNodeById(link.target_id)];
        if (nodes.includes(to) && !nodes.includes(from)) from.pos = [edge[0] - 1500, to.getInputPos(link.target_slot)[1] - 20 * link.origin_slot];
        if (nodes.includes(from) && !nodes.includes(to)) to.pos = [edge[2] + 1500, from.getOutputPos(link.origin_slot)[1] - 20 * link.target_slot];
    }
    app.canvas.deselectAll?.();
    const canvas = app.canvas.canvas.getBoundingClientRect(), margin = 14;
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [left + margin - canvas.x - edge[0], top + margin - canvas.y - edge[1]];
    app.canvas.setDirty(true, true);
    return [edge[2] - edge[0] + 2 * margin, edge[3] - edge[1] + 2 * margin];
}"""
STRIP = "() => [...document.querySelectorAll('.mcdm-previews img')].filter(image => image.naturalWidth > 1).length"


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def edit(graph, changes):
    """A copy with other inputs: {node: {input: value}}."""
    graph = copy.deepcopy(graph)
    for key, inputs in changes.items():
        graph[key]["inputs"] |= inputs
    return graph


def one(expert, kind, weight, seed=3, **inputs):
    """A graph of one embedded expert with its condition node."""
    return {
        "load": node("LoadExpert", expert=f"builtin/{expert}.safetensors", weight_dtype="default"),
        "condition": node(kind, model=["load", 0], **inputs),
        "expert": node("ConditionExpert", model=["load", 0], condition=["condition", 0], weight=weight, start_percent=0.0, end_percent=1.0, name=""),
        "mix": node("ReliabilityMixer", expert_1=["expert", 0], reliabilities=""),
        "latent": node("EmptyExpertLatent", mixture=["mix", 0], width=64, height=64, batch_size=1),
        "sample": FACE["14"] | {"inputs": FACE["14"]["inputs"] | {"mixture": ["mix", 0], "latent_image": ["latent", 0], "seed": seed}},
        "vae": node("VAELoader", vae_name="pixel_space"), "decode": node("VAEDecode", samples=["sample", 0], vae=["vae", 0]),
        "show": node("SaveImage", images=["decode", 0], filename_prefix="help"),
    }


def picture_node(name):
    return node("LoadImage", image=f"mcdm/{name}.png")


def opened(png):
    return Image.open(io.BytesIO(png)).convert("RGB")


def row(cells):
    """Pictures beside each other, each with its line below: [(title, image)]."""
    lines = max(title.count("\n") + 1 for title, _ in cells)
    page = Image.new("RGB", (len(cells) * (CELL + GAP) + GAP, CELL + 2 * GAP + 17 * lines), PAPER)
    draw = ImageDraw.Draw(page)
    for i, (title, image) in enumerate(cells):
        page.paste(image.convert("RGB").resize((CELL, CELL), Image.Resampling.NEAREST), (GAP + i * (CELL + GAP), GAP))
        draw.multiline_text((GAP + i * (CELL + GAP) + CELL / 2, CELL + GAP + 4), title, INK, FONT, anchor="ma", align="center")
    return page


def below(*images):
    """Under each other, in the middle."""
    page = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), PAPER)
    y = 0
    for image in images:
        page.paste(image, ((page.width - image.width) // 2, y))
        y += image.height
    return page


def write(image, path):
    """As PNG of 256 colours, which is sharp and small. Raises ValueError where it is not small enough for a help page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LIMIT or image.width not in WIDTHS:
        raise ValueError(f"{path.name} is {image.width} pixels wide and has {path.stat().st_size} bytes, not {WIDTHS} and {LIMIT}")
    print(f"{path.relative_to(ROOT)}: {image.width} x {image.height}, {path.stat().st_size} bytes", flush=True)


class Stage(Pad):
    """The real page on a real host."""
    vue = False

    def __init__(self, page, host):
        super().__init__(page, host.url)
        self.host = host

    def drawn(self, graph):
        """The picture that a graph makes."""
        image, = self.host.images(self.host.run(graph, 600))
        return opened(image)

    def stage(self, graph, run=True):
        """Opens a graph and runs it."""
        self.errors.clear()
        self.page.evaluate(LOAD, graph)
        if run:
            self.page.evaluate("async () => { await app.queuePrompt(0) }")
            self.wait()

    def wait(self):
        while any(self.host.get_json("/queue").values()):
            time.sleep(0.2)
        self.page.wait_for_timeout(1000)

    def shot(self, places):
        """A picture of some nodes: {node: (x, y, width[, height])}."""
        for _ in range(2):                              # widgets that are elements of the page take their room a moment later
            width, height = self.page.evaluate(PLACE, [places, LEFT, TOP])
            self.page.mouse.move(5, 5)
            self.page.wait_for_timeout(500)
        if wrong := self.complaints():
            raise RuntimeError(f"the page complains: {wrong}")
        return opened(self.page.screenshot(clip={"x": LEFT, "y": TOP, "width": width, "height": height}))

    def pads(self, theme="dark"):
        """The pads for two, three and four experts."""
        self.page.evaluate("theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)", theme)
        shots = []
        for count, text in ((2, "0.7, 0.3"), (3, "0.5, 0.3, 0.2"), (4, "1, 2, 3, 4")):
            self.show(range(count), text)
            self.page.mouse.move(5, 5)
            self.page.wait_for_timeout(500)
            box, margin = self.box(self.pad), 6
            shots.append(opened(self.page.screenshot(clip={"x": box["x"] - margin, "y": box["y"] - margin, "width": box["width"] + 2 * margin,
                                                           "height": box["height"] + 2 * margin})))
        page = Image.new("RGB", (sum(s.width for s in shots), max(s.height for s in shots)), shots[0].getpixel((1, 1)))
        for i, s in enumerate(shots):
            page.paste(s, (sum(t.width for t in shots[:i]), 0))
        return page


def load_expert(at):
    face, words = {"image": ["picture", 0]}, "long red hair, smiling, blue background"
    experts = (("faces_hair", "MapCondition", 1.5, face, "face_hair"), ("faces_skin", "MapCondition", 1.5, face, "face_skin"),
               ("faces_sketch", "MapCondition", 1.5, face, "face_drawing"),
               ("faces_embedding", "EmbeddingCondition", 2.0, face | {"file": "none"}, "face_drawing"),
               ("faces_text", "TextCondition", 2.0, {"text": words}, "face_hair"), ("scenes_class", "ClassCondition", 3.0, {"label": "penguin"}, "face_hair"),
               ("scenes_text", "TextCondition", 3.0, {"text": "beach at sunset"}, "face_hair"))
    cells = [(name.replace("_", "\n"), at.drawn(one(name, kind, w, **inputs) | {"picture": picture_node(p)})) for name, kind, w, inputs, p in experts]
    at.stage(one("faces_text", "TextCondition", 2.0, text=words), run=False)
    return below(at.shot({"load": (0, 0, 330), "condition": (390, 0, 330, 110)}), row(cells))


def map_condition(at, comfy):
    cells = []
    for expert, picture in (("hair", "face_hair"), ("sketch", "face_drawing")):
        graph = one(f"faces_{expert}", "MapCondition", 1.5, modality="auto", image=["picture", 0]) | {"picture": picture_node(picture)}
        given = Image.open(ROOT / "example_workflows" / "inputs" / f"{picture}.png")
        model, = comfy.call("LoadExpert", expert=f"builtin/faces_{expert}.safetensors", weight_dtype="default")
        condition, = comfy.call("MapCondition", model=model, image=torch.from_numpy(np.array(given.convert("RGB"))).float()[None] / 255)
        values, = (v for found in condition[0][1].values() for v in found.values())
        made = Image.fromarray(((values[0, 0] + 1) * 127.5).byte().numpy())
        cells += [("the picture", given), ("its map" if expert == "hair" else "its edges", made), ("drawn", at.drawn(graph))]
        if expert == "hair":
            at.stage(graph)
            top = at.shot({"load": (0, 0, 330), "picture": (0, 130, 330, 300), "condition": (390, 0, 320)})
    return below(top, row(cells))


def text_condition(at):
    texts = ("long red hair,\nglasses, smiling", "bald, beard,\nblue background", "blond curly hair,\nsunglasses", "serious, black bob,\nno beard",
             "mohawk, red hair,\nyellow background", "ponytail, blond hair,\npink background")
    graph = one("faces_text", "TextCondition", 2.5, text="long red hair, glasses, smiling, purple elephant")
    cells = [(t, at.drawn(edit(graph, {"condition": {"text": t.replace("\n", " ")}}))) for t in texts]
    at.stage(graph)
    return below(at.shot({"load": (0, 0, 330), "condition": (390, 0, 340, 150)}), row(cells))


def class_condition(at):
    graph = one("scenes_class", "ClassCondition", 3.0, label="penguin")
    cells = [(label, at.drawn(edit(graph, {"condition": {"label": label}}))) for label in ("penguin", "apple", "robot", "mushroom", "balloon", "duck")]
    at.stage(graph, run=False)
    return below(at.shot({"load": (0, 0, 330), "condition": (390, 0, 300)}), row(cells))


def embedding_condition(at):
    graph = one("faces_embedding", "EmbeddingCondition", 2.0, file="none", image=["picture", 0]) | {"picture": picture_node("face_drawing")}
    given = Image.open(ROOT / "example_workflows" / "inputs" / "face_drawing.png")
    cells = [("the picture", given), *((f"drawn, seed {s}", at.drawn(edit(graph, {"sample": {"seed": s}}))) for s in range(1, 6))]
    at.stage(graph)
    return below(at.shot({"load": (0, 0, 330), "picture": (0, 130, 330, 300), "condition": (390, 0, 320)}), row(cells))


def condition_expert(at):
    cells = [(f"weight {w:g}", at.drawn(edit(FACE, {"11": {"weight": w}}))) for w in (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)]
    at.stage(FACE, run=False)
    return below(at.shot({"10": (0, 0, 310, 150), "11": (360, 0, 350)}), row(cells))


def reliability_effect(at):
    cells = [(f"skin {a}, text {b}", at.drawn(edit(FACE, {"4": {"weight": 0.0}, "11": {"weight": 1.5}, "12": {"reliabilities": f"0, {a}, {b}"}})))
             for a, b in ((1, 0), (0.8, 0.2), (0.6, 0.4), (0.4, 0.6), (0.2, 0.8), (0, 1))]
    return row(cells)


def mixture_options(at):
    graph = edit(FACE | {"options": node("MixtureOptions", mixture=["12", 0], weights_end="0.5, 0.5, 4", reliabilities_end="", curve="linear", rescale=0.0,
                                         sigma_low=0.0, sigma_high=1e9)}, {"14": {"mixture": ["options", 0]}})
    high = {"4": {"weight": 3.0}, "8": {"weight": 3.0}, "11": {"weight": 6.0}}
    off = {"weights_end": ""}
    changes = (("no options", {"options": off}), ("weights_end\n0.5, 0.5, 4", {}),
               ("reliabilities_end\n0, 0, 1", {"options": off | {"reliabilities_end": "0, 0, 1"}}), ("high weights", high | {"options": off}),
               ("high weights\nand rescale 0.7", high | {"options": off | {"rescale": 0.7}}),
               ("high weights and\nsigma_low 2", high | {"options": off | {"sigma_low": 2.0}}))
    cells = [(title, at.drawn(edit(graph, c))) for title, c in changes]
    at.stage(graph, run=False)
    return below(at.shot({"12": (0, 0, 330, 450), "options": (390, 0, 330)}), row(cells))


def empty_expert_latent(at):
    at.stage(FACE, run=False)
    return at.shot({"13": (0, 0, 290), "14": (350, 0, 330)})


def mcdm_guider(at):
    graph = {key: card for key, card in FACE.items() if key != "14"} | {
        "guider": node("MCDMGuider", mixture=["12", 0], clip_denoised=False), "noise": node("RandomNoise", noise_seed=7),
        "select": node("KSamplerSelect", sampler_name="euler"), "sigmas": node("BasicScheduler", model=["1", 0], scheduler="karras", steps=24, denoise=1.0),
        "sample": node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["select", 0], sigmas=["sigmas", 0],
                       latent_image=["13", 0])}
    at.stage(edit(graph, {"16": {"samples": ["sample", 0]}}), run=False)
    return at.shot({"guider": (0, 0, 330), "noise": (0, 120, 330), "select": (0, 240, 330), "sigmas": (0, 340, 330), "sample": (390, 0, 300)})


def mcdm_sampler(at):
    """While it runs."""
    at.stage(edit(FACE, {"14": {"steps": 1}}))          # so that the networks are loaded
    at.stage(edit(FACE, {"14": {"steps": 40, "seed": 11}}), run=False)
    places = {"12": (0, 0, 330, 470), "14": (390, 0, 400, 450)}
    at.shot(places)
    at.page.evaluate("async () => { await app.queuePrompt(0) }")
    at.page.wait_for_function(f"() => ({STRIP})() === 3 && app.graph.getNodeById('14').progress > 0.4")
    image = at.shot(places)
    at.wait()
    return image


def mcdm_ancestral(at):
    graph = one("faces_text", "TextCondition", 2.5, text="long red hair, glasses, smiling, blue background") | {
        "guider": node("MCDMGuider", mixture=["mix", 0], clip_denoised=False), "noise": node("RandomNoise", noise_seed=1),
        "ancestral": node("MCDMAncestral", eta=0.0, variance="fixed_small"),
        "sigmas": node("BasicScheduler", model=["load", 0], scheduler="karras", steps=50, denoise=1.0),
        "sample": node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["ancestral", 0], sigmas=["sigmas", 0],
                       latent_image=["latent", 0])}
    cells = [(f"eta {eta:g}, seed {seed}", at.drawn(edit(graph, {"ancestral": {"eta": eta}, "noise": {"noise_seed": seed}})))
             for eta in (0.0, 1.0) for seed in (1, 2, 3)]
    at.stage(graph, run=False)
    return below(at.shot({"ancestral": (0, 0, 300), "sample": (360, 0, 300)}), row(cells))


def sheet_node(at, kind, places, **inputs):
    """The face through a node that gives a sheet; the node as the page shows it."""
    sampler = {k: v for k, v in FACE["14"]["inputs"].items() if k != "expert_previews"}
    graph = {key: card for key, card in FACE.items() if int(key) < 14} | {"sheet": node(kind, **sampler, **inputs)}
    at.stage(graph)
    return at.shot(places)


def main(comfy, names):
    with tempfile.TemporaryDirectory() as base, Host(Path(base)) as host, launched() as browser:
        for key, value in {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": False, "Comfy.NodeBadge.NodeSourceBadgeMode": "None"}.items():
            host.server.post("/settings", {key: value})
        page = browser.new_page(viewport={"width": 1600, "height": 1200})
        page.set_default_timeout(120_000)
        at = Stage(page, host)
        pictures = {
            "LoadExpert": lambda: load_expert(at), "MapCondition": lambda: map_condition(at, comfy), "TextCondition": lambda: text_condition(at),
            "ClassCondition": lambda: class_condition(at), "EmbeddingCondition": lambda: embedding_condition(at),
            "ConditionExpert": lambda: condition_expert(at), "ReliabilityMixer": at.pads, "ReliabilityMixer_effect": lambda: reliability_effect(at),
            "MixtureOptions": lambda: mixture_options(at), "EmptyExpertLatent": lambda: empty_expert_latent(at), "MCDMGuider": lambda: mcdm_guider(at),
            "MCDMSampler": lambda: mcdm_sampler(at), "MCDMAncestral": lambda: mcdm_ancestral(at),
            "ReliabilitySweep": lambda: sheet_node(at, "ReliabilitySweep", {"sheet": (0, 0, 620, 800)}, x_expert="text", x_cells=4),
            "CompareExperts": lambda: sheet_node(at, "CompareExperts", {"sheet": (0, 0, 620, 440)}),
            "MixtureReport": lambda: sheet_node(at, "MixtureReport", {"sheet": (0, 0, 700, 870)}),
            "pad": lambda: below(at.pads("light"), at.pads("dark")),
        }
        if unknown := set(names) - set(pictures):
            raise SystemExit(f"There is no picture {', '.join(sorted(unknown))}, but {', '.join(pictures)}.")
        for name in names or pictures:
            picture = pictures[name]()
            write(picture, FIGURES / "pad.png" if name == "pad" else DOCS / f"{name}.png")
            if name == "MCDMSampler":
                write(picture, FIGURES / "previews.png")
