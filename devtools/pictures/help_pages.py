"""Makes the pictures of the help pages: `python3 dev.py pictures help_pages [NAME ...]`.

Screenshots of the nodes in the real web page, with the pictures they make below: web/docs/*.png; and one of docs/,
docs/images/pad.png. NAME: some of them only.
"""
from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from ..browser import launched, opened
from ..host import Host
from ..inprocess import InProcess
from ..options import chosen
from ..paths import ROOT
from ..prompts import edited, node, prompt
from .help_experts import (
    class_condition,
    condition_expert,
    embedding_condition,
    load_expert,
    load_expert_vae,
    map_condition,
    place_expert,
    text_condition,
)
from .help_graphs import (
    DECODE,
    FACE,
    HAIR,
    LATENT,
    MIXER,
    REGIONS,
    SAMPLER,
    SKIN,
    TEXT,
    UNITED,
    one,
)
from .layout import below, row, write
from .stage import Place, Stage

DOCS, FIGURES = ROOT / "web" / "docs", ROOT / "docs" / "images"
STRIP = "() => [...document.querySelectorAll('.mcdm-previews img')].filter(image => image.naturalWidth > 1).length"


def reliability_effect(at: Stage) -> Image.Image:
    """From the skin expert's idea of a picture to the text expert's."""
    cells = []
    for skin, text in ((1, 0), (0.8, 0.2), (0.6, 0.4), (0.4, 0.6), (0.2, 0.8), (0, 1)):
        changes: dict[str, dict[str, Any]] = {
            HAIR: {"weight": 0.0}, TEXT: {"weight": 1.5}, MIXER: {"reliabilities": f"0, {skin}, {text}"},
        }
        cells.append((f"skin {skin}, text {text}", at.drawn(edited(FACE, changes))))
    return row(cells)


def mixture_options(at: Stage) -> Image.Image:
    options = node(
        "MixtureOptions", mixture=[MIXER, 0], weights_end="0.5, 0.5, 4", reliabilities_end="", curve="linear",
        rescale=0.0, sigma_low=0.0, sigma_high=0.0,
    )
    graph = edited(FACE | {"options": options}, {SAMPLER: {"mixture": ["options", 0]}})
    off: dict[str, Any] = {"weights_end": ""}
    high: dict[str, dict[str, Any]] = {HAIR: {"weight": 3.0}, SKIN: {"weight": 3.0}, TEXT: {"weight": 6.0}}
    changes: dict[str, dict[str, dict[str, Any]]] = {
        "no options": {"options": off},
        "weights_end\n0.5, 0.5, 4": {},
        "high weights": high | {"options": off},
        "high weights\nand rescale 0.7": high | {"options": off | {"rescale": 0.7}},
        "high weights and\nsigma_low 2": high | {"options": off | {"sigma_low": 2.0}},
        "high weights\nand apg": high | {"options": off | {
            "apg": True, "apg_eta": 0.0, "apg_norm_threshold": 2.0, "apg_momentum": -0.5}},
    }
    cells = [(title, at.drawn(edited(graph, inputs))) for title, inputs in changes.items()]
    at.stage(graph, run=False)
    return below(at.shot({"options": (0, 0, 330)}), row(cells))


def automatic_masks(at: Stage) -> Image.Image:
    """The experts of FACE everywhere, and where each asks for most, softer and softer."""
    masks = node("AutomaticMasks", mixture=[MIXER, 0], temperature=0.25, blur=2.0, strengths="", hold_sigma=0.0)
    graph = edited(FACE | {"masks": masks}, {SAMPLER: {"mixture": ["masks", 0]}})
    cells = [("no masks", at.drawn(FACE))]
    for temperature in (0.05, 0.25, 1.0, 4.0):
        cells.append((f"temperature {temperature:g}", at.drawn(edited(graph, {"masks": {"temperature": temperature}}))))
    cells.append(("strengths\n1, 1, 3", at.drawn(edited(graph, {"masks": {"strengths": "1, 1, 3"}}))))
    at.stage(graph, run=False)
    return below(at.shot({MIXER: (0, 0, 330, 450), "masks": (390, 0, 330)}), row(cells))


