"""What the tint of Expert Regions shows, against the Python that samples."""
from __future__ import annotations

import dataclasses
import random

import torch

from support.eq10 import regions as by_hand
from support.regions_page import Drawing
from unite_and_conquer.devtools.browser import opened
from unite_and_conquer.mcdm.region_text import parse_layers, parse_rest
from unite_and_conquer.mcdm.regions import Canvas, Regions

MASKS = """async cases => {
    const module = LiteGraph.registered_node_types.ExpertRegions.nodeData.python_module.split(".").at(-1);
    const part = name => import(`/extensions/${module}/js/regions/${name}.js`);
    const {read} = await part("text"), {masks} = await part("fields");
    return cases.map(({text, slots, height, width, ...settings}) => {
        const layers = read(text).map(({who, shapes}) => ({slot: slots[who], shapes}));
        return [...masks(layers, settings, height, width)].map(([slot, mask]) => [slot, [...mask]]);
    });
}"""


def test_the_tint_is_what_the_sampler_uses(host, browser):
    """A thousand random texts on canvases of every shape."""
    names = {1: "photo", 2: "anime", 5: "third: a name"}
    slots = {name: slot for slot, name in names.items()} | {str(slot): slot for slot in names}
    cases, wanted = [], []
    luck = random.Random(26)
    while len(cases) < 1000:
        size = height, width = luck.choice(((4, 4), (4, 6), (5, 3)))
        given = by_hand.written(luck, names)
        if luck.random() < 0.2:
            view = luck.choice((" crop\n", " centred\n"))
            given = dataclasses.replace(given, regions=given.regions.replace("\n", view, 1), rest="all")
        present = luck.sample(sorted(names), luck.choice((1, 2, 3)))
        try:
            layers = parse_layers(given.regions, names)
        except ValueError:          # crop behind some shapes of an expert and not behind others
            continue
        rest = parse_rest(given.rest, names)
        cases.append({"text": given.regions, "slots": slots, "height": height, "width": width, "present": present,
                      "rest": rest, "feather": given.feather, "overlap": given.overlap})
        wanted.append(Canvas(Regions(layers, rest, given.feather, given.overlap), size).masks(present))
    with opened(browser, host, Drawing) as page:
        computed = page.page.evaluate(MASKS, cases)
    for case, found, masks in zip(cases, computed, wanted, strict=True):
        found = {slot: torch.tensor(mask, dtype=torch.float64) for slot, mask in found}
        assert found.keys() == masks.keys(), case
        assert all((found[slot] - mask.flatten()).abs().max() <= 1e-9 for slot, mask in masks.items()), case