def expert_regions(at: Stage) -> Image.Image:
    """An object all over a scene, in a box, and in other shapes."""
    right = "object: box 0.5 0.25 0.95 0.97"
    graph = prompt("two_experts_by_regions")
    changes: dict[str, dict[str, dict[str, Any]]] = {
        "no regions": {REGIONS: {"regions": "", "rest": "all"}, UNITED: {"meaning": "shares"}},
        "a box\nat the right": {REGIONS: {"regions": right}},
        "the same,\ncentred": {REGIONS: {"regions": f"{right} centred"}},
        "at the left,\ncentred": {},
        "ellipse, centred,\nfeather 0.2": {REGIONS: {"regions": "object: ellipse 0.29 0.61 0.21 0.36 centred",
                                                  "feather": 0.2}},
        "another object,\nanother scene": {"2": {"label": "robot"}, "5": {"text": "forest by day"}},
    }
    cells = [(title, at.drawn(edited(graph, inputs))) for title, inputs in changes.items()]
    at.stage(graph, run=False)
    return below(at.shot({UNITED: (0, 0, 330, 290), REGIONS: (390, 0, 330, 290)}), row(cells))


def empty_expert_latent(at: Stage) -> Image.Image:
    at.stage(FACE, run=False)
    return at.shot({LATENT: (0, 0, 290), SAMPLER: (350, 0, 330)})


def mcdm_guider(at: Stage) -> Image.Image:
    """In place of the sampler of FACE."""
    graph = {key: card for key, card in FACE.items() if key != SAMPLER} | {
        "guider": node("MCDMGuider", mixture=[MIXER, 0], clip_denoised=False),
        "noise": node("RandomNoise", noise_seed=7),
        "select": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node("BasicScheduler", model=["1", 0], scheduler="karras", steps=24, denoise=1.0),
        "sample": node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["select", 0],
                       sigmas=["sigmas", 0], latent_image=[LATENT, 0]),
    }
    at.stage(edited(graph, {DECODE: {"samples": ["sample", 0]}}), run=False)
    return at.shot({
        "guider": (0, 0, 330), "noise": (0, 120, 330), "select": (0, 240, 330), "sigmas": (0, 340, 330),
        "sample": (390, 0, 300),
    })


def mcdm_sampler(at: Stage) -> Image.Image:
    """While it runs."""
    at.stage(edited(FACE, {SAMPLER: {"steps": 1}}))             # so that the networks are loaded
    at.stage(edited(FACE, {SAMPLER: {"steps": 40, "seed": 11}}), run=False)
    places: dict[str, Place] = {MIXER: (0, 0, 330, 470), SAMPLER: (390, 0, 400, 450)}
    at.shot(places)
    at.queue()
    at.page.wait_for_function(f"() => ({STRIP})() === 3 && app.graph.getNodeById('{SAMPLER}').progress > 0.4")
    picture = at.shot(places)
    at.wait()
    return picture


def mcdm_ancestral(at: Stage) -> Image.Image:
    """Without fresh noise and with it, each with three seeds."""
    graph = one("faces_text", "TextCondition", 2.5, text="long red hair, glasses, smiling, blue background") | {
        "guider": node("MCDMGuider", mixture=["mix", 0], clip_denoised=False),
        "noise": node("RandomNoise", noise_seed=1),
        "ancestral": node("MCDMAncestral", eta=0.0, variance="fixed_small"),
        "sigmas": node("BasicScheduler", model=["load", 0], scheduler="karras", steps=50, denoise=1.0),
        "sample": node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["ancestral", 0],
                       sigmas=["sigmas", 0], latent_image=["latent", 0]),
    }
    cells = []
    for eta in (0.0, 1.0):
        for seed in (1, 2, 3):
            changes: dict[str, dict[str, Any]] = {"ancestral": {"eta": eta}, "noise": {"noise_seed": seed}}
            cells.append((f"eta {eta:g}, seed {seed}", at.drawn(edited(graph, changes))))
    at.stage(graph, run=False)
    return below(at.shot({"ancestral": (0, 0, 300), "sample": (360, 0, 300)}), row(cells))


def mcdm_corrected(at: Stage) -> Image.Image:
    """One particle, and one drawn from eight, each with three seeds."""
    graph = one("faces_text", "TextCondition", 2.5, text="long red hair, glasses, smiling, blue background") | {
        "guider": node("MCDMGuider", mixture=["mix", 0], clip_denoised=False),
        "noise": node("RandomNoise", noise_seed=1),
        "corrected": node("MCDMCorrected", method="Feynman-Kac", particles=0, keep="one per picture", threshold=0.5,
                          langevin_steps=0, langevin_size=0.1),
        "sigmas": node("BasicScheduler", model=["load", 0], scheduler="karras", steps=50, denoise=1.0),
        "sample": node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["corrected", 0],
                       sigmas=["sigmas", 0], latent_image=["latent", 0]),
    }
    cells = []
    for title, batch in (("1 particle", 1), ("8 particles", 8)):
        for seed in (1, 2, 3):
            changes: dict[str, dict[str, Any]] = {"latent": {"batch_size": batch}, "noise": {"noise_seed": seed}}
            cells.append((f"{title},\nseed {seed}", at.drawn(edited(graph, changes))))
    at.stage(graph, run=False)
    return below(at.shot({"corrected": (0, 0, 300), "sample": (360, 0, 300)}), row(cells))


def sheet_node(kind: str, place: Place, at: Stage, **inputs: Any) -> Image.Image:
    """A node that draws the face and gives a sheet, after its run."""
    sampler = {name: value for name, value in FACE[SAMPLER]["inputs"].items() if name != "expert_previews"}
    graph = {key: card for key, card in FACE.items() if key.isdecimal() and int(key) < int(SAMPLER)}
    at.stage(graph | {"sheet": node(kind, **sampler, **inputs)})
    return at.shot({"sheet": place})


def pads(at: Stage) -> Image.Image:
    return below(at.pads("light"), at.pads("dark"))


PICTURES: dict[str, Callable[[Stage], Image.Image]] = {
    "LoadExpert": load_expert,
    "LoadExpertVAE": load_expert_vae,
    "MapCondition": map_condition,
    "TextCondition": text_condition,
    "ClassCondition": class_condition,
    "EmbeddingCondition": embedding_condition,
    "ConditionExpert": condition_expert,
    "PlaceExpert": place_expert,
    "ReliabilityMixer": Stage.pads,
    "ReliabilityMixer_effect": reliability_effect,
    "MixtureOptions": mixture_options,
    "AutomaticMasks": automatic_masks,
    "ExpertRegions": expert_regions,
    "EmptyExpertLatent": empty_expert_latent,
    "MCDMGuider": mcdm_guider,
    "MCDMSampler": mcdm_sampler,
    "MCDMAncestral": mcdm_ancestral,
    "MCDMCorrected": mcdm_corrected,
    "ReliabilitySweep": partial(sheet_node, "ReliabilitySweep", (0, 0, 620, 800), x_expert="text", x_cells=4),
    "CompareExperts": partial(sheet_node, "CompareExperts", (0, 0, 620, 500)),
    "BreedMixture": partial(sheet_node, "BreedMixture", (0, 0, 620, 900), candidates=6),
    "TuneMixture": partial(sheet_node, "TuneMixture", (0, 0, 620, 1000), balance=1.0, trials=16, fresh_seeds=2),
    "MixtureReport": partial(sheet_node, "MixtureReport", (0, 0, 700, 870)),
    "pad": pads,
}


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    names = chosen("pictures help_pages", __doc__, arguments, "picture", list(PICTURES))
    quiet = {"NodeBadge.NodeSourceBadgeMode": "None"}           # the host would write the pack's name above each node
    with (
        tempfile.TemporaryDirectory() as base, Host(Path(base)) as host,
        launched() as browser, opened(browser, host, Stage, vue=False, **quiet) as at,
    ):
        at.page.set_viewport_size({"width": 1600, "height": 1200})
        at.host, at.comfy = host, comfy
        for name in names or PICTURES:
            picture = PICTURES[name](at)
            write(picture, FIGURES / "pad.png" if name == "pad" else DOCS / f"{name}.png")
